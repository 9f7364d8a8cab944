"""--trace: a command with the time of every stage and operation. Loaded only where it is asked for.

The code of the flow knows nothing of it: the functions that are its stages are listed here, and replaced by
measured ones before the command runs. `init` gets a mark in its record and reports when each operation began
and ended, in messages that are taken out of the conversation before anybody else sees them.
"""

from __future__ import annotations

import posix
import sys
from time import process_time_ns, time_ns

from tare_runtime.errors import HostError, RuntimeFailure
from tare_runtime.trace.timeline import ENTER, RUNTIME, SETUP, Mark, Span, Timeline, category_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.cli.argv import Options
    from tare_runtime.plan.ops import Op

# (module, function or Class.method, category, what it is called)
STAGES: tuple[tuple[str, str, str, str], ...] = (
    ("config.read", "load_config", "parse", "read and check config.json"),
    ("config.read", "load_process", "parse", "read and check the process document"),
    ("life.create", "create_container", "other", "create"),
    ("life.create", "make_plan", "plan", "plan"),
    ("cgroup.plan", "plan_cgroup", "plan", "plan cgroups"),
    ("cgroup.plan", "ensure_unused", "cgroup", "look whether the cgroup is unused"),
    ("seccomp.cache", "load_filter", "plan", "seccomp filter: from the cache, or compiled"),
    ("plan.build", "plan_container", "plan", "make operations"),
    ("plan.build", "plan_exec", "plan", "make operations"),
    ("state.store", "StateStore.create", "state", "make the state directory"),
    ("state.store", "StateDir.write", "state", "write state"),
    ("state.store", "StateDir.read", "state", "read state"),
    ("state.store", "StateDir.remove", "state", "remove the state directory"),
    ("host.spawn", "spawn", "spawn", "start init"),
    ("host.spawn", "encode", "spawn", "encode operations"),
    ("host.idmap", "settle_maps", "namespaces", "write id maps"),
    ("host.hooks", "run_hooks", "hooks", "hooks"),
    ("life.launch", "bring_up", "spawn", "bring the process up"),
    ("life.pid_file", "write_pid_file", "state", "write the pid file"),
    ("life.wait", "Foreground.supervise", "program", "the container runs"),
    ("life.wait", "wait_gone", "wait", "wait for the end of the process"),
    ("life.start", "start_container", "other", "start"),
    ("life.start", "_knock", "spawn", "knock at the gate"),
    ("life.execute", "exec_process", "other", "exec"),
    ("life.kill", "signal_container", "program", "send the signal"),
    ("life.kill", "signal_process", "program", "send the signal"),
    ("life.delete", "delete_container", "other", "delete"),
    ("life.delete", "clean_up", "other", "clean up"),
    ("life.undo", "undo_create", "other", "undo"),
    ("cgroup.life", "remove_cgroups", "cgroup", "remove cgroups"),
    ("cgroup.life", "kill_all", "cgroup", "kill what is left in the cgroups"),
    ("cgroup.freeze", "freeze", "cgroup", "freeze"),
    ("cgroup.freeze", "thaw", "cgroup", "thaw"),
)
TRACED_VERBS = ("create", "run", "start", "exec", "kill", "delete", "pause", "resume")


class Recorder:
    """Collects the spans of one command."""

    def __init__(self, options: Options) -> None:
        self.verb = options.verb
        self.root = options.root
        self.id = options.args[0] if options.args else ""
        self.timeline = Timeline(" ".join(["tare-runtime", self.verb, *options.args[:1]]))
        self.plan: list[Op] = []
        self.times: dict[int, list[int]] = {}  # operation → [begin, end]
        self.executed = 0
        self.one_by_one = False  # while host operations are carried out, each with a record of its own

    def span(self, category: str, name: str, begin: int, detail: str = "", index: int = -1) -> None:
        pointer = self.plan[index][1] if 0 <= index < len(self.plan) else ""
        end = time_ns()
        span = Span(RUNTIME, category, name, begin, end, index=index, pointer=pointer, detail=detail)
        self.timeline.spans.append(span)

    def leave_out(self, took: int) -> None:
        """What was seen so far moves up to now, past what we needed for ourselves."""
        for span in self.timeline.spans:
            span.begin += took
            span.end += took

    def measured(self, function: Callable[..., Any], category: str, name: str) -> Callable[..., Any]:
        """`function`, with a span for each call."""

        def call(*args: Any, **named: Any) -> Any:
            begin = time_ns()
            try:
                result = function(*args, **named)
            finally:
                if not (self.one_by_one and function.__name__ == "encode"):
                    self.span(category, f"{args[0]} hooks" if name == "hooks" else name, begin)
            if name == "make operations":
                self.plan = result
            return result

        return call

    def settle(self) -> None:
        """Turn the reported times into spans, with words from the plan."""
        from tare_runtime.trace.naming import describe_op

        if self.times and not self.plan and self.verb == "start":
            self.plan = _plan_of(self.root, self.id)
        cloned = next((index for index, op in enumerate(self.plan) if op[0] == "clone"), -1)
        for index, (begin, end) in sorted(self.times.items()):
            op = self.plan[index] if index < len(self.plan) else ("?", "", ())
            lane = SETUP if index > cloned else ENTER
            end = end or self.executed or time_ns()
            detail = describe_op(op)
            span = Span(
                lane, category_of(op[0]), op[0], begin, end, index=index, pointer=op[1], detail=detail
            )
            self.timeline.spans.append(span)


def traced(options: Options) -> int:
    """Run the command of `options`, and write its timeline whether it succeeds or not."""
    _try_to_write(options.trace)
    recorder = Recorder(options)
    begin = time_ns()
    used = process_time_ns()
    load = Span(RUNTIME, "load", "interpreter and command line", begin - used, begin, detail="CPU time")
    recorder.timeline.spans.append(load)
    try:
        module = __import__("tare_runtime.verbs." + options.verb, None, None, ("run",))
        recorder.span("load", "imports", begin)
        if options.verb in TRACED_VERBS:
            begin = time_ns()
            from tare_runtime.trace.install import install

            install(recorder)
            recorder.leave_out(time_ns() - begin)
        begin = time_ns()
        try:
            return int(module.run(options))
        finally:
            if options.verb not in TRACED_VERBS:
                recorder.span("other", options.verb, begin)
    except RuntimeFailure as failure:
        recorder.timeline.marks.append(Mark(RUNTIME, failure.message, time_ns(), bad=True))
        raise
    finally:
        recorder.settle()
        _write(options.trace, recorder.timeline)


def _try_to_write(path: str) -> None:
    """Before anything is done. Raises: HostError."""
    try:
        posix.close(posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o644))
    except OSError as error:
        raise HostError(f"write --trace {path}: {(error.strerror or '').lower()}") from None


def _write(path: str, timeline: Timeline) -> None:
    if path.endswith(".svg"):
        from tare_runtime.trace.picture import svg as text_of
    else:
        from tare_runtime.trace.chrome import chrome_json as text_of
    data = text_of(timeline).encode("utf-8", "surrogateescape")
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
        try:
            while data:
                data = data[posix.write(fd, data) :]
        finally:
            posix.close(fd)
    except OSError as error:
        posix.write(2, f"tare-runtime: write --trace {path}: {(error.strerror or '').lower()}\n".encode())


def _plan_of(root: str, id: str) -> list[Op]:
    from tare_runtime.life.start import plan_again
    from tare_runtime.state.store import StateStore

    try:
        with StateStore(root).open(id) as state_dir:
            return plan_again(root, state_dir.read())[1]
    except (RuntimeFailure, OSError):
        return []  # it has ended and gone, or its bundle has changed: numbers are shown instead of names


def modules_of_ours() -> list[Any]:
    return [module for name, module in sys.modules.items() if name.startswith("tare_runtime.")]
