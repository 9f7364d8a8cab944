"""docs/runtime-errors.md from the table of failures and its golden texts.

`python -m tests.support.failures.page` writes it; `./dev golden` does so with the texts.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.failures.table import GROUPS, Failure, load, sections

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/runtime-errors.md"
GOLDEN = ROOT / "tests/runtime/errors"

HEAD = """\
# What the runtime says when it fails

Made from tests/runtime/errors by `./dev golden`; do not edit. Each failure here is made for real by a test,
and its message compared word by word. A message names what was tried, on what, which field of config.json
asked for it, and the kernel's reason; the hint says what the reason means there, and what to do. BUNDLE and
ID stand for the bundle's directory and the container's id. Where people met the same failure with another
runtime, the threads are named. Exit statuses are in [errors.md](errors.md).
"""
# Short names of repositories in the table
REPOSITORIES = {
    "runc": "opencontainers/runc",
    "crun": "containers/crun",
    "youki": "youki-dev/youki",
    "moby": "moby/moby",
    "podman": "containers/podman",
    "containerd": "containerd/containerd",
    "distroless": "GoogleContainerTools/distroless",
}


def page() -> str:
    """The whole text."""
    table = load()
    parts = [HEAD, f"{len(table)} failures.\n"]
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        texts = sections(GOLDEN / f"{group}.txt")
        parts += [_entry(one, texts[one.name]) for one in table if one.group == group]
    return "\n".join(parts)


def _entry(one: Failure, text: str) -> str:
    said = "".join(line for line in text.splitlines(keepends=True)[1:] if line[:2] != "# ")
    lines = [f"**{one.what[0].upper()}{one.what[1:]}**" + _threads(one)]
    return "\n".join([*lines, "", "```", said.rstrip(), "```", ""])


def _threads(one: Failure) -> str:
    links = []
    for thread in one.seen:
        name, _, number = thread.partition("#")
        links.append(f"[{thread}](https://github.com/{REPOSITORIES.get(name, name)}/issues/{number})")
    return f" ({', '.join(links)})" if links else ""


if __name__ == "__main__":
    PAGE.write_text(page())
