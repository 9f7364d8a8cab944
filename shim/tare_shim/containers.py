"""What can be asked of a container that exists: `ps`, `logs`, `exec`, `rm`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tare_shim.container_log import replay, write_all
from tare_shim.errors import ShimError
from tare_shim.images import clear_rootfs, find_user
from tare_shim.options import parse_env
from tare_shim.records import Facts, Record, Records
from tare_shim.run import STANDARD
from tare_shim.runtime import Runtime

KILL_WAIT_S = 10.0
PROBE_WAIT_S = 0.2  # `ps` holds a lock for a moment when it looks whether anybody does
STANDARD_NAMES = ("stdin", "stdout", "stderr")


def state_of(record: Record, facts: Facts) -> str:
    """created, running, paused, `exited (N)`, or dead: nobody looks after it and no status was written.

    "" where the container is gone: removed while we looked.
    """
    held = is_held(record)
    state = Runtime(facts.runtime).status(facts.id) if held else "dead"
    status = record.exit_status
    if status is not None:
        return f"exited ({status})"
    return (state or "created") if record.path.exists() else ""


def is_held(record: Record) -> bool:
    """Whether a process looks after the container."""
    try:
        with record.in_charge() as nobody:
            return not nobody
    except FileNotFoundError:
        return False


def list_containers(records: Records, *, everything: bool) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for record, facts in records.listed():
        state = state_of(record, facts)
        if state and (everything or not state.startswith(("exited", "dead"))):
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
    """Raises: ShimError where there is no log."""
    if not record.log.exists():
        if not follow:
            raise ShimError(f"read the log of {record.facts.name!r}: none was kept")
        record.log.touch(0o600)
    for stamp, stream, data in replay(record.log, follow=(lambda: is_held(record)) if follow else None):
        sys.stdout.flush()
        write_all(STANDARD[stream], (stamp.encode() + b" " + data) if timestamps else data)


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
    facts = record.facts
    state = state_of(record, facts)
    if state != "running":
        raise ShimError(f"run a command in {facts.name!r}: it is {state or 'gone'}, not running")
    runtime = Runtime(facts.runtime)
    arguments = ["exec", *flags, facts.id, *command]
    if "--detach" in flags:
        runtime.call(arguments, stdio=dict.fromkeys(STANDARD_NAMES, subprocess.DEVNULL))
        return 0
    return runtime.attached(arguments, stdin=None if interactive else subprocess.DEVNULL)


def remove(records: Records, record: Record, store: Path, *, force: bool) -> None:
    """Remove what is left of a container. Raises: ShimError where it runs and `force` is not given."""
    try:
        facts = record.facts
    except ShimError:
        _remove_damaged(records, record, store)
        return
    runtime = Runtime(facts.runtime)
    try:
        lock = record.lock(wait_s=PROBE_WAIT_S)
        if lock is None:
            if not force:
                state = state_of(record, facts)
                raise ShimError(f"remove {facts.name!r}: it is {state}", "--force kills it first")
            if runtime.status(facts.id):
                runtime.call(["kill", facts.id, "KILL"])
            lock = record.lock(wait_s=KILL_WAIT_S)
    except FileNotFoundError:
        return  # it has removed itself meanwhile
    if lock is None:
        raise ShimError(f"remove {facts.name!r}: it does not end, {KILL_WAIT_S:.0f} s after SIGKILL")
    try:
        runtime.discard(facts.id)
        clear_rootfs(store, facts.driver, facts.id)
        records.remove(record)
    finally:
        os.close(lock)


def _remove_damaged(records: Records, record: Record, store: Path) -> None:
    """Without facts nobody can say which runtime had it; what is in the store can be cleared away."""
    clear_rootfs(store, "", record.path.name)
    records.remove(record)
