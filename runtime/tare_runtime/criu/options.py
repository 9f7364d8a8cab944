"""What CRIU is asked for: the options of `checkpoint` and `restore` as fields of its request. Pure but for
looks at the container's process.

Spec: images/rpc.proto of CRIU, message criu_opts.
"""

from __future__ import annotations

import posix

from tare_runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

    Options = dict[str, Any]  # the command's, by their long names with underscores
    Fields = list[tuple[int, Any]]

# criu_opts: the numbers of the fields that are used here
(
    IMAGES_DIR_FD, PID, LEAVE_RUNNING, EXT_UNIX_SK, TCP_ESTABLISHED, EVASIVE_DEVICES, SHELL_JOB, FILE_LOCKS,
    LOG_LEVEL, LOG_FILE, PAGE_SERVER,
) = range(1, 12)  # fmt: skip
NOTIFY_SCRIPTS, ROOT, PARENT_IMG, TRACK_MEM, AUTO_DEDUP, WORK_DIR_FD, LINK_REMAP = range(12, 19)
EXT_MNT, MANAGE_CGROUPS, CG_ROOT, RST_SIBLING, INHERIT_FD = range(23, 28)
MANAGE_CGROUPS_MODE, EXTERNAL, EMPTY_NS, FREEZE_CGROUP = 34, 37, 38, 44
TCP_SKIP_IN_FLIGHT, LAZY_PAGES, STATUS_FD, ORPHAN_PTS_MASTER, CONFIG_FILE, TCP_CLOSE = 46, 48, 49, 50, 51, 52
LSM_PROFILE, LSM_MOUNT_CONTEXT, NETWORK_LOCK = 53, 57, 58

CGROUP_MODES = {"ignore": 0, "soft": 3, "full": 4, "strict": 5}  # criu_cg_mode
NETWORK_LOCKS = {"iptables": 1, "nftables": 2, "skip": 3}  # criu_network_lock_method
_EMPTY_NAMESPACES = {"network": 0x40000000}  # CLONE_NEWNET
_MOST_LOG = 4
CONFIG_ANNOTATION = "org.criu.config"
_DEFAULT_CONFIG = "/etc/criu/runc.conf"  # where administrators have what is to hold for all containers
NULL = "/dev/null"

_FLAGS = (
    ("leave_running", LEAVE_RUNNING),
    ("ext_unix_sk", EXT_UNIX_SK),
    ("tcp_established", TCP_ESTABLISHED),
    ("tcp_skip_in_flight", TCP_SKIP_IN_FLIGHT),
    ("tcp_close", TCP_CLOSE),
    ("shell_job", SHELL_JOB),
    ("file_locks", FILE_LOCKS),
    ("link_remap", LINK_REMAP),
    ("auto_dedup", AUTO_DEDUP),
    ("lazy_pages", LAZY_PAGES),
)
_TEXTS = (
    ("lsm_profile", LSM_PROFILE),
    ("lsm_mount_context", LSM_MOUNT_CONTEXT),
)


def common_fields(options: Options, annotations: dict[str, str], log_file: str) -> Fields:
    """What both directions have in common. Raises: UsageError."""
    fields: Fields = [
        (LOG_LEVEL, _MOST_LOG),
        (LOG_FILE, log_file),
        (MANAGE_CGROUPS, True),
        (MANAGE_CGROUPS_MODE, CGROUP_MODES[options.get("manage_cgroups_mode") or "soft"]),
        (NOTIFY_SCRIPTS, True),
        (ORPHAN_PTS_MASTER, True),
    ]
    fields += [(number, True) for name, number in _FLAGS if options.get(name)]
    fields += [(number, options[name]) for name, number in _TEXTS if options.get(name)]
    empty = 0
    for name in options.get("empty_ns") or ():
        if name not in _EMPTY_NAMESPACES:
            raise UsageError(f"option --empty-ns: {name!r} is none of {', '.join(_EMPTY_NAMESPACES)}")
        empty |= _EMPTY_NAMESPACES[name]
    if empty:
        fields.append((EMPTY_NS, empty))
    if options.get("network_lock"):
        fields.append((NETWORK_LOCK, NETWORK_LOCKS[options["network_lock"]]))
    config = annotations.get(CONFIG_ANNOTATION, _DEFAULT_CONFIG)
    if config:
        fields.append((CONFIG_FILE, config))
    return fields


def page_server(text: str) -> list[tuple[int, Any]]:
    """ADDRESS:PORT as criu_page_server_info. Raises: UsageError."""
    address, _, port = text.rpartition(":")
    if not address or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageError(f"option --page-server: {text!r} is not ADDRESS:PORT")
    return [(1, address.strip("[]")), (2, int(port))]


def external_mounts(plan: list[Op], *, restore: bool, is_file: Any) -> Fields:
    """Mounts that came from outside: at dump by their place, at restore also where they come from.

    `is_file(path)`: whether a masked path is a file in the container, and so has the null device on it.
    """
    pairs: list[tuple[str, str]] = []
    masks = False
    trees = [str(args[0]) for kind, _pointer, args in plan if kind == "host_tree"]
    for kind, _pointer, args in plan:
        if kind in ("bind", "bind_tree"):
            source = trees[int(str(args[0]))] if kind == "bind_tree" else str(args[0])
            target = str(args[1])
            pairs.append((target, source if restore else target))
        elif kind == "mask":
            masks = True
            if not restore and is_file(str(args[0])):
                pairs.append((str(args[0]), NULL))
    if restore and masks:
        pairs.append((NULL, NULL))
    return [(EXT_MNT, [(1, key), (2, value)]) for key, value in pairs]


def external_namespaces(namespaces: list[dict[str, Any]]) -> Fields:
    """Network and pid namespaces that the config names by path: they are not CRIU's to dump."""
    fields: Fields = []
    for item in namespaces:
        if item.get("path") and item["type"] in ("network", "pid"):
            word = _criu_word(item["type"])
            fields.append((EXTERNAL, f"{word}[{posix.stat(item['path']).st_ino}]:{_key(word)}"))
    return fields


def inherited_namespaces(namespaces: list[dict[str, Any]], first: int) -> tuple[Fields, list[str]]:
    """The same at restore: (fields, the paths whose descriptors CRIU gets from number `first` up)."""
    paths: list[str] = []
    fields: Fields = []
    for item in namespaces:
        if item.get("path") and item["type"] in ("network", "pid"):
            key = _key(_criu_word(item["type"]))
            fields.append((INHERIT_FD, [(1, key), (2, first + len(paths))]))
            paths.append(item["path"])
    return fields, paths


def _criu_word(kind: str) -> str:
    return "net" if kind == "network" else kind


def _key(word: str) -> str:
    return f"extRoot{word.title()}NS"


def external_files(pid: int) -> list[dict[str, Any]]:
    """Of the three standard streams those that lie outside: number, CRIU's name, a file's path and flags."""
    found: list[dict[str, Any]] = []
    for fd in range(3):
        try:
            target = posix.readlink(f"/proc/{pid}/fd/{fd}")
            with open(f"/proc/{pid}/fdinfo/{fd}") as file:
                info = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            continue
        if target.startswith("pipe:"):
            found.append({"number": fd, "key": target})
        elif target.startswith("/") and not _is_inside(pid, int(info["mnt_id"])):
            key = f"file[{int(info['mnt_id']):x}:{posix.stat(f'/proc/{pid}/fd/{fd}').st_ino:x}]"
            found.append({"number": fd, "key": key, "path": target, "flags": int(info["flags"], 8)})
    return found


def _is_inside(pid: int, mount: int) -> bool:
    with open(f"/proc/{pid}/mountinfo") as file:
        return any(line.split(" ", 1)[0] == str(mount) for line in file)
