"""Run inside the program that becomes the one-file command: imports what commands need in a hurry.

`sys.argv[0]`, a file, has the code of those modules, each after those that it needs, behind an index of the
others (store.py). Those stay packed in `store`, a part of the program, until a command asks for one. The file
takes no Python code from the host that it runs on.
"""

import sys
from _frozen_importlib import BuiltinImporter, FrozenImporter, ModuleSpec
from _imp import is_builtin
from marshal import load, loads


class Stored:
    """Finds modules in the store, and extension modules of packages, which are linked into the program: the
    interpreter's own finder takes such a module for one of no package.
    """

    def __init__(self, packed, at_once):
        self.packed = packed  # name → (is it a package, where its code begins in `store`, and where it ends)
        self.at_once = at_once  # name → (is it a package, its code)

    def find_spec(self, name, path=None, target=None):
        if "." in name and is_builtin(name):
            return ModuleSpec(name, BuiltinImporter)
        found = self.packed.get(name) or self.at_once.get(name)
        return found and ModuleSpec(name, self, is_package=found[0])

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        module.__file__ = name.replace(".", "/") + ".py"  # for words only: there is no such file
        if name in self.at_once:
            exec(self.at_once.pop(name)[1], module.__dict__)
        else:
            from zlib import decompress

            _is_package, start, end = self.packed[name]
            exec(loads(decompress(store[start:end])), module.__dict__)


def forget_files():
    """Nothing in the file may point to a place on the machine where it was made."""
    for module in sys.modules.values():
        if getattr(module, "__file__", "").startswith("/"):
            del module.__file__
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.executable = sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = ""


def warm_up():
    """Plan a container as often as the interpreter wants, to give the code its quick forms (PEP 659)."""
    from tare_runtime import json_text
    from tare_runtime.cgroup.paths import Hierarchy
    from tare_runtime.cgroup.plan import plan_cgroup
    from tare_runtime.cli.argv import parse
    from tare_runtime.config.read import check_config
    from tare_runtime.plan.build import Request, plan_container
    from tare_runtime.plan.wire import encode
    from tare_runtime.verbs.spec import default_spec

    v1 = "cpuset cpu cpuacct blkio memory devices freezer net_cls perf_event net_prio hugetlb pids".split()
    for hierarchy in (
        Hierarchy(1, {name: f"/sys/fs/cgroup/{name}" for name in v1}, dict.fromkeys(v1, "/")),
        Hierarchy(2, {"": "/sys/fs/cgroup"}, {"": "/"}),
    ):
        for _ in range(20):
            config = json_text.loads(json_text.dumps(default_spec()))
            check_config(config)
            cgroup = plan_cgroup(config, "id", hierarchy=hierarchy)
            encode(plan_container(config, Request("id", "/bundle"), cgroup, None))
            parse(["--root", "/run/x", "create", "--bundle", "/bundle", "--pid-file=/pid", "id"])


with open(sys.argv[0], "rb") as file:
    finder = Stored(load(file), {})
    sys.meta_path[:] = [finder, BuiltinImporter, FrozenImporter]
    for _ in range(load(file)):
        name, is_package, code = load(file)
        finder.at_once[name] = is_package, code
for name in list(finder.at_once):
    __import__(name)

from tare_runtime.cli.snapshot import command  # noqa: E402, F401  when all is there; for main.c

warm_up()
forget_files()
import gc  # noqa: E402

del code, file, name
gc.collect()
gc.disable()
