"""A host that is full, closed or half there: one clear message, nothing left, and later the same works."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Bundle
from tests.support.disks import small_disk
from tests.support.faults import everything_left, faulty

pytestmark = pytest.mark.root


def assert_clear(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It failed, and says so once."""
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("tare-runtime: ")
    assert all(line.startswith("hint: ") for line in lines[1:]), done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    for word in words:
        assert word in done.stderr


def assert_works(bundle: Bundle) -> None:
    done = bundle.args("true").run()
    assert (done.returncode, done.stderr) == (0, "")
    assert everything_left(bundle) == []


# --- what the plan meets -------------------------------------------------------------------------------

FAULTS = [
    ("mkdir", "ENOSPC", 2, False, "no space left on device"),
    ("renameat", "ENOSPC", 1, False, "no space left on device"),
    ("socketpair", "EMFILE", 1, False, "too many open files"),
    ("memfd_create", "ENOMEM", 1, False, "cannot allocate memory"),
    ("vfork", "EAGAIN", 1, False, "start init: resource temporarily unavailable"),
    ("recvmsg", "ENOMEM", 2, False, "receive from init: cannot allocate memory"),
    ("clone3", "ENOSPC", 1, True, "/linux/namespaces"),
    ("open_tree", "EPERM", 1, True, "/root/path"),
    ("move_mount", "ENOMEM", 2, True, "/mounts/0"),
    ("pivot_root", "EINVAL", 1, True, "/root/path"),
    ("setgroups", "EPERM", 1, True, "/process/user"),
    ("capset", "EPERM", 1, True, "/process/capabilities"),
]


@pytest.mark.parametrize(
    ("call", "error", "nth", "follow", "words"), [pytest.param(*row, id="-".join(row[:2])) for row in FAULTS]
)
def test_a_system_call_that_fails_is_worded_and_undone(
    bundle: Bundle, call: str, error: str, nth: int, follow: bool, words: str
) -> None:
    bundle.root.mkdir()
    bundle.args("sleep", "60")
    done = faulty(bundle, call, f"error={error}", "create", bundle.id, nth=nth, follow=follow)
    assert_clear(done, words)
    assert everything_left(bundle) == []


@pytest.mark.parametrize("descriptors", [5, 6, 8, 10, 12, 14])
def test_few_descriptors_are_enough_or_named(bundle: Bundle, descriptors: int) -> None:
    bundle.write()
    limit = (resource.RLIMIT_NOFILE, (descriptors, descriptors))
    done = subprocess.run(
        bundle.command("run", bundle.id),
        cwd=bundle.path,
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(*limit),
    )
    if done.returncode or descriptors < 10:
        assert_clear(done, "open files")
    assert everything_left(bundle) == []


# --- places ----------------------------------------------------------------------------------------------


def test_a_full_disk_for_states_is_named_and_left_empty(bundle: Bundle) -> None:
    with small_disk(bundle.root, "8k") as disk:  # the state, and the one that takes its place
        (disk / "filler").write_bytes(b"x" * 8192)
        assert_clear(bundle.args("true").run(), str(bundle.root), "no space left on device")
        assert [path.name for path in disk.iterdir() if path.name[0] != "~"] == ["filler"]
        (disk / "filler").unlink()
        assert bundle.run().returncode == 0
    assert_works(bundle)


@pytest.mark.parametrize("verb", ["create", "run"])
def test_a_full_disk_for_the_pid_file_is_named_and_the_container_undone(
    bundle: Bundle, verb: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with small_disk(tmp_path_factory.mktemp("disk"), "4k") as disk:
        (disk / "filler").write_bytes(b"x" * 4096)
        done = bundle.args("sleep", "60").tare(verb, "--pid-file", str(disk / "pid"), bundle.id)
        assert_clear(done, f"--pid-file {disk}/pid", "no space left on device")
        assert [path.name for path in disk.iterdir()] == ["filler"]
        assert everything_left(bundle) == []


def test_a_full_disk_for_the_log_changes_neither_message_nor_code(
    bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with small_disk(tmp_path_factory.mktemp("disk"), "4k") as disk:
        (disk / "filler").write_bytes(b"x" * 4096)
        done = bundle.tare("--log", str(disk / "log"), "state", "missing")
        assert done.returncode == 1
        assert "container does not exist" in done.stderr
        assert "write log" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_read_only_root_is_named(bundle: Bundle) -> None:
    with small_disk(bundle.root, "1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert_clear(bundle.args("true").run(), str(bundle.root), "read-only file system")
    assert_works(bundle)


def missing(path: Path) -> None:
    shutil.rmtree(path)


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(missing, "no such file or directory", id="missing"),
        pytest.param(a_file, "not a directory", id="a file"),
    ],
)
def test_a_rootfs_that_cannot_be_one_is_named(
    bundle: Bundle, change: Callable[[Path], None], words: str
) -> None:
    change(bundle.rootfs)
    assert_clear(bundle.run(), str(bundle.rootfs), "/root/path", words)
    assert bundle.leftovers() == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param(("--bundle", "/no/such/bundle"), "/no/such/bundle", id="bundle"),
        pytest.param(("--pid-file", "/no/such/place/pid"), "--pid-file /no/such/place/pid", id="pid file"),
        pytest.param(("--config", "/no/such/config.json"), "/no/such/config.json", id="config"),
    ],
)
def test_a_place_that_is_missing_is_named(bundle: Bundle, flags: tuple[str, str], words: str) -> None:
    done = bundle.args("sleep", "60").tare("create", *flags, bundle.id)
    assert_clear(done, words, "no such file or directory")
    assert everything_left(bundle) == []


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "../x", "a" * 256, "a b", "a\n", "ä"])
def test_an_id_that_is_no_plain_name_is_refused_and_touches_nothing(bundle: Bundle, id: str) -> None:
    for words in (("create",), ("run",), ("delete", "--force"), ("state",), ("start",), ("kill",)):
        assert_clear(bundle.tare(*words, id), "container ID")
    assert sorted(path.name for path in bundle.path.iterdir()) == ["config.json", "rootfs"]


def test_a_root_that_is_a_file_is_named(bundle: Bundle) -> None:
    bundle.root.write_text("")
    assert_clear(bundle.run(), str(bundle.root))
    assert_clear(bundle.tare("list"), str(bundle.root))
    bundle.root.unlink()


# --- cgroups ---------------------------------------------------------------------------------------------


def without(bundle: Bundle, *hierarchies: str) -> subprocess.CompletedProcess[str]:
    """`run` where hierarchies of /sys/fs/cgroup are not mounted."""
    bundle.write()
    umount = "; ".join(f"umount -l /sys/fs/cgroup/{name}" for name in hierarchies)
    words = ["unshare", "-m", "sh", "-ec", f'{umount}; exec "$@"', "sh", *bundle.command("run", bundle.id)]
    return subprocess.run(words, cwd=bundle.path, capture_output=True, text=True, timeout=30)


def v1_hierarchies() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines if " - cgroup " in line]
    return [point.rpartition("/")[2] for point in points if point.startswith("/sys/fs/cgroup/")]


needs_v1 = pytest.mark.skipif("memory" not in v1_hierarchies(), reason="cgroup v1 is not mounted here")


@needs_v1
def test_a_limit_without_its_controller_is_named_and_a_container_without_limits_runs(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": 64 << 20}}
    assert_clear(without(bundle, "memory"), "/linux/resources/memory")
    assert everything_left(bundle) == []
    del bundle.config["linux"]["resources"]
    done = without(bundle, "memory")
    assert (done.returncode, done.stderr) == (0, "")
    assert everything_left(bundle) == []


@needs_v1
def test_a_container_runs_where_no_cgroup_is_mounted(bundle: Bundle) -> None:
    done = without(bundle, *v1_hierarchies())
    assert (done.returncode, done.stderr) == (0, "")
    assert everything_left(bundle) == []


@needs_v1
@pytest.mark.parametrize("verb", ["create", "run"])
def test_a_memory_limit_that_is_too_small_is_named(bundle: Bundle, verb: str) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": 4096}}
    assert_clear(bundle.args("sleep", "60").tare(verb, bundle.id), "memory")
    assert everything_left(bundle) == []
    del bundle.config["linux"]["resources"]
    assert_works(bundle)


def test_a_closed_standard_stream_shows_the_container_no_file_of_the_host(bundle: Bundle) -> None:
    bundle.script("readlink /proc/self/fd/0; ls /proc/self/fd/0/.. 2>/dev/null; exit 0").write()
    words = ["sh", "-c", 'exec "$@" <&-', "sh", *bundle.command("run", bundle.id)]
    done = subprocess.run(words, cwd=bundle.path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "/dev/null\n")
