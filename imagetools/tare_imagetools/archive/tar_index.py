"""What is where in a tar archive of an image: read once, header by header, then by offset.

For archives that hold blobs (docker save, OCI layouts in a tar), not for layers. The archive is as strange
as any input: names are compared, never used as paths; sizes are checked against the file; what is read of
a PAX header is bounded. Formats: POSIX ustar and pax, GNU long names and base-256 sizes.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tare_imagetools.errors import LayoutError, MissingError, layout_error

BLOCK = 512
MAX_MEMBERS = 200_000
MAX_EXTENDED = 1 << 20
MAX_LINKS = 8
OCTAL = frozenset(b"01234567")
COMPRESSED = {b"\x1f\x8b": "gunzip", b"\x28\xb5\x2f\xfd": "unzstd", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz"}


@dataclass(frozen=True, slots=True)
class Member:
    offset: int
    size: int
    link: str = ""


class Slice:
    """A ByteSource over part of an open file, with a position of its own: several can be read at a time."""

    def __init__(self, fd: int, member: Member) -> None:
        self.fd = fd
        self.start = member.offset
        self.position = 0
        self.size = member.size

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), self.size - self.position)
        if count <= 0:
            return 0
        done = os.preadv(self.fd, [buffer[:count]], self.start + self.position)
        self.position += done
        return done

    def read(self, size: int) -> bytes:
        buffer = bytearray(min(size, max(self.size - self.position, 0)))
        return bytes(memoryview(buffer)[: self.readinto(memoryview(buffer))])

    def seek(self, offset: int) -> None:
        self.position = offset

    def close(self) -> None:
        """The file belongs to the TarIndex."""


class TarIndex:
    """The members of an archive by name, without a leading "./". Owns the open file."""

    def __init__(self, path: Path) -> None:
        """Raises: MissingError, LayoutError."""
        self.path = path
        self.tried = f"read the archive {path}"
        try:
            self.file: BinaryIO = path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise MissingError(self.tried, "there is no such file") from error
        except OSError as error:
            raise layout_error(self.tried, error) from error
        try:
            self.length = os.fstat(self.file.fileno()).st_size
            self.members = self.scan()
        except OSError as error:
            self.file.close()
            raise layout_error(self.tried, error) from error
        except BaseException:
            self.file.close()
            raise

    def close(self) -> None:
        self.file.close()

    def open(self, name: str) -> Slice:
        """The content of a member; links within the archive are followed.

        Raises: MissingError, LayoutError.
        """
        return Slice(self.file.fileno(), self.find(name))

    def find(self, name: str) -> Member:
        wanted = name
        for _ in range(MAX_LINKS):
            member = self.members.get(wanted)
            if member is None:
                raise MissingError(self.tried, f"it holds no {name!r}")
            if not member.link:
                return member
            wanted = member.link
        raise LayoutError(self.tried, f"{name!r} is a link that leads nowhere")

    def scan(self) -> dict[str, Member]:
        found: dict[str, Member] = {}
        position = 0
        extended: dict[str, str] = {}
        while block := self.header(position):
            kind = block[156:157]
            size = self.number(block[124:136], "size")
            if kind in b"xLK" and kind:
                self.read_extended(kind, position + BLOCK, size, extended)
            elif kind != b"g":
                if "size" in extended:
                    size = self.decimal(extended["size"])
                name = clean(extended.get("path") or name_of(block))
                if kind in (b"0", b"\0", b"7"):
                    found[name] = Member(position + BLOCK, size)
                elif kind in (b"1", b"2"):
                    link = extended.get("linkpath") or text_of(block[157:257])
                    base = posixpath.dirname(name) if kind == b"2" else ""
                    found[name] = Member(0, 0, clean(posixpath.join(base, link)))
                    size = 0
                elif kind == b"S":
                    raise LayoutError(self.tried, f"{name!r} is a sparse file, which is not read here")
                extended = {}
            position += BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
            if position > self.length + BLOCK:
                raise LayoutError(self.tried, f"it ends within a member, at byte {self.length}")
            if len(found) > MAX_MEMBERS:
                raise LayoutError(self.tried, f"it has more than {MAX_MEMBERS} members")
        return found

    def header(self, position: int) -> bytes:
        """The header at a position; b"" at the end of the archive."""
        block = os.pread(self.file.fileno(), BLOCK, position)
        if len(block) < BLOCK or not block.strip(b"\0"):
            if position == 0 and block[:1] != b"\0":
                raise LayoutError(self.tried, "it is too short to be a tar archive")
            return b""
        total = sum(block[:148]) + 8 * 0x20 + sum(block[156:])
        stated = block[148:156].strip(b" \0")
        if not stated or not set(stated) <= OCTAL or int(stated, 8) != total:
            for magic, program in COMPRESSED.items():
                if position == 0 and block.startswith(magic):
                    hint = f"decompress it first: {program} {self.path}"
                    raise LayoutError(self.tried, "it is compressed", hint)
            problem = f"the header at byte {position} is damaged"
            raise LayoutError(self.tried, problem if position else "it is not a tar archive")
        return block

    def read_extended(self, kind: bytes, position: int, size: int, extended: dict[str, str]) -> None:
        if size > MAX_EXTENDED:
            raise LayoutError(self.tried, f"a header of {size} bytes is more than is read")
        raw = os.pread(self.file.fileno(), size, position)
        if kind == b"L":
            extended["path"] = text_of(raw)
        elif kind == b"K":
            extended["linkpath"] = text_of(raw)
        else:
            while raw:
                length, _, _ = raw.partition(b" ")
                count = self.decimal(length.decode("ascii", "replace"))
                record = raw[len(length) + 1 : count]
                if count <= len(length) + 1 or len(record) < 2 or record[-1:] != b"\n":
                    raise LayoutError(self.tried, f"the extended header at byte {position} is damaged")
                key, _, value = record[:-1].partition(b"=")
                extended[key.decode(errors="replace")] = value.decode(errors="surrogateescape")
                raw = raw[count:]

    def number(self, field: bytes, what: str) -> int:
        if field[:1] == b"\x80":
            return int.from_bytes(field[1:], "big")
        digits = field.split(b"\0", 1)[0].strip(b" ")
        if not set(digits) <= OCTAL:
            raise LayoutError(self.tried, f"the {what} in a header is not a number")
        return int(digits, 8) if digits else 0

    def decimal(self, text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 20:
            raise LayoutError(self.tried, f"{text[:30]!r} in a header is not a number")
        return int(text)


def name_of(block: bytes) -> str:
    name = text_of(block[:100])
    prefix = text_of(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def text_of(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="surrogateescape")


def clean(name: str) -> str:
    """One spelling for each member; a name outside the archive stays unlike any that is looked for."""
    return posixpath.normpath(name) if name else name
