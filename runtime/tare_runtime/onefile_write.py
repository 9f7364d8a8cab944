"""Makes the file that `onefile` describes: the code of all modules that a hot command may load. Cold."""

import ast
import posix
import sys
from importlib.util import MAGIC_NUMBER, find_spec
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from tare_runtime.onefile import Entry

_PACKAGE = __file__.rpartition("/")[0]
PATH = f"{_PACKAGE}/__pycache__/tare-runtime.{sys.implementation.cache_tag}.pyc"

EXTENSIONS = ("_cffi_backend", "_json", "tare_runtime._core")
# Folders of the package that hold hot modules; of each, all but the cold ones are taken.
FOLDERS = ("", "cgroup", "cli", "config", "host", "life", "plan", "seccomp", "state", "verbs")
VERBS = ("create", "run", "start", "state", "exec", "kill", "delete")
COLD = frozenset(
    "tare_runtime." + name
    for name in (
        "__main__ api onefile onefile_write cli.cold cli.version host.explain plan.describe seccomp.compile"
        " seccomp.rules verbs.plan verbs.spec verbs.features verbs.list verbs.ps"
    ).split()
)

# What the file does when the launcher runs it, behind the code of onefile.py and its table. --debug wants
# tracebacks with line numbers, which the cached code does not have.
_MAIN = """
sys.path[:0] = [__file__.rpartition("/tare_runtime/")[0], BACKEND]
finder = serve({} if "--debug" in sys.argv else dict(TABLE), __file__)
for verb in sys.argv:
    if verb in BATCHES and finder.table:
        finder.load_batch(*BATCHES[verb])
        break
from tare_runtime.cli.start import start
from posix import _exit
_exit(start(sys.argv[1:], finder))
"""


def write() -> None:
    """Write the file; that it cannot be written is no failure of the command."""
    if sys.flags.dont_write_bytecode:
        return
    try:
        table, batches, codes = _table()
        with open(f"{_PACKAGE}/onefile.py", encoding="utf-8") as source:
            text = f"{source.read()}\nTABLE = {tuple(table.items())!r}\nBATCHES = {batches!r}\n"
            # Where other libraries are: beside that of cffi.
            backend = table.get("_cffi_backend", (_PACKAGE,))[0].rpartition("/")[0]
            text += f"BACKEND = {backend!r}\n{_MAIN}"
        code = compile(text, PATH, "exec", dont_inherit=True, optimize=2)
        # PEP 552: magic, flags, and what an importer would check; a script's are not looked at. What stands
        # behind the script's code is read by it alone.
        _write(MAGIC_NUMBER + bytes(12) + dumps(code) + codes)
    except (OSError, ImportError, SyntaxError, ValueError):
        pass


def _table() -> "tuple[dict[str, Entry], dict[str, tuple[int, int]], bytes]":
    """The table, the places of the batches by verb, and what stands at the file's end."""
    found: list[tuple[str, tuple[str, int, int, str], CodeType | None]] = []
    for name, path in [*_extensions(), *_own_modules()]:
        info = posix.stat(path)
        folder = path.rpartition("/")[0] if path.endswith("/__init__.py") else ""
        found.append((name, (path, info.st_mtime_ns, info.st_size, folder), _code(name, path)))
    codes = {name: code for name, _source, code in found}
    pieces = [dumps(code) if code else b"" for code in codes.values()]
    pieces += [dumps(_batch(verb, codes)) for verb in VERBS]
    places: list[tuple[int, int]] = []
    left = sum(map(len, pieces))
    for piece in pieces:
        places.append((left, len(piece)))
        left -= len(piece)
    table = {name: (*source, *place) for (name, source, _), place in zip(found, places, strict=False)}
    return table, dict(zip(VERBS, places[len(found) :], strict=True)), b"".join(pieces)


def _batch(verb: str, codes: "dict[str, CodeType | None]") -> "list[tuple[str, CodeType | None]]":
    """What a verb imports at the top of its modules, each before those that it needs."""
    order: dict[str, CodeType | None] = {}

    def add(name: str) -> None:
        if name not in codes or name in order:
            return
        code = codes[name]
        parent = name.rpartition(".")[0]
        if parent:
            add(parent)
        for needed in _IMPORTS.get(name, ()):
            add(needed)
        order[name] = code

    for name in ("cli.start", "cli.main", f"verbs.{verb}"):
        add(f"tare_runtime.{name}")
    return list(reversed(order.items()))


# module → the modules that it imports when it is imported itself; filled in by `_code`
_IMPORTS: "dict[str, list[str]]" = {"tare_runtime._core": ["_cffi_backend"]}


def _extensions() -> "list[tuple[str, str]]":
    """Those that are files: an interpreter may have some built in."""
    specs = [(name, find_spec(name)) for name in EXTENSIONS]
    return [(name, spec.origin) for name, spec in specs if spec and spec.has_location and spec.origin]


def _own_modules() -> "list[tuple[str, str]]":
    modules = []
    for folder in FOLDERS:
        package = "tare_runtime" + ("." + folder if folder else "")
        inside = _PACKAGE + ("/" + folder if folder else "")
        modules.append((package, f"{inside}/__init__.py"))
        for file in sorted(posix.listdir(inside)):
            name = f"{package}.{file.removesuffix('.py')}"
            if file.endswith(".py") and file != "__init__.py" and name not in COLD:
                modules.append((name, f"{inside}/{file}"))
    return modules


def _code(name: str, path: str) -> "CodeType | None":
    """Without docstrings, annotations and line numbers, half of the code: nothing that runs reads them."""
    if name in EXTENSIONS:
        return None
    with open(path, "rb") as source:
        tree = _Bare().visit(ast.parse(source.read(), path))
    code = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=2)
    _IMPORTS[name] = [needed for node in tree.body for needed in _imported(node)]
    return _without_lines(code)


def _imported(node: ast.stmt) -> "list[str]":
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _without_lines(code: "CodeType") -> "CodeType":
    constants = tuple(
        _without_lines(constant) if isinstance(constant, type(code)) else constant
        for constant in code.co_consts
    )
    return code.replace(co_consts=constants, co_linetable=b"")


class _Bare(ast.NodeTransformer):
    """Takes annotations out of a tree, and the import that only concerns them."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> "ast.ImportFrom | None":
        return None if node.module == "__future__" else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            arg.annotation = None
        for rest in (node.args.vararg, node.args.kwarg):
            if rest is not None:
                rest.annotation = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)


def _write(data: bytes) -> None:
    folder = PATH.rpartition("/")[0]
    try:
        posix.mkdir(folder, 0o755)
    except FileExistsError:
        pass
    temporary = f"{PATH}.{posix.getpid()}"
    fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o644)
    try:
        while data:
            data = data[posix.write(fd, data) :]
    finally:
        posix.close(fd)
    posix.rename(temporary, PATH)
