"""The tar reader: every dialect it must read, every lie it must not believe. Fields are made byte by byte."""

from __future__ import annotations

import io
import os
import re
import subprocess
from pathlib import Path

import pytest
from tare_imagetools.errors import LayerError
from tare_imagetools.layer.apply import apply_layer
from tare_spec import media_types

from tests.support.tar_builder import BLOCK, Tar, header, octal, padded

OLD_GNU = b"ustar  \0"


class Pieces(io.BytesIO):
    """Hands out a few bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.size)


def apply(root: Path, tar: bytes, piece: int = 1 << 20) -> Path:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        apply_layer(Pieces(tar, piece), fd, media_type=media_types.OCI_LAYER)
    finally:
        os.close(fd)
    return root


def gnu_sparse(pieces: list[tuple[int, bytes]], real_size: int) -> bytes:
    """GNU's old form: four pieces in the header, 21 in each block after it."""
    numbers = [octal(at, 12) + octal(len(data), 12) for at, data in pieces]
    first, rest = numbers[:4], numbers[4:]
    data = b"".join(data for _, data in pieces)
    tail = bytes(41) + b"".join(first).ljust(96, b"\0") + (b"\1" if rest else b"\0") + octal(real_size, 12)
    blocks = [header(b"sparse", kind=b"S", size=len(data), magic=OLD_GNU, tail=tail)]
    while rest:
        part, rest = rest[:21], rest[21:]
        blocks.append(padded(b"".join(part).ljust(504, b"\0") + (b"\1" if rest else b"\0")))
    return b"".join(blocks) + padded(data)


def holes(count: int) -> tuple[list[tuple[int, bytes]], bytes]:
    pieces = [(10_000 * (number + 1), b"%04d" % number) for number in range(count)]
    whole = bytearray(10_000 * (count + 1) + 500)
    for at, data in pieces:
        whole[at : at + len(data)] = data
    return pieces, bytes(whole)


@pytest.mark.parametrize("count", [1, 4, 5, 30])
@pytest.mark.parametrize("piece", [1 << 20, 7])
def test_gnu_sparse_file_is_expanded_with_its_holes(tmp_path: Path, count: int, piece: int) -> None:
    pieces, whole = holes(count)
    tar = Tar().raw(gnu_sparse(pieces, len(whole))).file("after", b"a").bytes()
    apply(tmp_path, tar, piece)
    assert (tmp_path / "sparse").read_bytes() == whole
    assert (tmp_path / "sparse").stat().st_blocks * 512 < len(whole)
    assert (tmp_path / "after").read_bytes() == b"a"


def pax_sparse(form: str, pieces: list[tuple[int, bytes]], real_size: int) -> Tar:
    data = b"".join(data for _, data in pieces)
    numbers = [number for at, content in pieces for number in (at, len(content))]
    size = b"%d" % real_size
    if form == "0.1":
        table = b",".join(b"%d" % number for number in numbers)
        pax = {"GNU.sparse.size": size, "GNU.sparse.map": table, "GNU.sparse.name": b"sparse"}
        return Tar().add("GNUSparseFile.0/x", data=data, pax=pax)
    table = padded(b"%d\n" % len(pieces) + b"".join(b"%d\n" % number for number in numbers))
    pax = {
        "GNU.sparse.major": b"1",
        "GNU.sparse.minor": b"0",
        "GNU.sparse.name": b"sparse",
        "GNU.sparse.realsize": size,
    }
    return Tar().add("GNUSparseFile.0/x", data=table + data, pax=pax)


@pytest.mark.parametrize("form", ["0.1", "1.0"])
@pytest.mark.parametrize("piece", [1 << 20, 13])
def test_pax_sparse_file_is_expanded_with_its_holes(tmp_path: Path, form: str, piece: int) -> None:
    pieces, whole = holes(50)
    apply(tmp_path, pax_sparse(form, pieces, len(whole)).file("after", b"a").bytes(), piece)
    assert (tmp_path / "sparse").read_bytes() == whole
    assert (tmp_path / "after").read_bytes() == b"a"


@pytest.mark.parametrize("form", ["gnu", "posix", "v7", "ustar", "oldgnu"])
def test_what_gnu_tar_writes_is_what_gnu_tar_reads(tmp_path: Path, form: str) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / ("n" * 60)).write_bytes(b"x" * 1500)
    (source / "link").symlink_to("sub")
    (source / "empty").touch()
    if form in ("gnu", "posix"):
        (source / ("long" * 50)).write_bytes(b"long")
        with (source / "holes").open("wb") as file:
            for at in range(40):
                file.seek(at << 20)
                file.write(b"data")
    sparse = ["-S"] if form in ("gnu", "posix") else []
    command = ["tar", "--sort=name", *sparse, f"--format={form}", "-C", str(source), "-cf", "-", "."]
    made = subprocess.run(command, capture_output=True, check=True).stdout
    target = tmp_path / "target"
    target.mkdir()
    apply(target, made, 700)
    subprocess.run(["diff", "-r", "--no-dereference", str(source), str(target)], check=True)
    assert (target / "sub").stat().st_mtime_ns // 10**9 == (source / "sub").stat().st_mtime_ns // 10**9


def test_headers_that_come_byte_by_byte(tmp_path: Path) -> None:
    tar = Tar().dir("d").file("d/" + "f" * 150, b"1" * 1000, pax={"mtime": b"5.25"}).symlink("s", "d").bytes()
    apply(tmp_path, tar, 1)
    assert (tmp_path / "d" / ("f" * 150)).stat().st_mtime_ns == 5_250_000_000


def test_gnu_long_names_win_over_others(tmp_path: Path) -> None:
    name, link = b"n" * 180, b"t" * 180
    tar = (
        Tar()
        .add("././@LongLink", "L", name + b"\0")
        .add("././@LongLink", "K", link + b"\0")
        .symlink("short", "t", pax={"path": b"pax", "linkpath": b"pax"})
        .file("next")
    )
    apply(tmp_path, tar.bytes())
    assert os.readlink(tmp_path / os.fsdecode(name)) == os.fsdecode(link)
    assert (tmp_path / "next").exists()


def test_prefix_and_name_of_ustar_are_joined(tmp_path: Path) -> None:
    apply(tmp_path, header(b"name", tail=b"p/refix") + bytes(2 * BLOCK))
    assert (tmp_path / "p/refix/name").exists()


def test_sizes_of_entries_without_data_are_passed_over(tmp_path: Path) -> None:
    tar = Tar().add("d", "5", size=4096).file("f", b"f").add("h", "1", link="f", size=100).file("g", b"g")
    apply(tmp_path, tar.bytes())
    assert sorted(os.listdir(tmp_path)) == ["d", "f", "g", "h"]


def test_base_256_numbers(tmp_path: Path) -> None:
    tar = Tar().file("f", b"f", uid=3_000_000, mtime=-5).bytes()
    apply(tmp_path, tar)
    found = (tmp_path / "f").stat()
    assert (found.st_uid, found.st_mtime) == (3_000_000, -5)


ENDS = {
    "no blocks of zeros": b"",
    "one block": bytes(BLOCK),
    "many": bytes(20 * BLOCK),
    "junk": bytes(2 * BLOCK) + b"j" * 99,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_way_an_archive_can_end(tmp_path: Path, end: bytes) -> None:
    apply(tmp_path, Tar().file("f", b"f").bytes(end))
    assert (tmp_path / "f").read_bytes() == b"f"


@pytest.mark.parametrize("tar", [b"", bytes(BLOCK), bytes(2 * BLOCK)])
def test_an_empty_archive_changes_nothing(tmp_path: Path, tar: bytes) -> None:
    apply(tmp_path, tar)
    assert list(tmp_path.iterdir()) == []


def huge_pax() -> bytes:
    return header(b"pax", kind=b"x", size=1 << 30)


def pax_text(text: bytes) -> bytes:
    return header(b"x", kind=b"x", size=len(text)) + padded(text)


def with_map(table: bytes, data: bytes = b"", size: bytes = b"1000") -> Tar:
    return Tar().add(
        "s", data=data, pax={"GNU.sparse.size": size, "GNU.sparse.map": table, "GNU.sparse.name": b"s"}
    )


def with_text(text: bytes) -> Tar:
    pax = {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.realsize": b"1000"}
    return Tar().add("s", data=padded(text), pax=pax)


LIES = {
    "an extended header of a gigabyte": (huge_pax(), "larger than 1 MiB"),
    "a long name of a gigabyte": (header(b"l", kind=b"L", size=1 << 30), "larger than 1 MiB"),
    "a global header of a gigabyte": (header(b"g", kind=b"g", size=1 << 30), "larger than 1 MiB"),
    "a negative size": (header(b"f", size=-1), "size is negative"),
    "a size beyond 64 bits": (Tar().file("f", pax={"size": b"9" * 30}), "number in the PAX header"),
    "a size that is no number": (Tar().file("f", pax={"size": b"0x10"}), "number in the PAX header"),
    "a time that is none": (Tar().file("f", pax={"mtime": b"yesterday"}), "time in the PAX header"),
    "a negative owner": (Tar().file("f", pax={"uid": b"-1"}), "number in the PAX header"),
    "a record without a length": (pax_text(b"x=yz\n"), "wrong length"),
    "a record that is too long": (pax_text(b"99 x=yz\n"), "wrong length"),
    "a record of length 0": (pax_text(b"0 x=abc\n"), "wrong length"),
    "a record without a key": (pax_text(b"6 =ab\n"), "no key"),
    "a name with a NUL": (Tar().file("f", pax={"path": b"a\0b"}), "NUL byte"),
    "a wrong check sum": (b"x" + Tar().file("f").bytes()[1:], "checksum is wrong"),
    "octal digits that are none": (Tar().file("f").bytes()[:100] + b"99" + bytes(410), "checksum is wrong"),
    "a header after one block of zeros": (
        Tar().file("f").raw(bytes(BLOCK)).file("g"), "lone block of zeros",
    ),
    "an end inside the data": (Tar().file("f", b"x" * 5000).bytes(b"")[:2000], "'f': the archive ends"),
    "an end inside a header": (Tar().file("f").bytes(b"")[:400], "ends inside a header"),
    "an end inside an extended header": (
        Tar().file("f", pax={"comment": b"c" * 900}).bytes(b"")[:1000], "ends inside a header",
    ),
    "a sparse map out of order": (with_map(b"500,4,0,4", b"12345678"), "out of order"),
    "a sparse map that overlaps": (with_map(b"0,8,4,4", b"123456789012"), "out of order"),
    "a sparse map past the end": (with_map(b"998,4", b"1234"), "past the end"),
    "a sparse map that overflows": (with_map(b"9223372036854775807,9", b"1"), "out of order"),
    "a sparse map with half a pair": (with_map(b"1,2,3", b"12"), "odd number"),
    "a sparse map of letters": (with_map(b"a,b", b"12"), "cannot be read"),
    "a sparse map for less data": (with_map(b"0,2", b"1234"), "more data than the sparse map"),
    "a sparse map for more data": (with_map(b"0,8", b"1234"), "less data than the sparse map"),
    "a sparse map without a size": (
        Tar().add("s", data=b"1", pax={"GNU.sparse.map": b"0,1"}), "real size is missing",
    ),
    "a sparse version from the future": (
        Tar().add("s", pax={"GNU.sparse.major": b"2", "GNU.sparse.minor": b"0", "GNU.sparse.realsize": b"1"}),
        "not known",
    ),
    "ten million pieces announced": (with_text(b"10000000\n"), "more than 65536 pieces"),
    "a map of digits without end": (with_text(b"1" * 600), "cannot be read"),
    "a map that is cut short": (with_text(b"9\n1\n1\n"), "cannot be read|cut short"),
    "a million pieces in the GNU form": (
        gnu_sparse([(n * 2, b"") for n in range(65540)], 1 << 20), "more than 65536 pieces",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tar", "words"), LIES.values(), ids=LIES)
def test_an_archive_that_lies_is_one_clear_error(tmp_path: Path, tar: Tar | bytes, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        apply(tmp_path, tar if isinstance(tar, bytes) else tar.bytes())


def test_a_sparse_file_of_exabytes_is_refused_by_the_file_system_or_costs_nothing(tmp_path: Path) -> None:
    """ext4 cannot hold it; tmpfs and xfs can, as one hole."""
    try:
        apply(tmp_path, with_map(b"0,1", b"x", size=b"9223372036854775807").bytes())
    except LayerError as error:
        assert re.search(r"'s': (File too large|No space left)", str(error))
    else:
        made = (tmp_path / "s").stat()
        assert made.st_size == 9223372036854775807
        assert made.st_blocks * 512 < 1 << 20
