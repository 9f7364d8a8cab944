"""Fields of `linux` that no cgroup makes, and the plain options of mounts, beside the other runtimes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.field_cases import Case, Refusal, add, both, check, check_refusal, put, refusals, rows
from tests.support.peers import OURS, RUNTIMES, run_by

pytestmark = pytest.mark.root

US = (OURS,)
NOT_CRUN = (OURS, "runc")
FUSE = {"path": "/dev/fuse0", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3, "gid": 4}
NODE = "stat -c '%A %u %g %t:%T' {0}"


BOUND = {"destination": "/m", "type": "bind", "source": "/proc/sys/kernel", "options": ["bind", "ro"]}
QUEUE = {"destination": "/q", "type": "mqueue", "source": "mqueue"}


def drop_namespace(kind: str) -> Any:
    def change(config: dict[str, Any]) -> None:
        entries = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [entry for entry in entries if entry["type"] != kind]

    return change


def tmpfs(*options: str, destination: str = "/t") -> Any:
    return add(
        "mounts", {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": list(options)}
    )


CASES = [
    Case(
        "linux.devices",
        "character",
        add("linux/devices", FUSE),
        NODE.format("/dev/fuse0"),
        "crw-r----- 3 4 a:e5",
    ),
    Case(
        "linux.devices",
        "fifo",
        add("linux/devices", {"path": "/dev/pipe", "type": "p", "fileMode": 0o600}),
        NODE.format("/dev/pipe"),
        "prw------- 0 0 0:0",
    ),
    Case(
        "linux.devices",
        "outside of dev",
        add("linux/devices", {**FUSE, "path": "/my/fuse"}),
        NODE.format("/my/fuse"),
        "crw-r----- 3 4 a:e5",
    ),
    Case(
        "linux.devices.default",
        "nodes",
        put("x", 0),
        "for d in null zero full random urandom tty; do stat -c %t:%T /dev/$d; done",
        "1:3 1:5 1:7 1:8 1:9 5:0",
    ),
    Case(
        "linux.devices.default",
        "links",
        put("x", 0),
        "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done",
        "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 pts/ptmx",
    ),
    Case(
        "linux.sysctl",
        "ipc",
        put("linux/sysctl", {"kernel.shmmni": "123"}),
        "cat /proc/sys/kernel/shmmni",
        "123",
    ),
    Case(
        "linux.sysctl",
        "net with slashes",
        put("linux/sysctl", {"net/ipv4/ip_forward": "1"}),
        "cat /proc/sys/net/ipv4/ip_forward",
        "1",
        US,
    ),
    Case("linux.maskedPaths", "file", add("linux/maskedPaths", "/proc/version"), "cat /proc/version", ""),
    Case("linux.maskedPaths", "directory", add("linux/maskedPaths", "/proc/fs"), "ls /proc/fs", ""),
    Case("linux.maskedPaths", "missing", add("linux/maskedPaths", "/no/such"), "echo ok", "ok"),
    Case(
        "linux.readonlyPaths",
        "directory",
        both(tmpfs(), add("linux/readonlyPaths", "/t")),
        "touch /t/x 2>/dev/null || echo ro",
        "ro",
    ),
    Case("linux.readonlyPaths", "missing", add("linux/readonlyPaths", "/no/such"), "echo ok", "ok"),
    Case("mounts.options.bind", "bind", add("mounts", BOUND), "cat /m/ostype", "Linux"),
    Case(
        "mounts.options.nosymfollow",
        "tmpfs",
        tmpfs("nosymfollow"),
        "cd /t; echo x >a; busybox ln -s a b; cat b 2>/dev/null || readlink b",
        "a",
        US,
    ),
    Case("mounts.options.tmpcopyup", "etc", tmpfs("tmpcopyup", destination="/bin"), "ls /bin/sh", "/bin/sh"),
    Case(
        "mounts.destination.relative",
        "t",
        tmpfs(destination="rel"),
        "mount | busybox grep -c ' /rel '",
        "1",
    ),
    Case("mounts", "mqueue", add("mounts", QUEUE), "mount | busybox grep -c ' /q type mqueue'", "1"),
    Case(
        "mounts",
        "order",
        both(tmpfs(destination="/t"), tmpfs(destination="/t/u")),
        "mount | busybox grep -c ' /t'",
        "2",
    ),
]


@pytest.mark.parametrize(("program", "case"), rows(CASES))
def test_the_container_shows_the_field(bundle: Bundle, program: str, case: Case) -> None:
    check(bundle, program, case)


REFUSED = [
    Refusal(
        "linux.sysctl", "the host's", put("linux/sysctl", {"kernel.panic": "1"}), "it would change the host"
    ),
    Refusal("linux.sysctl", "hostname", put("linux/sysctl", {"kernel.hostname": "x"}), "use that"),
    Refusal(
        "linux.sysctl",
        "no network",
        both(drop_namespace("network"), put("linux/sysctl", {"net.core.somaxconn": "9"})),
        "needs a network namespace",
    ),
    Refusal("linux.maskedPaths", "relative", put("linux/maskedPaths", ["x"]), "must be an absolute path"),
    Refusal("linux.rootfsPropagation", "word", put("linux/rootfsPropagation", "sharde"), "is none of"),
    Refusal("linux.cgroupsPath", "root", put("linux/cgroupsPath", "/"), "the root cgroup"),
    Refusal("linux.devices", "type", add("linux/devices", {**FUSE, "type": "x"}), "must be c, b, u or p"),
    Refusal(
        "linux.devices",
        "another kind is there",
        both(put("mounts", []), add("linux/devices", {**FUSE, "path": "/bin/busybox"})),
        "another kind of file is there already",
    ),
    Refusal(
        "linux.namespaces", "twice", add("linux/namespaces", {"type": "pid"}), "namespace pid is given twice"
    ),
    Refusal("linux.namespaces", "unknown", add("linux/namespaces", {"type": "net"}), "'net' is no namespace"),
    Refusal(
        "linux.namespaces.path",
        "of another kind",
        both(drop_namespace("uts"), add("linux/namespaces", {"type": "uts", "path": "/proc/self/ns/net"})),
        "join namespace /proc/self/ns/net (/linux/namespaces/4): invalid argument",
    ),
    Refusal(
        "linux.namespaces.path",
        "relative",
        both(drop_namespace("uts"), add("linux/namespaces", {"type": "uts", "path": "x"})),
        "must be an absolute path",
    ),
]


@pytest.mark.parametrize("case", refusals(REFUSED))
def test_what_cannot_be_is_refused(bundle: Bundle, case: Refusal) -> None:
    check_refusal(bundle, case)


NAMESPACES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup"}


@pytest.mark.peer
@pytest.mark.field("linux.namespaces")
@pytest.mark.parametrize("program", RUNTIMES)
@pytest.mark.parametrize("kind", NAMESPACES)
def test_a_namespace_is_new_where_it_is_listed_and_ours_where_it_is_not(
    bundle: Bundle, program: str, kind: str
) -> None:
    link = f"/proc/self/ns/{NAMESPACES[kind]}"
    entries = [{"type": name} for name in NAMESPACES]
    bundle.config["linux"]["namespaces"] = entries
    done = run_by(program, bundle.args("readlink", link))
    assert done.code == 0, done.err
    assert done.out.strip() != os.readlink(link)
    if kind in ("mount", "network"):  # a mount namespace is needed for the mounts, this one for a new sysfs
        return
    bundle.config["linux"]["namespaces"] = [entry for entry in entries if entry["type"] != kind]
    if kind == "uts":
        del bundle.config["hostname"]
    done = run_by(program, bundle.args("readlink", link))
    assert done.out.strip() == os.readlink(link), done.err


@pytest.mark.peer
@pytest.mark.field("linux.namespaces.path")
@pytest.mark.parametrize("program", RUNTIMES)
@pytest.mark.parametrize(("kind", "flag"), [("network", "-n"), ("ipc", "-i"), ("uts", "-u")])
def test_a_namespace_is_joined_by_its_path(bundle: Bundle, program: str, kind: str, flag: str) -> None:
    holder = subprocess.Popen(
        ["unshare", flag, "sh", "-c", "echo; exec sleep 100"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        path = f"/proc/{holder.pid}/ns/{NAMESPACES[kind]}"
        entries = bundle.config["linux"]["namespaces"]
        for entry in entries:
            if entry["type"] == kind:
                entry["path"] = path
        done = run_by(program, bundle.args("readlink", f"/proc/self/ns/{NAMESPACES[kind]}"))
        assert done.out.strip() == os.readlink(path), done.err
    finally:
        holder.kill()
        holder.communicate()


PROPAGATIONS = {
    "shared": "shared", "rshared": "shared", "slave": "master", "rslave": "master", "private": "private",
    "rprivate": "private", "unbindable": "unbindable", "runbindable": "unbindable",
}  # fmt: skip


def propagation_of(mountinfo: str, target: str) -> str:
    line = next(line for line in mountinfo.splitlines() if line.split(" ")[4] == target)
    optional = line.partition(" - ")[0].split(" ")[6:]
    words = [word.partition(":")[0] for word in optional]
    return words[0] if words else "private"


@pytest.mark.peer
@pytest.mark.field("mounts.options.propagation")
@pytest.mark.parametrize("program", NOT_CRUN)  # Debian's crun leaves them private
@pytest.mark.parametrize("word", ["shared", "rshared", "private", "rprivate", "unbindable"])
def test_a_mount_has_its_propagation(bundle: Bundle, program: str, word: str) -> None:
    mount = {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": [word]}
    bundle.config["mounts"].append(mount)
    done = run_by(program, bundle.args("cat", "/proc/self/mountinfo"))
    assert done.code == 0, done.err
    assert propagation_of(done.out, "/t") == PROPAGATIONS[word]


@pytest.mark.field("linux.rootfsPropagation")
@pytest.mark.parametrize("word", PROPAGATIONS)
def test_the_root_has_its_propagation(bundle: Bundle, word: str) -> None:
    bundle.config["linux"]["rootfsPropagation"] = word
    # A slave is one of a shared mount: so the host's are made shared for this.
    wrap = ("unshare", "-m", "sh", "-c", 'mount --make-rshared /; exec "$@"', "sh")
    done = run_by(OURS, bundle.args("cat", "/proc/self/mountinfo"), wrap=wrap)
    assert done.code == 0, done.err
    assert propagation_of(done.out, "/") == PROPAGATIONS[word]


LINKS = {
    "/here": "/outside/dir",
    "/here/below": "/outside/dir",
    "/here//x/": "../../../../outside/./dir",
}


@pytest.mark.peer
@pytest.mark.field("mounts.destination.symlinks")
@pytest.mark.parametrize("program", NOT_CRUN)
@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
@pytest.mark.parametrize(("destination", "link"), LINKS.items(), ids=["absolute", "below", "dots"])
def test_a_destination_through_a_link_stays_in_the_root(
    bundle: Bundle, program: str, destination: str, link: str, there: bool
) -> None:
    (bundle.rootfs / "here").symlink_to(link)
    if there:
        (bundle.rootfs / "outside/dir").mkdir(parents=True)
    bundle.config["mounts"].append({"destination": destination, "type": "tmpfs", "source": "tmpfs"})
    done = run_by(program, bundle.script("mount | busybox grep -c ' /outside/dir[^ ]* type tmpfs'"))
    assert done.out.strip() == "1", done.err
    assert not Path("/outside").exists()


@pytest.mark.field("mounts.destination.symlinks")
def test_a_destination_through_links_that_lead_in_circles_is_refused(bundle: Bundle) -> None:
    (bundle.rootfs / "a").symlink_to("b/c")
    (bundle.rootfs / "b").symlink_to("a")
    bundle.config["mounts"].append({"destination": "/a/x", "type": "tmpfs", "source": "tmpfs"})
    done = bundle.run()
    assert done.returncode == 1
    assert "symbolic link" in done.stderr


@pytest.mark.field("mounts.destination.symlinks")
@pytest.mark.parametrize("name", ["proc", "sys"])
def test_proc_and_sys_are_not_mounted_through_a_link(bundle: Bundle, name: str) -> None:
    (bundle.rootfs / name).rmdir()
    (bundle.rootfs / name).symlink_to("tmp")
    done = bundle.run()
    assert done.returncode == 1
    assert "must be mounted on ordinary directory" in done.stderr


@pytest.mark.field("process.terminal", "process.consoleSize")
def test_a_terminal_has_the_size_of_the_config(bundle: Bundle) -> None:
    bundle.config["process"].update(terminal=True, consoleSize={"width": 91, "height": 33})
    bundle.script("stty size; test -t 0 && echo tty; stat -c %t /dev/console")
    done = run_by(OURS, bundle)
    assert done.code == 0, done.err
    assert done.out.split()[:3] == ["33", "91", "tty"]
