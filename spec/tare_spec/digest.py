"""Content digests: `sha256:<64 hex>` and `sha512:<128 hex>`, read strictly.

A digest becomes part of URLs and of paths in a store, so nothing but the registered form is let in:
no upper-case hex, no other length, no unknown algorithm.
Spec: image-spec 1.1, descriptor.md, "Digests" and "Registered Algorithms".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from tare_spec.errors import BadDigest

HEX_LENGTH = {"sha256": 64, "sha512": 128}
HEX_DIGITS = frozenset("0123456789abcdef")


class Hasher(Protocol):
    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The name of some bytes. Made by `parse` or `of`; both guarantee the registered form."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ALGORITHM:HEX.

        Raises: BadDigest, saying which part is wrong.
        """
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise BadDigest(text, "has no ':' between algorithm and hex")
        length = HEX_LENGTH.get(algorithm)
        if length is None:
            raise BadDigest(text, f"the algorithm is not one of {', '.join(HEX_LENGTH)}")
        if len(encoded) != length:
            raise BadDigest(text, f"{algorithm} takes {length} hex digits, this has {len(encoded)}")
        if not HEX_DIGITS.issuperset(encoded):
            raise BadDigest(text, "only the digits 0-9 and a-f (lower case) may follow the ':'")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """Compute the digest of bytes in memory."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def hasher(self) -> Hasher:
        """A fresh hash object of this digest's algorithm."""
        return new_hasher(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The first twelve hex digits, for people; never a key."""
        return self.hex[:12]


def new_hasher(algorithm: str = "sha256") -> Hasher:
    return hashlib.sha256() if algorithm == "sha256" else hashlib.new(algorithm)
