"""process.rlimits: for the program, and not for what sets it up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


def limits(*named: tuple[str, int, int]) -> list[dict[str, Any]]:
    return [{"type": f"RLIMIT_{name}", "soft": soft, "hard": hard} for name, soft, hard in named]


@pytest.mark.parametrize("gid", [0, 1000])
def test_a_container_with_no_descriptor_to_spare_starts(bundle: Bundle, gid: int) -> None:
    """Three are its standard streams: init could not open the gate's connection with them alone."""
    bundle.config["process"]["rlimits"] = limits(("NOFILE", 3, 3))
    bundle.config["process"]["user"] = {"uid": gid, "gid": gid}
    created = bundle.args("sleep", "60").create()
    assert created.returncode == 0, created.stderr
    started = bundle.tare("start", bundle.id)
    assert started.returncode == 0, started.stderr
    pid = bundle.state()["pid"]
    (line,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open")
    ]
    assert line.split()[3:5] == ["3", "3"]


def test_exec_has_its_own_limits(bundle: Bundle) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    bundle.config["process"]["rlimits"] = limits(("NOFILE", 4, 5), ("CORE", 0, 0))
    bundle.script("ulimit -n; ulimit -Hn; ulimit -c")
    process = bundle.path / "process.json"
    process.write_text(json.dumps(bundle.config["process"]))
    done = bundle.tare("exec", "--process", str(process), bundle.id)
    assert done.stdout.split() == ["4", "5", "0"], done.stderr


def test_a_hook_inside_the_container_has_the_limits_of_init(bundle: Bundle) -> None:
    """A file of at most 0 bytes would kill init as it hands the hook its state."""
    bundle.config["process"]["rlimits"] = limits(("FSIZE", 0, 0))
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "cat > /tmp/state"]}
    bundle.config["hooks"] = {"startContainer": [hook]}
    done = bundle.script("echo x > /tmp/more").run()
    assert done.returncode != 0
    assert bundle.id in (bundle.rootfs / "tmp/state").read_text()
    assert (bundle.rootfs / "tmp/more").read_text() == ""


def test_a_hard_limit_is_raised_before_the_capability_for_it_goes(bundle: Bundle) -> None:
    """Run with a low hard limit of our own, as a user without capabilities inside."""
    bundle.config["process"]["rlimits"] = limits(("CORE", 7, 4096))
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    bundle.script("cat /proc/self/limits").write()
    words = bundle.command("run", bundle.id)
    done = subprocess.run(
        ["sh", "-c", 'ulimit -c 1; exec "$@"', "sh", *words], cwd=bundle.path, capture_output=True, text=True
    )
    line = next(line for line in done.stdout.splitlines() if "core file" in line)
    if "CAP_SYS_RESOURCE" in done.stderr:  # this machine's root lacks it: said, and kept as it was
        assert line.split()[4:6] == ["7", "512"]
    else:
        assert line.split()[4:6] == ["7", "4096"]
