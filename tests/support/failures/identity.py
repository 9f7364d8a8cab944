"""Users, groups, capabilities, limits, security modules, scheduling."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.support.bundles import Bundle
from tests.support.failures.mounts import user_namespace
from tests.support.failures.table import Done, failure
from tests.support.faults import faulty


def process(bundle: Bundle, **members: Any) -> Done:
    bundle.config["process"] |= members
    return bundle.args("true").run()


def small_namespace(bundle: Bundle) -> None:
    user_namespace(bundle, size=10)


@failure("identity", "", "the user's id is not mapped in the user namespace")
def unmapped_user(bundle: Bundle) -> Done:
    small_namespace(bundle)
    return process(bundle, user={"uid": 1000, "gid": 0})


@failure("identity", "", "a group is not mapped in the user namespace")
def unmapped_group(bundle: Bundle) -> Done:
    small_namespace(bundle)
    return process(bundle, user={"uid": 0, "gid": 0, "additionalGids": [1000]})


@failure("identity", "", "the user namespace denies setgroups")
def groups_denied(bundle: Bundle) -> Done:
    bundle.config["process"]["user"] = {"uid": 0, "gid": 0, "additionalGids": [5]}
    return faulty(bundle, "setgroups", "error=EPERM", "run", bundle.id, follow=True)


@failure("identity", "", "a limit that this kernel does not have")
def unknown_limit(bundle: Bundle) -> Done:
    return process(bundle, rlimits=[{"type": "RLIMIT_FILES", "soft": 1, "hard": 1}])


@failure("identity", "", "a soft limit above the hard one")
def soft_above_hard(bundle: Bundle) -> Done:
    return process(bundle, rlimits=[{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}])


@failure("identity", "containers/qm#666", "oom_score_adj lowered without CAP_SYS_RESOURCE")
def lower_oom_score(bundle: Bundle) -> Done:
    bundle.config["process"]["oomScoreAdj"] = -500
    bundle.write()
    words = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
    program = bundle.command("run", "--bundle", str(bundle.path), bundle.id)
    return subprocess.run(
        [*words, *program], cwd="/", capture_output=True, text=True, timeout=30, check=False
    )


@failure("identity", "", "an AppArmor profile on a host without AppArmor")
def no_apparmor(bundle: Bundle) -> Done:
    return process(bundle, apparmorProfile="docker-default")


@failure("identity", "", "an SELinux label on a host without SELinux")
def no_selinux(bundle: Bundle) -> Done:
    return process(bundle, selinuxLabel="system_u:system_r:container_t:s0")


@failure("identity", "", "a seccomp action that does not exist")
def unknown_action(bundle: Bundle) -> Done:
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_DENY"}
    return bundle.run()


@failure("identity", "", "an architecture that nobody knows")
def unknown_architecture(bundle: Bundle) -> Done:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]}
    profile |= {"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
    bundle.config["linux"]["seccomp"] = profile
    return bundle.run()


@failure("identity", "", "a kernel without seccomp filters")
def no_seccomp(bundle: Bundle) -> Done:
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
    }
    return faulty(bundle, "seccomp", "error=EINVAL", "run", bundle.id, follow=True)


@failure("identity", "", "SCHED_FIFO in a cgroup without real-time CPU time", only_v1=True)
def realtime_scheduler(bundle: Bundle) -> Done:
    bundle.config["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 5}
    return faulty(bundle, "sched_setattr", "error=EPERM", "run", bundle.id, follow=True)


@failure("identity", "", "a nice value for a deadline scheduler")
def nonsense_scheduler(bundle: Bundle) -> Done:
    return process(bundle, scheduler={"policy": "SCHED_OTHER", "priority": 5})


@failure("identity", "", "a memory policy for a node that is not there")
def missing_node(bundle: Bundle) -> Done:
    bundle.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "60"}
    return bundle.args("true").run()
