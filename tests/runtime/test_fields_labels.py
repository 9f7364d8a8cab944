"""AppArmor profiles and SELinux labels: refused with words where the module is off, applied where it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import CgroupPlan
from tare_runtime.config.rules import has_apparmor, has_selinux
from tare_runtime.plan.build import Request, plan_container, plan_exec

from tests.support.bundles import Bundle, default_config
from tests.support.peers import OURS, run_by

needs_none = pytest.mark.skipif(has_apparmor() or has_selinux(), reason="a security module is on here")
LABEL = "system_u:system_r:container_t:s0:c1,c2"

# A mount namespace in which AppArmor seems to be on: what the runtime writes then meets a kernel without it.
PRETEND = (
    "unshare",
    "-m",
    "sh",
    "-ec",
    "mount -t tmpfs tmpfs /sys/module; mkdir -p /sys/module/apparmor/parameters;"
    ' echo Y >/sys/module/apparmor/parameters/enabled; exec "$@"',
    "sh",
)


def no_cgroups() -> CgroupPlan:
    return CgroupPlan(1, {}, [], [], [])


def plan_of(process: dict[str, Any], **linux: Any) -> list[tuple[Any, ...]]:
    config = default_config()
    config["process"].update(process)
    config["linux"].update(linux)
    return plan_container(config, Request("t", "/bundle"), no_cgroups(), None)


@pytest.mark.root
@needs_none
@pytest.mark.parametrize(
    ("section", "member", "value", "words"),
    [
        pytest.param(
            "process",
            "apparmorProfile",
            "docker-default",
            ["/process/apparmorProfile", "unable to apply apparmor profile", "not enabled on this host"],
            marks=pytest.mark.field("process.apparmorProfile"),
            id="apparmor",
        ),
        pytest.param(
            "process",
            "selinuxLabel",
            LABEL,
            ["/process/selinuxLabel", "selinux is disabled or not supported"],
            marks=pytest.mark.field("process.selinuxLabel"),
            id="selinux",
        ),
        pytest.param(
            "linux",
            "mountLabel",
            LABEL,
            ["/linux/mountLabel", "selinux is disabled or not supported"],
            marks=pytest.mark.field("linux.mountLabel"),
            id="mount-label",
        ),
    ],
)
def test_a_label_is_refused_where_its_module_is_off(
    bundle: Bundle, section: str, member: str, value: str, words: list[str]
) -> None:
    bundle.config[section][member] = value
    done = bundle.run()
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.flag("exec --apparmor", "exec --process-label")
@pytest.mark.root
@needs_none
@pytest.mark.parametrize(
    ("flag", "words"),
    [("--apparmor", "unable to apply apparmor profile"), ("--process-label", "selinux is disabled")],
)
def test_exec_refuses_a_label_where_its_module_is_off(bundle: Bundle, flag: str, words: str) -> None:
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    done = bundle.tare("exec", flag, "x", bundle.id, "true")
    assert done.returncode == 255
    assert words in done.stderr


@pytest.mark.root
@needs_none
@pytest.mark.field("process.apparmorProfile")
def test_a_profile_that_the_kernel_does_not_take_stops_create_and_names_the_field(bundle: Bundle) -> None:
    bundle.config["process"]["apparmorProfile"] = "no-such-profile"
    done = run_by(OURS, bundle, wrap=PRETEND)
    assert done.code == 1
    # "invalid argument" comes from a write: the older place of the file was found where the newer is missing.
    assert "write 'exec no-such-profile' to /proc/self/attr/apparmor/exec" in done.err
    assert "/process/apparmorProfile): invalid argument" in done.err
    assert bundle.leftovers() == []


@pytest.mark.field("process.apparmorProfile", "process.selinuxLabel")
def test_labels_are_written_before_the_process_gives_up_its_rights() -> None:
    plan = plan_of({"apparmorProfile": "p", "selinuxLabel": LABEL})
    kinds = [op[0] for op in plan]
    assert kinds.index("open_proc") < kinds.index("clone")
    written = [(op[1], op[2]) for op in plan if op[0] == "attribute"]
    assert written == [
        ("/process/selinuxLabel", ("keycreate", LABEL, 0)),
        ("/process/selinuxLabel", ("keycreate", "", 0)),
        ("/process/selinuxLabel", ("exec", LABEL, 0)),
        ("/process/apparmorProfile", ("apparmor/exec", "exec p", 1)),
    ]
    last = len(kinds) - 1 - kinds[::-1].index("attribute")
    assert kinds.index("pivot_root") < last < kinds.index("user") < kinds.index("no_new_privs")


def test_exec_writes_the_same_labels() -> None:
    process = {**default_config()["process"], "apparmorProfile": "p", "noNewPrivileges": False}
    plan = plan_exec(process, Request("t", "/bundle", gate=False), [], 0, None)
    kinds = [op[0] for op in plan]
    assert kinds.index("open_proc") < kinds.index("setns_process") < kinds.index("attribute")
    assert [op[2] for op in plan if op[0] == "attribute"] == [("apparmor/exec", "exec p", 0)]


@pytest.mark.field("linux.mountLabel")
@pytest.mark.flag("run.oci.mount_context_type")
def test_the_mount_label_goes_to_the_file_systems_that_take_one() -> None:
    plan = plan_of({}, mountLabel=LABEL)
    data = {op[2][2]: op[2][4] for op in plan if op[0] == "mount"}
    assert data["/dev"].endswith(f',context="{LABEL}"')
    assert data["/dev/pts"].endswith(f',context="{LABEL}"')
    assert "context" not in data["/proc"] + data["/sys"]


@pytest.mark.root
def test_quotes_in_mount_options_keep_commas_together(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    (tmp_path / "a,b/here").touch()
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    lower = f'lowerdir="{tmp_path}/a,b"'
    options = [lower, f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    bundle.config["mounts"].append({"destination": "/o", "type": "overlay", "options": options})
    done = bundle.args("ls", "/o").run()
    assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr


def test_the_pretence_is_one() -> None:
    """The commands above may not change this machine's own /sys."""
    subprocess.run([*PRETEND, "true"], check=False, capture_output=True)
    assert not Path("/sys/module/apparmor/parameters/enabled").exists() or has_apparmor()
