"""`tare run`: image → root filesystem → bundle → runtime. Each step registers its undoing before the next."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tare_imagetools.errors import ImageToolError

from tare_shim.container_log import LogWriter, pump, write_all
from tare_shim.errors import ShimError
from tare_shim.images import choose_driver, clear_rootfs, prepare
from tare_shim.monitor import start_monitor
from tare_shim.options import RunOptions
from tare_shim.records import Facts, Record, Records
from tare_shim.runtime import Runtime

STANDARD = {"stdout": 1, "stderr": 2}


def run(image: str, options: RunOptions, *, store: Path, runtime: tuple[str, ...], insecure: bool) -> int:
    """Run a container; the exit status `tare` ends with. Prints the id of a detached one.

    Raises: ShimError, ImageToolError; nothing of the container is left then.
    """
    records = Records(store)
    facts = facts_of(image, options, choose_driver(store), runtime)
    with ExitStack() as undo:
        record = records.create(facts)
        undo.callback(quietly, records.remove, record)
        lock = record.lock(wait_s=1)
        if lock is None:
            raise ShimError(f"run {facts.name!r}: another process is removing it")
        undo.callback(os.close, lock)
        undo.callback(quietly, clear_rootfs, store, facts.driver, facts.id)
        config = prepare(image, facts, record.bundle, options, store=store, insecure=insecure)
        record.write_facts(replace(facts, command=command_of(config)))
        undo.callback(quietly, Runtime(runtime).discard, facts.id)
        if options.detach:
            start_monitor(record, lock, store)
            undo.pop_all()
            os.close(lock)
            print(facts.id)
            return 0
        status = run_attached(record, Runtime(runtime), facts.id, options)
        if not options.remove:
            Runtime(runtime).discard(facts.id)
            clear_rootfs(store, facts.driver, facts.id)
            record.write_exit(status)
            undo.pop_all()
            os.close(lock)
    return status


def quietly(undo: Callable[..., None], *arguments: object) -> None:
    """Undo a step; that it fails is said, and does not hide why it had to be undone."""
    try:
        undo(*arguments)
    except (ShimError, ImageToolError, OSError) as error:
        print(f"tare: clean up: {error}", file=sys.stderr)


def facts_of(image: str, options: RunOptions, driver: str, runtime: tuple[str, ...]) -> Facts:
    container_id = secrets.token_hex(32)
    return Facts(
        id=container_id,
        name=options.name or container_id[:12],
        image=image,
        command=options.command,
        created_s=time.time(),
        driver=driver,
        runtime=runtime,
        tty=options.tty,
        remove=options.remove,
        log_bytes=options.log_bytes,
    )


def command_of(config: dict[str, object]) -> tuple[str, ...]:
    process = config["process"]
    args = process.get("args") if isinstance(process, dict) else None
    return tuple(str(word) for word in args) if isinstance(args, list) else ()


def run_attached(record: Record, runtime: Runtime, container_id: str, options: RunOptions) -> int:
    """In the foreground. Output is kept too, unless --rm says that nobody will ask for it.

    The runtime looks for the user's terminal at its standard input: its output may go through us.
    """
    stdin = None if options.interactive else subprocess.DEVNULL
    arguments = ["run", "--bundle", str(record.bundle), container_id]
    if options.remove:
        return runtime.attached(arguments, stdin=stdin)
    log = LogWriter(record.log, record.facts.log_bytes)
    try:
        return runtime.attached(arguments, stdin=stdin, capture=Tee(log).move)
    finally:
        log.close()
        if log.failed:
            print(f"tare: write the log: {log.failed}: some lines are missing there", file=sys.stderr)


class Tee:
    """Output to the log and to our own standard streams."""

    def __init__(self, log: LogWriter) -> None:
        self.log = log

    def move(self, out: int, err: int, ended: int) -> None:
        pump({out: "stdout", err: "stderr"}, self.take, ended)

    def take(self, stream: str, data: bytes) -> None:
        self.log.write(stream, data)
        write_all(STANDARD[stream], data)
