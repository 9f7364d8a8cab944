"""A plan is exact: strace of a run shows no effect that the plan does not list, and all that it lists."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import discover
from tare_runtime.config.read import load_config
from tare_runtime.life.create import make_plan
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request

from tests.support.bundles import Bundle
from tests.support.effects import INERT, MAY_DO_NOTHING, RULES, Op, attribute, is_effect
from tests.support.strace_log import Call, calls_in, path_of, split_arguments

pytestmark = [pytest.mark.root, pytest.mark.flag("plan")]

FULL_SETS = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]


def plain(_bundle: Bundle) -> None:
    pass


def rich(bundle: Bundle) -> None:
    """As many kinds of operations as one config can ask for."""
    config = bundle.config
    (bundle.path / "file").write_text("x")
    config["domainname"] = "domain"
    config["root"]["readonly"] = True
    config["process"] |= {
        "cwd": "/new/place",
        "oomScoreAdj": 100,
        "user": {"uid": 1000, "gid": 1000, "umask": 0o27, "additionalGids": [5, 6]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}],
        "capabilities": dict.fromkeys(
            ("bounding", "permitted", "effective", "inheritable", "ambient"), FULL_SETS
        ),
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5},
        "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 7},
    }
    config["mounts"] += [
        {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "noexec"]},
        {"destination": "/etc/file", "source": "file", "type": "bind", "options": ["ro", "rprivate"]},
        {"destination": "/host", "source": "/usr", "type": "bind", "options": ["rbind", "rro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
    ]
    linux = config["linux"]
    linux["namespaces"] += [{"type": "cgroup"}, {"type": "time"}]
    linux["timeOffsets"] = {"monotonic": {"secs": 100, "nanosecs": 1}}
    linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "100"}
    linux["devices"] = [
        {"type": "c", "path": "/dev/mine", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 1, "gid": 2},
        {"type": "p", "path": "/dev/fifo", "fileMode": 0o622},
    ]
    linux["resources"] = {
        "memory": {"limit": 2**26},
        "pids": {"limit": 50},
        "cpu": {"shares": 512},
        "devices": [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 1, "access": "rw"},
        ],
    }
    linux["personality"] = {"domain": "LINUX32"}
    linux["rootfsPropagation"] = "private"
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
    }


def mapped(bundle: Bundle) -> None:
    """In a user namespace, whose maps the runtime writes."""
    linux = bundle.config["linux"]
    linux["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        linux[name] = [{"containerID": 0, "hostID": 0, "size": 65536}]


def joining(bundle: Bundle) -> None:
    """In a namespace that is there already."""
    for namespace in bundle.config["linux"]["namespaces"]:
        if namespace["type"] in ("ipc", "uts"):
            namespace["path"] = f"/proc/self/ns/{namespace['type']}"
    del bundle.config["hostname"]


BUNDLES = [plain, rich, mapped, joining]


def planned(bundle: Bundle) -> list[Op]:
    """The operations of `run`."""
    config = load_config(str(bundle.path))
    has_kcore = Path("/proc/kcore").exists()
    request = Request(bundle.id, str(bundle.path), gate=False, has_kcore=has_kcore)
    return make_plan(config, request, Settings(str(bundle.root)))[1]


def traced(bundle: Bundle) -> list[Call]:
    log = bundle.path / "strace.log"
    bundle.write()
    words = ["strace", "-f", "-y", "-qq", "-s", "65536", "-o", str(log), *bundle.command("run", bundle.id)]
    done = subprocess.run(words, cwd=bundle.path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(calls_in(log))


class Run:
    """A trace, cut into what the runtime, init's first and its second stage did until the program ran."""

    def __init__(self, calls: list[Call], root: str) -> None:
        self.runtime = calls[0].pid
        self.one = next(call.pid for call in calls if call.name == "execveat")
        self.two = int(next(call.result for call in calls if call.name == "clone3" and call.pid == self.one))
        begun = next(
            at
            for at, call in enumerate(calls)
            if call.name == "execve" and call.pid == self.two and not call.failed
        )
        until = calls[: begun + 1]
        init = next(at for at, call in enumerate(until) if call.name == "execveat")
        self.host = [call for call in until if call.pid == self.runtime and not is_own(call, root)]
        self.init = [call for call in until[init + 1 :] if call.pid in (self.one, self.two)]
        self.init = [call for call in self.init if not is_preamble(call)]


def is_own(call: Call, root: str) -> bool:
    """Of the runtime's own housekeeping: its state directory, its memory files, its descriptors, init."""
    paths = [path_of(argument) for argument in call.args] + [argument.strip('"') for argument in call.args]
    if any(path.startswith((root, "/memfd:")) for path in paths):
        return True
    return call.name in OWN_CALLS or (call.name == "prctl" and call.args[0] == "PR_SET_CHILD_SUBREAPER")


OWN_CALLS = (
    "execve",
    "vfork",
    "memfd_create",
    "close_range",
    "sysinfo",
    "flock",
    "epoll_create1",
    "epoll_ctl",
)


def is_preamble(call: Call) -> bool:
    """Of init before its first operation: not dumpable, its name, and modes meant exactly."""
    return (call.name, call.args[0] if call.args else "") in {
        ("prctl", "PR_SET_DUMPABLE"),
        ("prctl", "PR_SET_NAME"),
        ("umask", "000"),
    }


def verdict(run: Run, plan: list[Op], rootfs: str) -> tuple[list[Call], list[str]]:
    host = [op for op in plan if op[0].startswith("host_")]
    maps = [op for op in plan if op[0] == "become_root"]
    rest = plan[len(host) :]
    strange_host, idle_host = attribute(run.host, host + maps, rootfs)
    strange_init, idle_init = attribute(run.init, rest, rootfs)
    idle = [host[at][0] for at in idle_host if at < len(host)] + [rest[at][0] for at in idle_init]
    return strange_host + strange_init, idle


@pytest.mark.parametrize("change", BUNDLES)
def test_a_run_does_what_its_plan_lists_and_nothing_else(bundle: Bundle, change: Any) -> None:
    change(bundle)
    bundle.write()
    plan = planned(bundle)
    run = Run(traced(bundle), str(bundle.root))
    strangers, idle = verdict(run, plan, str(bundle.rootfs))
    assert not strangers, "not in the plan:\n" + "\n".join(map(str, strangers))
    assert not idle, "planned and not done"


def test_whatever_is_struck_from_a_plan_is_missed(bundle: Bundle) -> None:
    """The comparison bites: each operation that had an effect leaves one that nobody accounts for."""
    rich(bundle)
    bundle.write()
    plan = planned(bundle)
    run = Run(traced(bundle), str(bundle.root))
    rootfs = str(bundle.rootfs)
    unmissed = [
        (at, op)
        for at, op in enumerate(plan)
        if op[0] not in MAY_DO_NOTHING and not verdict(run, plan[:at] + plan[at + 1 :], rootfs)[0]
    ]
    assert not unmissed
    false = ("sethostname", "", ("never",))
    clone = next(at for at, op in enumerate(plan) if op[0] == "clone")
    assert "sethostname" in verdict(run, [*plan[: clone + 1], false, *plan[clone + 1 :]], rootfs)[1]


def test_an_effect_that_nobody_planned_is_seen(bundle: Bundle) -> None:
    plain(bundle)
    bundle.write()
    plan = planned(bundle)
    run = Run(traced(bundle), str(bundle.root))
    for words in (
        'mount("x", "/y", NULL, MS_BIND, NULL)',
        'mkdirat(5</elsewhere>, "z", 0755)',
        "setresuid(7, 7, 7)",
        'openat(AT_FDCWD</>, "/tmp/f", O_WRONLY|O_CREAT, 0644)',
        "unshare(CLONE_NEWNET)",
        'write(9</proc/sys/kernel/core_pattern>, "|/x", 3)',
    ):
        name, _, rest = words.partition("(")
        stranger = Call(run.two, name, tuple(split_arguments(rest[:-1])), "0")
        run.init.insert(len(run.init) // 2, stranger)
        assert verdict(run, plan, str(bundle.rootfs))[0] == [stranger]
        run.init.remove(stranger)


def test_every_kind_of_operation_has_a_rule_or_changes_nothing() -> None:
    from tare_runtime.plan.wire import KINDS

    # v2, exec, terminals, hooks; and what has tests of its own with mapped ids, network devices, hot mounts
    elsewhere = {"host_device_filter", "host_enable_controllers", "setns_process", "console", "run_hook"}
    elsewhere |= {"host_tree", "bind_tree", "host_net_device", "unmount"}
    assert set(KINDS) - set(RULES) - elsewhere <= MAY_DO_NOTHING
    assert discover().version == 2 or not is_effect(Call(1, "read", ("3", '""', "1"), "0"))
    assert not INERT & {"mount", "write", "mkdirat", "setns", "unshare", "capset", "setresuid"}
