"""Every module of the hot path from one cached file.

Python looks for each module in each folder of its path, checks the source's time and reads one .pyc: about
0.2 ms a module, and a command loads forty. `onefile_write` puts the code of all of them, with the places of
the extension modules, behind this module's own, in one .pyc beside the others. The launcher starts that file
where it exists. What a verb is known to import comes as one batch and goes straight into sys.modules: read,
unmarshalled and run in one go it costs half of what it does module by module. Any other module in the file is
found by one look into a dict, and read from the file's end when it is imported.

It is a cache as __pycache__ is: made by the first command that finds none, each module checked against time
and size of its source when it is imported, and never needed. Without it, or where it cannot be written,
imports go their ordinary way.
"""

import sys
from _frozen_importlib import ModuleSpec
from _imp import create_dynamic, exec_dynamic
from marshal import loads
from posix import O_CLOEXEC, O_RDONLY, fstat, open, pread, stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

Module = type(sys)

# name → (path, mtime in ns, bytes, folder of a package or "", how far from the end of the file its marshalled
# code begins, and how long that is; 0 for an extension)
Entry = tuple[str, int, int, str, int, int]


class Finder:
    """Finds and loads what `table` holds; everything else is left to the ordinary finders."""

    def __init__(self, table: "dict[str, Entry]", path: str) -> None:
        self.table = table
        self.stale = False
        self.fd = open(path, O_RDONLY | O_CLOEXEC)  # for the process's life, which is short
        self.end = fstat(self.fd).st_size

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        entry = self.table.get(name)
        if entry is None or not self._is_fresh(entry):
            return None
        spec = ModuleSpec(name, self, origin=entry[0], is_package=bool(entry[3]))  # type: ignore[arg-type]
        spec.has_location = True
        if entry[3]:
            spec.submodule_search_locations = [entry[3]]
        return spec

    def load_batch(self, before_end: int, size: int) -> None:
        """Import the modules of a batch, each after those that it needs itself; up to the first stale one."""
        modules = sys.modules
        batch = loads(pread(self.fd, size, self.end - before_end))
        while batch:  # the first one stands last; each is let go of when it has run
            name, code = batch.pop()
            if code is None:
                __import__(name)  # an extension
                continue
            entry = self.table[name]
            if not self._is_fresh(entry):
                return
            modules[name] = module = Module(name)
            module.__file__ = entry[0]
            if entry[3]:
                module.__path__ = [entry[3]]
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(modules[parent], child, module)
            exec(code, module.__dict__)

    def _is_fresh(self, entry: "Entry") -> bool:
        try:
            have = stat(entry[0])
            if have.st_mtime_ns == entry[1] and have.st_size == entry[2]:
                return True
        except OSError:
            pass
        self.stale = True
        return False

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        return None if self.table[spec.name][5] else create_dynamic(spec)

    def exec_module(self, module: "ModuleType") -> None:
        _, _, _, _, before_end, size = self.table[module.__name__]
        if size:
            exec(loads(pread(self.fd, size, self.end - before_end)), module.__dict__)
        else:
            exec_dynamic(module)


def serve(table: "dict[str, Entry]", path: str) -> Finder:
    """Serve imports from `table` and the end of the file at `path`, before every other finder."""
    finder = Finder(table, path)
    sys.meta_path.insert(0, finder)
    return finder
