"""What a case works with: one subject, one bundle, and containers made of them.

A lab lives inside a chamber and for one case. It calls the subject by its command line alone, never lets
a call outlast the case's deadline, and takes down whatever the case left standing.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tare_spec.runtime import Config, Hook, Linux, Process

from tare_conformance import cgroups, kernel, leaks
from tare_conformance.bundle import Bundle
from tare_conformance.container import Container, Facts, Outcome
from tare_conformance.subject import Subject
from tare_conformance.verdict import Failure, Skip


class Lab:
    """`config` is the bundle's, edited by the case; `rootfs` its root filesystem on the host."""

    def __init__(self, subject: Subject, path: Path, token: str, deadline_s: float) -> None:
        self.subject = subject
        self.path = path
        self.token = token
        self._ends = time.monotonic() + deadline_s
        self._count = 0
        self.ids: list[str] = []
        self._outputs: list[int] = []
        self._mounts = leaks.mounts()
        self._stderr = path / "stderr"
        self.state_root = path / "state"
        self.state_root.mkdir(mode=0o711)
        self.bundle = Bundle(path / "bundle", f"/{token}/{token}.1")
        self.rootfs = self.bundle.rootfs

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in self._outputs:
            os.close(fd)
        self._outputs.clear()

    # --- what the case edits ------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The whole config.json."""
        return self.bundle.config

    @property
    def process(self) -> Process:
        """Its `process`."""
        return self.bundle.config["process"]

    @property
    def linux(self) -> Linux:
        """Its `linux`."""
        return self.bundle.config["linux"]

    # --- what the case does -------------------------------------------------------------------------

    def create(self, *words: str, cgroups_path: str | None = None) -> Container:
        """Create a container whose program is the probe with these words.

        Raises: Failure if the subject refuses.
        """
        box, done = self.try_create(*words, cgroups_path=cgroups_path)
        done.demand()
        return box

    def try_create(
        self,
        *words: str,
        id: str | None = None,
        config_text: str | None = None,
        cgroups_path: str | None = None,
        more: tuple[str, ...] = (),
    ) -> tuple[Container, Outcome]:
        """The same, for a case that wants to see how `create` ends. `more` are further options."""
        if id is None:
            self._count += 1
            id = f"{self.token}.{self._count}"
            self.linux["cgroupsPath"] = cgroups_path or f"/{self.token}/{id}"
        if words:
            self.process["args"] = ["/probe", *words]
        self.bundle.write(config_text)
        pid_file = self.path / f"{len(self.ids)}.pid"
        if id not in self.ids:
            self.ids.append(id)
        mine, theirs = os.pipe()
        self._outputs.append(mine)
        try:
            arguments = ["--bundle", str(self.bundle.path), "--pid-file", str(pid_file), *more, id]
            done = self.call("create", *arguments, stdout=theirs)
        finally:
            os.close(theirs)
        box = Container(self, id, mine)
        if done.ok:
            box.pid = self._read_pid(pid_file)
        return box, done

    def run(self, *words: str) -> Container:
        """Create and start."""
        box = self.create(*words)
        box.start().demand()
        return box

    def observe(self, *words: str) -> Facts:
        """What the probe reports about these words, from a container that is then taken down."""
        box = self.run(*words)
        facts = box.facts()
        box.wait()
        box.delete().demand()
        return facts

    def refused(self, *words: str, config_text: str | None = None, why: str) -> Outcome:
        """Demand that the container never runs: `create` must fail, and leave no container of that id.

        Raises: Failure if the subject accepts, or keeps a container after refusing.
        """
        box, done = self.try_create(*words, config_text=config_text)
        if done.ok:
            raise Failure(f"create accepts {why}")
        if not done.stderr.strip():
            raise Failure(f"create refuses {why} without a word on standard error")
        if self.call("state", box.id).ok:
            raise Failure("the container exists although create has failed")
        return done

    def call(
        self, verb: str, *arguments: str, stdout: int | None = None, timeout_s: float | None = None
    ) -> Outcome:
        """Call the subject. Standard error goes to a file, so that a container may inherit it.

        Raises: Failure if the call does not end before the deadline.
        """
        command = [*self.subject.command(verb), f"--root={self.state_root}", verb, *arguments]
        start = self._stderr.stat().st_size if self._stderr.exists() else 0
        said = self.path / "stdout"
        with self._stderr.open("ab") as errors, said.open("wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=errors,
                cwd=self.path,
            )
            try:
                code = child.wait(self.time_left() if timeout_s is None else timeout_s)
            except subprocess.TimeoutExpired as error:
                child.kill()
                child.wait()
                raise Failure(f"{verb} does not end", self.stderr_text(start)) from error
        return Outcome(verb, code, said.read_text(errors="replace"), self.stderr_text(start))

    def hook(self, *words: str) -> Hook:
        """A hook that is the probe with these words, for stages whose paths are the host's.

        It reads its standard input to the end, as a good hook does.
        """
        at = 1 if words and words[0].startswith("out=") else 0
        args = ["probe", *words[:at], *([] if "echo" in words else ["echo"]), *words[at:]]
        return {"path": str(self.rootfs / "probe"), "args": args}

    def host_mount(self, source: str, target: Path, kind: str, *flags: int) -> None:
        """Mount in the chamber, on a directory that is made for it; one call of mount(2) for each flag."""
        target.mkdir(exist_ok=True)
        for flag in flags:
            kernel.mount(source, str(target), kind, flag)
        self._mounts = leaks.mounts()

    def changed_mounts(self) -> list[str]:
        """Mounts of the chamber that came or went, a sentence each."""
        return leaks.changes(self._mounts)

    def share_mounts(self) -> None:
        """Make every mount of the chamber shared, as a host under systemd has them."""
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_SHARED)

    def skip(self, reason: str) -> None:
        """Raises: Skip, always."""
        raise Skip(reason)

    def controller(self, name: str) -> Path:
        """The directory of a version 1 controller. Raises: Skip if it is not mounted here."""
        path = cgroups.controller(name)
        if path is None:
            raise Skip(f"no version 1 controller {name!r} is mounted here")
        return path

    def group_of(self, box: Container, controller: str) -> Path:
        """The container's group in one hierarchy."""
        return self.controller(controller) / self.token / box.id

    def time_left(self) -> float:
        """Seconds until the case's deadline, never below zero."""
        return max(0.0, self._ends - time.monotonic())

    def stderr_text(self, start: int = 0) -> str:
        """What the subject and the containers wrote on standard error, from an offset on."""
        if not self._stderr.exists():
            return ""
        return self._stderr.read_bytes()[start:].decode(errors="replace")

    # --- the end ------------------------------------------------------------------------------------

    def close(self) -> list[str]:
        """Delete what the case left standing; returns what then is still there, as findings."""
        cgroups.thaw(self.token)
        found = []
        for id in self.ids:
            if not (self.state_root / id).exists():
                continue
            try:
                self.call("delete", "--force", id, timeout_s=3.0)
            except Failure as failure:
                found.append(str(failure))
        return found + leaks.find(self._mounts, self.token, self.ids, self.state_root)

    def _read_pid(self, path: Path) -> int:
        try:
            return int(path.read_text())
        except (OSError, ValueError) as error:
            raise Failure(f"create succeeds but writes no pid file: {error}") from error
