from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest
from tare_imagetools.blobs import BlobDirectory, replace_file
from tare_imagetools.errors import LayoutError, MissingError, VerifyError
from tare_imagetools.verify import VerifyingReader
from tare_spec.digest import Digest
from tare_spec.image import Descriptor

CONTENT = os.urandom(3_000_000)
DESCRIPTOR = Descriptor("", Digest.of(CONTENT), len(CONTENT))


def stream(content: bytes = CONTENT) -> VerifyingReader:
    return VerifyingReader(io.BytesIO(content), DESCRIPTOR, "blob")


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_dir()]


def test_a_written_blob_reads_back(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    assert not blobs.has(DESCRIPTOR)
    blobs.write(DESCRIPTOR, stream())
    assert blobs.has(DESCRIPTOR)
    assert blobs.reader(DESCRIPTOR, "blob").readall() == CONTENT
    assert blobs.digests() == [DESCRIPTOR.digest]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"x" * len(CONTENT)])
def test_a_wrong_blob_leaves_no_file_at_all(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(VerifyError):
        BlobDirectory(tmp_path).write(DESCRIPTOR, stream(content))
    assert files_below(tmp_path) == []


def test_writing_what_is_there_already_changes_nothing(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    blobs.write(DESCRIPTOR, stream())
    before = blobs.path(DESCRIPTOR.digest).stat().st_ino
    blobs.write(DESCRIPTOR, stream())
    assert blobs.path(DESCRIPTOR.digest).stat().st_ino == before


def test_a_truncated_blob_is_replaced(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    blobs.write(DESCRIPTOR, stream())
    os.truncate(blobs.path(DESCRIPTOR.digest), 10)
    assert not blobs.has(DESCRIPTOR)
    blobs.write(DESCRIPTOR, stream())
    assert blobs.reader(DESCRIPTOR, "blob").readall() == CONTENT
    assert len(files_below(tmp_path)) == 1


def test_a_symbolic_link_is_not_a_blob(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    blobs.path(DESCRIPTOR.digest).parent.mkdir()
    blobs.path(DESCRIPTOR.digest).symlink_to(secret)
    assert not blobs.has(DESCRIPTOR)
    with pytest.raises(LayoutError, match="symbolic link"):
        blobs.reader(DESCRIPTOR, "blob")


def test_a_fifo_is_not_a_blob_and_does_not_hang(tmp_path: Path) -> None:
    blobs = BlobDirectory(tmp_path)
    blobs.path(DESCRIPTOR.digest).parent.mkdir()
    os.mkfifo(blobs.path(DESCRIPTOR.digest))
    with pytest.raises(LayoutError, match="not a regular file"):
        blobs.reader(DESCRIPTOR, "blob")


def test_a_blob_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no file"):
        BlobDirectory(tmp_path).reader(DESCRIPTOR, "blob")


@pytest.mark.root
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(LayoutError, match="No space left") as caught:
            BlobDirectory(tmp_path).write(DESCRIPTOR, stream())
        assert caught.value.hint
        assert files_below(tmp_path) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_small_file_is_replaced_in_one_step_and_old_remains_go(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    replace_file(path, b"first")
    (tmp_path / "index.json.new").write_bytes(b"left by a writer that was killed")
    replace_file(path, b"second", mode=0o600)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert files_below(tmp_path) == [path]


def test_a_small_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    replace_file(path, b"first")
    with pytest.raises(TypeError):
        replace_file(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"first"
    assert files_below(tmp_path) == [path]
