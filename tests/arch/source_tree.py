"""What the rules of this folder look at: the five packages, their Python and their C, as git knows them."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "tare_runtime": "runtime",
    "tare_imagetools": "imagetools",
    "tare_spec": "spec",
    "tare_conformance": "conformance",
    "tare_shim": "shim",
}


@cache
def tracked_files() -> list[Path]:
    """Every file git tracks or would track, so that a rule bites before the commit, not after it.

    Outside a checkout (an unpacked sdist) the tree itself is walked.
    """
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        return sorted(path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts)
    names = done.stdout.decode().split("\0")
    return sorted(path for name in names if name and (path := ROOT / name).is_file())


def files_under(folder: str, suffix: str) -> list[Path]:
    return [path for path in tracked_files() if path.suffix == suffix and path.is_relative_to(ROOT / folder)]


@dataclass(frozen=True)
class Import:
    """One edge of the import graph. `typing_only` edges exist for the type checker and never run."""

    importer: str
    imported: str
    line: int
    typing_only: bool


def module_name(path: Path) -> str:
    """`runtime/tare_runtime/plan/ops.py` → `tare_runtime.plan.ops`."""
    parts = list(path.relative_to(ROOT).parts[1:])
    parts[-1] = parts[-1].removesuffix(".py")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def package_modules(package: str) -> dict[str, Path]:
    folder = f"{FOLDERS[package]}/{package}"
    return {module_name(path): path for path in files_under(folder, ".py")}


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[Import] = []
    _walk(ast.parse(path.read_bytes(), str(path)), name, package, False, found)
    return tuple(found)


def _walk(node: ast.AST, name: str, package: str, typing_only: bool, found: list[Import]) -> None:
    if isinstance(node, ast.Import):
        found += [Import(name, alias.name, node.lineno, typing_only) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        # `from package import module` and `from module import name` look alike: keep the longer name and
        # let the reader cut it back to what exists.
        found += [Import(name, f"{base}.{alias.name}", node.lineno, typing_only) for alias in node.names]
    elif isinstance(node, ast.Call):
        _walk_dynamic_import(node, name, typing_only, found)
    guard = isinstance(node, ast.If) and _names_type_checking(node.test)
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST):
                _walk(child, name, package, typing_only or (guard and field == "body"), found)


def _walk_dynamic_import(node: ast.Call, name: str, typing_only: bool, found: list[Import]) -> None:
    called = node.func
    spelled = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    if spelled in {"__import__", "import_module"} and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.append(Import(name, first.value, node.lineno, typing_only))


def _names_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def top_level(module: str) -> str:
    return module.partition(".")[0]


def chain_to(package: str, module: str) -> list[str]:
    """The shortest way by which an import reaches `module` from a module of `package` nothing imports.

    Entry points come first, so the answer reads `tare_runtime.__main__ → … → module`.
    """
    modules = package_modules(package)
    graph = {name: _own_targets(path, modules) for name, path in modules.items()}
    imported = {target for targets in graph.values() for target in targets}
    starts = sorted(graph.keys() - imported, key=lambda name: (not name.endswith("__main__"), name))
    for start in starts:
        came_from: dict[str, str | None] = {start: None}
        queue = [start]
        for current in queue:
            for target in graph[current]:
                if target not in came_from:
                    came_from[target] = current
                    queue.append(target)
        if module in came_from:
            chain: list[str] = []
            step: str | None = module
            while step is not None:
                chain.append(step)
                step = came_from[step]
            return chain[::-1]
    return [module]


def _own_targets(path: Path, modules: dict[str, Path]) -> list[str]:
    targets = []
    for edge in imports_of(path):
        for name in (edge.imported, edge.imported.rpartition(".")[0]):
            if name in modules:
                targets.append(name)
                break
    return targets
