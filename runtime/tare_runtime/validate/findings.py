"""What `validate` finds: one value for each thing that is wrong, or that the host cannot give."""

from __future__ import annotations

from tare_runtime.config.sections import section_of

BUNDLE = "bundle"  # config.json or the files beside it are wrong on every host
HOST = "host"  # right, and not to be had here


class Finding:
    """`pointer`: RFC 6901, "" for the document; `section`: of the runtime-spec; `fix`: what to do."""

    __slots__ = ("fix", "kind", "pointer", "problem", "section")

    def __init__(self, kind: str, pointer: str, problem: str, fix: str, section: str = "") -> None:
        self.kind = kind
        self.pointer = pointer
        self.problem = problem
        self.fix = fix
        self.section = section or section_of(pointer)

    def as_row(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "pointer": self.pointer,
            "problem": self.problem,
            "section": self.section,
            "link": link_of(self.section),
            "fix": self.fix,
        }


SPEC = "https://github.com/opencontainers/runtime-spec/blob/v1.3.0/"


def link_of(section: str) -> str:
    """`config.md, "Root"` → where it is read."""
    page, _, title = section.partition(", ")
    words = title.strip('"').lower()
    anchor = "".join(letter for letter in words if letter.isalnum() or letter in " -").replace(" ", "-")
    return SPEC + page + ("#" + anchor if anchor else "")
