"""What callers of crun ask for by annotations. Cold: loaded where a config has one of these names.

Those of systemd are the cgroup driver's, and those of mount labels the mounts' planner's. What other programs
would be needed for (krun, wasm) is refused.
"""

from __future__ import annotations

import posix

from tare_runtime.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cgroup.paths import CgroupPlan
    from tare_runtime.life.launch import Settings
    from tare_runtime.plan.build import Request

PREFIXES = ("run.oci.", "module.wasm.")
KEEP_GROUPS = "run.oci.keep_original_groups"
PIDFD = "run.oci.pidfd_receiver"
FAIL_UNKNOWN = "run.oci.seccomp_fail_unknown_syscall"
BPF_DATA = "run.oci.seccomp_bpf_data"
RECEIVER = "run.oci.seccomp.receiver"
DELEGATE = "run.oci.delegate-cgroup"
HOOKS_OUT, HOOKS_ERR = "run.oci.hooks.stdout", "run.oci.hooks.stderr"
_LEFT_OUT = {
    "run.oci.handler": "no other program runs containers here: this runtime has no handlers (krun, wasm)",
    "module.wasm.image/variant": "this runtime does not run WebAssembly modules",
    "run.oci.seccomp.plugins": "this runtime loads no code of others: use linux.seccomp.listenerPath",
    "run.oci.systemd.force_cgroup_v1": "give the mount in `mounts`, of type cgroup",
}
_ABSOLUTE = (PIDFD, RECEIVER, HOOKS_OUT, HOOKS_ERR)
_BPF_INSTRUCTION_BYTES = 8


def obey(config: dict[str, Any], request: Request, settings: Settings) -> None:
    """Do as the annotations of a checked config say. Raises: ConfigError for those that cannot be obeyed."""
    annotations: dict[str, str] = config["annotations"]
    _check(annotations)
    if KEEP_GROUPS in annotations:
        request.set_groups = False
        request.keep_groups = True
    if PIDFD in annotations and not settings.pidfd_socket:
        settings.pidfd_socket = annotations[PIDFD]
    seccomp = config.get("linux", {}).get("seccomp")
    if FAIL_UNKNOWN in annotations and seccomp:
        _check_calls(seccomp)
    if RECEIVER in annotations and seccomp:
        seccomp.setdefault("listenerPath", annotations[RECEIVER])


def _check(annotations: dict[str, str]) -> None:
    problems = [(name, text) for name, text in _LEFT_OUT.items() if annotations.get(name)]
    problems += [
        (name, f"must be an absolute path, is {annotations[name]!r}")
        for name in _ABSOLUTE
        if annotations.get(name, "/")[:1] != "/"
    ]
    if problems:
        raise ConfigError(
            [("/annotations/" + name.replace("/", "~1"), problem, "") for name, problem in problems]
        )


def _check_calls(seccomp: dict[str, Any]) -> None:
    """Names of system calls that no architecture has, which are passed over else."""
    from tare_runtime.seccomp.filter import every_call

    known = every_call()
    problems = [
        (f"/linux/seccomp/syscalls/{index}/names/{at}", f"{name!r} is no system call that is known here", "")
        for index, rule in enumerate(seccomp.get("syscalls", ()))
        for at, name in enumerate(rule["names"])
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)


def given_filter(annotations: dict[str, str]) -> tuple[bytes, int]:
    """The filter that BPF_DATA holds, in place of linux.seccomp. Raises: ConfigError."""
    from binascii import Error, a2b_base64

    try:
        program = a2b_base64(annotations[BPF_DATA], strict_mode=True)
    except Error as error:
        raise ConfigError([(f"/annotations/{BPF_DATA}", f"is not base64: {error}", "")]) from None
    if not program or len(program) % _BPF_INSTRUCTION_BYTES:
        problem = f"has {len(program)} bytes, which is no number of BPF instructions"
        raise ConfigError([(f"/annotations/{BPF_DATA}", problem, "")])
    return program, 0


def delegate(cgroup: CgroupPlan, name: str) -> None:
    """Put the process into a cgroup below the container's, which has the limits and stays ours."""
    from tare_runtime.plan import ops

    pointer = f"/annotations/{DELEGATE}"
    if cgroup.version != 2 or not cgroup.paths:
        raise ConfigError([(pointer, "cannot be applied: it takes cgroup v2, where delegation is safe", "")])
    if "/" in name or name in ("", ".", ".."):
        raise ConfigError([(pointer, f"must be the name of one directory, is {name!r}", "")])
    path = f"{cgroup.paths['']}/{name}"
    at = len(cgroup.host_ops) - cgroup.late
    cgroup.host_ops.insert(at, ops.host_mkdir(pointer, path))
    cgroup.open_ops = [ops.host_open_cgroup(pointer, path + "/cgroup.procs")]
    cgroup.created.append(path)


def hook_files(annotations: dict[str, str]) -> tuple[int, int]:
    """Where the output of hooks goes: two open files, the caller's; -1 where it is only kept for errors.

    Raises: HostError if one cannot be opened.
    """
    files = [-1, -1]
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
    for number, name in enumerate((HOOKS_OUT, HOOKS_ERR)):
        if annotations.get(name):
            try:
                files[number] = posix.open(annotations[name], flags, 0o700)
            except OSError as error:
                from tare_runtime.errors import HostError

                for fd in files:
                    if fd >= 0:
                        posix.close(fd)
                reason = (error.strerror or "").lower()
                raise HostError(f"open {annotations[name]} for the output of hooks: {reason}") from None
    return files[0], files[1]
