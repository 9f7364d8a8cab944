"""The kernel, who we are, namespaces and user ids."""

from __future__ import annotations

from tare_runtime.doctor.host import NO, PARTLY, YES, Fact, Host

OLDEST = (5, 12)
_NEEDED_CAPABILITIES = (
    "SYS_ADMIN MKNOD NET_ADMIN SETUID SETGID SETPCAP SYS_CHROOT SYS_RESOURCE DAC_OVERRIDE KILL"
)
# name in config.json → (file in /proc/self/ns, kernel option, name in /proc/sys/user, whether all need it)
_NAMESPACES = (
    ("mount", "mnt", "", "mnt", True),
    ("pid", "pid", "CONFIG_PID_NS", "pid", True),
    ("network", "net", "CONFIG_NET_NS", "net", False),
    ("ipc", "ipc", "CONFIG_IPC_NS", "ipc", False),
    ("uts", "uts", "CONFIG_UTS_NS", "uts", False),
    ("user", "user", "CONFIG_USER_NS", "user", False),
    ("cgroup", "cgroup", "CONFIG_CGROUPS", "cgroup", False),
    ("time", "time", "CONFIG_TIME_NS", "time", False),
)


def system(host: Host) -> list[Fact]:
    fits = host.kernel() >= OLDEST
    advice = "" if fits else "boot a kernel of at least 5.12, which has mount_setattr(2)"
    found = [Fact("system", "kernel", YES if fits else NO, f"Linux {host.release}", advice, need=True)]
    if host.uid == 0:
        lacking = [name for name in _NEEDED_CAPABILITIES.split() if not host.has_capability(name)]
        if lacking:
            detail = "root, but without " + ", ".join("CAP_" + name for name in lacking)
            advice = "we are in a container: give it these capabilities (--privileged gives all)"
            found.append(Fact("system", "privileges", PARTLY, detail, advice))
        else:
            found.append(Fact("system", "privileges", YES, "root, with all capabilities that are wanted"))
    else:
        detail = f"user {host.uid}: containers need a user namespace; limits need a delegated cgroup"
        found.append(
            Fact(
                "system",
                "privileges",
                PARTLY,
                detail,
                "`tare-runtime spec --rootless` makes a fitting config",
            )
        )
    if host.exists("/.dockerenv") or host.exists("/run/.containerenv"):
        detail = "we are inside a container: some of what follows is what it lets us have"
        found.append(Fact("system", "nesting", PARTLY, detail))
    found.append(_proc(host))
    return found


def _proc(host: Host) -> Fact:
    covered = [
        point
        for point, _, _ in host.mounts()
        if point.startswith("/proc/") and point != "/proc/sys/fs/binfmt_misc"
    ]
    if not covered:
        return Fact("system", "/proc", YES, "whole: user namespaces may mount their own")
    detail = "parts of it are covered: " + ", ".join(covered[:4])
    advice = "containers in a user namespace cannot mount /proc then: uncover it, or bind /proc"
    return Fact("system", "/proc", PARTLY, detail, advice)


def namespaces(host: Host) -> list[Fact]:
    found = []
    for name, file, option, limit, need in _NAMESPACES:
        most = host.number(f"/proc/sys/user/max_{limit}_namespaces")
        if not host.exists(f"/proc/self/ns/{file}"):
            advice = f"boot a kernel with {option}"
            found.append(Fact("namespaces", name, NO, "this kernel does not have it", advice, need=need))
        elif most == 0:
            advice = f"sysctl -w user.max_{limit}_namespaces=10000"
            found.append(Fact("namespaces", name, NO, f"user.max_{limit}_namespaces is 0", advice, need=need))
        elif name == "user":
            found.append(_user_namespaces(host, most))
        else:
            found.append(Fact("namespaces", name, YES, f"up to {most}" if most else "", need=need))
    return found


def _user_namespaces(host: Host, most: int | None) -> Fact:
    for path, bad, name in (
        ("/proc/sys/kernel/unprivileged_userns_clone", 0, "kernel.unprivileged_userns_clone"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "kernel.apparmor_restrict_unprivileged_userns",
        ),
    ):
        if host.number(path) == bad:
            detail = f"for root alone: {name} is {bad}"
            advice = f"sysctl -w {name}={1 - bad}, if users shall run containers"
            return Fact(
                "namespaces", "user", PARTLY if host.uid == 0 else NO, detail, advice, need=host.uid != 0
            )
    return Fact("namespaces", "user", YES, f"up to {most}" if most else "", need=host.uid != 0)


def user_ids(host: Host) -> list[Fact]:
    """Ranges of ids for user namespaces that are made without root."""
    programs = [name for name in ("newuidmap", "newgidmap") if not host.find_program(name)]
    if programs:
        detail = " and ".join(programs) + (" is" if len(programs) == 1 else " are") + " missing"
        advice = "install the package uidmap (shadow-utils); without it a user can map the own id alone"
        found = [Fact("user ids", "id map helpers", NO if host.uid else PARTLY, detail, advice)]
    else:
        found = [Fact("user ids", "id map helpers", YES, host.find_program("newuidmap"))]
    for name in ("subuid", "subgid"):
        rows = [
            line.split(":") for line in (host.read(f"/etc/{name}") or "").splitlines() if line.count(":") == 2
        ]
        sizes = [int(row[2]) for row in rows if row[2].isdigit()]
        if not sizes:
            advice = f"usermod --add-{name}s 100000-165535 USER"
            found.append(Fact("user ids", f"/etc/{name}", PARTLY, "gives nobody a range", advice))
        elif max(sizes) < 65536:
            detail = f"the largest range has {max(sizes)} ids: images with user 65534 do not fit"
            found.append(Fact("user ids", f"/etc/{name}", PARTLY, detail, f"give 65536 ids in /etc/{name}"))
        else:
            found.append(
                Fact("user ids", f"/etc/{name}", YES, f"{len(rows)} ranges, the largest of {max(sizes)} ids")
            )
    return found
