"""Cgroups: which version, which controllers, and whether we may make some."""

from __future__ import annotations

from tare_runtime.doctor.host import NO, PARTLY, YES, Fact, Host

TOPIC = "cgroups"
_V1_WANTED = ("cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio")
_V2_WANTED = ("cpu", "cpuset", "memory", "pids", "io")
_V2 = "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all for cgroup v2"


def cgroups(host: Host) -> list[Fact]:
    v1: dict[str, tuple[str, str]] = {}  # controller → (mount point, options)
    unified = None
    own: dict[str, str] = {}
    for line in (host.read("/proc/self/cgroup") or "").splitlines():
        _, colon, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if colon and path[:1] == "/":
            own |= dict.fromkeys(names.split(","), path)
    for point, kind, options in host.mounts():
        if kind == "cgroup":
            for name in options.split(","):
                if name in own and name not in v1:
                    v1[name] = (point, options)
        elif kind == "cgroup2" and unified is None:
            unified = (point, options)
    if any(name in v1 for name in _V1_WANTED):
        return _of_v1(host, v1, own, hybrid=unified is not None)
    if unified:
        return _of_v2(host, *unified, own.get("", "/"))
    advice = "mount -t cgroup2 none /sys/fs/cgroup"
    return [
        Fact(TOPIC, "version", NO, "no cgroup file system is mounted: containers run without limits", advice)
    ]


def _of_v1(host: Host, v1: dict[str, tuple[str, str]], own: dict[str, str], *, hybrid: bool) -> list[Fact]:
    detail = "v1, with an empty v2 beside it" if hybrid else "v1"
    found = [Fact(TOPIC, "version", YES, detail, f"v1 is on its way out: {_V2}")]
    lacking = [name for name in _V1_WANTED if name not in v1]
    have = ", ".join(name for name in v1 if name and not name.startswith("name="))
    found.append(
        _controllers(
            have, lacking, f"mount them; if the kernel has them off: cgroup_enable={','.join(lacking)}"
        )
    )
    first = next((name for name in ("pids", "memory", "cpu") if name in v1), "")
    if first:
        point, options = v1[first]
        found.append(_writable(host, point + own[first].rstrip("/"), options))
    if "memory" in v1:
        has_swap = host.exists(v1["memory"][0] + "/memory.memsw.limit_in_bytes")
        advice = "" if has_swap else "boot with swapaccount=1"
        found.append(
            Fact(
                TOPIC,
                "swap limits",
                YES if has_swap else NO,
                "memory.swap" if has_swap else "not counted",
                advice,
            )
        )
    if "cpu" in v1:
        has_rt = host.exists(v1["cpu"][0] + "/cpu.rt_runtime_us")
        detail = (
            "cpu.realtimeRuntime" if has_rt else "not in groups: this kernel has no CONFIG_RT_GROUP_SCHED"
        )
        found.append(Fact(TOPIC, "real-time limits", YES if has_rt else NO, detail))
    found.append(Fact(TOPIC, "device rules", *_devices_of_v1(v1)))
    return found


def _devices_of_v1(v1: dict[str, tuple[str, str]]) -> tuple[str, str, str]:
    if "devices" in v1:
        return YES, "by the devices controller", ""
    return NO, "there is no devices controller: containers may use every device node they have", "mount it"


def _of_v2(host: Host, point: str, options: str, own: str) -> list[Fact]:
    found = [Fact(TOPIC, "version", YES, f"v2, at {point}")]
    have = host.words(f"{point}/cgroup.controllers")
    lacking = [name for name in _V2_WANTED if name not in have]
    advice = "boot without cgroup_disable= and cgroup_no_v1=; for memory on some boards cgroup_enable=memory"
    found.append(_controllers(", ".join(have), lacking, advice))
    folder = point + own.rstrip("/")
    found.append(_writable(host, folder, options))
    if host.uid != 0:
        given = host.words(f"{folder}/cgroup.controllers")
        left_out = [name for name in _V2_WANTED if name in have and name not in given]
        if left_out:
            advice = "systemd: Delegate=cpu cpuset io memory pids in a drop-in of user@.service"
            found.append(Fact(TOPIC, "delegated controllers", PARTLY, "not " + ", ".join(left_out), advice))
        else:
            found.append(Fact(TOPIC, "delegated controllers", YES, ", ".join(given)))
    can_bpf = host.has_capability("BPF") or host.has_capability("SYS_ADMIN")
    if host.uid == 0 and can_bpf:
        found.append(Fact(TOPIC, "device rules", YES, "by BPF programs"))
    else:
        detail = "they take root: without it, device nodes cannot be made either"
        found.append(Fact(TOPIC, "device rules", PARTLY, detail))
    return found


def _controllers(have: str, lacking: list[str], advice: str) -> Fact:
    if not lacking:
        return Fact(TOPIC, "controllers", YES, have)
    return Fact(TOPIC, "controllers", PARTLY, f"{have or 'none'}; missing: {', '.join(lacking)}", advice)


def _writable(host: Host, folder: str, options: str) -> Fact:
    if "ro" in options.split(",")[:1]:
        advice = (
            "mount -o remount,rw; in a container: -v /sys/fs/cgroup:/sys/fs/cgroup:rw with --cgroupns host"
        )
        return Fact(TOPIC, "own cgroups", NO, f"{folder} is mounted read-only", advice)
    if host.is_writable(folder):
        return Fact(TOPIC, "own cgroups", YES, f"can be made below {folder}")
    advice = "have one delegated: systemd-run --user --scope -p Delegate=yes …, or run as root"
    return Fact(TOPIC, "own cgroups", NO, f"{folder} is another user's", advice)


def managers(host: Host) -> list[Fact]:
    """Who may be asked to make cgroups."""
    if not host.exists("/run/systemd/system"):
        return [
            Fact(
                TOPIC, "systemd", NO, "it is not running: --systemd-cgroup has nobody to ask", "use cgroupfs"
            )
        ]
    bus = "/run/dbus/system_bus_socket" if host.uid == 0 else f"/run/user/{host.uid}/bus"
    if host.exists(bus) or host.exists("/run/systemd/private"):
        return [Fact(TOPIC, "systemd", YES, f"answers at {bus}")]
    return [
        Fact(
            TOPIC, "systemd", NO, f"there is no bus at {bus}", "log in by a session of its own, or start dbus"
        )
    ]
