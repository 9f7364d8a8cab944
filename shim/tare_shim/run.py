"""`tare run`: image → root filesystem → bundle → runtime. Each step registers its undoing before the next."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from tare_shim.container_log import LogWriter, pump, write_all
from tare_shim.images import Prepared, clear_rootfs, prepare
from tare_shim.monitor import start_monitor
from tare_shim.options import RunOptions
from tare_shim.records import Facts, Record, Records
from tare_shim.runtime import Runtime

STANDARD = {"stdout": 1, "stderr": 2}


def run(image: str, options: RunOptions, *, store: Path, runtime: tuple[str, ...], insecure: bool) -> int:
    """Run a container; the exit status `tare` ends with. Prints the id of a detached one.

    Raises: ShimError, ImageToolError; nothing of the container is left then.
    """
    container_id = secrets.token_hex(32)
    records = Records(store)
    with ExitStack() as undo:
        name = options.name or container_id[:12]
        record = records.create(container_id, name)
        undo.callback(records.remove, record, name)
        lock = record.lock()
        assert lock is not None, "the folder is a moment old"
        undo.callback(os.close, lock)
        undo.callback(clear_rootfs, store, "", container_id)
        prepared = prepare(image, container_id, record.bundle, options, store=store, insecure=insecure)
        record.write_facts(facts_of(image, options, record, prepared, name, runtime))
        if options.detach:
            start_monitor(record, lock, store)
            undo.pop_all()
            os.close(lock)
            print(container_id)
            return 0
        status = run_attached(record, Runtime(runtime), container_id, options)
        if not options.remove:
            clear_rootfs(store, prepared.driver, container_id)
            record.write_exit(status)
            undo.pop_all()
            os.close(lock)
    return status


def facts_of(
    image: str, options: RunOptions, record: Record, prepared: Prepared, name: str, runtime: tuple[str, ...]
) -> Facts:
    config = json.loads((record.bundle / "config.json").read_text())
    return Facts(
        id=record.path.name,
        name=name,
        image=image,
        command=tuple(config["process"]["args"]),
        created_s=time.time(),
        driver=prepared.driver,
        runtime=runtime,
        tty=options.tty,
        remove=options.remove,
    )


def run_attached(record: Record, runtime: Runtime, container_id: str, options: RunOptions) -> int:
    """In the foreground. Output is kept too, unless a terminal or --rm says that nobody will ask for it."""
    stdin = None if options.interactive else subprocess.DEVNULL
    arguments = ["run", "--bundle", str(record.bundle), container_id]
    try:
        if options.tty or options.remove:
            return runtime.attached(arguments, stdin=stdin)
        log = LogWriter(record.log)
        try:
            return runtime.attached(arguments, stdin=stdin, capture=Tee(log).move)
        finally:
            log.close()
    finally:
        runtime.discard(container_id)


class Tee:
    """Output to our own standard streams and to the log; a reader that went away stops only the first."""

    def __init__(self, log: LogWriter) -> None:
        self.log = log
        self.deaf: set[str] = set()

    def move(self, out: int, err: int, ended: int) -> None:
        pump({out: "stdout", err: "stderr"}, self.take, ended)

    def take(self, stream: str, data: bytes) -> None:
        self.log.write(stream, data)
        if stream not in self.deaf:
            try:
                write_all(STANDARD[stream], data)
            except BrokenPipeError:
                self.deaf.add(stream)
