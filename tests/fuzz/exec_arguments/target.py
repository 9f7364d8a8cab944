"""Any words as the command line of `exec`: read, or refused by UsageError; a user is what was said."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["tare_runtime.cli", "tare_runtime.verbs.exec"]):
    from tare_runtime.cli.argv import parse
    from tare_runtime.errors import UsageError
    from tare_runtime.verbs.exec import _user


def one_input(data: bytes) -> None:
    words = data.decode("utf-8", "surrogateescape").split("\n")
    try:
        options = parse(["exec", *words])
        user = _user(options, {"uid": 1, "gid": 2, "additionalGids": [3]})
    except UsageError as error:
        assert str(error)
        return
    if options.user:
        uid, colon, gid = options.user.partition(":")
        assert user["uid"] == int(uid)
        assert not colon or user["gid"] == int(gid)
    else:
        assert user["uid"] == 1
    assert user["gid"] == 2 or options.user


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
