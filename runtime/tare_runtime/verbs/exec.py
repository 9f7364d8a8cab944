"""exec: run another process in a container."""

import posix

from tare_runtime.errors import HostError, UsageError
from tare_runtime.life.execute import Executed, exec_process
from tare_runtime.life.launch import Settings
from tare_runtime.state.store import StateStore
from tare_runtime.verbs.create import warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options

_MAX_ID = (1 << 32) - 2  # the last one, -1, means "leave as it is" to the kernel


def run(options: "Options") -> int:
    id = options.args[0]
    process = _process(options, id)
    settings = Settings(
        options.root,
        console_socket=options.console_socket,
        detached=options.detach,
        pid_file=options.pid_file,
        pidfd_socket=options.pidfd_socket,
        warn=warner(options),
    )
    if options.detach:
        _exec(id, process, settings, options)
        return 0
    from tare_runtime.life.wait import Foreground

    with Foreground() as foreground:
        done = _exec(id, process, settings, options)
        try:
            return foreground.supervise(done.pid, done.master)
        finally:
            if done.master >= 0:
                posix.close(done.master)


def _exec(id: str, process: "dict[str, Any]", settings: Settings, options: "Options") -> Executed:
    return exec_process(
        id,
        process,
        settings,
        preserve_fds=options.preserve_fds,
        ignore_paused=options.ignore_paused,
        cgroups=tuple(options.cgroup),
    )


def _process(options: "Options", id: str) -> "dict[str, Any]":
    """The process to run: the document of --process, or the container's own with what the flags change."""
    with StateStore(options.root).open(id) as state_dir:
        defaults: dict[str, Any] = state_dir.read()["process"]
    if options.process:
        from tare_runtime.config.read import load_process

        process = load_process(options.process)
        if "capabilities" not in process and "capabilities" in defaults:
            process["capabilities"] = defaults["capabilities"]
        if options.tty:
            process["terminal"] = True
        return _labelled(process, options)
    if len(options.args) < 2:
        raise UsageError("exec: a command, or --process FILE, is wanted behind the id")
    process = dict(defaults)
    process.pop("oomScoreAdj", None)
    process["args"] = options.args[1:]
    process["terminal"] = options.tty
    process["env"] = [*(defaults.get("env") or []), *options.env]
    if options.cwd:
        process["cwd"] = options.cwd
    if options.no_new_privs:
        process["noNewPrivileges"] = True
    if options.user or options.additional_gids:
        process["user"] = _user(options, defaults.get("user") or {})
    if options.cap:
        process["capabilities"] = _with_capabilities(defaults.get("capabilities") or {}, options.cap)
    return _labelled(process, options)


def _labelled(process: "dict[str, Any]", options: "Options") -> "dict[str, Any]":
    if options.apparmor or options.process_label:
        from tare_runtime.config.rules import NO_APPARMOR, NO_SELINUX, has_apparmor, has_selinux

        if options.apparmor:
            process["apparmorProfile"] = options.apparmor
            if not has_apparmor():
                raise HostError(f"--apparmor {options.apparmor}: {NO_APPARMOR}")
        if options.process_label:
            process["selinuxLabel"] = options.process_label
            if not has_selinux():
                raise HostError(f"--process-label {options.process_label}: {NO_SELINUX}")
    return process


def _user(options: "Options", default: "dict[str, Any]") -> "dict[str, Any]":
    """UID[:GID]; both are numbers, and each is read whole (CVE-2026-30892)."""
    user = dict(default)
    if options.user:
        uid, colon, gid = options.user.partition(":")
        user["uid"] = _number(uid, "--user", options.user)
        if colon:
            user["gid"] = _number(gid, "--user", options.user)
    if options.additional_gids:
        user["additionalGids"] = [
            *(default.get("additionalGids") or []),
            *(_number(gid, "--additional-gids", gid) for gid in options.additional_gids),
        ]
    return user


def _number(text: str, option: str, whole: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= _MAX_ID:
        return int(text)
    raise UsageError(f"exec: option {option}: {whole!r} is not UID[:GID] in numbers")


def _with_capabilities(sets: "dict[str, list[str]]", more: "list[str]") -> "dict[str, list[str]]":
    """Added to what the process may have, never to what its children inherit (CVE-2022-29162)."""
    from tare_runtime.plan.identity import CAPABILITIES

    for name in more:
        if name.removeprefix("CAP_") not in CAPABILITIES:
            raise UsageError(f"exec: option --cap: unknown capability {name!r}")
    names = [name if name.startswith("CAP_") else "CAP_" + name for name in more]
    changed = dict(sets)
    for kind in ("bounding", "effective", "permitted"):
        changed[kind] = [*sets.get(kind, []), *names]
    return changed
