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
sys.path.insert(0, __file__.rpartition("/tare_runtime/")[0])
finder = serve({} if "--debug" in sys.argv else dict(TABLE), __file__)
from tare_runtime.cli.start import start
from posix import _exit
_exit(start(sys.argv[1:], finder))
"""


def write() -> None:
    """Write the file; that it cannot be written is no failure of the command."""
    if sys.flags.dont_write_bytecode:
        return
    try:
        table, codes = _table()
        with open(f"{_PACKAGE}/onefile.py", encoding="utf-8") as source:
            text = f"{source.read()}\nTABLE = {tuple(table.items())!r}\n{_MAIN}"
        code = compile(text, PATH, "exec", dont_inherit=True, optimize=2)
        # PEP 552: magic, flags, and what an importer would check; a script's are not looked at. What stands
        # behind the script's code is read by it alone.
        _write(MAGIC_NUMBER + bytes(12) + dumps(code) + codes)
    except (OSError, ImportError, SyntaxError, ValueError):
        pass


def _table() -> "tuple[dict[str, Entry], bytes]":
    found: list[tuple[str, tuple[str, int, int, str], bytes]] = []
    for name in [*EXTENSIONS, *_own_modules()]:
        spec = find_spec(name)
        if spec is not None and spec.has_location and spec.origin:
            info = posix.stat(spec.origin)
            folder = (spec.submodule_search_locations or [""])[0]
            source = (spec.origin, info.st_mtime_ns, info.st_size, folder)
            found.append((name, source, _code(name, spec.origin)))
    left = sum(len(code) for _name, _source, code in found)
    table: dict[str, Entry] = {}
    for name, source, code in found:
        table[name] = (*source, left, len(code))
        left -= len(code)
    return table, b"".join(code for _name, _source, code in found)


def _own_modules() -> "list[str]":
    names = ["tare_runtime" + ("." + folder if folder else "") for folder in FOLDERS]
    for folder in FOLDERS:
        prefix = "tare_runtime." + (folder + "." if folder else "")
        for file in posix.listdir(f"{_PACKAGE}/{folder}"):
            name = prefix + file.removesuffix(".py")
            if file.endswith(".py") and file != "__init__.py" and name not in COLD:
                names.append(name)
    return names


def _code(name: str, path: str) -> bytes:
    """Without docstrings, annotations and line numbers, half of the code: nothing that runs reads them."""
    if name in EXTENSIONS:
        return b""
    with open(path, "rb") as source:
        tree = _Bare().visit(ast.parse(source.read(), path))
    code = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=2)
    return dumps(_without_lines(code))


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
