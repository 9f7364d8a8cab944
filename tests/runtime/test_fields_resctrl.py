"""intelRdt: refused where resctrl is not mounted; what would be done where it is, on a directory like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import CgroupPlan
from tare_runtime.cgroup.resctrl import add_group, find_mount
from tare_runtime.errors import ConfigError
from tare_runtime.host.spawn import close_all, run_host_ops

from tests.support.bundles import Bundle

pytestmark = pytest.mark.field("linux.intelRdt")


def planned(given: dict[str, Any], mount: Path) -> CgroupPlan:
    plan = CgroupPlan(1, {}, [], [], [])
    add_group(given, "id1", str(mount), plan)
    return plan


def steps(plan: CgroupPlan) -> list[tuple[Any, ...]]:
    return [(op[0], *op[2]) for op in plan.host_ops + plan.open_ops]


def make_group(mount: Path, name: str, schemata: str) -> None:
    (mount / name).mkdir()
    (mount / name / "schemata").write_text(schemata)
    (mount / name / "tasks").touch()


@pytest.mark.root
@pytest.mark.skipif(bool(find_mount()), reason="resctrl is mounted here")
def test_without_resctrl_the_field_is_refused(bundle: Bundle) -> None:
    bundle.config["linux"]["intelRdt"] = {"closID": "gold", "schemata": ["L3:0=f"]}
    done = bundle.run()
    assert done.returncode == 1
    assert "/linux/intelRdt: cannot be applied: no resctrl file system is mounted" in done.stderr
    assert bundle.leftovers() == []


def test_without_a_name_the_group_is_the_containers_and_goes_with_it(tmp_path: Path) -> None:
    given = {"memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f", "schemata": ["L2:0=1"]}
    plan = planned(given, tmp_path)
    group = f"{tmp_path}/id1"
    assert steps(plan) == [
        ("host_mkdir", group),
        ("host_write", group + "/schemata", "L3:0=f\nMB:0=20\nL2:0=1\n"),
        ("host_open_cgroup", group + "/tasks"),
    ]
    assert plan.created == [group]
    assert plan.as_state()["moreTasks"] == [group + "/tasks"]


def test_a_named_group_is_made_and_stays(tmp_path: Path) -> None:
    plan = planned({"closID": "gold", "schemata": ["L3:0=f"]}, tmp_path)
    assert ("host_mkdir", f"{tmp_path}/gold") in steps(plan)
    assert plan.created == []


def test_a_group_that_is_there_is_joined_if_it_is_what_the_config_says(tmp_path: Path) -> None:
    make_group(tmp_path, "gold", "    L3:0=00f;1=7ff\n    MB:0= 20;1=100\n")
    plan = planned({"closID": "gold", "schemata": ["L3:0=f", "MB:1=100"]}, tmp_path)
    assert steps(plan) == [("host_open_cgroup", f"{tmp_path}/gold/tasks")]
    with pytest.raises(ConfigError, match="not with 'L3:1=f'"):
        planned({"closID": "gold", "schemata": ["L3:1=f"]}, tmp_path)


def test_a_group_without_schemata_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'gold' is no group"):
        planned({"closID": "gold"}, tmp_path)
    make_group(tmp_path, "gold", "L3:0=f\n")
    assert steps(planned({"closID": "gold"}, tmp_path)) == [("host_open_cgroup", f"{tmp_path}/gold/tasks")]


def test_the_root_group_is_named_by_a_slash(tmp_path: Path) -> None:
    assert steps(planned({"closID": "/"}, tmp_path)) == [("host_open_cgroup", f"{tmp_path}/tasks")]


def test_monitoring_has_a_group_of_its_own(tmp_path: Path) -> None:
    make_group(tmp_path, "gold", "L3:0=f\n")
    plan = planned({"closID": "gold", "enableMonitoring": True}, tmp_path)
    monitor = f"{tmp_path}/gold/mon_groups/id1"
    assert steps(plan) == [
        ("host_mkdir", monitor),
        ("host_open_cgroup", f"{tmp_path}/gold/tasks"),
        ("host_open_cgroup", monitor + "/tasks"),
    ]
    assert plan.created == [monitor]


def test_the_steps_run_on_a_directory_like_resctrls(tmp_path: Path) -> None:
    make_group(tmp_path, "id1", "")
    plan = planned({"schemata": ["L3:0=f"]}, tmp_path)
    opened = run_host_ops(plan.host_ops + plan.open_ops)
    try:
        assert len(opened) == 1
        assert (tmp_path / "id1/schemata").read_text() == "L3:0=f\n"
    finally:
        close_all(opened)


@pytest.mark.root
@pytest.mark.parametrize(
    ("given", "where", "words"),
    [
        ({"closID": ".."}, "/closID", "name of one directory"),
        ({"closID": "a/b"}, "/closID", "name of one directory"),
        ({"memBwSchema": "L3:0=f"}, "/memBwSchema", "must begin with MB:"),
        ({"l3CacheSchema": "L3:0=f\nMB:0=1"}, "/l3CacheSchema", "must be one line"),
        ({"schemata": ["L3:0=f\n"]}, "/schemata/0", "must be one line"),
    ],
    ids=["dots", "slash", "bandwidth", "two-lines", "line-end"],
)
def test_names_and_schemata_that_cannot_be_are_refused(
    bundle: Bundle, given: dict[str, Any], where: str, words: str
) -> None:
    bundle.config["linux"]["intelRdt"] = given
    done = bundle.run()
    assert f"/linux/intelRdt{where}: " in done.stderr
    assert words in done.stderr
