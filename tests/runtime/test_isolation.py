"""What a container, or a hostile rootfs, can reach of us: nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


def foreign(pid: int) -> list[str]:
    """Files of ours that process `pid` has executed, mapped, or open: none, but for its sockets."""
    found = []
    exe = os.readlink(f"/proc/{pid}/exe")
    if not (exe.startswith("/memfd:tare-init") or exe.endswith("busybox")):
        found.append(f"exe {exe}")
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        path = line.split(None, 5)[5] if len(line.split(None, 5)) > 5 else ""
        if path.startswith("/") and not path.startswith("/memfd:tare-") and "busybox" not in path:
            found.append(f"map {path}")
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        if int(fd) > 2 and not target.startswith("socket:"):
            found.append(f"fd {fd} {target}")
    return found


def test_a_container_at_the_gate_holds_nothing_of_the_runtime(bundle: Bundle) -> None:
    bundle.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "0"}
    bundle.args("sleep", "60").create()
    pid = bundle.state()["pid"]
    assert foreign(pid) == []
    bundle.tare("start", bundle.id)
    assert foreign(pid) == []


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "startContainer"])
def test_no_stage_of_init_shows_an_interpreter(bundle: Bundle, kind: str) -> None:
    """A hook holds the container at its stage, and we look at its first process from outside."""
    inside = kind == "startContainer"
    fifo = bundle.rootfs / "tmp/hold" if inside else bundle.path / "hold"
    os.mkfifo(fifo)
    named = "/tmp/hold" if inside else str(fifo)
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"echo here > {named}; read go < {named}"]}
    bundle.config["hooks"] = {kind: [hook]}
    bundle.args("true").write()
    process = subprocess.Popen(bundle.command("run", bundle.id), cwd=bundle.path)
    try:
        assert fifo.read_text() == "here\n"
        pid = bundle.state()["pid"]
        assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:tare-init")
        # Beside the container's root: the hook's input and output, and a pidfd of the hook itself.
        own = ("rootfs", " /", "memfd:state (deleted)", "memfd:report (deleted)", "anon_inode:[pidfd]")
        found = [item for item in foreign(pid) if not item.endswith(own)]
    finally:
        fifo.write_text("go\n")
    assert process.wait(timeout=10) == 0
    assert found == []


def test_exec_into_a_container_shows_no_interpreter_to_it(bundle: Bundle) -> None:
    """A watcher inside looks at every process that comes, as fast as it can."""
    watch = (
        "while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do"
        " cat $p/maps 2>/dev/null; readlink $p/exe; done; done >> /tmp/seen 2>&1"
    )
    bundle.script(watch).create()
    bundle.tare("start", bundle.id)
    for _ in range(10):
        assert bundle.tare("exec", bundle.id, "true").returncode == 0
    (bundle.rootfs / "tmp/stop").write_text("")
    seen = (bundle.rootfs / "tmp/seen").read_text()
    assert "busybox" in seen
    assert "python" not in seen
    assert ".so" not in seen


@pytest.mark.parametrize("command", ["run", "exec"])
def test_only_stdio_and_what_was_preserved_is_open(bundle: Bundle, command: str) -> None:
    read, write = os.pipe()
    bundle.write()
    script = "i=0; while [ $i -lt 64 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done"
    try:
        if command == "run":
            bundle.script(script).write()
            words = bundle.command("run", "--preserve-fds", "1", bundle.id)
        else:
            bundle.args("sleep", "60").create()
            bundle.tare("start", bundle.id)
            words = bundle.command("exec", "--preserve-fds", "1", bundle.id, "sh", "-c", script)
        done = subprocess.run(
            ["bash", "-c", f'exec "$@" 3<&{read} 9<&{read}', "bash", *words],
            cwd=bundle.path,
            pass_fds=(read,),
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.stdout.split() == ["0", "1", "2", "3"], done.stderr


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9, 10, 12, 16])
@pytest.mark.parametrize("base", ["/proc/self/fd", "/proc/1/fd"])
def test_a_working_directory_cannot_lead_out(bundle: Bundle, base: str, number: int) -> None:
    bundle.config["process"]["cwd"] = f"{base}/{number}"
    done = bundle.args("pwd").run()
    assert done.returncode == 1, done.stdout
    assert "/process/cwd" in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.parametrize("target", ["dev", "proc", "sys", "etc"])
def test_a_rootfs_directory_that_is_a_link_to_the_host_changes_nothing_there(
    bundle: Bundle, target: str, tmp_path: Path
) -> None:
    outside = tmp_path / "canary"
    outside.mkdir()
    (bundle.rootfs / target).rmdir()
    (bundle.rootfs / target).symlink_to(outside)
    bundle.config["mounts"].append(
        {"destination": "/etc/made", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}
    )
    done = bundle.args("true").run()
    if target in ("proc", "sys"):
        assert "must be mounted on ordinary directory" in done.stderr
    assert list(outside.iterdir()) == []
    assert bundle.leftovers() == []


def test_a_null_device_of_the_rootfs_masks_nothing(bundle: Bundle) -> None:
    """CVE-2025-31133: the rootfs's /dev/null leads to a file that shall be masked."""
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if not m["destination"].startswith("/dev")]
    (bundle.rootfs / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    bundle.config["linux"]["maskedPaths"] = ["/etc/secret"]
    (bundle.rootfs / "etc/secret").write_text("secret")
    done = bundle.script("cat /etc/secret; echo end").run()
    assert "secret\n" not in done.stdout
    assert "core" not in done.stdout


def test_a_console_of_the_rootfs_that_is_a_link_is_not_followed_out(bundle: Bundle, tmp_path: Path) -> None:
    """CVE-2025-52565: /dev/console in the rootfs leads to a proc file, or out."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/dev"]
    (bundle.rootfs / "dev/console").symlink_to("../../../../.." + str(victim))
    bundle.config["process"]["terminal"] = True
    bundle.script("echo x > /dev/console").write()
    subprocess.run(
        ["script", "-qec", " ".join(bundle.command("run", bundle.id)), "/dev/null"],
        cwd=bundle.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
    assert victim.read_text() == "untouched"
    assert bundle.leftovers() == []
