#!/usr/bin/env python3
"""Make an image of Debian's static busybox as an OCI layout: one layer, a few folders, a user or two.

    python tests/support/make_busybox_image.py DIR [TAG]

Needs the standard library alone, so that a demo of our tools does not build its image with them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "ppc64le": "ppc64le"}
FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700,
           "sbin": 0o755, "sys": 0o755, "tmp": 0o1777, "usr/bin": 0o755, "var": 0o755}  # fmt: skip
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n",
    "etc/group": "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n",
    "etc/os-release": 'NAME="busybox"\nID=busybox\n',
}


def make_busybox_image(target: Path, tag: str = "latest", *, config: dict[str, object] | None = None) -> str:
    """Write the layout, `config` merged over the process settings; return the manifest's digest."""
    blobs = target / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    tar = _layer()
    packed = gzip.compress(tar, 6, mtime=0)
    image = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
            **(config or {}),
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
        "history": [{"created_by": "make_busybox_image.py", "created": "1970-01-01T00:00:00Z"}],
    }
    raw_image = json.dumps(image).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _put(blobs, raw_image, "application/vnd.oci.image.config.v1+json"),
        "layers": [_put(blobs, packed, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    entry = _put(blobs, json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    digest = str(entry["digest"])
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (target / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return digest


def _layer() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode in FOLDERS.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
        program = BUSYBOX.read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for applet in subprocess.check_output([str(BUSYBOX), "--list"], text=True).split():
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.LNKTYPE, "bin/busybox"
                tar.addfile(entry)
    return out.getvalue()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _put(blobs: Path, content: bytes, media_type: str) -> dict[str, object]:
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    print(make_busybox_image(Path(sys.argv[1]), *sys.argv[2:]))
