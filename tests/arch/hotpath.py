"""Runs a verb as the launcher does and reads from the interpreter itself what it imported.

`-X importtime` writes one line per import the moment it happens, so it misses nothing of a process that
ends in `posix._exit` or dies. Children do not inherit the option: only the runtime is seen.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.arch.source_tree import ROOT

MAIN = ROOT / "runtime/tare_runtime/__main__.py"
LIST = ROOT / "tests/arch/hotpath_modules.txt"
IMPORT_LINE = re.compile(rb"^import time:\s+\d+ \|\s+\d+ \|\s*(\S+)$", re.MULTILINE)
FLAGS = ["-I", "-S", "-B", "-X", "utf8", "-X", "importtime"]


def bare_interpreter() -> set[str]:
    """What `python3 -I -S` loads before it does anything of ours."""
    done = subprocess.run([sys.executable, *FLAGS, "-c", "pass"], capture_output=True, check=True)
    return _names(done.stderr)


def imports_of_command(arguments: list[str]) -> set[str]:
    """Run `tare-runtime ARGUMENTS` to its end; the modules it loaded beyond a bare interpreter.

    Raises: AssertionError with the command's own words when it fails.
    """
    # Files, not pipes: a container inherits them and would keep a pipe open after the runtime has ended.
    with tempfile.TemporaryFile() as out:
        done = subprocess.run(
            [sys.executable, *FLAGS, str(MAIN), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            timeout=60,
        )
        out.seek(0)
        written = out.read()
    said = b"\n".join(line for line in written.splitlines() if not line.startswith(b"import time:"))
    assert done.returncode == 0, f"tare-runtime {' '.join(arguments)}: {done.returncode}: {said.decode()}"
    return _names(written) - bare_interpreter()


def _names(stderr: bytes) -> set[str]:
    return {name.decode() for name in IMPORT_LINE.findall(stderr)}


def read_list(path: Path = LIST) -> dict[str, set[str]]:
    """The committed list: `[verb]` sections, one module a line, `#` comments."""
    sections: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            current = sections.setdefault(text.strip("[]"), set())
        elif text:
            current.add(text)
    return sections


def write_list(sections: dict[str, set[str]], path: Path = LIST) -> None:
    head = [line for line in path.read_text().splitlines() if line.startswith("#")] if path.exists() else []
    lines = list(head)
    for verb, modules in sections.items():
        lines += ["", f"[{verb}]", *sorted(modules)]
    path.write_text("\n".join(lines) + "\n")
