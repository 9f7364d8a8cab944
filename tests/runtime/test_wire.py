"""The encoder against the decoder in C, which carries what it reads out: files that hold what was written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tare_runtime._core import ffi, lib
from tare_runtime.host.spawn import Failed, run_host_ops
from tare_runtime.plan import ops, wire

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_what_is_encoded_is_carried_out_to_the_letter(tmp_path: Path, contents: list[str]) -> None:
    plan = []
    for number, text in enumerate(contents):
        (tmp_path / str(number)).write_bytes(b"")
        plan.append(ops.host_write("", str(tmp_path / str(number)), text))
    run_host_ops(plan)
    assert [(tmp_path / str(n)).read_bytes().decode() for n in range(len(contents))] == contents


def test_a_failure_names_the_operation_and_the_errno(tmp_path: Path) -> None:
    plan = [ops.host_mkdir("/a", str(tmp_path / "made")), ops.host_write("/b", str(tmp_path / "none"), "x")]
    with pytest.raises(Failed) as failed:
        run_host_ops(plan)
    assert (failed.value.index, failed.value.errno) == (1, errno.ENOENT)
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(("host_mkdir", "", ()), id="too few arguments"),
        pytest.param(("host_mkdir", "", ("a", "b")), id="too many arguments"),
        pytest.param(("host_mkdir", "", (1,)), id="an integer for text"),
        pytest.param(("host_mkdir", "", ("a\0b",)), id="NUL in text"),
        pytest.param(("clone", "", ("a",)), id="text for an integer"),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(op: ops.Op) -> None:
    with pytest.raises(ValueError, match=op[0] + "|NUL"):
        wire.encode([op])


@given(st.binary(max_size=400))
def test_no_bytes_from_outside_are_taken_for_a_plan(data: bytes) -> None:
    index = ffi.new("int *")
    assert lib.tare_host_run(ffi.from_buffer(data), len(data), 0, index, ffi.NULL, ffi.NULL) == -errno.EBADMSG


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_plan_is_refused_or_stays_inside_its_bytes(
    tmp_path_factory: object, at: int, value: int
) -> None:
    record = bytearray(wire.encode([ops.sync("", 1), ops.rlimit("", 7, 1, 1)]))
    record[at % len(record)] = value
    index, count = ffi.new("int *"), ffi.new("unsigned *")
    cgroups = ffi.new("int[]", lib.MAX_PASSED)
    result = lib.tare_host_run(ffi.from_buffer(bytes(record)), len(record), 0, index, cgroups, count)
    assert result in (-errno.EBADMSG, -errno.ENOSYS, 0)
