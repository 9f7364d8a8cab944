"""Containers from Python: typed results and errors, threads, and a process that lives long."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import tare_runtime
from tare_runtime.errors import (
    ConfigError,
    ContainerExists,
    ContainerNotFound,
    HookError,
    KernelError,
    StateError,
)

from tests.support.bundles import Bundle
from tests.support.faults import everything_left

pytestmark = pytest.mark.root


def quiet() -> tuple[int, int, int]:
    null = os.open("/dev/null", os.O_RDWR)
    return (null, null, null)


def read_all(fd: int) -> str:
    with os.fdopen(fd) as file:
        return file.read()


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_a_life_by_calls(bundle: Bundle) -> None:
    bundle.script("echo up; read line; echo $line; exit 7").write()
    (inside, keys), (words, outside) = os.pipe(), os.pipe()
    root = str(bundle.root)
    with tare_runtime.create(
        str(bundle.path), bundle.id, root=root, stdio=(inside, outside, outside)
    ) as container:
        assert container.state().status == "created"
        assert tare_runtime.ids(root=root) == [bundle.id]
        container.start()
        assert container.state().status == "running"
        assert container.wait(timeout_s=0) is None
        process = container.exec(["sh", "-c", "echo more; exit 3"], stdio=(inside, outside, outside))
        assert process.wait() == 3
        container.pause()
        assert container.state().status == "paused"
        container.resume()
        os.write(keys, b"line\n")
        assert container.wait() == 7
        assert tare_runtime.get(bundle.id, root=root).state().status == "stopped"
        container.delete()
    for fd in (inside, keys, outside):
        os.close(fd)
    assert sorted(read_all(words).split()) == ["line", "more", "up"]
    assert everything_left(bundle) == []
    assert children() == []


def test_kill_and_run_and_plan(bundle: Bundle) -> None:
    bundle.args("sleep", "60").write()
    root, stdio = str(bundle.root), quiet()
    with tare_runtime.create(str(bundle.path), bundle.id, root=root, stdio=stdio) as container:
        container.start()
        container.kill("KILL")
        assert container.wait() == 137
    bundle.script("exit 5").write()
    assert tare_runtime.run(str(bundle.path), bundle.id, root=root, stdio=stdio) == 5
    assert tare_runtime.plan_of(str(bundle.path))[-1][0] == "exec"
    os.close(stdio[0])
    assert everything_left(bundle) == []
    assert children() == []


def test_errors_have_types_and_leave_nothing(bundle: Bundle) -> None:
    bundle.args("sleep", "60").write()
    root, stdio, path = str(bundle.root), quiet(), str(bundle.path)
    with tare_runtime.create(path, bundle.id, root=root, stdio=stdio), pytest.raises(ContainerExists):
        tare_runtime.create(path, bundle.id, root=root, stdio=stdio)
    with pytest.raises(ContainerNotFound):
        tare_runtime.get(bundle.id, root=root)
    with pytest.raises(ConfigError):
        tare_runtime.create("/no/such/bundle", bundle.id, root=root)
    bundle.args("/no/such/program").write()
    with pytest.raises(KernelError) as caught:
        tare_runtime.run(path, bundle.id, root=root, stdio=stdio)
    assert (caught.value.pointer, caught.value.errno) == ("/process/args/0", 2)
    bundle.config["hooks"] = {"poststart": [{"path": "/bin/false"}]}
    bundle.args("sleep", "60").write()
    with pytest.raises(HookError):
        tare_runtime.run(path, bundle.id, root=root, stdio=stdio)
    os.close(stdio[0])
    assert everything_left(bundle) == []
    assert children() == []


def test_eight_threads_run_containers_at_a_time(bundle: Bundle) -> None:
    bundle.script("exit 5").write()
    stdio, codes = quiet(), []

    def several(number: int) -> None:
        for turn in range(3):
            id = f"{bundle.id}-{number}-{turn}"
            codes.append(tare_runtime.run(str(bundle.path), id, root=str(bundle.root), stdio=stdio))

    threads = [threading.Thread(target=several, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(stdio[0])
    assert codes == [5] * 24
    assert everything_left(bundle) == []
    assert children() == []


def resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def held() -> dict[str, object]:
    """What a process holds of the system beside memory."""
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "children": children(),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
    }


def test_many_containers_leave_a_process_as_it_was(bundle: Bundle) -> None:
    """A hundred of them; as many as TARE_CONTAINERS says where that is set (1,000 take half a minute)."""
    bundle.args("true").write()
    stdio, root, path = quiet(), str(bundle.root), str(bundle.path)

    def some(count: int) -> None:
        for number in range(count):
            tare_runtime.run(path, f"{bundle.id}-{number}", root=root, stdio=stdio)
            if number % 5 == 0:
                with pytest.raises(KernelError):
                    bundle_of_junk(bundle, number, stdio)
            if number % 10 == 0:
                a_whole_life(bundle, f"{bundle.id}-l{number}", stdio)

    some(20)
    before, memory = held(), resident_kb()
    some(int(os.environ.get("TARE_CONTAINERS", "100")))
    assert held() == before
    assert resident_kb() - memory < 2048
    os.close(stdio[0])
    assert bundle.leftovers() == []


def a_whole_life(bundle: Bundle, id: str, stdio: tuple[int, int, int]) -> None:
    bundle.args("sleep", "60").write()
    with tare_runtime.create(str(bundle.path), id, root=str(bundle.root), stdio=stdio) as container:
        container.start()
        assert container.exec(["true"], stdio=stdio).wait() == 0
        with container.exec(["true"], terminal=True) as process:
            process.wait()
        container.update({"pids": {"limit": 50}})
        container.pause()
        container.resume()
        events = container.events(0.001)
        assert next(events)["type"] == "stats"
        events.close()  # type: ignore[attr-defined]
    bundle.args("true").write()


def test_threads_may_use_one_container_at_a_time(bundle: Bundle) -> None:
    bundle.args("sleep", "60").write()
    stdio, root = quiet(), str(bundle.root)
    outcomes: list[object] = []
    barrier = threading.Barrier(8)

    def use(container: tare_runtime.Container, number: int) -> None:
        barrier.wait()
        try:
            container.start()
            outcomes.append("started")
        except StateError:
            pass
        barrier.wait()
        outcomes.append(container.exec(["sh", "-c", f"exit {number}"], stdio=stdio).wait())
        container.update({"cpu": {"shares": 100 + number}})
        outcomes.append(container.state().status)

    with tare_runtime.create(str(bundle.path), bundle.id, root=root, stdio=stdio) as container:
        threads = [threading.Thread(target=use, args=(container, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.close(stdio[0])
    assert sorted(map(str, outcomes)) == sorted([*map(str, range(8)), *["running"] * 8, "started"])
    assert everything_left(bundle) == []
    assert children() == []


def test_a_container_of_another_process_can_be_waited_for(bundle: Bundle) -> None:
    assert bundle.args("sleep", "60").create().returncode == 0
    container = tare_runtime.get(bundle.id, root=str(bundle.root))
    assert [state.id for state in tare_runtime.states(root=str(bundle.root))] == [bundle.id]
    assert container.ended(0) is False
    assert container.pids() == [container.state().pid]
    with pytest.raises(ChildProcessError):
        container.wait()
    container.kill("KILL")
    assert container.ended(20) is True
    assert container.ended() is True


def test_exec_takes_what_the_command_takes(bundle: Bundle) -> None:
    bundle.args("sleep", "60").write()
    (read, write), null = os.pipe(), quiet()
    root = str(bundle.root)
    with tare_runtime.create(str(bundle.path), bundle.id, root=root, stdio=null) as container:
        container.start()
        script = "id -u; id -G; pwd; echo $A; grep CapEff /proc/self/status"
        options: dict[str, Any] = {
            "user": (1000, 1001),
            "additional_gids": [7],
            "cwd": "/tmp",
            "env": ["A=b"],
            "capabilities": ["CAP_SYS_TIME"],
        }
        stdio = (null[0], write, null[0])
        assert container.exec(["sh", "-c", script], stdio=stdio, **options).wait() == 0
        document = {"args": ["false"], "cwd": "/etc", "env": ["PATH=/bin"]}
        assert container.exec(process=document, stdio=stdio).wait() == 1
        with pytest.raises(ConfigError, match="must be an absolute path"):
            container.exec(["true"], cwd="relative")
        with pytest.raises(ConfigError, match="must hold at least the program"):
            container.exec([])
    os.close(write)
    os.close(null[0])
    assert read_all(read).split()[:5] == ["1000", "1001", "7", "/tmp", "b"]


def test_documents_are_those_of_the_commands(bundle: Bundle) -> None:
    assert tare_runtime.features() == json.loads(bundle.tare("features").stdout)
    assert bundle.tare("spec", "-f", str(bundle.path / "spec.json")).returncode == 0
    assert tare_runtime.spec() == json.loads((bundle.path / "spec.json").read_text())
    assert "user" in {item["type"] for item in tare_runtime.spec(rootless=True)["linux"]["namespaces"]}


def bundle_of_junk(bundle: Bundle, number: int, stdio: tuple[int, int, int]) -> None:
    bundle.args("/no/such/program").write()
    try:
        tare_runtime.run(str(bundle.path), f"{bundle.id}-x{number}", root=str(bundle.root), stdio=stdio)
    finally:
        bundle.args("true").write()
