"""Any JSON as linux.seccomp: refused, or a program with the verdicts it asks for."""

from __future__ import annotations

import json
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["tare_runtime.seccomp", "tare_runtime.config"]):
    from tare_runtime.config.shape import SECCOMP, walk
    from tare_runtime.errors import ConfigError
    from tare_runtime.seccomp.filter import make_filter, numbers
    from tare_runtime.seccomp.overlap import Ambiguous
    from tare_runtime.seccomp.rules import check_seccomp
    from tare_runtime.seccomp.tables import x86_64

from tests.support.bpf import data_of, decoded, verdict
from tests.support.seccomp_reading import reading

CALLS = numbers(x86_64.CALLS)


def one_input(data: bytes) -> None:
    try:
        seccomp: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    found: list[Any] = []
    walk(seccomp, SECCOMP, None, found)
    if found:
        return
    check_seccomp(seccomp, {}, found)
    if found:
        return
    try:
        program = decoded(make_filter(seccomp, "x86_64", "little"))
    except (ConfigError, Ambiguous):
        return
    for rule in seccomp.get("syscalls", ()):
        values = [arg["value"] for arg in rule.get("args", ())] + [0, 1, 2**64 - 1]
        for arg in rule.get("args", ()):
            arg.setdefault("valueTwo", 0)
        for name in rule["names"]:
            number = CALLS.get(name, 1000)
            for value in values:
                args = (value,) * 6
                want = reading(seccomp, CALLS, 64, number, args)
                assert verdict(program, data_of(number, x86_64.TOKEN, args)) == want, (name, value)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
