"""D-Bus messages: what is encoded is decoded as it was, and damaged ones are refused."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tare_runtime.host import dbus
from tare_runtime.host.dbus import (
    CALL,
    MEMBER,
    PATH,
    SIGNATURE,
    Bus,
    decode,
    encode_call,
    message_size,
    split,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
BASIC = {
    "y": st.integers(0, 2**8 - 1),
    "b": st.booleans(),
    "n": st.integers(-(2**15), 2**15 - 1),
    "q": st.integers(0, 2**16 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "u": st.integers(0, 2**32 - 1),
    "x": st.integers(-(2**63), 2**63 - 1),
    "t": st.integers(0, 2**64 - 1),
    "d": st.floats(allow_nan=False),
    "s": TEXT,
    "o": TEXT,
}


def typed(depth: int) -> st.SearchStrategy[tuple[str, object]]:
    """(signature, value) of one complete type."""
    basic = st.sampled_from(sorted(BASIC)).flatmap(lambda kind: st.tuples(st.just(kind), BASIC[kind]))
    if not depth:
        return basic
    inner = typed(depth - 1)
    array = inner.map(lambda one: ("a" + one[0], [one[1]] * 3))
    group = st.lists(inner, min_size=1, max_size=4).map(
        lambda parts: ("(" + "".join(kind for kind, _ in parts) + ")", tuple(value for _, value in parts))
    )
    variant = inner.map(lambda one: ("v", one))
    return st.one_of(basic, array, group, variant)


def without_types(kind: str, value: object) -> object:
    """As it is read: a variant is its value."""
    if kind == "v":
        assert isinstance(value, tuple)
        return without_types(value[0], value[1])
    if kind[0] == "a":
        assert isinstance(value, list)
        return [without_types(kind[1:], item) for item in value]
    if kind[0] == "(":
        assert isinstance(value, tuple)
        return tuple(without_types(k, v) for k, v in zip(split(kind[1:-1]), value, strict=True))
    return value


@given(st.lists(typed(2), max_size=4))
@settings(max_examples=150, deadline=None)
def test_a_call_is_read_as_it_was_written(arguments: list[tuple[str, object]]) -> None:
    signature = "".join(kind for kind, _ in arguments)
    values = tuple(value for _, value in arguments)
    data = encode_call(7, [(PATH, ("o", "/a")), (MEMBER, ("s", "M"))], signature, values)  # type: ignore[arg-type]
    assert message_size(data) == len(data)
    message = decode(data)
    assert message.kind == CALL
    assert (message.fields[PATH], message.fields[MEMBER]) == ("/a", "M")
    assert message.fields.get(SIGNATURE, "") == signature
    assert message.body == [without_types(kind, value) for kind, value in arguments]


def test_the_bytes_are_those_of_the_specification() -> None:
    """Worked out by hand from "Marshaling": an array of structs is padded before its first item."""
    data = encode_call(1, [], "a(sv)", ([("k", ("u", 5))],))
    assert data[:16] == b"l\x01\x00\x01" + b"\x18\0\0\0" + b"\x01\0\0\0" + b"\x0b\0\0\0"
    assert data[16:32] == b"\x08\x01g\x00\x05a(sv)\0" + bytes(5)
    assert data[32:] == b"\x10\0\0\0\0\0\0\0" + b"\x01\0\0\0k\0" + b"\x01u\0" + b"\0\0\0" + b"\x05\0\0\0"


@pytest.mark.parametrize("cut", range(17, 56, 5))
def test_a_message_that_is_cut_off_is_a_connection_error(cut: int) -> None:
    data = encode_call(1, [], "a(sv)", ([("k", ("u", 5))],))
    with pytest.raises(ConnectionError):
        decode(data[:cut])


@given(st.binary(min_size=16, max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_message_or_a_connection_error(data: bytes) -> None:
    for attempt in (data, b"l" + data[1:]):
        try:
            if 0 < message_size(attempt) <= len(attempt):
                decode(attempt)
        except ConnectionError:
            pass


@pytest.mark.parametrize("head", [b"B", b"\0"], ids=["big-endian", "nothing"])
def test_what_is_no_message_is_refused(head: bytes) -> None:
    with pytest.raises(ConnectionError):
        message_size(head + bytes(15))


def test_a_message_of_absurd_size_is_refused() -> None:
    with pytest.raises(ConnectionError):
        message_size(b"l\x01\0\x01" + b"\xff\xff\xff\x7f" + bytes(8))


def test_a_bus_that_does_not_accept_us_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "bus")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            with server.accept()[0] as peer:
                peer.recv(100)
                peer.sendall(b"DATA\r\nREJECTED EXTERNAL\r\n")
                peer.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(PermissionError, match="does not accept"):
            Bus(path)
        thread.join()


def test_a_bus_that_falls_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus, "_TIMEOUT_S", 0.05)
    path = str(tmp_path / "bus")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with pytest.raises(TimeoutError):
            Bus(path)
