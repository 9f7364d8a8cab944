"""Tar archives made byte by byte, so that tests can write what no library would.

Tar().dir("a").file("a/f", b"x").bytes()
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field

BLOCK = 512
MTIME = 1_000_000_000


def octal(value: int, width: int) -> bytes:
    """An octal field, or base-256 where the number is negative or too long for one."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    raw = bytearray((value & ((1 << (8 * width)) - 1)).to_bytes(width, "big"))
    raw[0] = 0xFF if value < 0 else raw[0] | 0x80
    return bytes(raw)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def header(
    name: bytes,
    *,
    kind: bytes = b"0",
    size: int = 0,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = MTIME,
    link: bytes = b"",
    major: int = 0,
    minor: int = 0,
    magic: bytes = b"ustar\x0000",
    tail: bytes = b"",
) -> bytes:
    """One 512-byte header with its check sum; `tail` is laid over what begins at byte 345."""
    block = bytearray(BLOCK)
    fields = [
        (0, name[:100]), (100, octal(mode, 8)), (108, octal(uid, 8)), (116, octal(gid, 8)),
        (124, octal(size, 12)), (136, octal(mtime, 12)), (148, b" " * 8), (156, kind), (157, link[:100]),
        (257, magic), (329, octal(major, 8)), (337, octal(minor, 8)), (345, tail),
    ]  # fmt: skip
    for at, value in fields:
        block[at : at + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax_record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@dataclass
class Tar:
    """Every method adds an entry and returns the archive. Long names get a PAX record by themselves."""

    parts: list[bytes] = field(default_factory=list)

    def add(
        self,
        name: str | bytes,
        kind: str = "0",
        data: bytes = b"",
        *,
        pax: dict[str, bytes] | None = None,
        link: str | bytes = b"",
        **fields: int,
    ) -> Tar:
        raw_name, raw_link = as_bytes(name), as_bytes(link)
        records = dict(pax or {})
        if len(raw_name) > 100:
            records.setdefault("path", raw_name)
        if len(raw_link) > 100:
            records.setdefault("linkpath", raw_link)
        if records:
            self.pax(records)
        fields.setdefault("size", len(data))
        self.parts.append(header(raw_name, kind=kind.encode(), link=raw_link, **fields))
        self.parts.append(padded(data))
        return self

    def pax(self, records: dict[str, bytes], kind: bytes = b"x") -> Tar:
        body = b"".join(pax_record(key.encode(), value) for key, value in records.items())
        return self.raw(header(b"pax", kind=kind, size=len(body)), padded(body))

    def raw(self, *blocks: bytes) -> Tar:
        self.parts.extend(blocks)
        return self

    def file(self, name: str | bytes, data: bytes = b"", **fields: int) -> Tar:
        return self.add(name, "0", data, **fields)

    def dir(self, name: str | bytes, mode: int = 0o755, **fields: int) -> Tar:
        return self.add(name, "5", mode=mode, **fields)

    def symlink(self, name: str | bytes, target: str | bytes, **fields: int) -> Tar:
        return self.add(name, "2", link=target, mode=0o777, **fields)

    def hardlink(self, name: str | bytes, target: str | bytes) -> Tar:
        return self.add(name, "1", link=target)

    def whiteout(self, name: str) -> Tar:
        directory, slash, base = name.rpartition("/")
        return self.file(f"{directory}{slash}.wh.{base}")

    def opaque(self, directory: str = "") -> Tar:
        return self.file(f"{directory}/.wh..wh..opq" if directory else ".wh..wh..opq")

    def bytes(self, end: bytes = bytes(2 * BLOCK)) -> bytes:
        return b"".join(self.parts) + end

    def gzip(self) -> bytes:
        return gzip.compress(self.bytes(), 1, mtime=0)


def diff_id(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
