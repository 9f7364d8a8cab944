"""Pulling eight random layers of 64 MiB from our registry on loopback, beside skopeo."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import subjects
from harness.results import Results
from harness.series import Run, measure
from harness.timing import Sample, Timer

LAYERS, LAYER_BYTES = 8, 64 << 20
READY_S = 20


class NoRegistry(Exception):
    """Our registry could not be started or filled; the message says why."""


def pull(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    programs = {name: path for name in (subjects.IMAGE, "skopeo") if (path := subjects.find(name))}
    if subjects.IMAGE not in programs:
        results.notes.append("pull left out: tare-image is not installed")
        return
    image = write_image(scratch / "random")
    try:
        with registry(programs[subjects.IMAGE], scratch) as address:
            _push(programs[subjects.IMAGE], image, address)
            runs: dict[str, Run] = {
                name: _puller(timer, name, path, address, scratch) for name, path in programs.items()
            }
            series = measure(runs, "back-to-back", rounds=max(2, rounds["isolated"] // 8), warmup=1)
            results.add("pull 8 × 64 MiB", series, subjects.IMAGE, {"skopeo": None})
    except NoRegistry as error:
        results.notes.append(f"pull left out: {error}")


def write_image(folder: Path) -> Path:
    """An OCI layout with one image, tag `random`, whose layers cannot be compressed."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    layers, diff_ids = [], []
    for _ in range(LAYERS):
        data = os.urandom(LAYER_BYTES)
        diff_ids.append(f"sha256:{hashlib.sha256(data).hexdigest()}")
        # gzip's "stored" blocks: nobody recompresses such a layer, and inflating it costs nothing.
        layers.append(_blob(blobs, gzip.compress(data, 0), "application/vnd.oci.image.layer.v1.tar+gzip"))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    }
    entry = _blob(blobs, json.dumps(manifest).encode(), str(manifest["mediaType"]))
    entry["annotations"] = {"org.opencontainers.image.ref.name": "random"}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return folder


def _blob(blobs: Path, data: bytes, media_type: str) -> dict[str, object]:
    name = hashlib.sha256(data).hexdigest()
    (blobs / name).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}


@contextmanager
def registry(program: str, scratch: Path) -> Iterator[str]:
    """`tare-image serve` on a free port; HOST:PORT."""
    ready = scratch / "registry-ready"
    argv = [
        program,
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--root",
        str(scratch / "registry"),
        "--ready-file",
        str(ready),
    ]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + READY_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise NoRegistry("tare-image serve does not answer")
            time.sleep(0.05)
        yield ready.read_text().strip()
    finally:
        process.terminate()
        process.communicate()


def _push(program: str, image: Path, address: str) -> None:
    argv = [program, "copy", "-q", f"oci:{image}:random", f"docker://{address}/bench:random"]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise NoRegistry(f"push to our registry: {done.stderr.strip()[-400:]}")


def _puller(timer: Timer, name: str, path: str, address: str, scratch: Path) -> Run:
    options = ["-q"] if name == subjects.IMAGE else ["--quiet", "--src-tls-verify=false"]
    target = scratch / f"pulled-{name}"
    argv = [path, "copy", *options, f"docker://{address}/bench:random", f"oci:{target}:random"]

    def once() -> Sample:
        shutil.rmtree(target, ignore_errors=True)  # on a tmpfs or in /run: no later run is slower for it
        return timer.run(argv)

    return once
