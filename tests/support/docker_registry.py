"""Debian's docker-registry as a peer: its own directory and port, ended by its pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""
HTPASSWD = "auth: {{htpasswd: {{realm: test, path: {path}}}}}"


@contextmanager
def docker_registry(root: Path, *, user: str = "", password: str = "") -> Iterator[str]:
    """Run one; yields HOST:PORT. With `user` it wants basic authentication."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    root.mkdir(parents=True, exist_ok=True)
    port = free_port()
    auth = ""
    if user:
        line = subprocess.run(
            ["htpasswd", "-nbB", user, password], check=True, capture_output=True, text=True
        ).stdout
        (root / "htpasswd").write_text(line)
        auth = HTPASSWD.format(path=root / "htpasswd")
    config = root / "config.yml"
    config.write_text(CONFIG.format(root=root / "data", port=port, auth=auth))
    with (root / "log").open("wb") as log:
        # REGISTRY_… variables are settings of its own, even REGISTRY_AUTH_FILE, which is ours.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY")}
        command = ["docker-registry", "serve", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/v2/", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "docker-registry ended at once"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("docker-registry does not answer")
