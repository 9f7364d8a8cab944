"""What is kept of a container: one folder each, under the store's `containers/`.

    containers/ID/record.json   what it was made of; written once
    containers/ID/lock          held (flock) by whoever looks after the running container
    containers/ID/log           its output, see `container_log`
    containers/ID/exit          its exit status; missing while it runs
    containers/ID/bundle/       config.json
    names/NAME → ID             a link, so that taking a name is one atomic step

The lock tells the living from the dead: a record without `exit` whose lock is free was left by a process that
was killed, and `tare rm` may clear it away.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tare_shim.errors import NameTaken, NotFound, ShimError

DRAFT = ".new-"
DRAFT_AGE_S = 60.0


@dataclass(frozen=True)
class Facts:
    """`runtime`: the runtime's command, words of which the first is a program."""

    id: str
    name: str
    image: str
    command: tuple[str, ...]
    created_s: float
    driver: str
    runtime: tuple[str, ...]
    tty: bool
    remove: bool
    log_bytes: int = 0


class Record:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.bundle = path / "bundle"
        self.exit_path = path / "exit"

    @property
    def facts(self) -> Facts:
        """Raises: ShimError where the container has just been removed, or its record is damaged."""
        try:
            decoded = json.loads((self.path / "record.json").read_text())
            lists = {key: tuple(decoded[key]) for key in ("command", "runtime")}
            return Facts(**{**decoded, **lists})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ShimError(f"read the record of container {self.path.name[:12]}: {error}") from error

    def write_facts(self, facts: Facts) -> None:
        write_whole(self.path / "record.json", json.dumps(asdict(facts)))

    @property
    def exit_status(self) -> int | None:
        try:
            return int(self.exit_path.read_text())
        except FileNotFoundError:
            return None

    def write_exit(self, status: int) -> None:
        write_whole(self.exit_path, str(status))

    def lock(self, *, wait_s: float = 0) -> int | None:
        """Take charge: the lock's descriptor, the caller's to close. None: somebody else is in charge."""
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    return None
                time.sleep(0.02)

    @contextmanager
    def in_charge(self) -> Iterator[bool]:
        """Whether nobody looks after the container; holds the lock meanwhile, if so."""
        fd = self.lock()
        try:
            yield fd is not None
        finally:
            if fd is not None:
                os.close(fd)


class Records:
    def __init__(self, root: Path) -> None:
        self.containers = root / "containers"
        self.names = root / "names"
        for folder in (self.containers, self.names):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, facts: Facts) -> Record:
        """Make the folder and take the name. Raises: NameTaken.

        The folder appears whole, so that whatever a killed process leaves behind can be found and removed.
        """
        self._sweep()
        draft = Record(self.containers / f"{DRAFT}{facts.id}")
        draft.bundle.mkdir(mode=0o700, parents=True)
        draft.write_facts(facts)
        record = Record(draft.path.rename(self.containers / facts.id))
        try:
            self._take_name(facts.name, facts.id)
        except BaseException:
            shutil.rmtree(record.path, ignore_errors=True)
            raise
        return record

    def _sweep(self) -> None:
        """Remove drafts of processes that were killed: making one takes no time, so an old one is left."""
        for path in self.containers.glob(f"{DRAFT}*"):
            if time.time() - path.stat().st_mtime > DRAFT_AGE_S:
                shutil.rmtree(path, ignore_errors=True)

    def _take_name(self, name: str, container_id: str) -> None:
        link = self.names / name
        for _ in range(2):
            try:
                link.symlink_to(container_id)
                return
            except FileExistsError:
                owner = os.readlink(link)
                if (self.containers / owner).is_dir():
                    raise NameTaken(name, owner) from None
                link.unlink(
                    missing_ok=True
                )  # its container went without it: a process was killed between the two
        raise ShimError(f"name the container {name!r}: others take the name as fast as it is free")

    def find(self, name: str) -> Record:
        """By name, by id, or by a beginning of an id that fits one only. Raises: NotFound, ShimError."""
        link = self.names / name
        if "/" not in name and link.is_symlink() and (path := self.containers / os.readlink(link)).is_dir():
            return Record(path)
        fitting = [record for record in self.all() if name and record.path.name.startswith(name)]
        if len(fitting) > 1:
            raise ShimError(f"find container {name!r}: {len(fitting)} ids begin so", "write more of it")
        if not fitting:
            raise NotFound(name)
        return fitting[0]

    def all(self) -> list[Record]:
        """In no order, those too whose facts cannot be read."""
        return [Record(path) for path in self.containers.iterdir() if not path.name.startswith(DRAFT)]

    def listed(self) -> list[tuple[Record, Facts]]:
        """With their facts, newest first; without those that go away meanwhile."""
        found = []
        for record in self.all():
            try:
                found.append((record, record.facts))
            except ShimError:
                continue
        return sorted(found, key=lambda pair: -pair[1].created_s)

    def remove(self, record: Record) -> None:
        """The folder first: a name without a container is free, one without a name is hard to find."""
        shutil.rmtree(record.path, ignore_errors=True)
        for link in self.names.iterdir():
            if link.is_symlink() and os.readlink(link) == record.path.name:
                link.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """All of it or nothing, also when we are killed meanwhile."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)
