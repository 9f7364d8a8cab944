"""Whatever stands at whatever place of a config: it is refused by name, or it can be planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import Hierarchy
from tare_runtime.cgroup.plan import plan_cgroup
from tare_runtime.config.read import check_config
from tare_runtime.errors import ConfigError
from tare_runtime.host.spawn import encode
from tare_runtime.plan.build import Request, plan_container
from tare_runtime.seccomp.cache import load_filter

from tests.support.full_config import FULL, Place, changed, places

CONTROLLERS = (
    "blkio", "cpu", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "pids",
    "rdma",
)  # fmt: skip
EVERYTHING = Hierarchy(
    1, {name: f"/cg/{name}" for name in CONTROLLERS}, {name: f"/cg/{name}/own" for name in CONTROLLERS}
)
ODD_VALUES: tuple[Any, ...] = (
    ..., None, True, 1.5, 0, -1, 10**6, 2**31, 2**64, "", "x", "/", "a\n", [], {}, [1], [None], [[]],
    {"a": 1},
)  # fmt: skip


def plan(config: dict[str, Any], cache: Path) -> bytes:
    cgroup = plan_cgroup(config, "id", hierarchy=EVERYTHING)
    profile = config.get("linux", {}).get("seccomp")
    seccomp = load_filter(profile, str(cache)) if profile else None
    return encode(plan_container(config, Request("id", "/bundle", set_groups=True), cgroup, seccomp))


def test_the_full_config_can_be_planned(tmp_path: Path) -> None:
    config = json.loads(json.dumps(FULL))
    check_config(config)
    assert config == FULL
    assert plan(config, tmp_path)


@pytest.mark.parametrize("top", sorted(FULL))
def test_every_odd_value_is_refused_by_name_or_planned(tmp_path: Path, top: str) -> None:
    refused = planned = 0
    for place in [(top,), *(place for place in places(FULL) if place[0] == top and len(place) > 1)]:
        for value in ODD_VALUES:
            config = changed(place, value)
            try:
                check_config(config)
                assert plan(config, tmp_path)
                planned += 1
            except ConfigError as error:
                refused += 1
                assert is_about(error, place), f"{place} = {value!r}: {error.violations}"
            except Exception as error:
                raise AssertionError(f"{place} = {value!r}: {type(error).__name__}: {error}") from error
    assert refused
    assert planned or top in ("ociVersion", "process", "root")


_NEEDED_ELSEWHERE = (("linux", "namespaces"), ("linux", "uidMappings"), ("linux", "gidMappings"))


def is_about(error: ConfigError, place: Place) -> bool:
    """Whether one violation is at the place, above it, below it, or at a field that needs what was there."""
    here = "".join(f"/{key}" for key in place)
    pointers = [pointer.replace("~1", "/") for pointer, _, _ in error.violations]
    if place[:2] in _NEEDED_ELSEWHERE or place == ("linux",):
        return bool(pointers)
    related = here.rpartition("/")[0]
    return any(pointer.startswith((here, related)) or here.startswith(pointer) for pointer in pointers)


def test_plans_are_made_for_v2_too(tmp_path: Path) -> None:
    config = json.loads(json.dumps(FULL))
    check_config(config)
    v2 = Hierarchy(2, {"": "/cg"}, {"": "/cg/own"})
    said: list[str] = []
    ops = plan_cgroup(config, "id", hierarchy=v2, warn=said.append).host_ops
    assert any(op[0] == "host_device_filter" for op in ops)
    assert {word.split(" ")[0].rpartition(".")[2] for word in said} >= {"swappiness", "classID", "leafWeight"}
