"""What systemd is asked for: names, places, properties; planned for hosts that are only described."""

from __future__ import annotations

from typing import Any

import pytest
from tare_runtime.cgroup.gvariant import Unreadable, parse
from tare_runtime.cgroup.paths import Hierarchy
from tare_runtime.cgroup.systemd import plan
from tare_runtime.cgroup.systemd_properties import annotated, bit_mask, limits

INFINITY = 2**64 - 1


def hierarchy(version: int = 2) -> Hierarchy:
    names = ("",) if version == 2 else ("memory", "devices", "name=systemd")
    found = Hierarchy(version, {n: "/cg/" + n for n in names}, dict.fromkeys(names, "/cg/own"))
    if version == 2:
        found.mounts = {"": "/cg"}
    return found


def planned(path: str, **more: Any) -> tuple[str, str, list[tuple[str, str]]]:
    config = {"linux": {"cgroupsPath": path, **more.pop("linux", {})}, **more}
    result, problems = plan(config, "id", hierarchy(), None, user=False)
    unit = result.unit
    return (unit.name, unit.path, problems) if unit else ("", "", problems)


@pytest.mark.parametrize(
    ("path", "name", "place"),
    [
        pytest.param("", "tare-id.scope", "/system.slice/tare-id.scope", id="none"),
        pytest.param(":docker:c1", "docker-c1.scope", "/system.slice/docker-c1.scope", id="no-slice"),
        pytest.param("my.slice:p:n", "p-n.scope", "/my.slice/p-n.scope", id="a-slice"),
        pytest.param(
            "a-b-c.slice:cri:n", "cri-n.scope", "/a.slice/a-b.slice/a-b-c.slice/cri-n.scope", id="nested"
        ),
        pytest.param("-.slice:p:n", "p-n.scope", "/p-n.scope", id="the-root"),
    ],
)
def test_cgroups_path_names_the_scope(path: str, name: str, place: str) -> None:
    assert planned(path) == (name, place, [])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("/a/b", "slice:prefix:name", id="a-path"),
        pytest.param("a.slice:b", "slice:prefix:name", id="two-parts"),
        pytest.param("a:b:c", "not the name of a slice", id="no-suffix"),
        pytest.param("../x.slice:b:c", "not the name of a slice", id="a-path-for-a-slice"),
        pytest.param("a--b.slice:b:c", "dash", id="two-dashes"),
        pytest.param("-a.slice:b:c", "dash", id="a-dash-first"),
        pytest.param("a.slice:b:../c", "cannot be the name", id="a-path-for-a-name"),
        pytest.param("a.slice:b:c d", "cannot be the name", id="a-space"),
        pytest.param("a.slice:b:" + "n" * 300, "cannot be the name", id="too-long"),
        pytest.param("a.slice:b:", "names no scope", id="no-name"),
        pytest.param("a.slice:b:c.slice", "names a slice", id="a-slice-for-a-name"),
    ],
)
def test_a_path_that_names_no_scope_is_refused(path: str, words: str) -> None:
    name, _, ((pointer, problem),) = planned(path)
    assert name == ""
    assert pointer == "/linux/cgroupsPath"
    assert words in problem


def test_everything_waits_for_the_scope() -> None:
    config = {"linux": {"resources": {"memory": {"limit": 4096}}}}
    result, _ = plan(config, "id", hierarchy(), None, user=False)
    assert result.late == len(result.host_ops) + len(result.open_ops)
    assert result.as_state()["unit"] == "tare-id.scope"


def test_the_users_scopes_lie_below_the_users_manager() -> None:
    where = "/user.slice/user-1000.slice/user@1000.service"
    result, problems = plan({}, "id", hierarchy(), None, user=True, manager_cgroup=where)
    assert problems == []
    assert result.unit
    assert result.unit.path == where + "/user.slice/tare-id.scope"
    assert result.paths[""] == "/cg" + result.unit.path


def test_the_users_systemd_has_no_cgroups_of_v1() -> None:
    _, ((_, problem),) = plan({}, "id", hierarchy(1), None, user=True, manager_cgroup="/")
    assert "use cgroup v2" in problem


@pytest.mark.flag("run.oci.systemd.subgroup")
def test_a_subgroup_is_what_the_process_joins() -> None:
    config = {"annotations": {"run.oci.systemd.subgroup": "inner"}}
    result, _ = plan(config, "id", hierarchy(), None, user=False)
    assert result.open_ops[0][2] == ("/cg/system.slice/tare-id.scope/inner/cgroup.procs",)
    assert result.paths[""] == "/cg/system.slice/tare-id.scope"
    assert result.late == len(result.host_ops) + len(result.open_ops)


@pytest.mark.parametrize("name", ["a/b", "..", "."])
def test_a_subgroup_is_one_directory(name: str) -> None:
    config = {"annotations": {"run.oci.systemd.subgroup": name}}
    _, ((pointer, _),) = plan(config, "id", hierarchy(), None, user=False)
    assert pointer == "/annotations/run.oci.systemd.subgroup"


@pytest.mark.parametrize(
    ("resources", "version", "properties"),
    [
        pytest.param(
            {"memory": {"limit": 100, "swap": 150, "reservation": 50}},
            2,
            [("MemoryMax", "t", 100), ("MemoryLow", "t", 50), ("MemorySwapMax", "t", 50)],
            id="memory",
        ),
        pytest.param(
            {"memory": {"limit": -1}},
            2,
            [("MemoryMax", "t", INFINITY), ("MemorySwapMax", "t", INFINITY)],
            id="no-memory-limit",
        ),
        pytest.param({"memory": {"limit": 100}}, 1, [("MemoryLimit", "t", 100)], id="memory-v1"),
        pytest.param({"cpu": {"shares": 1024}}, 2, [("CPUWeight", "t", 100)], id="shares"),
        pytest.param({"cpu": {"shares": 1024}}, 1, [("CPUShares", "t", 1024)], id="shares-v1"),
        pytest.param({"cpu": {"idle": 1, "shares": 9}}, 2, [("CPUWeight", "t", 0)], id="idle"),
        pytest.param(
            {"cpu": {"quota": 25000, "period": 50000}},
            2,
            [("CPUQuotaPeriodUSec", "t", 50000), ("CPUQuotaPerSecUSec", "t", 500000)],
            id="quota",
        ),
        pytest.param({"cpu": {"quota": 1001}}, 2, [("CPUQuotaPerSecUSec", "t", 20000)], id="rounded-up"),
        pytest.param({"cpu": {"quota": -1}}, 2, [("CPUQuotaPerSecUSec", "t", INFINITY)], id="no-quota"),
        pytest.param({"pids": {"limit": 7}}, 2, [("TasksMax", "t", 7)], id="pids"),
        pytest.param({"pids": {"limit": -1}}, 2, [("TasksMax", "t", INFINITY)], id="no-pids-limit"),
        pytest.param({"cpu": {"cpus": "0-1,4"}}, 2, [("AllowedCPUs", "ay", [0b10011])], id="cpus"),
        pytest.param({"blockIO": {"weight": 10}}, 2, [("IOWeight", "t", 1)], id="io-weight"),
        pytest.param(
            {"unified": {"memory.high": "5", "pids.max": "max", "memory.oom.group": "1", "io.max": "x"}},
            2,
            [("MemoryHigh", "t", 5), ("TasksMax", "t", INFINITY), ("OOMPolicy", "s", "kill")],
            id="unified",
        ),
        pytest.param(
            {"unified": {"cpu.max": "max 100000"}},
            2,
            [("CPUQuotaPeriodUSec", "t", 100000), ("CPUQuotaPerSecUSec", "t", INFINITY)],
            id="unified-cpu",
        ),
    ],
)
def test_limits_become_properties(
    resources: dict[str, Any], version: int, properties: list[tuple[str, str, object]]
) -> None:
    found = [entry for entry in limits(resources, version) if not entry[0].startswith("Device")]
    assert found == properties


def test_device_rules_of_v1_are_told_to_systemd() -> None:
    rule = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}
    properties = {name: value for name, _, value in limits({"devices": [rule]}, 1)}
    assert properties["DevicePolicy"] == "strict"
    assert ("/dev/char/10:229", "rw") in properties["DeviceAllow"]  # type: ignore[operator]
    assert ("char-136", "rwm") in properties["DeviceAllow"]  # type: ignore[operator]
    everything = {
        name: value for name, _, value in limits({"devices": [{"allow": True, "access": "rwm"}]}, 1)
    }
    assert everything == {"DevicePolicy": "auto", "DeviceAllow": []}


def test_a_mask_of_processors_has_the_lowest_first() -> None:
    assert bit_mask("0,9") == [1, 2]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("true", ("b", True)),
        ("5", ("i", 5)),
        ("-5", ("i", -5)),
        ("0x10", ("i", 16)),
        ("1.5", ("d", 1.5)),
        ("uint64 5", ("t", 5)),
        ("@t 5", ("t", 5)),
        ("'a b'", ("s", "a b")),
        ('"it\'s"', ("s", "it's")),
        (r"'a\'b\n'", ("s", "a'b\n")),
        ("['a', 'b']", ("as", ["a", "b"])),
        ("@as []", ("as", [])),
        ("@ay [1, 2]", ("ay", [1, 2])),
        ("[uint32 1, 2]", ("au", [1, 2])),
        ("('a', uint64 2)", ("(st)", ("a", 2))),
        ("@a(ss) [('x', 'y')]", ("a(ss)", [("x", "y")])),
        ("[('device', '/p')]", ("a(ss)", [("device", "/p")])),
        ("objectpath '/a'", ("o", "/a")),
    ],
)
def test_annotations_are_read_as_gvariant_text(text: str, want: tuple[str, object]) -> None:
    assert parse(text) == want


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "'a", "5 6", "[1, 'a']", "[]", "byte 256", "uint64 -1", "@b 1", "(1", "[1 2]", "'\0'"),
        *("[" * 50, "@", "@t", "@(s 1", "@a(ss 1", "@z 1", "@a [1]", "@)( 1"),
    ],
)
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.flag("org.systemd.property.*")
def test_annotations_become_properties() -> None:
    found, problems = annotated(
        {
            "org.systemd.property.CollectMode": "'inactive-or-failed'",
            "org.systemd.property.TimeoutStopSec": "2.5",
            "org.systemd.property.RuntimeMaxUSec": "uint64 7",
            "another": "x",
        }
    )
    assert found == [
        ("CollectMode", "s", "inactive-or-failed"),
        ("TimeoutStopUSec", "t", 2_500_000),
        ("RuntimeMaxUSec", "t", 7),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "1"), ("lower", "1"), ("With-Dash", "1"), ("Good", "bad"), ("TimeoutSec", "'text'"), ("", "1")],
)
def test_a_bad_annotation_is_a_problem_with_its_pointer(name: str, value: str) -> None:
    _, ((pointer, _),) = annotated({"org.systemd.property." + name: value})
    assert pointer == "/annotations/org.systemd.property." + name
