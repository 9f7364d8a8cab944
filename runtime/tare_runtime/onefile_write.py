"""Makes the file that `onefile` describes: the code of all modules that a hot command may load. Cold."""

import ast
import posix
import sys
from importlib.util import MAGIC_NUMBER, find_spec
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.onefile import Entry

_PACKAGE = __file__.rpartition("/")[0]
PATH = f"{_PACKAGE}/__pycache__/tare-runtime.{sys.implementation.cache_tag}.pyc"

EXTENSIONS = ("_cffi_backend", "_json", "tare_runtime._core")
LIBRARY = ("__future__",)
# Folders of the package that hold hot modules; of each, all but the cold ones are taken.
FOLDERS = ("", "cgroup", "cli", "config", "host", "life", "plan", "seccomp", "state", "verbs")
COLD = frozenset(
    "tare_runtime." + name
    for name in (
        "__main__ api onefile onefile_write cli.cold cli.version host.explain plan.describe seccomp.compile"
        " seccomp.rules verbs.plan verbs.spec verbs.features verbs.list verbs.ps"
    ).split()
)

# What the file does when the launcher runs it, behind the code of onefile.py and its table.
_MAIN = """
sys.path.insert(0, __file__.rpartition("/tare_runtime/")[0])
finder = serve(dict(TABLE))
from tare_runtime.cli.start import start
from posix import _exit
_exit(start(sys.argv[1:], finder))
"""


def write() -> None:
    """Write the file; that it cannot be written is no failure of the command."""
    if sys.flags.dont_write_bytecode:
        return
    try:
        with open(f"{_PACKAGE}/onefile.py", encoding="utf-8") as source:
            text = f"{source.read()}\nTABLE = {tuple(_table().items())!r}\n{_MAIN}"
        code = compile(text, PATH, "exec", dont_inherit=True, optimize=2)
        # PEP 552: magic, flags, and what an importer would check; a script's are not looked at.
        _write(MAGIC_NUMBER + bytes(12) + dumps(code))
    except (OSError, ImportError, SyntaxError, ValueError):
        pass


def _table() -> "dict[str, Entry]":
    table: dict[str, Entry] = {}
    for name in [*EXTENSIONS, *LIBRARY, *_own_modules()]:
        spec = find_spec(name)
        if spec is not None and spec.has_location and spec.origin:
            info = posix.stat(spec.origin)
            folder = (spec.submodule_search_locations or [""])[0]
            table[name] = (spec.origin, info.st_mtime_ns, info.st_size, folder, _code(name, spec.origin))
    return table


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
    """Without docstrings and annotations: a third of the code, and nothing that runs reads them."""
    if name in EXTENSIONS:
        return b""
    with open(path, "rb") as source:
        tree = _Bare().visit(ast.parse(source.read(), path))
    return dumps(compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=2))


class _Bare(ast.NodeTransformer):
    """Takes annotations out of a tree."""

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
