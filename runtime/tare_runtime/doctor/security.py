"""Seccomp, security modules, file systems, checkpoints, and the limits of the host that containers meet."""

from __future__ import annotations

from tare_runtime.doctor.host import NO, PARTLY, YES, Fact, Host


def security(host: Host) -> list[Fact]:
    actions = host.words("/proc/sys/kernel/seccomp/actions_avail")
    if not actions:
        found = [Fact("security", "seccomp", NO, "no filters", "boot a kernel with CONFIG_SECCOMP_FILTER")]
    else:
        found = [Fact("security", "seccomp", YES, ", ".join(actions))]
        detail = "SCMP_ACT_NOTIFY" if "user_notif" in actions else "not before kernel 5.0"
        found.append(Fact("security", "seccomp listeners", YES if "user_notif" in actions else NO, detail))
    modules = (host.read("/sys/kernel/security/lsm") or "").split(",")
    if host.read("/sys/module/apparmor/parameters/enabled") == "Y":
        found.append(Fact("security", "AppArmor", YES, "profiles can be given"))
    else:
        advice = "boot with apparmor=1 security=apparmor, where the kernel has it"
        found.append(
            Fact("security", "AppArmor", NO, "off: a config that names a profile is refused", advice)
        )
    if host.exists("/sys/fs/selinux/enforce"):
        mode = "enforcing" if host.read("/sys/fs/selinux/enforce") == "1" else "permissive"
        found.append(Fact("security", "SELinux", YES, mode))
    else:
        found.append(
            Fact(
                "security",
                "SELinux",
                NO,
                "off: a config with labels is refused",
                "boot with selinux=1 and a policy",
            )
        )
    others = [name for name in modules if name in ("landlock", "yama", "bpf", "lockdown", "smack", "tomoyo")]
    if others:
        found.append(Fact("security", "other modules", YES, ", ".join(others)))
    return found


def file_systems(host: Host) -> list[Fact]:
    known = {line.split()[-1] for line in (host.read("/proc/filesystems") or "").splitlines() if line.strip()}
    found = []
    for name, what in (
        ("overlay", "layers of images"),
        ("tmpfs", "/dev"),
        ("mqueue", "/dev/mqueue"),
        ("fuse", "fuse-overlayfs"),
    ):
        if name in known or _is_module(host, name):
            found.append(Fact("file systems", name, YES, what))
        else:
            advice = f"modprobe {name}, or a kernel with it"
            found.append(Fact("file systems", name, NO, f"not known: {what}", advice, need=name == "tmpfs"))
    kernel = host.kernel()
    found.append(
        Fact("file systems", "overlay without root", *_since(kernel, (5, 11), "in a user namespace"))
    )
    detail = (
        "ext4, xfs, btrfs, fat"
        + (", overlay" if kernel >= (5, 19) else "")
        + (", tmpfs" if kernel >= (6, 3) else "")
    )
    found.append(Fact("file systems", "mounts with mapped ids", *_since(kernel, (5, 12), detail)))
    if "fuse" in known and not host.exists("/dev/fuse"):
        found.append(
            Fact("file systems", "/dev/fuse", PARTLY, "the node is missing", "mknod /dev/fuse c 10 229")
        )
    resctrl = any(kind == "resctrl" for _, kind, _ in host.mounts())
    if "resctrl" in known:
        advice = "" if resctrl else "mount -t resctrl resctrl /sys/fs/resctrl"
        found.append(Fact("file systems", "resctrl", YES if resctrl else PARTLY, "linux.intelRdt", advice))
    sizes = [name.removeprefix("hugepages-") for name in host.names("/sys/kernel/mm/hugepages")]
    if sizes:
        found.append(Fact("file systems", "huge pages", YES, ", ".join(sizes)))
    return found


def _since(kernel: tuple[int, int], first: tuple[int, int], detail: str) -> tuple[str, str, str]:
    if kernel >= first:
        return YES, detail, ""
    return NO, f"not before kernel {first[0]}.{first[1]}", "boot a newer kernel"


def _is_module(host: Host, name: str) -> bool:
    places = (f"/lib/modules/{host.release}/kernel/fs/{folder}" for folder in (name, name + "fs"))
    return any(host.names(place) for place in places)


def checkpoints(host: Host) -> list[Fact]:
    program = host.find_program("criu")
    if not program:
        return [Fact("checkpoints", "criu", NO, "not installed", "install the package criu")]
    kept = host.read("/proc/self/task/self/children") is not None or host.exists("/proc/self/map_files")
    detail = program if kept else f"{program}, but this kernel has no CONFIG_CHECKPOINT_RESTORE"
    return [
        Fact("checkpoints", "criu", YES if kept else NO, detail, "" if kept else "boot a kernel that has it")
    ]


# sysctl → (path, below which a warning is due, what runs out)
_LIMITS = (
    ("kernel.pid_max", "/proc/sys/kernel/pid_max", 32768, "processes"),
    ("kernel.keys.maxkeys", "/proc/sys/kernel/keys/maxkeys", 1000, "keys of users: one for each container"),
    ("fs.mount-max", "/proc/sys/fs/mount-max", 10000, "mounts in a namespace"),
    ("fs.nr_open", "/proc/sys/fs/nr_open", 1048576, "open files of a process"),
    ("fs.inotify.max_user_instances", "/proc/sys/fs/inotify/max_user_instances", 128, "inotify instances"),
    ("kernel.pty.max", "/proc/sys/kernel/pty/max", 1024, "terminals"),
)


def limits(host: Host) -> list[Fact]:
    found = []
    for name, path, least, what in _LIMITS:
        value = host.number(path)
        if value is None:
            continue
        if value < least:
            advice = f"sysctl -w {name}={least * 4}"
            found.append(Fact("limits", name, PARTLY, f"{value} {what}: little for many containers", advice))
        else:
            found.append(Fact("limits", name, YES, f"{value} {what}"))
    found.append(_open_files(host))
    return found


def _open_files(host: Host) -> Fact:
    for line in (host.read("/proc/self/limits") or "").splitlines():
        if line.startswith("Max open files"):
            hard = line.split()[4]
            if hard.isdigit() and int(hard) < 4096:
                return Fact("limits", "RLIMIT_NOFILE", PARTLY, f"{hard} at most", "raise it: ulimit -Hn")
            return Fact("limits", "RLIMIT_NOFILE", YES, f"{hard} at most")
    return Fact("limits", "RLIMIT_NOFILE", YES, "unknown")
