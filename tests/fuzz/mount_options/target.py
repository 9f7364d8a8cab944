"""Any words as the options of a mount: planned and encoded, or refused by ConfigError."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["tare_runtime.plan", "tare_runtime.config"]):
    from tare_runtime.cgroup.paths import Hierarchy
    from tare_runtime.cgroup.plan import plan_cgroup
    from tare_runtime.config.read import check_config
    from tare_runtime.config.rules import check_texts
    from tare_runtime.errors import ConfigError
    from tare_runtime.host.spawn import encode
    from tare_runtime.plan.build import Request, plan_container

HOST = Hierarchy(2, {"": "/cg"}, {"": "/cg/own"})
TYPES = ("", "bind", "tmpfs", "proc", "sysfs", "cgroup", "overlay", "none", "devpts")


def one_input(data: bytes) -> None:
    """The first byte chooses the type; lines are options, after destination and source."""
    if not data:
        return
    destination, _, rest = data[1:].decode("utf-8", "surrogateescape").partition("\n")
    source, _, words = rest.partition("\n")
    mount = {
        "destination": destination,
        "source": source,
        "type": TYPES[data[0] % len(TYPES)],
        "options": words.split("\n"),
    }
    config = {
        "ociVersion": "1.0.2",
        "process": {"args": ["a"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "root": {"path": "r"},
        "mounts": [mount],
        "linux": {"namespaces": [{"type": "mount"}]},
    }
    unfit: list[object] = []
    check_texts(config, None, unfit)  # type: ignore[arg-type]
    if unfit:  # as load_config has it, before anything else
        return
    try:
        check_config(config)
        cgroup = plan_cgroup(config, "id", hierarchy=HOST)
        assert encode(plan_container(config, Request("id", "/b"), cgroup, None))
    except ConfigError as error:
        assert all(pointer[:1] in ("", "/") for pointer, _, _ in error.violations)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
