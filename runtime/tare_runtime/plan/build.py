"""A container's whole plan, in order. Pure: the same config gives the same plan on every host.

What comes when is forced by the kernel or the spec; each place says by what.
"""

from tare_runtime._core import lib
from tare_runtime.plan import ops
from tare_runtime.plan.devices import plan_devices
from tare_runtime.plan.identity import SYS_ADMIN, Identity, namespace_flags, plan_limits
from tare_runtime.plan.mounts import PROPAGATION, plan_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cgroup.paths import CgroupPlan
    from tare_runtime.plan.ops import Op

Seccomp = tuple[bytes, int]  # program, flags of seccomp(2)

_PRIORITIES = frozenset(("scheduler", "ioPriority"))
_OF_EACH_PROCESS = frozenset(("memoryPolicy", "personality"))


class Request:
    """What beside the config decides a plan: the arguments of `create` and `run`."""

    __slots__ = (
        "bundle",
        "environment",
        "gate",
        "has_kcore",
        "id",
        "keep_groups",
        "no_new_keyring",
        "no_pivot",
        "notify",
        "preserve_fds",
        "privileged",
        "set_groups",
    )

    def __init__(
        self,
        id: str,
        bundle: str,
        *,
        gate: bool = True,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
        preserve_fds: int = 0,
        set_groups: bool = True,
        has_kcore: bool = False,
    ) -> None:
        self.id = id
        self.bundle = bundle
        self.gate = gate
        self.no_pivot = no_pivot
        self.no_new_keyring = no_new_keyring
        self.preserve_fds = preserve_fds
        self.keep_groups = False  # the caller's, instead of the config's
        self.environment: list[str] = []  # what the container is told beside the config's
        self.notify = False  # whether it gets a socket to say that it is ready
        self.set_groups = set_groups  # false where the user namespace's maps deny it: without root
        self.privileged = set_groups  # whether we are root of a user namespace ourselves
        self.has_kcore = has_kcore  # whether this kernel has /proc/kcore, which /dev/core leads to


def plan_container(
    config: "dict[str, Any]", request: Request, cgroup: "CgroupPlan", seccomp: "Seccomp | None"
) -> "list[Op]":
    """Operations from the first cgroup directory to exec, for a config that has been checked."""
    process = config["process"]
    new, joined = namespace_flags(config)
    own_user_namespace = bool(new & lib.CLONE_NEWUSER) or any(j[1] == lib.CLONE_NEWUSER for j in joined)
    if cgroup.unit:
        early, plan = 0, cgroup.host_ops + cgroup.open_ops  # all of them late
    else:
        late = len(cgroup.host_ops) - cgroup.late
        early = late + len(cgroup.open_ops)
        plan = cgroup.host_ops[:late] + cgroup.open_ops + cgroup.host_ops[late:]
    plan += _enter(config, new, joined, in_user_namespace=own_user_namespace)
    if new & lib.CLONE_NEWTIME:
        from tare_runtime.plan.scheduling import plan_clocks

        plan.append(plan_clocks(config["linux"]))
    if own_user_namespace:
        plan.append(ops.become_root("/linux/namespaces", keep_groups=request.keep_groups))
    plan += _join(cgroup.open_ops)
    if new & lib.CLONE_NEWCGROUP:
        plan.append(ops.cgroup_namespace("/linux/namespaces"))
    plan.append(ops.setsid(""))
    if not request.no_new_keyring:
        plan += _keyring(process, request)
    plan += _names(config, new)
    trees: list[Op] = []
    plan += _file_system(config, request, cgroup, trees, in_user_namespace=own_user_namespace)
    if trees:
        plan[early:early] = trees
    plan += plan_process(
        process,
        seccomp,
        request,
        linux=config.get("linux") or {},
        in_user_namespace=own_user_namespace,
        start_hooks=_hooks(config, "startContainer"),
    )
    return plan


def plan_process(
    process: "dict[str, Any]",
    seccomp: "Seccomp | None",
    request: Request,
    *,
    linux: "dict[str, Any]",
    in_user_namespace: bool,
    start_hooks: "list[Op]" = [],  # noqa: B006  never changed
) -> "list[Op]":
    """From the working directory to exec; the same for a container's first process and for `exec`."""
    identity = Identity(process)
    no_new_privs = bool(process.get("noNewPrivileges"))
    # Without no_new_privs a filter takes CAP_SYS_ADMIN (seccomp(2)), so that one is given up last.
    keep = SYS_ADMIN if seccomp and not no_new_privs else 0
    env = _environment((process.get("env") or []) + request.environment)
    plan, limits = plan_limits(process)
    if not _OF_EACH_PROCESS.isdisjoint(linux):
        from tare_runtime.plan.scheduling import plan_of_each_process

        plan += plan_of_each_process(linux)
    if not _PRIORITIES.isdisjoint(process):
        plan += _priorities(process, in_user_namespace=in_user_namespace, before_clone=False)
    if process.get("apparmorProfile") or process.get("selinuxLabel"):
        from tare_runtime.plan.labels import plan_labels

        plan += plan_labels(process)
    plan.append(ops.chdir("/process/cwd", process["cwd"]))
    plan += identity.become(keep=keep, set_groups=request.set_groups)
    if not any(entry.startswith("HOME=") and entry != "HOME=" for entry in env):
        env = [entry for entry in env if entry != "HOME="]
        plan.append(ops.home("/process/env", (process.get("user") or {}).get("uid", 0)))
    plan.append(ops.find_executable("/process/args/0", process["args"][0], env))
    plan.append(ops.close_fds("", 3 + request.preserve_fds))
    if request.gate:
        plan += [ops.ready(""), ops.gate("")]
    elif start_hooks:
        plan.append(ops.sync("/hooks/startContainer", ops.SYNC_START_HOOKS))
    plan += start_hooks
    plan += limits
    if no_new_privs:
        plan.append(ops.no_new_privs("/process/noNewPrivileges"))
    if seccomp:
        plan.append(ops.seccomp("/linux/seccomp", *seccomp))
    if keep:
        plan.append(identity.settle())
    plan.append(ops.execute("/process/args", process["args"], env))
    return plan


def plan_exec(
    process: "dict[str, Any]",
    request: Request,
    open_ops: "list[Op]",
    ns_flags: int,
    seccomp: "Seccomp | None",
    linux: "dict[str, Any]" = {},  # noqa: B006  never changed
) -> "list[Op]":
    """Operations of `exec`: into the namespaces `ns_flags` of the container, then as in `create`.

    `linux`: what of the container's config is for each of its processes (plan.scheduling).
    """
    plan = list(open_ops)
    in_user_namespace = bool(ns_flags & lib.CLONE_NEWUSER)
    if process.get("execCPUAffinity"):
        from tare_runtime.plan.scheduling import plan_affinity

        plan += plan_affinity(process, "initial")
    if not _PRIORITIES.isdisjoint(process):
        plan += _priorities(process, in_user_namespace=in_user_namespace, before_clone=True)
    adjust = process.get("oomScoreAdj")
    if adjust is not None:
        plan.append(ops.oom_score_adj("/process/oomScoreAdj", adjust))
    if process.get("apparmorProfile") or process.get("selinuxLabel"):
        plan.append(ops.open_proc("/process"))
    plan.append(ops.setns_process("/linux/namespaces", ns_flags))
    plan.append(ops.clone("", 0))  # a pid namespace is entered by children only (setns(2))
    plan += _join(open_ops)
    if process.get("execCPUAffinity"):
        plan += plan_affinity(process, "final")
    if in_user_namespace:
        plan.append(ops.become_root("/linux/namespaces", keep_groups=request.keep_groups))
    plan.append(ops.setsid(""))
    if process.get("terminal"):
        plan.append(_console(process, bind_console=False))
    plan += plan_process(process, seccomp, request, linux=linux, in_user_namespace=in_user_namespace)
    return plan


def _priorities(process: "dict[str, Any]", *, in_user_namespace: bool, before_clone: bool) -> "list[Op]":
    from tare_runtime.plan.scheduling import plan_priorities

    return plan_priorities(process, in_user_namespace=in_user_namespace, before_clone=before_clone)


def _enter(
    config: "dict[str, Any]", new: int, joined: "list[tuple[str, int, str]]", *, in_user_namespace: bool
) -> "list[Op]":
    plan: list[Op] = []
    adjust = config["process"].get("oomScoreAdj")
    if adjust is not None:
        plan.append(ops.oom_score_adj("/process/oomScoreAdj", adjust))
    process = config["process"]
    if not _PRIORITIES.isdisjoint(process):
        plan += _priorities(process, in_user_namespace=in_user_namespace, before_clone=True)
    if config.get("linux", {}).get("sysctl"):
        plan.append(ops.open_proc("/linux/sysctl"))
    elif new & lib.CLONE_NEWTIME:
        plan.append(ops.open_proc("/linux/namespaces"))
    elif process.get("apparmorProfile") or process.get("selinuxLabel"):
        plan.append(ops.open_proc("/process"))
    plan += [ops.setns_path(pointer, flag, path) for pointer, flag, path in joined]
    plan.append(ops.clone("/linux/namespaces", new & ~(lib.CLONE_NEWCGROUP | lib.CLONE_NEWTIME)))
    return plan


def _keyring(process: "dict[str, Any]", request: Request) -> "list[Op]":
    keyring = ops.keyring("", "_ses." + request.id)
    if not process.get("selinuxLabel"):
        return [keyring]
    from tare_runtime.plan.labels import labelled_keyring

    return labelled_keyring(process, keyring)


def _join(open_ops: "list[Op]") -> "list[Op]":
    return [ops.join_cgroups("/linux/cgroupsPath")] if open_ops else []


def _names(config: "dict[str, Any]", new: int) -> "list[Op]":
    plan: list[Op] = []
    if new & lib.CLONE_NEWNET:
        plan.append(ops.loopback_up("/linux/namespaces"))
    if config.get("hostname"):
        plan.append(ops.sethostname("/hostname", config["hostname"]))
    if config.get("domainname"):
        plan.append(ops.setdomainname("/domainname", config["domainname"]))
    for name, value in (config.get("linux", {}).get("sysctl") or {}).items():
        pointer = "/linux/sysctl/" + name.replace("~", "~0").replace("/", "~1")
        plan.append(ops.sysctl(pointer, name if "/" in name else name.replace(".", "/"), value))
    return plan


def _file_system(
    config: "dict[str, Any]",
    request: Request,
    cgroup: "CgroupPlan",
    trees: "list[Op]",
    *,
    in_user_namespace: bool,
) -> "list[Op]":
    linux = config.get("linux", {})
    process = config["process"]
    own_mounts = has_mount_namespace(linux)
    word = linux.get("rootfsPropagation") or ""
    propagation = PROPAGATION[word] if word else 0
    # Whatever the root will be in the end, what is mounted on the way must not reach the host, and the
    # host's mounts must be there to be bound: unbindable ones cannot be.
    at_first = propagation if propagation & lib.MS_SHARED else lib.MS_SLAVE | lib.MS_REC
    root = config["root"]["path"]
    if root[:1] != "/":
        root = f"{request.bundle}/{root}"
    if own_mounts:
        plan = [
            ops.root_propagation("/linux/rootfsPropagation" if word else "", at_first),
            ops.rootfs("/root/path", root),
        ]
    else:
        plan = [ops.open_rootfs("/root/path", root)]
    # With the rights of root, but no root of the new user namespace, sources are reached from the host alone.
    from_host = in_user_namespace and request.privileged
    plan += plan_mounts(config, request.bundle, cgroup, trees, from_host=from_host)
    plan += plan_devices(config, in_user_namespace=in_user_namespace, has_kcore=request.has_kcore)
    plan.append(ops.mkdir("/process/cwd", process["cwd"], 0o755))
    plan.append(ops.recorded(""))
    if process.get("terminal"):
        plan.append(_console(process, bind_console=own_mounts))
    hooks = config.get("hooks") or {}
    created = _hooks(config, "createContainer")
    if hooks.get("prestart") or hooks.get("createRuntime") or created:
        plan.append(ops.sync("/hooks", ops.SYNC_HOST_HOOKS))
    plan += created
    # After the hooks, which may change what is there; before the root is read-only.
    for index, path in enumerate(linux.get("maskedPaths") or ()):
        plan.append(ops.mask(f"/linux/maskedPaths/{index}", path))
    for index, path in enumerate(linux.get("readonlyPaths") or ()):
        plan.append(ops.readonly(f"/linux/readonlyPaths/{index}", path))
    how = ops.CHROOT if not own_mounts else ops.MOVE if request.no_pivot else ops.PIVOT
    plan.append(ops.pivot_root("/root/path", how))
    readonly = lib.MOUNT_ATTR_RDONLY if config["root"].get("readonly") else 0
    if readonly or word:
        plan.append(ops.root_attr("/root/readonly", readonly, propagation))
    return plan


def has_mount_namespace(linux: "dict[str, Any]") -> bool:
    """Whether the container has mounts of its own, or shares another's that it may change."""
    return any(namespace["type"] == "mount" for namespace in linux.get("namespaces") or ())


def _console(process: "dict[str, Any]", *, bind_console: bool) -> "Op":
    size = process.get("consoleSize") or {}
    uid = (process.get("user") or {}).get("uid", 0)
    width, height = size.get("width", 0), size.get("height", 0)
    return ops.console("/process/terminal", width, height, uid, bind_console=bind_console)


def _hooks(config: "dict[str, Any]", kind: str) -> "list[Op]":
    return [
        ops.run_hook(
            f"/hooks/{kind}/{index}",
            f"{kind} hook #{index}",
            hook["path"],
            hook.get("args") or [hook["path"]],
            hook.get("env") or [],
            hook.get("timeout") or 0,
        )
        for index, hook in enumerate((config.get("hooks") or {}).get(kind) or ())
    ]


def _environment(env: "list[str]") -> "list[str]":
    """Of entries with the same name the last one counts (environ(7) leaves it open; callers rely on it)."""
    merged: dict[str, str] = {}
    for entry in env:
        merged[entry.partition("=")[0]] = entry
    return list(merged.values())
