"""Many at once: containers, execs, and creates of one id. What the host had before is what it has after."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, bundle_in
from tests.support.faults import running
from tests.support.thorough import count

pytestmark = [pytest.mark.root, pytest.mark.slow]


def host_state(word: str) -> dict[str, list[str]]:
    """What of the host names `word`: mounts, cgroups, processes, keyrings; and our descriptors."""
    processes = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{name}/cgroup").read_text() + Path(f"/proc/{name}/mountinfo").read_text()
        except OSError:
            continue
        if word in text and int(name) != os.getpid():
            processes.append(name)
    cgroups = [
        f"{folder}/{name}" for folder, names, _ in os.walk("/sys/fs/cgroup") for name in names if word in name
    ]
    return {
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if word in line],
        "cgroups": cgroups,
        "processes": processes,
        "keys": [line for line in Path("/proc/keys").read_text().splitlines() if word in line],
        "descriptors": sorted(os.listdir("/proc/self/fd")),
    }


def settled(word: str, before: dict[str, list[str]]) -> dict[str, list[str]]:
    """The host's state once it is as before, or as it is after a while: keyrings are cleared away in time."""
    end = time.monotonic() + 20
    while (now := host_state(word)) != before and time.monotonic() < end:
        time.sleep(0.05)
    return now


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Bundle]:
    with bundle_in(tmp_path) as made:
        made.write()
        yield made
        for path in made.root.glob("[!~]*"):
            made.tare("delete", "--force", path.name)


def life(bundle: Bundle, id: str) -> list[str]:
    """create, start, exec, state, kill, delete: what went wrong."""
    problems = []
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    steps = (
        ["create"],
        ["start"],
        ["exec", id, "true"],
        ["state"],
        ["kill", id, "KILL"],
        ["delete", "--force"],
    )
    for step in steps:
        words = step if id in step else [*step, id]
        errors = bundle.path / f"{id}.err"
        with errors.open("w") as stderr:
            code = subprocess.run(
                bundle.command(*words), cwd=bundle.path, stderr=stderr, timeout=120, **quiet
            ).returncode  # type: ignore[call-overload]
        if code:
            problems.append(f"{id}: {step}: {code}: {errors.read_text()}")
        errors.unlink()
    return problems


def test_many_containers_live_and_end_eight_at_a_time(crowd: Bundle) -> None:
    crowd.args("sleep", "60").write()
    before = host_state(crowd.id)
    ids = [f"{crowd.id}-{number}" for number in range(count(24, 500))]
    with ThreadPoolExecutor(8) as pool:
        problems = [problem for found in pool.map(lambda id: life(crowd, id), ids) for problem in found]
    assert problems == []
    assert settled(crowd.id, before) == before
    assert [path.name for path in crowd.root.iterdir() if path.name[0] != "~"] == []


def test_many_programs_are_executed_in_one_container(crowd: Bundle) -> None:
    with running(crowd, "sleep", "600"):

        def once(number: int) -> str:
            done = crowd_exec(crowd, "sh", "-c", f"echo {number}; exit {number % 100}")
            return f"{done.stdout.strip()} {done.returncode}"

        numbers = range(count(24, 200))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(once, numbers)) == [f"{number} {number % 100}" for number in numbers]
        pids = json.loads(crowd.tare("ps", "--format", "json", crowd.id).stdout)
        assert len(pids) == 1, "no process is left of them"
    assert crowd.tare("delete", "--force", crowd.id).returncode == 0
    assert crowd.leftovers() == []


def crowd_exec(bundle: Bundle, *words: str) -> subprocess.CompletedProcess[str]:
    command = bundle.command("exec", bundle.id, *words)
    return subprocess.run(command, cwd=bundle.path, capture_output=True, text=True, timeout=120)


def test_of_many_creates_of_one_id_one_wins_and_the_others_say_why(crowd: Bundle) -> None:
    crowd.args("sleep", "60").write()
    before = host_state(crowd.id)
    makers = []
    for number in range(50):
        errors = (crowd.path / f"{number}.err").open("w+")
        command = crowd.command("create", "--pid-file", str(crowd.path / f"{number}.pid"), crowd.id)
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=crowd.path, stdin=quiet, stdout=quiet, stderr=errors)
        makers.append((process, errors))
    won = 0
    for process, errors in makers:
        code = process.wait(timeout=120)
        errors.seek(0)
        text = errors.read()
        errors.close()
        won += code == 0
        if code:
            assert "already" in text or "in use" in text, text
            assert len(text.splitlines()) <= 2, text
    assert won == 1
    pids = [path.read_text() for path in crowd.path.glob("*.pid")]
    assert pids == [str(crowd.state()["pid"])]
    assert crowd.tare("delete", "--force", crowd.id).returncode == 0
    assert settled(crowd.id, before) == before
    assert crowd.leftovers() == []


def test_creates_and_deletes_of_one_id_at_once_end_with_nothing(crowd: Bundle) -> None:
    crowd.args("sleep", "60").write()
    before = host_state(crowd.id)

    def both(number: int) -> int:
        words = ["create", crowd.id] if number % 2 else ["delete", "--force", crowd.id]
        quiet = subprocess.DEVNULL
        return subprocess.run(
            crowd.command(*words), cwd=crowd.path, stdin=quiet, stdout=quiet, stderr=quiet, timeout=120
        ).returncode

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(both, range(count(32, 400))))
    assert 0 in codes[1::2]
    assert crowd.tare("delete", "--force", crowd.id).returncode == 0
    assert settled(crowd.id, before) == before
    assert crowd.leftovers() == []
