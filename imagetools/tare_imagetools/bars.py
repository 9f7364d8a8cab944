"""Progress bars on a terminal, by rich, which is an optional dependency: importing this may fail."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from tare_imagetools.progress import Event


class Bars:
    every_s = 0.1

    def __init__(self, stream: TextIO) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TextColumn("{task.fields[how]}"),
            console=Console(file=stream),
        )
        self.tasks: dict[str, TaskID] = {}
        self.progress.start()

    def show(self, event: Event) -> None:
        if event.kind in ("note", "retry"):
            self.progress.console.print(f"{event.kind}: {event.what}", markup=False, highlight=False)
        elif event.kind in ("start", "progress", "done"):
            task = self.task(event)
            self.progress.update(task, completed=event.done, how="" if event.how == "copied" else event.how)

    def task(self, event: Event) -> TaskID:
        if event.digest not in self.tasks:
            label = f"{event.what} {event.digest.partition(':')[2][:12]}"
            self.tasks[event.digest] = self.progress.add_task(label, total=max(event.size, 1), how="")
        return self.tasks[event.digest]

    def close(self) -> None:
        self.progress.stop()
