"""What is wrong with a bundle's files."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.bundles import TARE_RUNTIME, Bundle, make_rootfs
from tests.support.failures.table import Done, failure
from tests.support.faults import faulty


def without_config(bundle: Bundle, *args: str) -> Done:
    """As Bundle.tare, but config.json is left as it is."""
    return subprocess.run(
        bundle.command(*args), cwd=bundle.path, capture_output=True, text=True, timeout=30, check=False
    )


def as_nobody(words: list[str]) -> Done:
    """The runtime run by a user that is not root, without an environment."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    env = {"PATH": os.environ["PATH"]}
    command = [*user, TARE_RUNTIME, *words]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=30, check=False, env=env)


@contextmanager
def bundle_of_everybody(bundle: Bundle) -> Iterator[str]:
    """The bundle where every user can read it, and a directory for states beside it; then it is no more."""
    with tempfile.TemporaryDirectory(prefix="tare-", dir="/tmp") as place:
        os.chmod(place, 0o755)
        make_rootfs(Path(place) / "rootfs")
        os.mkdir(place + "/state", 0o777)
        os.chmod(place + "/state", 0o777)
        (Path(place) / "config.json").write_text(json.dumps(bundle.config))
        yield place


def text(bundle: Bundle, config: bytes) -> Done:
    (bundle.path / "config.json").write_bytes(config)
    return without_config(bundle, "run", bundle.id)


@failure("files", "", "there is no config.json")
def no_config(bundle: Bundle) -> Done:
    return without_config(bundle, "run", bundle.id)


@failure("files", "", "the bundle's directory does not exist")
def no_bundle(bundle: Bundle) -> Done:
    return bundle.tare("run", "--bundle", str(bundle.path / "none"), bundle.id)


@failure("files", "", "config.json is cut off")
def cut_config(bundle: Bundle) -> Done:
    return text(bundle, b'{"ociVersion": "1.0.2", "process": {')


@failure("files", "", "config.json has a comma too many")
def trailing_comma(bundle: Bundle) -> Done:
    return text(bundle, b'{"ociVersion": "1.0.2",}')


@failure("files", "", "config.json is a directory")
def config_is_a_directory(bundle: Bundle) -> Done:
    (bundle.path / "config.json").mkdir()
    return without_config(bundle, "run", bundle.id)


@failure("files", "runc#1343 runc#1850", "several fields are wrong at once")
def several_fields(bundle: Bundle) -> Done:
    bundle.config["process"] |= {"cwd": "tmp", "args": []}
    bundle.config["linux"]["namespaces"].append({"type": "net"})
    return bundle.run()


@failure("files", "", "a number is written as text")
def number_as_text(bundle: Bundle) -> Done:
    bundle.config["process"]["user"]["uid"] = "1000"
    return bundle.run()


@failure("files", "", "the config is of a version that does not exist yet")
def unknown_version(bundle: Bundle) -> Done:
    bundle.config["ociVersion"] = "2.0.0"
    return bundle.run()


@failure("files", "containers/qm#35", "root.path does not exist")
def no_rootfs(bundle: Bundle) -> Done:
    bundle.config["root"]["path"] = "none"
    return bundle.run()


@failure("files", "", "root.path is a file")
def rootfs_is_a_file(bundle: Bundle) -> Done:
    (bundle.path / "image.tar").write_text("")
    bundle.config["root"]["path"] = "image.tar"
    return bundle.run()


@failure("files", "", "/proc in the root file system is a symlink (CVE-2019-19921)")
def proc_is_a_symlink(bundle: Bundle) -> Done:
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "proc").symlink_to("tmp")
    return bundle.run()


@failure("files", "crun#654", "root in a user namespace may not reach the root file system")
def rootfs_out_of_reach(bundle: Bundle) -> Done:
    bundle.path.chmod(0o700)
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        bundle.config["linux"][name] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    return bundle.run()


@failure("files", "", "the disk of the state directory is full")
def full_disk(bundle: Bundle) -> Done:
    return faulty(bundle, "renameat", "error=ENOSPC", "run", bundle.id)


@failure("files", "", "--root is a file")
def root_is_a_file(bundle: Bundle) -> Done:
    bundle.root.write_text("")
    try:
        return bundle.run()
    finally:
        bundle.root.unlink()


@failure("files", "", "--root cannot be made, for a user that is not root")
def root_of_another_user(bundle: Bundle) -> Done:
    with bundle_of_everybody(bundle) as place:
        return as_nobody(["--root", "/run/tare-nobody", "run", "--bundle", place, bundle.id])


@failure("files", "crun#346", "a user that is not root, without XDG_RUNTIME_DIR")
def no_runtime_dir(bundle: Bundle) -> Done:
    return as_nobody(["list"])
