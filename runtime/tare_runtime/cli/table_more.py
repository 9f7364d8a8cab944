"""The commands beside a container's life, in the same form as cli.table's."""

from __future__ import annotations

from tare_runtime.cli.table import BUNDLE, COMMANDS, CONFIG, CONSOLE, DETACH, PID_FILE, Command, Option

_FORMAT: Option = ("format", "f", ("table", "json"), "table", "FORMAT", "table or json")
_UPDATE: tuple[Option, ...] = (
    ("resources", "r", "text", "", "FILE", "read linux.resources from FILE, or from standard input (-)"),
    ("blkio-weight", "", "text", "", "N", "weight of its block I/O, 10 to 1000"),
    ("cpu-period", "", "text", "", "USEC", "period of the CPU quota"),
    ("cpu-quota", "", "text", "", "USEC", "CPU time in each period, -1: no limit"),
    ("cpu-burst", "", "text", "", "USEC", "unused CPU time that may be kept for later"),
    ("cpu-share", "", "text", "", "N", "weight of its CPU time (1024 is usual)"),
    ("cpu-rt-period", "", "text", "", "USEC", "period of the realtime quota (cgroup v1)"),
    ("cpu-rt-runtime", "", "text", "", "USEC", "realtime CPU time in each period (cgroup v1)"),
    ("cpu-idle", "", "text", "", "0|1", "run only where nothing else wants the CPU"),
    ("cpuset-cpus", "", "text", "", "LIST", "CPUs to use"),
    ("cpuset-mems", "", "text", "", "LIST", "memory nodes to use"),
    ("memory", "", "text", "", "BYTES", "memory limit, -1: none; units k, m, g and t"),
    ("memory-reservation", "", "text", "", "BYTES", "memory that is left to it under pressure"),
    ("memory-swap", "", "text", "", "BYTES", "limit of memory and swap together, -1: none"),
    ("kernel-memory", "", "text", "", "BYTES", "no effect: kernels have given this limit up"),
    ("kernel-memory-tcp", "", "text", "", "BYTES", "no effect: kernels have given this limit up"),
    ("pids-limit", "", "text", "", "N", "number of processes, -1: no limit"),
    ("l3-cache-schema", "", "text", "", "SCHEMA", "cache allocation (Intel RDT)"),
    ("mem-bw-schema", "", "text", "", "SCHEMA", "memory bandwidth (Intel RDT)"),
)
_EVENTS: tuple[Option, ...] = (
    ("interval", "", "text", "5s", "TIME", "time between statistics, such as 500ms or 1m30s"),
    ("stats", "", "flag", False, "", "show statistics once and end"),
)
_IMAGES: Option = ("image-path", "", "text", "", "DIR", "where the images are (default: ./checkpoint)")
_WORK: Option = (
    "work-path",
    "",
    "text",
    "",
    "DIR",
    "where CRIU has its log (default: as the images)",
)
_MODES = ("soft", "full", "strict", "ignore")
# What checkpoint and restore have in common: what CRIU takes along that it would refuse by itself.
_CRIU: tuple[Option, ...] = (
    _IMAGES,
    _WORK,
    ("tcp-established", "", "flag", False, "", "with established TCP connections"),
    ("ext-unix-sk", "", "flag", False, "", "with unix sockets whose other end is outside"),
    ("shell-job", "", "flag", False, "", "with a terminal of the outside"),
    ("lazy-pages", "", "flag", False, "", "memory follows when it is needed (userfaultfd)"),
    ("file-locks", "", "flag", False, "", "with file locks"),
    ("manage-cgroups-mode", "", _MODES, "soft", "MODE", "what of cgroups is restored"),
    ("empty-ns", "", "list", (), "NAMESPACE", "leave out what is in this namespace (network)"),
    ("auto-dedup", "", "flag", False, "", "keep pages once that several images have"),
    (
        "network-lock",
        "",
        ("iptables", "nftables", "skip"),
        "iptables",
        "METHOD",
        "how the network is held",
    ),
)
_CHECKPOINT: tuple[Option, ...] = (
    *_CRIU,
    (
        "parent-path",
        "",
        "text",
        "",
        "DIR",
        "images of an earlier --pre-dump, from the image directory on",
    ),
    ("leave-running", "", "flag", False, "", "let the container go on"),
    ("tcp-skip-in-flight", "", "flag", False, "", "without TCP connections that are not established yet"),
    ("status-fd", "", "text", "", "FD", "write a byte there once --lazy-pages can serve"),
    ("page-server", "", "text", "", "ADDRESS:PORT", "send memory to a page server"),
    ("pre-dump", "", "flag", False, "", "write memory only, and let the container go on"),
    ("link-remap", "", "flag", False, "", "with files that were unlinked and have other names"),
)
_RESTORE: tuple[Option, ...] = (
    BUNDLE,
    CONFIG,
    *_CRIU,
    CONSOLE,
    DETACH,
    PID_FILE,
    ("tcp-close", "", "flag", False, "", "with TCP connections closed"),
    ("no-subreaper", "", "flag", False, "", "do not adopt the container's orphans"),
    ("no-pivot", "", "flag", False, "", "no effect: CRIU makes the root"),
    ("lsm-profile", "", "text", "", "TYPE:NAME", "profile of its processes: apparmor:NAME, selinux:LABEL"),
    ("lsm-mount-context", "", "text", "", "CONTEXT", "SELinux context of its mounts"),
)


def every_command() -> dict[str, Command]:
    """The whole table, in the order of help."""
    return COMMANDS | MORE


MORE: dict[str, Command] = {
    "list": (
        "list the containers under the root directory",
        "",
        0,
        0,
        (_FORMAT, ("quiet", "q", "flag", False, "", "show ids only")),
        True,
    ),
    "ps": ("show the processes of a container", "ID [PS OPTIONS...]", 1, -1, (_FORMAT,), False),
    "update": ("change the limits of a container", "ID", 1, 1, _UPDATE, True),
    "events": ("show statistics and memory shortages of a container", "ID", 1, 1, _EVENTS, True),
    "mounts": ("add mounts to a container that exists, or remove them", "add|remove ID FILE", 3, 3, (), True),
    "checkpoint": ("write a running container to files, by CRIU", "ID", 1, 1, _CHECKPOINT, True),
    "restore": ("make a container go on from the files of checkpoint", "ID", 1, 1, _RESTORE, True),
    "pause": ("freeze every process of a container", "ID", 1, 1, (), True),
    "resume": ("let a paused container go on", "ID", 1, 1, (), True),
    "spec": (
        "write a config.json to start from",
        "",
        0,
        0,
        (
            BUNDLE,
            ("config", "f", "text", "", "FILE", "write FILE instead of the bundle's config.json"),
            ("rootless", "", "flag", False, "", "for use without root"),
        ),
        True,
    ),
    "features": ("show what this runtime can do, as JSON", "", 0, 0, (), True),
    "plan": (
        "show what create would do, in order, and do nothing",
        "[ID | --diff BUNDLE BUNDLE]",
        0,
        2,
        (
            BUNDLE,
            CONFIG,
            ("json", "", "flag", False, "", "JSON instead of text"),
            ("diff", "", "flag", False, "", "show what two bundles would do differently"),
            (
                "explain",
                "",
                "text",
                "",
                "OP",
                "say what an operation (its name or number) does, and who asks",
            ),
        ),
        True,
    ),
    "doctor": (
        "show what this host can do for containers, why not the rest, and how to change it",
        "",
        0,
        0,
        (("json", "", "flag", False, "", "one JSON object instead of text"),),
        True,
    ),
    "validate": (
        "show all that is wrong in a bundle, and what this host cannot give it",
        "[BUNDLE]",
        0,
        1,
        (BUNDLE, CONFIG, ("json", "", "flag", False, "", "one JSON object instead of text")),
        True,
    ),
    "completion": ("print the completion script of a shell", "SHELL", 1, 1, (), True),
}
