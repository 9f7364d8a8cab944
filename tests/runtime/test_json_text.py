"""JSON read and written without the json package: the same verdicts and values as the package's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tare_runtime.json_text import dumps, dumps_indented, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refuse(name: str) -> None:
    raise ValueError(name)


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    assert loads(dumps(value)) == value
    assert loads(dumps_indented(value)) == value
    assert dumps(value) == json.dumps(value, separators=(",", ":"))
    if not isinstance(value, dict | list) or value:
        assert dumps_indented(value).isascii()


@given(VALUES, st.text(alphabet='{}[],:" \t\n\\u0123eE+-.truefalsnNaIity', max_size=3), st.integers(0, 60))
@settings(max_examples=500)
def test_a_text_is_taken_or_refused_as_by_the_package(value: object, noise: str, at: int) -> None:
    text = json.dumps(value)
    text = text[:at] + noise + text[at:]
    try:
        theirs = json.loads(text, parse_constant=refuse)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            loads(text)
    else:
        assert loads(text) == theirs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expecting property name enclosed in double quotes at line 1, column 2, the end of the text"),
        ('{"a":\n  tru}', "no value at line 2, column 3"),
        ('{"a" 1}', "expecting ':' delimiter at line 1, column 6"),
        ("", "no value at line 1, column 1, the end of the text"),
        ("[1] x", "more text after the value at line 1, column 5"),
        ("\ufeff{}", "no value at line 1, column 1"),
        ("NaN", "NaN is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_the_place_of_a_mistake_is_told_with_and_without_the_package(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        loads(text)
    assert words in str(caught.value)
    # In a runtime's process the json package is not loaded, and the scanner then has no words of its own.
    folder = str(Path(__file__).parents[2] / "runtime")
    script = f"""
import sys
sys.path.insert(0, {folder!r})
from tare_runtime.json_text import loads
assert "json" not in sys.modules
try:
    loads(sys.stdin.read())
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", script], input=text, capture_output=True, text=True
    )
    assert words in done.stdout, done.stderr


def test_keys_that_are_equal_leave_the_last_value() -> None:
    assert loads('{"a": 1, "a": 2}') == {"a": 2}


def test_a_lone_surrogate_survives_as_paths_need_it() -> None:
    assert loads(dumps("\udc80")) == "\udc80"


def test_indented_text_has_one_member_on_a_line() -> None:
    text = dumps_indented({"a": [1, {"b": []}], "c": {}})
    assert text == '{\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ],\n  "c": {}\n}'
