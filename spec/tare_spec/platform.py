"""Platforms: OS/ARCHITECTURE[/VARIANT], which one this machine is, and which of several suits it.

Spec: image-spec 1.1, image-index.md, "Platform Variants"; the names are Go's GOOS and GOARCH.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tare_spec.errors import BadPlatform

ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
SYSTEMS = {"macos": "darwin"}
# What a platform without a variant means, so that "arm64" and "arm64/v8" are the same.
DEFAULT_VARIANT = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image was built for, in Go's names. Made by `parse`, `host` or a decoder."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read OS/ARCHITECTURE[/VARIANT], or an architecture alone for Linux.

        Raises: BadPlatform, saying which part is wrong.
        """
        parts = text.lower().split("/")
        if len(parts) > 3:
            raise BadPlatform(text, "has more than three parts; write OS/ARCHITECTURE[/VARIANT]")
        for part in parts:
            if not part:
                raise BadPlatform(text, "has an empty part; write OS/ARCHITECTURE[/VARIANT]")
            if not ALLOWED.issuperset(part) or not part[0].isalnum():
                raise BadPlatform(
                    text, "each part is a word of letters, digits, dots, dashes and underscores"
                )
        if len(parts) == 1:
            return cls("linux", parts[0]).normalise()
        return cls(parts[0], parts[1], parts[2] if len(parts) == 3 else "").normalise()

    @classmethod
    def host(cls) -> Platform:
        """The platform of this machine's kernel."""
        name = os.uname()
        return cls(name.sysname.lower(), name.machine.lower()).normalise()

    def normalise(self) -> Platform:
        """The same platform in Go's names, without a variant that the architecture implies."""
        system = self.os.lower()
        architecture, variant = self.architecture.lower(), self.variant.lower()
        architecture, implied = ARCHITECTURES.get(architecture, (architecture, ""))
        variant = variant or implied
        if architecture in ("arm", "arm64") and variant.isdigit():
            variant = f"v{variant}"
        if architecture != "arm" and variant == DEFAULT_VARIANT.get(architecture):
            variant = ""
        return Platform(SYSTEMS.get(system, system), architecture, variant, self.os_version, self.os_features)

    def rank_for(self, wanted: Platform) -> int | None:
        """How well this suits a machine that is `wanted`: 0 is exact, more is worse, None is not at all."""
        have, want = self.normalise(), wanted.normalise()
        if have.os != want.os or have.architecture != want.architecture:
            return None
        if want.os_version and have.os_version and want.os_version != have.os_version:
            return None
        have_level, want_level = variant_level(have), variant_level(want)
        if have_level is None or want_level is None:
            return 0 if have.variant == want.variant else None
        return want_level - have_level if have_level <= want_level else None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def variant_level(platform: Platform) -> int | None:
    """The number in a variant such as v7: a machine runs what was built for a lower one."""
    variant = platform.variant or DEFAULT_VARIANT.get(platform.architecture, "")
    if not variant:
        return 0
    digits = variant.removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdigit() else None
