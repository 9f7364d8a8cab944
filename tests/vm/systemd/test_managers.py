"""podman and containerd as they are set up on hosts with systemd: it makes the cgroups."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import TARE_RUNTIME, make_rootfs
from tests.vm.units import TOP, is_loaded, show


def good(*command: str | Path, timeout_s: float = 120) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("managers") / "rootfs"
    make_rootfs(folder)
    return folder


@pytest.fixture(scope="module")
def image(rootfs: Path) -> str:
    archive = rootfs.parent / "box.tar"
    good("tar", "-C", rootfs, "-cf", archive, ".")
    good("podman", "import", archive, "box")
    return "localhost/box"


def test_podman_with_the_systemd_driver(image: str) -> None:
    podman = ["podman", "--runtime", TARE_RUNTIME, "--cgroup-manager", "systemd"]
    limits = ["--memory", "64m", "--pids-limit", "30", "--cpus", "0.5"]
    id = good(*podman, "run", "-d", "--network", "none", *limits, image, "sleep", "1000").strip()
    try:
        unit = f"libpod-{id}.scope"
        assert show(unit, "Slice", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec") == {
            "Slice": "machine.slice",
            "MemoryMax": str(64 << 20),
            "TasksMax": "30",
            "CPUQuotaPerSecUSec": "500ms",
        }
        assert good(*podman, "exec", id, "cat", "/proc/self/cgroup") == "0::/\n"
        stats = good(*podman, "stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", id)
        assert stats.split()[0] == "1"
        assert "67.11MB" in stats
        good(*podman, "update", "--memory", "32m", id)
        assert show(unit, "MemoryMax") == {"MemoryMax": str(32 << 20)}
        good(*podman, "pause", id)
        good(*podman, "unpause", id)
        good(*podman, "stop", "-t", "0", id)
    finally:
        good(*podman, "rm", "-f", id)
    assert not is_loaded(unit)


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The beginning of a `ctr` command to a containerd of our own."""
    folder = tmp_path_factory.mktemp("containerd")
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{folder}/sock"\n'
    )
    command = ["ctr", "--address", f"{folder}/sock"]
    with subprocess.Popen(
        ["containerd", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as daemon:
        end = time.monotonic() + 120
        while subprocess.run([*command, "version"], capture_output=True).returncode:
            assert daemon.poll() is None
            assert time.monotonic() < end
        yield command
        daemon.terminate()


def test_containerd_with_the_systemd_driver(containerd: list[str], rootfs: Path) -> None:
    # The shim finds its own path to the rootfs; a copy keeps the other test's as it is.
    own = rootfs.parent / "ctr"
    shutil.copytree(rootfs, own, symlinks=True)
    flags = ["--runc-binary", TARE_RUNTIME, "--runc-systemd-cgroup", "--cgroup", "tare-ctr.slice:cri:box"]
    limit = ["--memory-limit", str(64 << 20), "--env", "PATH=/bin"]
    good(*containerd, "run", "-d", *flags, *limit, "--rootfs", str(own), "box", "sleep", "1000")
    unit = "cri-box.scope"
    assert show(unit, "Slice", "MemoryMax", "Delegate") == {
        "Slice": "tare-ctr.slice",
        "MemoryMax": str(64 << 20),
        "Delegate": "yes",
    }
    inside = good(*containerd, "task", "exec", "--exec-id", "e1", "box", "cat", "/proc/self/cgroup")
    assert inside.strip() in ("0::/", "0::/tare.slice/tare-ctr.slice/cri-box.scope")
    metrics = good(*containerd, "task", "metrics", "box")
    assert "memory.usage_in_bytes" in metrics or "memory" in metrics
    good(*containerd, "task", "pause", "box")
    assert "PAUSED" in good(*containerd, "task", "ls")
    good(*containerd, "task", "resume", "box")
    good(*containerd, "task", "kill", "-s", "KILL", "box")
    good(*containerd, "task", "delete", "--force", "box")
    good(*containerd, "container", "rm", "box")
    assert not is_loaded(unit)
    assert not (TOP / "tare.slice/tare-ctr.slice/cri-box.scope").exists()
