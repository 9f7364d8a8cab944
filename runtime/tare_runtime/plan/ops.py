"""The operations a plan is made of: constructors only, no effects.

An operation is `(kind, pointer, args)`: its name in csrc/ops.h, the JSON pointer of the config field that
made it (RFC 6901; "" where the runtime itself asks for it), and its arguments in the order of the
signature there. They run in the order of the list, at three places:

- *host*: in the runtime's own process, side by side with *enter*, of which it needs nothing;
- *enter*: in stage one of `init`, still in the caller's namespaces, up to and with `clone`;
- *setup*: in the container's first process, from `clone` to `exec`.
"""

Arg = int | str | bytes
Op = tuple[str, str, tuple[Arg, ...]]

# --- host -----------------------------------------------------------------------------------------------


def host_mkdir(pointer: str, path: str) -> Op:
    """Make one directory; that it exists already is fine."""
    return ("host_mkdir", pointer, (path,))


def host_write(pointer: str, path: str, data: str) -> Op:
    """Write `data` to an existing file by one write(2), as cgroup files want it."""
    return ("host_write", pointer, (path, data))


def host_enable_controllers(pointer: str, directory: str) -> Op:
    """Enable all controllers of a v2 cgroup for those below it, as far as it can be done.

    One that stays off is missed when its limit is written.
    """
    return ("host_enable_controllers", pointer, (directory,))


def host_copy_parent(pointer: str, directory: str, name: str) -> Op:
    """Copy file `name` of the parent directory into `directory` where it is empty there (cpuset)."""
    return ("host_copy_parent", pointer, (directory, name))


def host_device_filter(pointer: str, directory: str, program: bytes) -> Op:
    """Attach a BPF program to a cgroup of v2, which decides about every use of a device in it."""
    return ("host_device_filter", pointer, (directory, program))


def host_open_cgroup(pointer: str, path: str) -> Op:
    """Open the file by which `join_cgroups` joins a cgroup, and hand it to the container's process.

    On v1 `path` ends in /tasks: a single thread that moves itself takes no thread-group lock, whose first
    use waits for an RCU grace period (13 ms measured) when a pid is written to cgroup.procs.
    """
    return ("host_open_cgroup", pointer, (path,))


def host_write_present(pointer: str, path: str, data: str) -> Op:
    """As host_write, where the file is there: kernels differ in which limits they have."""
    return ("host_write_present", pointer, (path, data))


def host_chown(pointer: str, path: str, uid: int, gid: int) -> Op:
    """Give a file to another user, if it is there; -1 leaves the id as it is."""
    return ("host_chown", pointer, (path, uid, gid))


def host_tree(pointer: str, source: str, user_namespace: str, uid_map: str, gid_map: str, flags: int) -> Op:
    """Copy the mount tree at `source` for `bind_tree`, with the rights of the runtime.

    Ids are mapped by the user namespace at a path, or by a new one with these maps (lines of uid_map); all
    "": they are not.
    """
    return ("host_tree", pointer, (source, user_namespace, uid_map.encode(), gid_map.encode(), flags))


def host_net_device(pointer: str, name: str, new_name: str) -> Op:
    """Move a network device into the network namespace of the container's first process."""
    return ("host_net_device", pointer, (name, new_name))


# --- enter ----------------------------------------------------------------------------------------------


def oom_score_adj(pointer: str, value: int) -> Op:
    return ("oom_score_adj", pointer, (value,))


def setns_path(pointer: str, ns_flag: int, path: str) -> Op:
    """Join the namespace at `path`; the kernel checks that it is of the type `ns_flag` (CLONE_NEW*)."""
    return ("setns_path", pointer, (ns_flag, path))


def setns_process(pointer: str, ns_flags: int) -> Op:
    """Join the named namespaces of the process whose pidfd `init` was started with."""
    return ("setns_process", pointer, (ns_flags,))


def open_proc(pointer: str) -> Op:
    """Keep a descriptor of the host's procfs, checked to be one, for `sysctl` and the LSM attributes."""
    return ("open_proc", pointer, ())


def clone(pointer: str, ns_flags: int) -> Op:
    """Make the container's first process, in new namespaces, as a child of the runtime (CLONE_PARENT)."""
    return ("clone", pointer, (ns_flags,))


# --- setup: order and identity in the new namespaces -----------------------------------------------------

SYNC_HOST_HOOKS = 2
SYNC_START_HOOKS = 3


def recorded(pointer: str) -> Op:
    """Wait for the runtime's word that the state on disk names this process."""
    return ("recorded", pointer, ())


def join_cgroups(pointer: str) -> Op:
    """Write "0" to every file that `host_open_cgroup` has opened: the writer itself joins."""
    return ("join_cgroups", pointer, ())


def cgroup_namespace(pointer: str) -> Op:
    """A cgroup namespace of its own, which begins at the cgroups that the process is in."""
    return ("cgroup_namespace", pointer, ())


def sync(pointer: str, point: int) -> Op:
    """Report a point to the runtime and wait for its word (id maps written, hooks run)."""
    return ("sync", pointer, (point,))


def become_root(pointer: str, *, keep_groups: bool = False) -> Op:
    """Take uid and gid 0 of the new user namespace, once its maps are written."""
    return ("become_root", pointer, (int(keep_groups),))


def setsid(pointer: str) -> Op:
    return ("setsid", pointer, ())


def loopback_up(pointer: str) -> Op:
    return ("loopback_up", pointer, ())


def sethostname(pointer: str, name: str) -> Op:
    return ("sethostname", pointer, (name,))


def setdomainname(pointer: str, name: str) -> Op:
    return ("setdomainname", pointer, (name,))


def sysctl(pointer: str, path: str, value: str) -> Op:
    """Write a sysctl; `path` is below /proc/sys, with slashes."""
    return ("sysctl", pointer, (path, value))


def keyring(pointer: str, name: str) -> Op:
    return ("keyring", pointer, (name,))


def time_namespace(pointer: str, offsets: str) -> Op:
    """Make a time namespace and enter it; `offsets`: lines as /proc/PID/timens_offsets takes them, or ""."""
    return ("time_namespace", pointer, (offsets,))


# --- setup: the file system ------------------------------------------------------------------------------

# Flags of `mount` and `bind`.
PLAIN_DIRECTORY = 1  # the target may not be reached through a symlink (proc, sysfs)
RECURSIVE = 2
COPY_UP = 4
SOURCE_NOFOLLOW = 8
TARGET_NOFOLLOW = 16
COPY_SYMLINK = 32  # a source that is a symlink is copied, not bound
IDMAP_RECURSIVE = 64


def root_propagation(pointer: str, flags: int) -> Op:
    """Set the propagation of every mount of the new namespace, before the rootfs is bound (MS_*)."""
    return ("root_propagation", pointer, (flags,))


def rootfs(pointer: str, path: str) -> Op:
    """Bind the root file system on itself; all later targets are resolved inside it."""
    return ("rootfs", pointer, (path,))


def open_rootfs(pointer: str, path: str) -> Op:
    """As rootfs, without a mount: for a container in the host's mount namespace."""
    return ("open_rootfs", pointer, (path,))


def mount(
    pointer: str, fstype: str, source: str, target: str, attr: int, data: str, propagation: int, flags: int
) -> Op:
    """Make a new file system of `fstype` and attach it at `target` in the rootfs.

    `attr`: MOUNT_ATTR_* bits; `data`: comma separated options of the file system, super-block flags
    included; `propagation`: MS_* or 0.
    """
    return ("mount", pointer, (fstype, source, target, attr, data, propagation, flags))


def bind(
    pointer: str,
    source: str,
    target: str,
    attr: tuple[int, int],
    recursive_attr: tuple[int, int],
    propagation: int,
    flags: int,
) -> Op:
    """Attach a copy of the host's mount tree at `source`; each attr is a pair (set, clear)."""
    return ("bind", pointer, (source, target, *attr, *recursive_attr, propagation, flags))


def bind_tree(
    pointer: str,
    index: int,
    target: str,
    attr: tuple[int, int],
    recursive_attr: tuple[int, int],
    propagation: int,
    flags: int,
) -> Op:
    """As bind, with the tree that the host_tree number `index` has copied."""
    return ("bind_tree", pointer, (index, target, *attr, *recursive_attr, propagation, flags))


def unmount(pointer: str, target: str) -> Op:
    """Detach what is mounted on top at `target`, in a container that exists; `open_proc` comes before."""
    return ("unmount", pointer, (target,))


def remount(pointer: str, target: str, attr: tuple[int, int]) -> Op:
    """Change the attributes of the mount that is on top at `target`."""
    return ("remount", pointer, (target, *attr))


def mkdir(pointer: str, target: str, mode: int) -> Op:
    """Make a directory in the rootfs with all its parents, if it is missing."""
    return ("mkdir", pointer, (target, mode))


def mknod(pointer: str, target: str, mode: int, major: int, minor: int, uid: int, gid: int) -> Op:
    """Make a device node or fifo; an existing node of the same type and number is kept."""
    return ("mknod", pointer, (target, mode, major, minor, uid, gid))


def symlink(pointer: str, text: str, target: str) -> Op:
    """Make a symlink at `target`, unless something is there already."""
    return ("symlink", pointer, (text, target))


def mask(pointer: str, target: str) -> Op:
    """Hide a path: a file behind the null device, a directory behind an empty read-only tmpfs."""
    return ("mask", pointer, (target,))


def readonly(pointer: str, target: str) -> Op:
    return ("readonly", pointer, (target,))


PIVOT, MOVE, CHROOT = 0, 1, 2


def pivot_root(pointer: str, how: int) -> Op:
    """Make the rootfs the root: by pivot_root(2), by moving the mount (no-pivot), or chroot(2) alone."""
    return ("pivot_root", pointer, (how,))


def root_attr(pointer: str, attr_set: int, propagation: int) -> Op:
    """Final attributes and propagation of the root mount."""
    return ("root_attr", pointer, (attr_set, propagation))


# --- setup: the process ----------------------------------------------------------------------------------


def console(pointer: str, width: int, height: int, uid: int, *, bind_console: bool) -> Op:
    """Open a pseudo-terminal of the container's devpts, make it stdio, send its master to the runtime."""
    return ("console", pointer, (width, height, uid, int(bind_console)))


def run_hook(pointer: str, name: str, path: str, argv: list[str], env: list[str], timeout_s: int) -> Op:
    """Run a hook as a child of `init`; `name` is for messages, timeout 0 means none."""
    return ("run_hook", pointer, (name, path, strings(argv), strings(env), timeout_s))


def raise_limit(pointer: str, resource: int, hard: int) -> Op:
    """Raise a hard limit that is lower, while init has the capability to; `rlimit` sets the rest later."""
    return ("raise_limit", pointer, (resource, hard))


def rlimit(pointer: str, resource: int, soft: int, hard: int) -> Op:
    """Set a limit for the program, as far as the hard limit reaches."""
    return ("rlimit", pointer, (resource, soft, hard))


def personality(pointer: str, domain: int) -> Op:
    return ("personality", pointer, (domain,))


def scheduler(
    pointer: str,
    policy: int,
    flags: int,
    nice: int,
    priority: int,
    runtime_ns: int,
    deadline_ns: int,
    period_ns: int,
) -> Op:
    """Scheduling of the process, as sched_setattr(2) takes it. Also in stage one: children inherit it."""
    return ("scheduler", pointer, (policy, flags, nice, priority, runtime_ns, deadline_ns, period_ns))


def io_priority(pointer: str, priority: int) -> Op:
    """Class and level as one number, as ioprio_set(2) takes them."""
    return ("io_priority", pointer, (priority,))


def cpu_affinity(pointer: str, mask: bytes) -> Op:
    """Which processors the process may run on: a bit each, the first in the first byte."""
    return ("cpu_affinity", pointer, (mask,))


def memory_policy(pointer: str, mode: int, nodes: bytes) -> Op:
    """NUMA policy; `mode` with its MPOL_F_* flags, `nodes` as a mask like that of `cpu_affinity`."""
    return ("memory_policy", pointer, (mode, nodes))


def attribute(pointer: str, name: str, text: str, *, stack: bool = False) -> Op:
    """Write a security attribute of the process, /proc/self/attr/NAME.

    `stack`: where AppArmor confines us already, add its profile ("exec PROFILE") to what is.
    """
    return ("attribute", pointer, (name, text, int(stack)))


def chdir(pointer: str, path: str) -> Op:
    """Change directory and check that the result lies inside the root (CVE-2024-21626)."""
    return ("chdir", pointer, (path,))


def drop_bounding(pointer: str, keep: int) -> Op:
    """Drop from the bounding set every capability whose bit is not in `keep`."""
    return ("drop_bounding", pointer, (keep,))


def user(pointer: str, uid: int, gid: int, umask: int, groups: list[int], *, set_groups: bool) -> Op:
    """Take the user's ids, keeping permitted capabilities until `capset`."""
    packed = b"".join(group.to_bytes(4, "little") for group in groups)
    return ("user", pointer, (uid, gid, umask, packed, int(set_groups)))


def capset(pointer: str, effective: int, permitted: int, inheritable: int, ambient: int) -> Op:
    return ("capset", pointer, (effective, permitted, inheritable, ambient))


def no_new_privs(pointer: str) -> Op:
    return ("no_new_privs", pointer, ())


def seccomp(pointer: str, program: bytes, flags: int) -> Op:
    return ("seccomp", pointer, (program, flags))


def find_executable(pointer: str, name: str, env: list[str]) -> Op:
    """Look args[0] up in the container's PATH, as the user that will run it."""
    return ("find_executable", pointer, (name, strings(env)))


def home(pointer: str, uid: int) -> Op:
    """Give the environment HOME from the container's passwd, where the config has none."""
    return ("home", pointer, (uid,))


def ready(pointer: str) -> Op:
    """Tell the runtime that all is set up."""
    return ("ready", pointer, ())


def gate(pointer: str) -> Op:
    """Wait on the listening socket for `start`; its connection carries errors from then on."""
    return ("gate", pointer, ())


def close_fds(pointer: str, first: int) -> Op:
    """Mark every descriptor from `first` up close-on-exec."""
    return ("close_fds", pointer, (first,))


def execute(pointer: str, argv: list[str], env: list[str]) -> Op:
    return ("exec", pointer, (strings(argv), strings(env)))


def strings(values: list[str]) -> bytes:
    """A list of strings as the wire carries it: each ended by NUL. They may not hold NUL themselves."""
    return b"".join(value.encode("utf-8", "surrogateescape") + b"\0" for value in values)
