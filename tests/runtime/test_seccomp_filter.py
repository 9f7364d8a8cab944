"""Our filters beside libseccomp's: the same verdict for every architecture, number and argument."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tare_runtime.errors import ConfigError
from tare_runtime.seccomp.cache import MAKER
from tare_runtime.seccomp.filter import ARCHITECTURES, make_filter, numbers
from tare_runtime.seccomp.library import compile_filter
from tare_runtime.seccomp.overlap import Ambiguous

from tests.support.bpf import Program, data_of, decoded, verdict
from tests.support.libseccomp import AUDIT_ARCH, FOREIGN, oracle
from tests.support.seccomp_reading import ENOSYS, action_of, is_single, reading
from tests.support.write_syscall_tables import FOLDER, tables

DOCKER = json.loads((Path(__file__).parents[2] / "bench/data/docker-seccomp.json").read_text())
PODMAN = Path("/usr/share/containers/seccomp.json")
LITTLE = [name for name in ARCHITECTURES if name in AUDIT_ARCH and AUDIT_ARCH[name] & 0x40000000]
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
ACTIONS = ("KILL", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY")
# Names with something of their own: made through another call, known to few architectures, far numbers.
NAMES = tuple(
    "read write getpid personality clone socket accept send bind socketcall ipc semop semget shmat msgctl"
    " mmap mmap2 _llseek arch_prctl breakpoint cacheflush setup openat2 futex_waitv fchmodat2 ptrace"
    " no_such_call rt_sigaction umount umount2".split()
)
VALUES = (0, 1, 2, 5, 38, 0x7F, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**64 - 1)


_BY_WORD = {word: name for name, word in AUDIT_ARCH.items()}  # x86_64 comes behind x32, which has the same


@cache
def calls_of(architecture: str) -> dict[str, int]:
    return numbers(import_module("tare_runtime.seccomp.tables." + architecture).CALLS)


arguments = st.sampled_from(VALUES) | st.integers(0, 2**64 - 1)
conditions = st.builds(
    lambda index, op, value, two: {
        "index": index,
        "op": "SCMP_CMP_" + op,
        "value": value,
        "valueTwo": two,
    },
    st.integers(0, 5),
    st.sampled_from(OPERATORS),
    arguments,
    arguments,
)


def rules(action: st.SearchStrategy[str], longest: int = 4) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda names, action, args, errno: {
            "names": names,
            "action": action,
            "args": args,
            **({} if errno is None else {"errnoRet": errno}),
        },
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=longest),
        action,
        st.lists(conditions, max_size=3),
        st.none() | st.integers(0, 4095),
    )


actions = st.sampled_from(["SCMP_ACT_" + name for name in ACTIONS])
profiles = st.builds(
    lambda default, architectures, rules: {
        "defaultAction": default,
        "architectures": ["SCMP_ARCH_" + name.upper() for name in architectures],
        "syscalls": rules,
    },
    st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"]),
    st.lists(st.sampled_from(LITTLE), max_size=3, unique=True),
    # Rules of one action that is not the default's, and rules of any: where those clash, see below.
    st.lists(rules(st.just("SCMP_ACT_TRACE")), max_size=6) | st.lists(rules(actions), max_size=6),
)
simple_profiles = st.builds(
    lambda default, architectures, rules: {
        "defaultAction": default,
        "architectures": ["SCMP_ARCH_" + name.upper() for name in architectures],
        "syscalls": rules,
    },
    st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL"]),
    st.lists(st.sampled_from(LITTLE), max_size=2, unique=True),
    st.lists(rules(actions, longest=1), max_size=3),
)


def points(seccomp: dict[str, Any], seed: int) -> list[tuple[int, int, tuple[int, ...]]]:
    """(number, architecture, arguments) where a difference would show: each named call and its neighbours."""
    values = {0, 1, 2, 3, 13, 2**64 - 1, seed}
    for rule in seccomp.get("syscalls", ()):
        for arg in rule.get("args", ()):
            for value in (arg["value"], arg.get("valueTwo", 0), arg["value"] & arg.get("valueTwo", 0)):
                values |= {value, value ^ 1 << 32, value % 2**32, (value + 1) % 2**64, (value - 1) % 2**64}
    names = {name for rule in seccomp.get("syscalls", ()) for name in rule["names"]} | {"socketcall", "ipc"}
    ordered = sorted(values)
    found = []
    for architecture in {"x86_64", "x32", *LITTLE[:2], *_words(seccomp)}:
        at = {calls_of(architecture)[name] for name in names if name in calls_of(architecture)}
        at |= {number + step for number in at for step in (-1, 1)} | {0, 400, 5000, 2**30, 2**32 - 1}
        for number in at:
            for turn in range(min(len(ordered), 12)):
                args = tuple(ordered[(turn * (index + 1) + seed) % len(ordered)] for index in range(6))
                found.append((number % 2**32, AUDIT_ARCH[architecture], args))
    return found


def _words(seccomp: dict[str, Any]) -> list[str]:
    return [name[10:].lower() for name in seccomp.get("architectures", ())]


def is_newer(seccomp: dict[str, Any], number: int, architecture: int) -> bool:
    """Whether runc's rule makes it ENOSYS: a number above every one that the profile names."""
    bare = {**seccomp, "syscalls": [{**rule, "args": []} for rule in seccomp.get("syscalls", ())]}
    for name in {"x86_64", *_words(seccomp)}:
        if AUDIT_ARCH[name] == architecture and (
            architecture != AUDIT_ARCH["x86_64"] or (name == "x32") == bool(number & 2**30)
        ):
            return reading(bare, calls_of(name), 64, number, (0,) * 6) == ENOSYS
    return False


def oracles(seccomp: dict[str, Any]) -> dict[int, Program]:
    """libseccomp's program for each architecture by itself; none if it refuses the profile.

    In a filter of several, 2.5.4 may go wrong over calls that one of them does not have.
    """
    names = {"x86_64", *_words(seccomp)}
    found = {}
    for name in names - {"x32"}:
        program = oracle(seccomp, ("x86_64", "x32") if name == "x86_64" and "x32" in names else (name,))
        if program is None:
            return {}
        found[AUDIT_ARCH[name]] = decoded(program)
    return found


def differences(seccomp: dict[str, Any], ours: Program, theirs: dict[int, Program], seed: int) -> list[str]:
    found = []
    for number, architecture, args in points(seccomp, seed):
        data = data_of(number, architecture, args)
        mine = verdict(ours, data)
        want = verdict(theirs[architecture], data) if architecture in theirs else 0
        if is_newer(seccomp, number, architecture):
            want = ENOSYS
        if mine != want:
            found.append(f"{number} on {architecture:x} {args}: {mine:#x}, libseccomp {want:#x}")
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seccomp=profiles, seed=st.integers(0, 1000))
def test_any_profile_gets_the_verdicts_that_it_asks_for(seccomp: dict[str, Any], seed: int) -> None:
    try:
        ours = decoded(make_filter(seccomp))
    except (Ambiguous, ConfigError):
        assume(False)
    names = {"x86_64", *_words(seccomp)}
    for number, word, args in points(seccomp, seed):
        name = "x32" if word == AUDIT_ARCH["x32"] and number & 2**30 else _BY_WORD[word]
        want = 0
        if name in names:
            bits = 64 if word & 2**31 and not name.endswith("32") else 32
            want = reading(seccomp, calls_of(name), bits, number, args)
        elif name == "x32" and number == 2**32 - 1:
            want = action_of(seccomp["defaultAction"], None)
        assert verdict(ours, data_of(number, word, args)) == want, (name, number, args)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(seccomp=simple_profiles, seed=st.integers(0, 1000))
def test_a_profile_gets_the_verdicts_of_libseccomp(seccomp: dict[str, Any], seed: int) -> None:
    names = {"x86_64", *_words(seccomp)}
    assume(all(is_single(seccomp, calls_of(name)) for name in names))
    theirs = oracles(seccomp)
    assume(theirs)
    assert not differences(seccomp, decoded(make_filter(seccomp)), theirs, seed)


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_a_profile_in_use_gets_the_verdicts_of_libseccomp_for_every_number(name: str) -> None:
    if name == "docker":
        seccomp = DOCKER
    else:
        assert PODMAN.exists(), "golang-github-containers-common brings it"
        seccomp = resolved(json.loads(PODMAN.read_text()))
    ours, theirs = decoded(make_filter(seccomp)), decoded(oracle(seccomp) or b"")
    wrong = []
    for architecture in {AUDIT_ARCH[word] for word in ("x86_64", "x86", "aarch64")}:
        for base in (0, 2**30):
            for number in range(base, base + 620):
                for args in ((0,) * 6, (1, 2**40, 3, 4, 5, 6), (16, 0, 9), (0x7E020000, 8, 40, 2**63)):
                    data = data_of(number, architecture, args)
                    want = verdict(theirs, data)
                    if is_newer(seccomp, number, architecture):
                        want = ENOSYS
                    if verdict(ours, data) != want and not is_young(number, architecture):
                        wrong.append((hex(architecture), number, args))
    assert not wrong


def is_young(number: int, architecture: int) -> bool:
    """Calls that our tables have and this libseccomp has not."""
    return number & ~(2**30) > 450


def resolved(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile of the engines, without the rules that have conditions on capabilities and architectures."""
    kept = []
    for rule in profile["syscalls"]:
        if rule.get("includes", {}).get("caps") or rule.get("includes", {}).get("arches"):
            continue
        kept.append({key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)})
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": kept,
    }


@pytest.mark.parametrize("architecture", FOREIGN)
def test_calls_made_through_another_are_caught_on_every_architecture(architecture: str) -> None:
    """Also those of the other byte order, which no filter for this machine can hold."""
    order = "little" if AUDIT_ARCH[architecture] & 0x40000000 else "big"
    seccomp = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["send", "socket", "semop", "shmat", "read"], "action": "SCMP_ACT_ERRNO"},
            {
                "names": ["personality", "accept4"],
                "action": "SCMP_ACT_ERRNO",
                "args": [
                    {"index": 0, "op": "SCMP_CMP_GT", "value": 2**32 + 5},
                    {"index": 1, "op": "SCMP_CMP_EQ", "value": 9},
                ],
            },
        ],
    }
    ours = decoded(make_filter(seccomp, architecture, order), order)
    theirs = decoded(oracle(seccomp, (architecture,)) or b"", order)
    table = calls_of(architecture)
    seen = set()
    for number in [*table.values(), max(table.values()) + 1]:
        for args in ((0, 0), (1, 9), (9, 0), (2**32 + 6, 9), (2**32 + 5, 9), (18, 9), (21, 0), (2**33, 9)):
            data = data_of(number, AUDIT_ARCH[architecture], args, order)
            assert verdict(ours, data, order) == verdict(theirs, data, order), (number, args)
            seen.add(verdict(ours, data, order))
    assert len(seen) == 2


def test_rules_that_overlap_with_different_actions_are_left_to_libseccomp(tmp_path: Path) -> None:
    from tare_runtime.seccomp.cache import load_filter

    seccomp = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [arg(0, "GT", 5)]},
            {"names": ["personality"], "action": "SCMP_ACT_LOG", "args": [arg(0, "LT", 9)]},
        ],
    }
    with pytest.raises(Ambiguous):
        make_filter(seccomp)
    program = decoded(load_filter(seccomp, str(tmp_path))[0])
    library = decoded(oracle(seccomp) or b"")
    for value in (0, 5, 6, 8, 9, 2**40):
        data = data_of(135, AUDIT_ARCH["x86_64"], (value,))
        assert verdict(program, data) == verdict(library, data)
    assert verdict(program, data_of(136, AUDIT_ARCH["x86_64"])) == ENOSYS
    assert verdict(program, data_of(134, AUDIT_ARCH["x86_64"])) == 0x00050001
    assert verdict(program, data_of(2**30 + 1, AUDIT_ARCH["x86_64"])) == 0


def test_rules_that_contradict_each_other_are_refused() -> None:
    rules = [
        {"names": ["personality"], "action": f"SCMP_ACT_{action}", "args": [arg(0, "EQ", 5)]}
        for action in ("ALLOW", "LOG")
    ]
    with pytest.raises(ConfigError, match="two rules give the same call of x86_64 different actions"):
        make_filter({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}, "x86_64")


def test_more_rules_than_the_kernel_takes_instructions_for_are_refused() -> None:
    rules = [
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [arg(0, "EQ", value)]}
        for value in range(1000)
    ]
    with pytest.raises(ConfigError, match="the kernel takes 4096"):
        make_filter({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})


def arg(index: int, op: str, value: int) -> dict[str, Any]:
    return {"index": index, "op": "SCMP_CMP_" + op, "value": value}


def test_the_tables_are_what_libseccomp_says_here() -> None:
    for name, text in tables().items():
        assert (FOLDER / f"{name}.py").read_text() == text, "run python -m tests.support.write_syscall_tables"
    assert sorted(ARCHITECTURES) == sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def test_the_number_of_the_maker_is_raised_with_what_it_makes() -> None:
    """Cached files of older versions must not be taken for ours: a change here goes with one of MAKER."""
    made = hashlib.sha256(make_filter(DOCKER, "x86_64", "little")).hexdigest()[:16]
    assert (MAKER, made) == (2, "8894414e2b272d67")


def test_our_filter_is_smaller_than_libseccomps() -> None:
    assert len(make_filter(DOCKER)) < len(compile_filter(DOCKER))


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="its number is given for x86_64")
def test_the_kernel_takes_our_longest_filter() -> None:
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    from tests.support.seccomp_child import errno_of_calls

    seccomp = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [
            {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [arg(0, "EQ", value)]}
            for value in range(7, 507)
        ],
    }
    program = make_filter(seccomp)
    assert len(program) // 8 > 3900
    assert errno_of_calls(program, 0, [(135, 506), (135, 2**32 - 1)]) == [1, 0]
