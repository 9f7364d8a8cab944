"""What is wrong in the files of a bundle: its root file system, and what the config names in it."""

from __future__ import annotations

import posix

from tare_runtime.validate.findings import BUNDLE, HOST, Finding
from tare_runtime.validate.inside import Unknown, is_directory, locate
from tare_runtime.validate.program import check_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check_files(config: dict[str, Any], bundle: str) -> list[Finding]:
    """For a config whose types are right; members may be missing."""
    found = _check_sources(config, bundle)
    found += _check_hooks(config)
    path = (config.get("root") or {}).get("path")
    if not path:
        return found
    rootfs = path if path[:1] == "/" else f"{bundle}/{path}"
    problem = _root_problem(rootfs)
    if problem:
        fix = "unpack an image there, or correct root.path (it counts from the bundle)"
        return [*found, Finding(BUNDLE, "/root/path", f"{rootfs} {problem}", fix)]
    covered = _covered(config)
    found += _check_targets(config, rootfs)
    process = config.get("process") or {}
    if (process.get("cwd") or "")[:1] == "/":
        found += _check_cwd(process["cwd"], rootfs, covered)
    if process.get("args"):
        found += check_program(process, rootfs, covered)
    return found


def _root_problem(rootfs: str) -> str:
    try:
        kind = posix.lstat(rootfs).st_mode & 0o170000
        if kind == 0o120000:
            return "is a symlink: it must be the directory itself"
        if kind != 0o040000:
            return "is not a directory"
        return "" if posix.access(rootfs, posix.X_OK) else "cannot be entered: permission denied"
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else (error.strerror or "").lower()


def _covered(config: dict[str, Any]) -> frozenset[str]:
    paths = ["/" + (mount.get("destination") or "").strip("/") for mount in config.get("mounts") or ()]
    return frozenset(path for path in paths if path != "/")


def _check_cwd(cwd: str, rootfs: str, covered: frozenset[str]) -> list[Finding]:
    try:
        if is_directory(locate(rootfs, cwd, covered)):
            return []
    except (Unknown, FileNotFoundError):
        return []  # a missing one is made
    except OSError as error:
        reason = (error.strerror or "").lower()
        return [Finding(BUNDLE, "/process/cwd", f"{cwd!r} in {rootfs}: {reason}", "name a directory")]
    return [Finding(BUNDLE, "/process/cwd", f"{cwd!r} is not a directory in {rootfs}", "name a directory")]


def _check_targets(config: dict[str, Any], rootfs: str) -> list[Finding]:
    """Spec-wise any directory will do; for proc and sysfs a symlink is an attack (CVE-2019-19921)."""
    found = []
    for index, mount in enumerate(config.get("mounts") or ()):
        target = (mount.get("destination") or "").strip("/")
        if mount.get("type") not in ("proc", "sysfs") or not target or ".." in target.split("/"):
            continue
        where = rootfs
        for part in target.split("/"):
            where += "/" + part
            try:
                kind = posix.lstat(where).st_mode & 0o170000
            except OSError:
                break
            if kind == 0o120000:
                problem = f"{where} is a symlink: {mount['type']} must be mounted on ordinary directory"
                fix = "make it a directory in the root file system"
                found.append(Finding(BUNDLE, f"/mounts/{index}/destination", problem, fix))
    return found


def _check_sources(config: dict[str, Any], bundle: str) -> list[Finding]:
    found = []
    for index, mount in enumerate(config.get("mounts") or ()):
        source = mount.get("source") or ""
        options = mount.get("options") or ()
        fstype = mount.get("type") or ""
        is_bind = "bind" in options or "rbind" in options or fstype in ("bind", "none")
        if not source or not (is_bind or not fstype):
            continue
        full = source if source[:1] == "/" else f"{bundle}/{source}"
        try:
            posix.stat(full)
        except OSError as error:
            reason = (error.strerror or "").lower()
            kind = HOST if source[:1] == "/" else BUNDLE
            fix = "make it: a bind mount's source is never made" if reason[:2] == "no" else "check the path"
            found.append(Finding(kind, f"/mounts/{index}/source", f"{full}: {reason}", fix))
    return found


def _check_hooks(config: dict[str, Any]) -> list[Finding]:
    found = []
    for kind, entries in (config.get("hooks") or {}).items():
        if kind == "startContainer" or not isinstance(entries, list):
            continue  # that one is a path in the container
        for index, hook in enumerate(entries):
            path = hook.get("path") or ""
            if path[:1] != "/":
                continue
            pointer = f"/hooks/{kind}/{index}/path"
            if not posix.access(path, posix.F_OK):
                found.append(
                    Finding(HOST, pointer, f"{path} does not exist", "install it, or remove the hook")
                )
            elif not posix.access(path, posix.X_OK):
                found.append(Finding(HOST, pointer, f"{path} cannot be executed", f"chmod +x {path}"))
    return found
