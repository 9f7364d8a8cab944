"""Putting measured functions in the place of the flow's own, and taking init's times out of its messages."""

from __future__ import annotations

import sys
from time import time_ns

from tare_runtime._core import ffi, lib
from tare_runtime.trace.recorder import STAGES, Recorder, modules_of_ours
from tare_runtime.trace.timeline import RUNTIME, SETUP, Mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.host.spawn import Conversation, Message
    from tare_runtime.plan.ops import Op

_WORDS = {
    lib.MSG_CLONED: "the process is there",
    lib.MSG_SYNC: "init waits for hooks",
    lib.MSG_CONSOLE: "terminal",
    lib.MSG_READY: "ready",
    lib.MSG_EXEC: "exec comes next",
}


def install(recorder: Recorder) -> None:
    """Measure what STAGES lists, the host's operations one by one, and the conversation with init."""
    from tare_runtime.host import spawn

    for module_name, path, category, name in STAGES:
        module: Any = __import__("tare_runtime." + module_name, None, None, ("_",))
        owner, _, method = path.rpartition(".")
        place = getattr(module, owner) if owner else module
        original = getattr(place, method)
        measured = recorder.measured(original, category, name)
        if path == "encode":
            measured = _timed_record(measured)
        if owner:
            setattr(place, method, measured)
        else:
            _replace(original, measured)
    _replace(spawn.run_host_ops, _one_by_one(recorder, spawn.run_host_ops))
    _listen(recorder, spawn)


def _replace(original: object, new: object) -> None:
    """In every module that has imported it by name."""
    for module in modules_of_ours():
        for name, value in list(vars(module).items()):
            if value is original:
                setattr(module, name, new)


def _timed_record(encode: Callable[..., bytes]) -> Callable[..., bytes]:
    def call(ops: list[Op], first_index: int = 0) -> bytes:
        record = encode(ops, first_index)
        version = int.from_bytes(record[4:8], "little") | lib.RECORD_TIMED
        timed: bytes = record[:4] + version.to_bytes(4, "little") + record[8:]
        return timed

    return call


def _one_by_one(recorder: Recorder, run: Callable[..., list[int]]) -> Callable[..., list[int]]:
    from tare_runtime.trace.naming import describe_op

    def call(ops: list[Op], first_index: int = 0, pid: int = 0) -> list[int]:
        opened: list[int] = []
        recorder.one_by_one = True
        for index, op in enumerate(ops, first_index):
            begin = time_ns()
            try:
                opened += run([op], index, pid)
            finally:
                recorder.span("cgroup", op[0], begin, describe_op(op), index)
        recorder.one_by_one = False
        return opened

    return call


def _listen(recorder: Recorder, spawn: Any) -> None:
    """`receive` without the messages of times; `go` at the gate asks for them."""
    go = spawn.Conversation.go

    def receive(self: Conversation) -> Message:
        begin = time_ns()
        while True:
            raw: Any = ffi.new("struct tare_message *")
            spawn.checked(lib.tare_receive(self.fd, raw), "receive from init")
            data: bytes = ffi.buffer(raw.text, raw.length)[:] if raw.type else b""
            if raw.type != lib.MSG_TIMES:
                break
            _take_times(recorder, data)
        message: Message = spawn.Message(
            raw.type, raw.value, raw.error, raw.fd, data.decode("utf-8", "replace")
        )
        recorder.span("wait", "wait for init", begin)
        _mark(recorder, message)
        return message

    def go_and_time(self: Conversation, text: bytes = b"", opened: list[int] = [], trees: int = 0) -> None:  # noqa: B006
        if recorder.verb != "start":
            go(self, text, opened, trees)
            return
        import posix

        head = b"".join(number.to_bytes(4, "little") for number in (lib.MSG_GO, lib.GO_TIMED, 0, len(text)))
        try:
            posix.write(self.fd, head + text)
        except BrokenPipeError:
            pass  # init has ended, and why is what it said last

    spawn.Conversation.receive = receive
    spawn.Conversation.go = go_and_time


def _take_times(recorder: Recorder, data: bytes) -> None:
    for at in range(0, len(data) - 23, 24):
        index, begin, end = (int.from_bytes(data[at + n : at + n + 8], sys.byteorder) for n in (0, 8, 16))
        recorder.times[index] = [begin, end]


def _mark(recorder: Recorder, message: Message) -> None:
    now = time_ns()
    if message.kind == lib.MSG_FAIL:
        from posix import strerror

        words = f"operation {message.value} fails: {strerror(message.errno).lower()}"
        recorder.timeline.marks.append(Mark(SETUP, words, now, bad=True))
    elif message.kind in _WORDS:
        recorder.timeline.marks.append(Mark(RUNTIME, _WORDS[message.kind], now))
    elif not message.kind:
        recorder.executed = now
        recorder.timeline.marks.append(Mark(SETUP, "the program runs", now))
