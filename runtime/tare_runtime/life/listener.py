"""The listener of a seccomp filter that asks somebody: on its way to that somebody. Cold."""

import posix

from tare_runtime._core import lib
from tare_runtime.errors import HostError
from tare_runtime.json_text import dumps
from tare_runtime.state.store import OCI_VERSION, oci_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]


def hand_over_listener(listener: int, state: "State", pid: int, status: str) -> None:
    """Send the descriptor, and with it the container process state, to linux.seccomp.listenerPath; close it.

    `pid`: of the process that has the filter; `status`: of the container. Raises: HostError.
    Spec: runtime-spec 1.3, config-linux.md "The Container Process State".
    """
    seccomp = state.get("seccomp") or {}
    path = seccomp.get("listenerPath", "")
    document = {
        "ociVersion": OCI_VERSION,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": seccomp.get("listenerMetadata", ""),
        "state": oci_state(state, status),
    }
    try:
        name = path.encode("utf-8", "surrogateescape")
        result = lib.tare_send_console(name, listener, dumps(document).encode())
        if result < 0:
            raise HostError(
                f"send the seccomp listener to linux.seccomp.listenerPath {path}:"
                f" {posix.strerror(-result).lower()}",
                "start the agent that takes listeners there",
            )
    finally:
        posix.close(listener)
