"""One case in namespaces of its own, so that nothing of it can outlive or touch anything else.

A chamber is a process that is the first of a new pid namespace, with a private mount namespace. Its death
ends every process that the subject started, whatever they ignore; mounts go with them. As the first process
it inherits orphans too, and so can wait for a container's own process and sees its true exit status.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tare_conformance import cgroups, kernel
from tare_conformance.case import Case
from tare_conformance.lab import Lab
from tare_conformance.subject import Subject
from tare_conformance.verdict import Failure, Skip

GRACE_S = 6.0  # beyond the case's deadline, for taking down


@dataclass
class Report:
    """What a chamber hands back. `status` is pass, fail, skip or error."""

    status: str
    message: str = ""
    details: str = ""
    leaks: list[str] = field(default_factory=list)


class Chamber:
    """A case under way. `fd` becomes readable when there is a report, or at the end."""

    def __init__(self, subject: Subject, case: Case, token: str, *, hide_unified: bool) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + case.deadline_s + GRACE_S
        self.token = token
        self.path = Path(tempfile.mkdtemp(prefix=f"{token}-"))
        self.path.chmod(0o755)  # a container's root may be nobody special on the host
        self.fd, theirs = os.pipe()
        self._heard = b""
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.fd)
            _outer(subject, case, token, self.path, theirs, hide_unified=hide_unified)
        os.close(theirs)

    def listen(self) -> bool:
        """Read what there is; true once the chamber has ended."""
        got = os.read(self.fd, 65536)
        self._heard += got
        return not got

    def finish(self) -> Report:
        """Wait for the end, which `abort` may have brought about, and clean up after it."""
        os.close(self.fd)
        os.waitpid(self._pid, 0)
        stuck = cgroups.remove(self.token)
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            report = Report(**json.loads(self._heard))
        except (ValueError, TypeError):
            report = Report("fail", "the case did not end in time and was stopped")
        if stuck:
            report.leaks.append(f"control group {stuck[0]} cannot be removed")
        return report

    def abort(self) -> None:
        """End every process of the chamber; `listen` will then see its end."""
        cgroups.thaw(self.token)
        os.kill(self._pid, signal.SIGKILL)


def _outer(subject: Subject, case: Case, token: str, path: Path, fd: int, *, hide_unified: bool) -> None:
    """The process that makes the namespaces; its child is their first one and dies with it."""
    code = 1
    try:
        kernel.die_with_parent()
        os.setsid()
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWPID)
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        if hide_unified:
            kernel.detach(str(cgroups.UNIFIED))
            # crun makes its directories there all the same: in a file system that goes with the chamber.
            kernel.mount("none", str(cgroups.UNIFIED), "tmpfs", 0)
        child = os.fork()
        if child == 0:
            kernel.die_with_parent()
            _inner(subject, case, token, path, fd)
        os.waitpid(child, 0)
        code = 0
    except OSError as error:
        os.write(fd, json.dumps({"status": "error", "message": f"the chamber: {error}"}).encode())
    finally:
        os._exit(code)


def _inner(subject: Subject, case: Case, token: str, path: Path, fd: int) -> None:
    """The first process of the chamber."""
    try:
        kernel.mount("proc", "/proc", "proc", 0)
        report = _judge(subject, case, token, path)
    except BaseException:
        report = Report("error", "the suite itself failed", traceback.format_exc())
    try:
        os.write(fd, json.dumps(vars(report)).encode())
    finally:
        os._exit(0)


def _judge(subject: Subject, case: Case, token: str, path: Path) -> Report:
    with Lab(subject, path, token, case.deadline_s) as lab:
        try:
            case.body(lab)
            report = Report("pass")
        except Failure as failure:
            report = Report("fail", str(failure), failure.details[-2000:])
        except Skip as skip:
            report = Report("skip", str(skip))
        report.leaks = lab.close()
    if report.leaks and report.status == "pass":
        report.status, report.message = "fail", f"leaves behind: {report.leaks[0]}"
    return report
