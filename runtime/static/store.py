"""Which modules go into the one-file command, and their code.

All of a package; what those import, in functions too; and what those libraries import in turn.
"""

from __future__ import annotations

import ast
import marshal
import zlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType

# Of the package, what only an installation with an interpreter uses; of libraries, what is for other systems,
# for debuggers and for windows on a screen.
LEFT_OUT = frozenset(
    "tare_runtime.__main__ __main__"
    " click.testing click._winconsole ctypes msvcrt pdb webbrowser importlib.metadata doctest pydoc"
    " unittest asyncio tkinter distutils ensurepip idlelib lib2to3 test".split()
)

# The verbs of a container's life, and the way to them.
HOT = (
    "cli.snapshot verbs.create verbs.start verbs.state verbs.kill verbs.delete verbs.run verbs.exec cgroup.v1"
    " cgroup.freeze"
)
# Beside those: limits, hooks, seccomp, id maps, labels, what managers ask for with each container. The
# rest costs a command that needs it some tenths of a millisecond a module, and the others no memory.
COMMON = (
    "cgroup.v1_limits cgroup.v2 cgroup.v2_limits cgroup.v2_devices config.rules_ids config.rules_mounts"
    " config.resources cli.version host.hooks host.idmap life.freeze life.hooks life.pid_file log plan.labels"
    " plan.trees seccomp.cache verbs.list verbs.pause verbs.resume"
)
# What libraries import for cases that are none of ours.
STRANGERS = frozenset(
    (
        "_frozen_importlib",
        "_frozen_importlib_external",
        "zipimport",
        "_pydecimal",
        "simplejson.encoder",
        "simplejson.decoder",
        "simplejson.scanner",
    )
)
# Libraries whose functions import what their commands need; elsewhere such imports are for rare cases.
LATE = ("click",)


class Found:
    """A module: its source's path, what it imports at its top, and what its functions import."""

    def __init__(self, name: str, path: Path) -> None:
        self.is_package = path.name == "__init__.py"
        self.path = path
        self.shown_as = name.replace(".", "/") + ("/__init__.py" if self.is_package else ".py")
        tree = ast.parse(path.read_bytes(), path)
        package = name if self.is_package else name.rpartition(".")[0]
        self.early = set(imported(tree.body, package, deep=False))
        self.late = set(imported(tree.body, package, deep=True)) - self.early

    def code(self) -> CodeType:
        return compile(self.path.read_bytes(), self.shown_as, "exec", dont_inherit=True, optimize=2)


def collect(package: str) -> dict[str, Found]:
    """Every module with a source that the package may come to import."""
    found: dict[str, Found] = {}
    waiting = [*modules_of(package), "simplejson._speedups", "simplejson.errors", "simplejson.raw_json"]
    while waiting:
        name = waiting.pop()
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        path = None if name in found else source_of(name)
        if path is None:
            continue
        module = found[name] = Found(name, path)
        waiting += [*module.early, *(module.late if name.split(".")[0] in (package, *LATE) else ())]
    if "simplejson" in found:
        found["simplejson"] = Found(
            "simplejson", EMPTY
        )  # its __init__ wants more than a static interpreter has
    return found


EMPTY = Path(__file__).with_name("empty") / "__init__.py"


def at_once(found: dict[str, Found]) -> list[str]:
    """Modules to import when the file is made: what the verbs of a container's life import at their top, each
    after those that it needs, and what common configs and callers bring in.
    """
    order: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found or name in order or name in visiting:
            return
        visiting.add(name)
        if "." in name:
            add(name.rpartition(".")[0])
        for needed in sorted(found[name].early):
            add(needed)
        order[name] = None

    visiting: set[str] = set()
    for name in (*HOT.split(), *COMMON.split()):
        add(f"tare_runtime.{name}")
    return list(order)


def modules_of(package: str) -> list[str]:
    spec = find_spec(package)
    assert spec and spec.submodule_search_locations, package
    top = Path(next(iter(spec.submodule_search_locations)))
    names = []
    for path in sorted(top.rglob("*.py")):
        parts = (package, *path.relative_to(top).with_suffix("").parts)
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def source_of(name: str) -> Path | None:
    """The module's source; None for what has none (an extension, a name inside a module)."""
    if name in LEFT_OUT or any(name.startswith(f"{other}.") for other in LEFT_OUT):
        return None
    try:
        spec = find_spec(name)
    except Exception:  # what an import raises on a system that it is not for
        return None
    if spec is None or name in STRANGERS:
        return None
    if spec.origin == "frozen":  # here, not in the file: csrc/snapshot/frozen.c
        file = getattr(spec.loader_state, "filename", None)
        return Path(file) if file else None
    return Path(spec.origin) if str(spec.origin).endswith(".py") else None


def imported(body: list[ast.stmt], package: str, *, deep: bool) -> Iterator[str]:
    """Names imported by statements that run; `deep`: inside functions too. Some are names in a module."""
    for node in walk(body, deep=deep):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: package.count(".") + 2 - node.level]
                base = ".".join([*above, base] if base else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def walk(body: Iterable[ast.AST], *, deep: bool) -> Iterator[ast.AST]:
    for node in body:
        test = getattr(node, "test", None)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in (
            getattr(test, "id", ""),
            getattr(test, "attr", ""),
        ):
            yield from walk(node.orelse, deep=deep)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not deep:
            continue
        yield node
        yield from walk(list(ast.iter_child_nodes(node)), deep=deep)


def without_lines(code: CodeType) -> CodeType:
    """Line numbers of a library's functions are an eighth of their code."""
    constants = [without_lines(value) if isinstance(value, CodeType) else value for value in code.co_consts]
    return code.replace(co_consts=tuple(constants), co_linetable=b"")


def write(package: str, modules: Path, store: Path) -> None:
    """Make the two files that seed.py reads: `modules`, of marshalled objects, and the packed `store`."""
    found = collect(package)
    early = at_once(found)
    packed, index = bytearray(), {}
    for name in sorted(found.keys() - set(early)):
        code = found[name].code()
        if not name.startswith(f"{package}."):
            code = without_lines(code)
        code = zlib.compress(marshal.dumps(code), 9)
        index[name] = (found[name].is_package, len(packed), len(packed) + len(code))
        packed += code
    store.write_bytes(packed)
    with modules.open("wb") as file:
        marshal.dump(index, file)
        marshal.dump(len(early), file)
        for name in early:
            marshal.dump((name, found[name].is_package, found[name].code()), file)


def write_bootstrap(standard: Path, target: Path) -> None:
    """The import system's own modules as C arrays, for csrc/snapshot/frozen.c."""
    lines = []
    for name in ("_bootstrap", "_bootstrap_external"):
        source = (standard / f"importlib/{name}.py").read_bytes()
        # The name is how the interpreter knows its own frames, which it leaves out of tracebacks.
        code = marshal.dumps(
            compile(source, f"<frozen importlib.{name}>", "exec", dont_inherit=True, optimize=2)
        )
        lines.append(f"static const unsigned char importlib{name}[] = {{{','.join(map(str, code))}}};\n")
    target.write_text("".join(lines))
