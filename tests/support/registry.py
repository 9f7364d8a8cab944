"""Our embedded registry inside the test's process, on a free port of the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tare_imagetools.serve.server import RegistryServer


@contextmanager
def running_registry(root: Path, host: str = "127.0.0.1", **options: object) -> Iterator[RegistryServer]:
    """A registry with its content in `root`; `server.address` is HOST:PORT. `options`: RegistryServer's."""
    with RegistryServer(root, host, **options) as server:  # type: ignore[arg-type]
        yield server
