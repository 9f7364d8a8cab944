"""From a plan to a running `init`, and the words with it.

The runtime's end of the protocol in csrc/ops.h. Nothing here knows what the operations mean: a failure is
reported as `Failed(index, errno, detail)`, and host.explain finds the words for it.
"""

import posix

from tare_runtime._core import ffi, lib
from tare_runtime.plan.wire import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

# The folder of the package: init lies in it.
_INIT = __file__.rpartition("/host/")[0] + "/init"

FAILED, CLONED, SYNC, CONSOLE, READY, WARNED, EXEC, LISTENER = (
    lib.MSG_FAIL,
    lib.MSG_CLONED,
    lib.MSG_SYNC,
    lib.MSG_CONSOLE,
    lib.MSG_READY,
    lib.MSG_WARN,
    lib.MSG_EXEC,
    lib.MSG_LISTENER,
)
ENDED = 0


class Failed(Exception):
    """Operation `index` of the plan failed with `errno`; `detail` is what the kernel or init add, or ""."""

    def __init__(self, index: int, errno: int, detail: str) -> None:
        super().__init__(index, errno, detail)
        self.index = index
        self.errno = errno
        self.detail = detail


class Message:
    """What init said: `kind` is one of the constants above; `fd` (-1: none) is the receiver's."""

    __slots__ = ("errno", "fd", "kind", "text", "value")

    def __init__(self, kind: int, value: int, errno: int, fd: int, text: str) -> None:
        self.kind = kind
        self.value = value
        self.errno = errno
        self.fd = fd
        self.text = text


class Conversation:
    """A socket with init at its other end. Owns `fd`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def receive(self) -> Message:
        """The next message, `ENDED` when init has closed its end (by exec, or by its end)."""
        raw = ffi.new("struct tare_message *")
        checked(lib.tare_receive(self.fd, raw), "receive from init")
        text: str = ffi.buffer(raw.text, raw.length)[:].decode("utf-8", "replace") if raw.type else ""
        return Message(raw.type, raw.value, raw.error, raw.fd, text)

    def go(
        self,
        text: bytes = b"",
        opened: "list[int]" = [],  # noqa: B006  never changed
        trees: int = 0,
    ) -> None:
        """Let init go on; `text`: the state document, where hooks follow.

        `opened`: files of the cgroups that it will join, and behind them `trees` mounts to attach.
        """
        checked(lib.tare_go(self.fd, text, len(text), opened, len(opened), trees), "answer init")

    def close(self) -> None:
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def count_host_ops(plan: "list[Op]") -> int:
    """How many operations at the plan's beginning are this process's."""
    count = 0
    while plan[count][0].startswith("host_"):
        count += 1
    return count


def run_host_ops(ops: "list[Op]", first_index: int = 0, pid: int = 0) -> "list[int]":
    """Carry out operations in this process: what they opened (see Conversation.go), which is the caller's.

    `first_index`: as for `spawn`; `pid`: the container's first process, once it is there. Raises: Failed.
    """
    if not ops:
        return []
    record = encode(ops, first_index)
    index, count = ffi.new("int *"), ffi.new("unsigned *")
    room = ffi.new("int[]", lib.MAX_PASSED)
    result = lib.tare_host_run(ffi.from_buffer(record), len(record), pid, index, room, count)
    opened = list(room[0 : count[0]])
    if result < 0:
        close_all(opened)
        raise Failed(index[0], -result, "")
    return opened


def unseen_process(conversation: Conversation, stage_one: int) -> int:
    """Reap stage one; the pid of what it has cloned, if its message about that is unread, or 0."""
    lib.tare_reap(stage_one)
    message = conversation.receive()
    return message.value if message.kind == CLONED else 0


def close_all(fds: "list[int]") -> None:
    for fd in fds:
        posix.close(fd)


def spawn(
    ops: "list[Op]",
    first_index: int,
    *,
    gate: int = -1,
    pidfd: int = -1,
    stdio: "tuple[int, int, int]" = (0, 1, 2),
    preserve_fds: int = 0,
) -> "tuple[int, Conversation]":
    """Start init on a plan: (pid of its stage one, which has to be reaped; the conversation).

    All fds given stay the caller's. `first_index`: position of ops[0] in the whole plan.
    """
    record = encode(ops, first_index)
    ends = ffi.new("int[2]")
    checked(lib.tare_socketpair(ends, ends + 1), "make a socket pair")
    conversation = Conversation(ends[0])
    want: Any = ffi.new("struct tare_spawn *")
    want.sync = ends[1]
    want.image = want.record = -1
    try:
        want.image = checked(lib.tare_init_image(_INIT.encode()), f"make a sealed copy of {_INIT}")
        want.record = checked(lib.tare_record_file(ffi.from_buffer(record), len(record)), "write the plan")
        want.gate, want.pidfd, want.preserve_fds = gate, pidfd, preserve_fds
        want.stdio = stdio
        stage_one = checked(lib.tare_spawn(want), "start init")
    except BaseException:
        conversation.close()
        raise
    finally:
        for fd in (want.sync, want.image, want.record):
            if fd >= 0:
                posix.close(fd)
    return stage_one, conversation


def checked(result: int, tried: str) -> int:
    """`result` of a core function. Raises: OSError with what was tried, if it is -errno."""
    if result < 0:
        raise OSError(-result, f"{tried}: {posix.strerror(-result).lower()}")
    return result
