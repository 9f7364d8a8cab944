"""Containers from Python: typed results and errors, threads, and a process that lives long."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import tare_runtime
from tare_runtime.errors import ConfigError, ContainerExists, ContainerNotFound, HookError, KernelError

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


def test_a_hundred_containers_leave_a_process_as_it_was(bundle: Bundle) -> None:
    bundle.args("true").write()
    stdio, root, path = quiet(), str(bundle.root), str(bundle.path)

    def some(count: int) -> None:
        for number in range(count):
            tare_runtime.run(path, f"{bundle.id}-{number}", root=root, stdio=stdio)
            if number % 5 == 0:
                with pytest.raises(KernelError):
                    bundle_of_junk(bundle, number, stdio)

    some(10)
    before = (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), children())
    memory = resident_kb()
    some(100)
    assert (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), children()) == before
    assert resident_kb() - memory < 2048
    os.close(stdio[0])
    assert bundle.leftovers() == []


def bundle_of_junk(bundle: Bundle, number: int, stdio: tuple[int, int, int]) -> None:
    bundle.args("/no/such/program").write()
    try:
        tare_runtime.run(str(bundle.path), f"{bundle.id}-x{number}", root=str(bundle.root), stdio=stdio)
    finally:
        bundle.args("true").write()
