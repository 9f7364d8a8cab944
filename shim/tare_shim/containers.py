"""What can be asked of a container that exists: `ps`, `logs`, `exec`, `rm`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tare_shim.container_log import replay, write_all
from tare_shim.errors import ShimError
from tare_shim.images import clear_rootfs, find_user
from tare_shim.options import parse_env
from tare_shim.records import Record, Records
from tare_shim.run import STANDARD
from tare_shim.runtime import Runtime

KILL_WAIT_S = 10.0


def state_of(record: Record) -> str:
    """created, running, paused, `exited (N)`, or dead: nobody looks after it and no status was written."""
    status = record.exit_status
    if status is None:
        with record.in_charge() as abandoned:
            if abandoned and record.exit_status is None:
                return "dead"
        state = Runtime(record.facts.runtime).status(record.facts.id)
        status = record.exit_status
        if status is None:
            return state or "created"
    return f"exited ({status})"


def list_containers(records: Records, *, everything: bool) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for record in records.all():
        facts, state = record.facts, state_of(record)
        if everything or not state.startswith(("exited", "dead")):
            row = {"id": facts.id, "name": facts.name, "image": facts.image, "command": list(facts.command)}
            rows.append({**row, "created": facts.created_s, "status": state})
    return rows


def print_containers(rows: list[dict[str, object]], *, quiet: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if quiet:
        print("".join(f"{str(row['id'])[:12]}\n" for row in rows), end="")
        return
    table = [("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAME"), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(6)]
    for line in table:
        print("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    words = row["command"]
    command = " ".join(map(str, words)) if isinstance(words, Sequence) else ""
    short = command if len(command) <= 24 else command[:23] + "…"
    age = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(str(row["created"]))))
    return (str(row["id"])[:12], str(row["image"]), json.dumps(short, ensure_ascii=False), age,
            str(row["status"]), str(row["name"]))  # fmt: skip


def print_log(record: Record, *, follow: bool, timestamps: bool) -> None:
    if not record.log.exists():
        why = "it has a terminal, or wrote nothing yet" if record.facts.tty else "none was kept"
        if not follow:
            raise ShimError(f"read the log of {record.facts.name!r}: {why}")
        record.log.touch(0o600)
    for stamp, stream, data in replay(record.log, follow=(lambda: is_alive(record)) if follow else None):
        sys.stdout.flush()
        write_all(STANDARD[stream], (stamp.encode() + b" " + data) if timestamps else data)


def is_alive(record: Record) -> bool:
    return record.path.exists() and record.exit_status is None and state_of(record) != "dead"


def exec_flags(
    record: Record, *, detach: bool, tty: bool, env: Sequence[str], user: str | None, workdir: str | None
) -> list[str]:
    """Ours as the runtime's, whose --user takes numbers: names are looked up in the container's own files."""
    flags = [flag for flag, given in (("--detach", detach), ("--tty", tty)) if given]
    for text in env:
        if (entry := parse_env(text)) is not None:
            flags += ["--env", entry]
    if workdir is not None:
        flags += ["--cwd", workdir]
    if user is not None:
        found = find_user(record.bundle, user)
        flags += ["--user", f"{found.uid}:{found.gid}"]
        for gid in found.additional_gids:
            flags += ["--additional-gids", str(gid)]
    return flags


def execute(
    record: Record,
    command: Sequence[str],
    *,
    flags: Sequence[str],
    interactive: bool,
) -> int:
    """Run a command in a running container; its exit status. Raises: ShimError."""
    state = state_of(record)
    if state != "running":
        raise ShimError(f"run a command in {record.facts.name!r}: it is {state}, not running")
    stdin = None if interactive else subprocess.DEVNULL
    arguments = ["exec", *flags, record.facts.id, *command]
    return Runtime(record.facts.runtime).attached(arguments, stdin=stdin)


def remove(records: Records, record: Record, store: Path, *, force: bool) -> None:
    """Remove what is left of a container. Raises: ShimError where it runs and `force` is not given."""
    facts = record.facts
    runtime = Runtime(facts.runtime)
    lock = record.lock()
    if lock is None:
        if not force:
            raise ShimError(
                f"remove {facts.name!r}: it is {state_of(record)}", f"tare rm --force {facts.name}"
            )
        if runtime.status(facts.id):
            runtime.call(["kill", facts.id, "KILL"])
        lock = record.lock(wait_s=KILL_WAIT_S) if record.path.exists() else None
        if lock is None and record.path.exists():
            raise ShimError(
                f"remove {facts.name!r}: its process does not end, {KILL_WAIT_S:.0f} s after SIGKILL"
            )
    if record.path.exists():
        runtime.discard(facts.id)
        clear_rootfs(store, facts.driver, facts.id)
        records.remove(record, facts.name)
