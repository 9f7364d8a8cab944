"""What the specification says about config.json beyond types: everything outside `linux`. Pure but for two
looks at what the host's kernel has. The types have been checked before (config.shape).
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.config.shape import Found, Place

_SCHEDULING = frozenset(("scheduler", "ioPriority", "execCPUAffinity"))
NO_SELINUX = "cannot be applied: SELinux is not enabled on this host: selinux is disabled or not supported"
NO_APPARMOR = (
    "unable to apply apparmor profile: AppArmor is not enabled on this host: apparmor is not supported"
)

RLIMITS = frozenset(
    "RLIMIT_" + name
    for name in (
        "AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC",
        "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK",
    )
)  # fmt: skip


def at(*keys: str | int) -> Place | None:
    place: Place | None = None
    for key in keys:
        place = (place, key)
    return place


def check(config: dict[str, Any], found: Found, warn: Callable[[str], None] | None) -> None:
    """Add to `found` what breaks a rule. `warn` gets what is deprecated but works."""
    _check_version(config.get("ociVersion"), found)
    root = config.get("root")
    if root is None:
        found.append((at("root"), "is missing: a container needs a root file system"))
    elif not root.get("path"):
        found.append((at("root", "path"), "is missing"))
    process = config.get("process")
    if process is None:
        found.append((at("process"), '"process" must be set: there is nothing to run'))
    else:
        check_process(process, at("process"), found, warn)
    for index, mount in enumerate(config.get("mounts", ())):
        check_mount(mount, index, config, found, warn)
    namespaces = config.get("linux", {}).get("namespaces", ())
    if not any(namespace.get("type") == "mount" for namespace in namespaces):
        _check_shared_mounts(config, found)
    if "hooks" in config:
        _check_hooks(config["hooks"], found)
    if "" in config.get("annotations", ()):
        found.append((at("annotations", ""), "an annotation needs a name"))


def check_process(
    process: dict[str, Any], place: Place | None, found: Found, warn: Callable[[str], None] | None
) -> None:
    """The rules of `process`, which `exec --process` gives as a document of its own."""
    cwd = process.get("cwd")
    if not cwd:
        found.append(((place, "cwd"), "is missing"))
    elif cwd[0] != "/":
        found.append(((place, "cwd"), f"must be an absolute path, is {cwd!r}"))
    if not process.get("args"):
        found.append(((place, "args"), "must hold at least the program to run"))
    for index, entry in enumerate(process.get("env", ())):
        if entry.find("=") < 1:
            found.append((((place, "env"), index), f"must be NAME=VALUE, is {entry!r}"))
    for field in ("height", "width"):
        if field not in process.get("consoleSize", ("height", "width")):
            found.append((((place, "consoleSize"), field), "is missing"))
    if process.get("rlimits"):
        _check_rlimits(process["rlimits"], (place, "rlimits"), found)
    if not -1000 <= process.get("oomScoreAdj", 0) <= 1000:
        found.append(
            ((place, "oomScoreAdj"), f"must lie between -1000 and 1000, is {process['oomScoreAdj']}")
        )
    if process.get("user", {}).get("umask", 0) > 0o777:
        found.append((((place, "user"), "umask"), "must lie between 0 and 511 (octal 777)"))
    if process.get("apparmorProfile") and not has_apparmor():
        found.append(((place, "apparmorProfile"), NO_APPARMOR))
    if process.get("selinuxLabel") and not has_selinux():
        found.append(((place, "selinuxLabel"), NO_SELINUX))
    if warn and process.get("capabilities"):
        _warn_of_capabilities(process["capabilities"], warn)
    if not _SCHEDULING.isdisjoint(process):
        from tare_runtime.config.rules_scheduling import check_process as check_scheduling

        check_scheduling(process, place, found)


def check_texts(value: object, place: Place | None, found: Found) -> None:
    """Find texts that JSON can hold and a path, argument or variable cannot."""
    if type(value) is dict:
        for key, item in value.items():
            check_texts(key, (place, key.encode("ascii", "backslashreplace").decode()), found)
            check_texts(item, (place, key.encode("ascii", "backslashreplace").decode()), found)
    elif type(value) is list:
        for index, item in enumerate(value):
            check_texts(item, (place, index), found)
    elif type(value) is str:
        if "\0" in value:
            found.append((place, "holds a NUL character"))
        try:
            value.encode()
        except UnicodeEncodeError:
            found.append((place, "holds half of a surrogate pair"))


def has_apparmor() -> bool:
    try:
        fd = posix.open("/sys/module/apparmor/parameters/enabled", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        return posix.read(fd, 1) == b"Y"
    finally:
        posix.close(fd)


def has_selinux() -> bool:
    return posix.access("/sys/fs/selinux/enforce", posix.F_OK)


CAPABILITY_SETS = ("bounding", "permitted", "effective", "inheritable", "ambient")


def _warn_of_capabilities(sets: dict[str, list[str]], warn: Callable[[str], None]) -> None:
    """The specification wants a warning, and no failure, for a name that this kernel does not have."""
    from tare_runtime.plan.identity import CAPABILITIES

    names = [name for kind in CAPABILITY_SETS for name in sets.get(kind, ())]
    unknown = {name for name in names if name[4:] not in CAPABILITIES}
    for name in sorted(unknown):
        warn(f"process.capabilities: {name!r} is unknown and left out")


def _check_version(version: str | None, found: Found) -> None:
    if version is None:
        found.append((at("ociVersion"), "is missing"))
        return
    numbers = version.partition("+")[0].partition("-")[0].split(".")
    if len(numbers) != 3 or not all(number.isascii() and number.isdigit() for number in numbers):
        found.append((at("ociVersion"), f"must be a version like 1.0.2, is {version!r}"))
    elif numbers[0] != "1":
        found.append((at("ociVersion"), f"{version} is not supported: this runtime knows 1.0.0 to 1.3.0"))


def check_mount(
    mount: dict[str, Any],
    index: int,
    config: dict[str, Any],
    found: Found,
    warn: Callable[[str], None] | None,
) -> None:
    """The rules of one entry of `mounts`."""
    destination = mount.get("destination")
    if not destination:
        found.append((at("mounts", index, "destination"), "is missing"))
    elif destination[0] != "/" and warn:
        warn(f"mounts[{index}]: relative destination {destination!r} is deprecated, it is taken from /")
    options = mount.get("options", ())
    if not mount.get("source"):
        if "bind" in options or "rbind" in options or mount.get("type") in ("bind", "none"):
            found.append((at("mounts", index, "source"), "is missing: there is nothing to bind"))
        elif not mount.get("type"):
            found.append((at("mounts", index, "type"), "is missing"))
    mapped = "uidMappings" in mount or "gidMappings" in mount
    for word in options:
        if word[:5] == "idmap" or word[:6] == "ridmap":
            mapped = True
    if mapped:
        from tare_runtime.config.rules_mounts import check_idmap

        check_idmap(mount, index, config, found)
    if "bind" in options or "rbind" in options or mount.get("type") in ("bind", "none"):
        from tare_runtime.config.rules_mounts import check_bind_options

        check_bind_options(mount, index, found)


def _check_shared_mounts(config: dict[str, Any], found: Found) -> None:
    """Without a mount namespace whatever is mounted would be mounted on the host, and stay."""
    problem = "cannot be done without a mount namespace: it would change the host's own mounts"
    if config.get("mounts"):
        found.append((at("mounts"), problem))
    if config.get("root", {}).get("readonly"):
        found.append((at("root", "readonly"), problem))
    if config.get("linux", {}).get("rootfsPropagation"):
        found.append((at("linux", "rootfsPropagation"), problem))


def _check_hooks(hooks: dict[str, Any], found: Found) -> None:
    for kind, entries in hooks.items():
        if type(entries) is not list or kind not in HOOK_KINDS:
            continue
        for index, hook in enumerate(entries):
            path = hook.get("path", "")
            if path[:1] != "/":
                found.append((at("hooks", kind, index, "path"), f"must be an absolute path, is {path!r}"))
            if hook.get("timeout", 1) <= 0:
                found.append((at("hooks", kind, index, "timeout"), "must be greater than zero seconds"))


HOOK_KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def _check_rlimits(rlimits: list[dict[str, Any]], place: Place, found: Found) -> None:
    seen = set()
    for index, limit in enumerate(rlimits):
        here = (place, index)
        name = limit.get("type")
        if name not in RLIMITS:
            found.append(((here, "type"), f"{name!r} is no limit of this kernel" if name else "is missing"))
        elif name in seen:
            found.append(((here, "type"), f"{name} is given twice"))
        seen.add(name)
        missing = [field for field in ("soft", "hard") if field not in limit]
        for field in missing:
            found.append(((here, field), "is missing"))
        if not missing and limit["soft"] > limit["hard"]:
            problem = f"must not be above the hard limit {limit['hard']}, is {limit['soft']}"
            found.append(((here, "soft"), problem))
