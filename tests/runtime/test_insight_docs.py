"""The examples of docs/insight.md, run as they stand; `…` there stands for anything."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import TARE_RUNTIME, default_config, make_rootfs

pytestmark = pytest.mark.root

PAGE = (Path(__file__).parents[2] / "docs" / "insight.md").read_text()
EXAMPLES = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """The three bundles that the page speaks of."""
    for name in ("app", "other", "broken"):
        config = default_config()
        config["process"]["args"] = ["sh", "-c", "echo hello"]
        config["linux"]["cgroupsPath"] = f"/tare-docs-{tmp_path.name}"
        if name != "app":
            config["hostname"] = "other"
            tmpfs = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"]}
            config["mounts"].insert(1, tmpfs)
            del config["linux"]["maskedPaths"][0]
        if name == "broken":
            config["process"] |= {"args": ["server"], "cwd": "srv", "user": {"uid": "0", "gid": 0}}
            data = {"destination": "/data", "source": "/srv/data", "type": "bind", "options": ["rbind"]}
            config["mounts"].append(data)
        make_rootfs(tmp_path / name / "rootfs")
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    return tmp_path


def pattern_of(text: str) -> str:
    lines = text.splitlines()
    return "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n" for line in lines
    )


@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_an_example_does_what_the_page_shows(bundles: Path, command: str, output: str) -> None:
    words = command.split()
    assert words[0] == "tare-runtime"
    program = [TARE_RUNTIME, "--root", str(bundles / "state"), *words[1:]]
    done = subprocess.run(program, cwd=bundles, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert re.fullmatch(pattern_of(output), done.stdout), done.stdout


def test_the_page_has_an_example_of_each() -> None:
    text = " ".join(command for command, _ in EXAMPLES)
    assert all(
        word in text for word in ("plan --bundle", "--diff", "--explain", "validate", "--trace", "doctor")
    )
