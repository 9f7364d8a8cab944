"""Small images as OCI layouts on disk, made from bytes: no tool needed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tare_spec import media_types


@dataclass(frozen=True)
class Image:
    """`manifest` is the raw manifest; `blobs` are the files of config and layers."""

    path: Path
    manifest: bytes
    digest: str
    blobs: list[Path]


def make_layout(
    path: Path, tag: str = "latest", layers: list[bytes] | None = None, *, architecture: str = "amd64"
) -> Image:
    """Write a layout with one image. `layers`: uncompressed tars; without, one with a single small file."""
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)
    tars = layers if layers is not None else [make_tar({"hello.txt": b"hello\n"})]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        "history": [{"created_by": "a test"} for _ in tars],
    }
    packed = [gzip.compress(tar, 1, mtime=0) for tar in tars]
    raw_config = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": describe(raw_config, media_types.OCI_CONFIG),
        "layers": [describe(layer, media_types.OCI_LAYER_GZIP) for layer in packed],
    }
    raw = json.dumps(manifest).encode()
    for content in (*packed, raw_config, raw):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    entry = describe(raw, media_types.OCI_MANIFEST) | {
        "annotations": {"org.opencontainers.image.ref.name": tag}
    }
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    files = [blobs / hashlib.sha256(content).hexdigest() for content in (raw_config, *packed)]
    return Image(path, raw, sha256(raw), files)


def make_index_layout(path: Path, tag: str = "v1") -> Image:
    """Write a layout whose `tag` is an index of two images, for amd64 and arm64; `blobs` are the first's."""
    names = ("amd64", "arm64")
    images = [
        make_layout(path / name, name, [make_tar({"arch": name.encode()})], architecture=name)
        for name in names
    ]
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)
    entries = []
    for name, image in zip(names, images, strict=True):
        for blob in (image.path / "blobs/sha256").iterdir():
            (blobs / blob.name).write_bytes(blob.read_bytes())
        platform = {"os": "linux", "architecture": name}
        entries.append(describe(image.manifest, media_types.OCI_MANIFEST) | {"platform": platform})
        shutil.rmtree(image.path)
    raw = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}).encode()
    (blobs / hashlib.sha256(raw).hexdigest()).write_bytes(raw)
    entry = describe(raw, media_types.OCI_INDEX) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return Image(path, raw, sha256(raw), [blobs / blob.name for blob in images[0].blobs])


def make_tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def describe(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}
