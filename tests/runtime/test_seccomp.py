"""Seccomp filters as the kernel sees them, and the cache that keeps them."""

from __future__ import annotations

import errno
import platform
import signal
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.errors import ConfigError
from tare_runtime.seccomp.cache import cache_key, load_filter
from tare_runtime.seccomp.filter import make_filter

from tests.support.seccomp_child import errno_of_calls

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="calls are given by their x86_64 numbers"),
]

GETPID, KILL, SETHOSTNAME, PERSONALITY, SETPRIORITY = 39, 62, 170, 135, 141
FUTURE = 1000  # no system call has this number
FIRST_X32 = 0x40000000 + GETPID


def profile(*syscalls: dict[str, Any], default: str = "SCMP_ACT_ALLOW", **more: Any) -> dict[str, Any]:
    return {"defaultAction": default, "syscalls": list(syscalls), **more}


def rule(*names: str, action: str = "SCMP_ACT_ERRNO", **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": action, **more}


def arg(index: int, op: str, value: int, value_two: int = 0) -> dict[str, Any]:
    return {"index": index, "op": "SCMP_CMP_" + op, "value": value, "valueTwo": value_two}


NEEDED = ("write", "exit_group", "exit", "rt_sigreturn", "close", "futex", "munmap", "mmap", "brk")


@pytest.mark.parametrize(
    ("seccomp", "call", "answer"),
    [
        pytest.param(profile(rule("getpid")), (GETPID,), errno.EPERM, id="errno-default"),
        pytest.param(profile(rule("getpid", errnoRet=errno.EXDEV)), (GETPID,), errno.EXDEV, id="errno-given"),
        pytest.param(profile(rule("kill")), (GETPID,), 0, id="another-call"),
        pytest.param(
            profile(rule("no_such_call", "getpid")), (GETPID,), errno.EPERM, id="unknown-name-skipped"
        ),
        pytest.param(profile(rule("getpid", action="SCMP_ACT_ALLOW")), (GETPID,), 0, id="same-as-default"),
        pytest.param(
            profile(rule("personality", args=[arg(0, "EQ", 8)])), (PERSONALITY, 8), errno.EPERM, id="eq-hit"
        ),
        pytest.param(profile(rule("personality", args=[arg(0, "EQ", 8)])), (PERSONALITY, 0), 0, id="eq-miss"),
        pytest.param(
            profile(rule("personality", args=[arg(0, "MASKED_EQ", 0xF0, 0x10)])),
            (PERSONALITY, 0x1F),
            errno.EPERM,
            id="masked-hit",
        ),
        pytest.param(
            profile(rule("personality", args=[arg(0, "MASKED_EQ", 0xF0, 0x10)])),
            (PERSONALITY, 0x2F),
            0,
            id="masked-miss",
        ),
        pytest.param(
            profile(rule("setpriority", args=[arg(0, "EQ", 0), arg(2, "GT", 10)], errnoRet=errno.EXDEV)),
            (SETPRIORITY, 0, 0, 11),
            errno.EXDEV,
            id="two-arguments-both-hold",
        ),
        pytest.param(
            profile(rule("setpriority", args=[arg(0, "EQ", 0), arg(2, "GT", 10)], errnoRet=errno.EXDEV)),
            (SETPRIORITY, 0, 0, 5),
            0,
            id="two-arguments-one-holds",
        ),
        pytest.param(
            profile(rule("personality", args=[arg(0, "EQ", 8), arg(0, "EQ", 9)])),
            (PERSONALITY, 9),
            errno.EPERM,
            id="same-argument-twice-is-or",
        ),
        pytest.param(profile(rule("getpid", action="SCMP_ACT_TRAP")), (GETPID,), -signal.SIGSYS, id="trap"),
        pytest.param(profile(rule("getpid", action="SCMP_ACT_KILL")), (GETPID,), -signal.SIGSYS, id="kill"),
        pytest.param(
            profile(rule("getpid", action="SCMP_ACT_KILL_PROCESS")),
            (GETPID,),
            -signal.SIGSYS,
            id="kill-process",
        ),
        pytest.param(profile(rule("getpid", action="SCMP_ACT_LOG")), (GETPID,), 0, id="log"),
        pytest.param(
            profile(rule(*NEEDED, "getpid", action="SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO"),
            (GETPID,),
            0,
            id="allow-list-hit",
        ),
        pytest.param(
            profile(rule(*NEEDED, action="SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO"),
            (GETPID,),
            errno.EPERM,
            id="allow-list-miss",
        ),
        pytest.param(
            profile(
                rule(*NEEDED, action="SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO", defaultErrnoRet=errno.EXDEV
            ),
            (GETPID,),
            errno.EXDEV,
            id="default-errno",
        ),
        pytest.param(
            profile(rule(*NEEDED, action="SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO"),
            (FUTURE,),
            errno.ENOSYS,
            id="call-newer-than-the-profile",
        ),
        pytest.param(
            profile(
                rule(*NEEDED, action="SCMP_ACT_ALLOW"),
                default="SCMP_ACT_ERRNO",
                architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            ),
            (FUTURE,),
            errno.ENOSYS,
            id="call-newer-than-the-profile-on-three-architectures",
        ),
        pytest.param(
            profile(
                rule(*NEEDED, "getpid", action="SCMP_ACT_ALLOW"),
                default="SCMP_ACT_ERRNO",
                architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            ),
            (GETPID,),
            0,
            id="allow-list-on-three-architectures",
        ),
        pytest.param(
            profile(
                rule(*NEEDED, action="SCMP_ACT_ALLOW"),
                default="SCMP_ACT_ERRNO",
                architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            ),
            (FIRST_X32,),
            errno.EPERM,
            id="x32-numbers-reach-the-filter",
        ),
    ],
)
def test_the_kernel_answers_as_the_profile_says(
    tmp_path: Path, seccomp: dict[str, Any], call: tuple[int, ...], answer: int
) -> None:
    program, flags = load_filter(seccomp, str(tmp_path / "cache"))
    assert errno_of_calls(program, flags, [call]) == (answer if answer < 0 else [answer])


def test_a_cached_filter_equals_a_compiled_one(tmp_path: Path) -> None:
    seccomp = profile(rule("getpid", "kill"))
    first = load_filter(seccomp, str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert file.name == cache_key(seccomp).hex()
    assert file.stat().st_mode & 0o777 == 0o600
    changed = file.stat().st_mtime_ns
    assert load_filter(seccomp, str(tmp_path)) == first == (make_filter(seccomp), 4)
    assert file.stat().st_mtime_ns == changed, "the second call compiled again"


def test_the_key_tells_profiles_apart_and_equal_ones_not() -> None:
    one = profile(rule("getpid"))
    assert cache_key(one) == cache_key({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule("get" + "pid")]})
    assert cache_key(one) != cache_key(profile(rule("getppid")))
    assert cache_key(one) != cache_key(profile(rule("getpid", errnoRet=2)))


@pytest.mark.parametrize(
    "damage", ["flipped-bit", "cut", "empty", "other-key", "directory", "symlink", "world-writable"]
)
def test_a_damaged_cache_file_is_compiled_anew(tmp_path: Path, damage: str) -> None:
    seccomp = profile(rule("getpid"))
    want = load_filter(seccomp, str(tmp_path))
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    if damage == "flipped-bit":
        data[20] ^= 1
        file.write_bytes(data)
    elif damage == "cut":
        file.write_bytes(data[:-1])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "other-key":  # another profile's file under this name
        load_filter(profile(rule("kill")), str(tmp_path))
        other = next(path for path in tmp_path.iterdir() if path != file)
        other.rename(file)
    elif damage == "directory":
        file.unlink()
        file.mkdir()
    elif damage == "symlink":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to("elsewhere")
    else:
        file.chmod(0o666)
    assert load_filter(seccomp, str(tmp_path)) == want
    if damage != "directory":  # a file takes its place, for the next time
        assert not file.is_symlink()
        assert file.stat().st_mode & 0o777 == 0o600
        assert load_filter(seccomp, str(tmp_path)) == want
    assert not [path for path in tmp_path.iterdir() if "." in path.name], "a temporary file is left"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    program, _ = load_filter(profile(rule("getpid")), str(tmp_path / "file"))
    assert program


def test_the_cache_does_not_grow_without_end(tmp_path: Path) -> None:
    for number in range(70):
        (tmp_path / f"{number:064x}").write_bytes(b"x")
    load_filter(profile(rule("getpid")), str(tmp_path))
    assert len(list(tmp_path.iterdir())) < 64


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(ConfigError, match="SCMP_ARCH_VAX is unknown here") as caught:
        make_filter(profile(rule("getpid"), architectures=["SCMP_ARCH_X86", "SCMP_ARCH_VAX"]))
    assert caught.value.violations[0][0] == "/linux/seccomp/architectures/1"


@pytest.mark.parametrize(
    ("flags", "bits"),
    [
        pytest.param({}, 4, id="none-given"),
        pytest.param({"flags": []}, 0, id="empty"),
        pytest.param({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"]}, 3, id="log-tsync"),
    ],
)
def test_flags_become_the_kernels_bits(tmp_path: Path, flags: dict[str, Any], bits: int) -> None:
    assert load_filter(profile(rule("getpid"), **flags), str(tmp_path))[1] == bits
