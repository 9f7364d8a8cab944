"""The embedded registry put together: storage, router, engine. The in-process form that tests use."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from types import TracebackType

from tare_imagetools.serve.garbage import Collector
from tare_imagetools.serve.http import HttpServer
from tare_imagetools.serve.router import Guard, Log, Router
from tare_imagetools.serve.storage import Storage


class RegistryServer:
    """A registry that listens from construction on, answers inside `with`, and is gone after it.

    Raises: RootInUse when another server has `root`; OSError when the address cannot be had.
    """

    def __init__(
        self,
        root: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
        log: Log | None = None,
        gc_age_s: float | None = None,
    ) -> None:
        """`gc_age_s`: blobs that no manifest names are removed when they are older; None: never."""
        self.storage = Storage(root)
        self._gc_age_s = gc_age_s
        self._collector: Collector | None = None
        self._router = Router(self.storage, guard, log)
        try:
            self._http = HttpServer(host, port, self._router, tls)
        except OSError:
            self.storage.close()
            raise
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """HOST:PORT as it stands in a reference; an IPv6 address in brackets."""
        host, port = self._http.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def __enter__(self) -> RegistryServer:
        self._thread.start()
        if self._gc_age_s is not None:
            self._collector = Collector(self.storage, self._gc_age_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._collector:
            self._collector.close()
        self._http.stop()
        self._thread.join()
        self._router.close()
        self.storage.close()
