"""A real tree to unpack: Debian bookworm with compilers, headers and sources, as a tarball and an OCI layout.

Made once and kept outside the checkout. The tree itself is built on a tmpfs: removing tens of thousands
of files from ext4 would slow down every later creation on that file system, the timed ones too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

CACHE = Path(os.environ.get("TARE_BENCH_CACHE", "/var/cache/tare-bench"))
PACKAGES = (
    "python3,perl,git,gcc,g++,golang-1.19-src,libboost1.74-dev,linux-headers-amd64,rust-src,"
    "vim-runtime,node-typescript"
)
LEAST_FILES, LEAST_BYTES = 70_000, 700_000_000


class NoTree(Exception):
    """The tree could not be made; the message says what failed. Raised to the figure that wants it."""


def layout() -> Path:
    """The OCI layout (one gzip layer, tag `tree`), made at the first call."""
    made = CACHE / "layout"
    if not (made / "index.json").exists():
        _make()
    return made


def layer_blob() -> Path:
    """The gzip layer inside the layout: what GNU tar is given, so that all read the same bytes."""
    folder = layout()
    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(_blob(folder, index["manifests"][0]["digest"]).read_text())
    return _blob(folder, manifest["layers"][0]["digest"])


def facts() -> dict[str, int]:
    """How many entries and bytes the tree has."""
    known: dict[str, int] = json.loads((CACHE / "facts.json").read_text())
    return known


def _blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")


def _make() -> None:
    for tool in ("debootstrap", "umoci", "tar"):
        if shutil.which(tool) is None:
            raise NoTree(f"make the tree to unpack: {tool} is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    tar = CACHE / "tree.tar"
    if not tar.exists():
        _debootstrap(tar)
    counted = _count(tar)
    if counted["files"] < LEAST_FILES or counted["bytes"] < LEAST_BYTES:
        raise NoTree(
            f"make the tree to unpack: too small, {counted['files']} files of {counted['bytes']} bytes"
        )
    (CACHE / "facts.json").write_text(json.dumps(counted))
    _to_layout(tar)
    tar.unlink()


def _debootstrap(tar: Path) -> None:
    script = """
      set -e
      mount -t tmpfs -o size=6g,mode=755 tmpfs "$1"
      debootstrap --variant=minbase --include="$2" bookworm "$1/tree" http://deb.debian.org/debian >"$4" 2>&1
      rm -rf "$1"/tree/var/cache/apt/archives/*.deb "$1"/tree/proc/* "$1"/tree/sys/*
      tar --sort=name --one-file-system --numeric-owner -C "$1/tree" -cf "$3.part" .
      mv "$3.part" "$3"
    """
    mount_point = CACHE / "build"
    mount_point.mkdir(exist_ok=True)
    log = CACHE / "debootstrap.log"
    # A mount namespace of its own takes the tmpfs with it, whatever happens.
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
            str(mount_point), PACKAGES, str(tar), str(log)]  # fmt: skip
    if subprocess.run(argv).returncode:
        raise NoTree(f"make the tree to unpack: debootstrap failed, see {log}")


def _count(tar: Path) -> dict[str, int]:
    entries = files = size = 0
    with tarfile.open(tar) as archive:
        for member in archive:
            entries += 1
            files += member.isreg() or member.islnk()
            size += member.size if member.isreg() else 0
    return {"entries": entries, "files": files, "bytes": size}


def _to_layout(tar: Path) -> None:
    scratch = CACHE / "layout.part"
    shutil.rmtree(scratch, ignore_errors=True)
    image = f"{scratch}:tree"
    for argv in (
        ["umoci", "init", "--layout", str(scratch)],
        ["umoci", "new", "--image", image],
        ["umoci", "raw", "add-layer", "--image", image, str(tar)],
        ["umoci", "gc", "--layout", str(scratch)],
    ):
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise NoTree(f"make the tree to unpack: {' '.join(argv[:3])}: {done.stderr.strip()}")
    scratch.rename(CACHE / "layout")
