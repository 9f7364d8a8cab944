"""The examples of docs/api.md, run as they stand; and that the page names every call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tare_runtime
from tare_runtime.handles import Container, Process

from tests.support.bundles import bundle_in

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
SECTIONS = [part.partition("\n")[::2] for part in PAGE.split("\n## ")[1:]]
EXAMPLES = [
    pytest.param(code, id=f"{title}-{number}")
    for title, text in SECTIONS
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


@pytest.mark.root
@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_does_what_it_says(tmp_path: Path, code: str) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    with bundle_in(folder) as bundle:
        bundle.args("sleep", "60").config["linux"]["cgroupsPath"] = f"/{bundle.id}"
        if "many-" in code:
            del bundle.config["linux"]["cgroupsPath"]  # one each
        bundle.write()
        script = tmp_path / "example.py"
        script.write_text(code)
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        left = [name for name in os.listdir(tmp_path / "state") if name[0] != "~"]
        assert (done.returncode, left) == (0, []), done.stderr


def test_every_call_is_on_the_page() -> None:
    calls = {name for kind in (Container, Process) for name in vars(kind) if not name.startswith("_")}
    calls |= {name for name in tare_runtime._API if name[0].islower()}
    assert {name for name in calls if not re.search(rf"`[^`\n]*\b{name}\b", PAGE)} == set()


def test_there_is_no_other_name_in_the_package() -> None:
    from tare_runtime import api

    assert set(api.__all__) == set(tare_runtime._API)
