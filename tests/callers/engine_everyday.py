"""What is done with containers that run for long: their limits, files, names, health and history."""

from __future__ import annotations

import time

from tests.callers.engine import Engine
from tests.callers.image import NAME as IMAGE
from tests.callers.script import Step

TIMEOUT_S = 20


def update_limits(e: Engine) -> None:
    """Of a running container, one that is paused, and one whose limits bind one another."""
    files = "memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.shares pids/pids.max"
    read = ("sh", "-c", f"cd /sys/fs/cgroup; cat {files} cpu/cpu.cfs_quota_us cpuset/cpuset.cpus")
    with e.sleeping("--memory", "64m", "--memory-swap", "64m", "--pids-limit", "50") as name:
        e.call("update", "--memory", "256m", "--memory-swap", "512m", name)
        e.call("exec", name, *read)
        e.call("update", "--memory", "32m", "--memory-swap", "32m", name)
        e.call("update", "--cpu-shares", "300", "--cpu-quota", "20000", "--cpu-period", "50000", name)
        e.call("update", "--cpuset-cpus", "0", name)
        e.call("exec", name, *read)
        e.call("update", "--memory", "1g", name)  # above the limit with swap: the kernel refuses
        e.call("exec", name, *read)


def update_of_pids(e: Engine) -> None:
    with e.sleeping() as name:
        e.call("update", "--pids-limit", "77", name)
        e.call("exec", name, "cat", "/sys/fs/cgroup/pids/pids.max")


def statistics(e: Engine) -> None:
    with e.sleeping("--memory", "64m") as name:
        e.call("stats", "--no-stream", "--format", "{{.PIDs}}", name)
        shown = e.quietly("stats", "--no-stream", "--format", "{{.MemUsage}}", name).out
        e.transcript.say(shown.rpartition("/")[2].strip())


def copy_files(e: Engine) -> None:
    here = e.caller.scratch / f"copied-{e.subject}"
    here.write_text("from outside\n")
    with e.sleeping() as name:
        e.call("cp", str(here), f"{name}:/tmp/in", output=False)
        e.call("exec", name, "cat", "/tmp/in")
        e.call("exec", name, "sh", "-c", "echo from inside >/tmp/out")
        e.call("cp", f"{name}:/tmp/out", str(here), output=False)
        e.transcript.say(here.read_text())
        e.call("cp", f"{name}:/no/such", str(here), output=False)


def rename(e: Engine) -> None:
    with e.sleeping() as name:
        other = e.fresh_name()
        e.call("rename", name, other)
        e.call("exec", other, "echo", "still there")
        e.call("exec", name, "true")
        e.call("rename", other, name)


def changes_and_export(e: Engine) -> None:
    with e.sleeping() as name:
        e.call("exec", name, "sh", "-c", "echo 1 >/tmp/new; rm /etc/passwd")
        lines = e.quietly("diff", name).out.splitlines()
        e.transcript.say("\n".join(sorted(line for line in lines if "new" in line or "passwd" in line)))


def health(e: Engine) -> None:
    check = ("--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1")
    with e.sleeping(*check) as name:
        e.call("exec", name, "touch", "/tmp/well")
        if e.caller.name == "podman":  # its timer is systemd's
            e.call("healthcheck", "run", name)
            e.call("exec", name, "rm", "/tmp/well")
            e.call("healthcheck", "run", name)
            return
        for want, script in (("healthy", "true"), ("unhealthy", "rm /tmp/well")):
            e.call("exec", name, "sh", "-c", script)
            e.transcript.say(f"{want}: {_becomes(e, name, '{{.State.Health.Status}}', want)}")


def _becomes(e: Engine, name: str, form: str, want: str) -> bool:
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        if e.quietly("inspect", "--format", form, name).out.strip() == want:
            return True
        time.sleep(0.2)
    return False


def restart_policy(e: Engine) -> None:
    name = e.fresh_name()
    try:
        e.run("-d", "--restart", "on-failure:2", "--name", name, IMAGE, "sh", "-c", "echo again; exit 3")
        e.transcript.say(str(_becomes(e, name, "{{.RestartCount}} {{.State.Status}}", "2 exited")))
        e.call("logs", name)
        e.call("inspect", "--format", "{{.State.ExitCode}}", name)
    finally:
        e.quietly("rm", "-f", name)


def create_then_start(e: Engine) -> None:
    name = e.fresh_name()
    head = e.caller.run_argv(e.subject)
    words = head[head.index("run") + 1 :]
    try:
        e.call("create", *words, "--name", name, IMAGE, "sh", "-c", "echo out; exit 5")
        e.call("inspect", "--format", "{{.State.Status}}", name)
        e.call("start", "-a", name)
        e.call("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
    finally:
        e.quietly("rm", "-f", name)


def history(e: Engine) -> None:
    """The engine's events of one life, with those that the runtime's part makes."""
    since = str(int(time.time()))
    name = e.fresh_name()
    e.run("-d", "--name", name, IMAGE, "sleep", "600")
    for words in (["pause"], ["unpause"], ["kill"], ["wait"], ["rm"]):
        e.quietly(*words, name)
    until = str(int(time.time()) + 1)
    field = "{{.Status}}"
    flags = ("--since", since, "--until", until, "--filter", f"container={name}", "--format", field)
    seen = e.quietly("events", *flags).out.split()
    for action in ("create", "start", "pause", "unpause", "kill", "died", "die", "remove", "destroy"):
        if action in seen:
            e.transcript.say(action)


def out_of_memory_is_told(e: Engine) -> None:
    name = e.fresh_name()
    try:
        e.run("--name", name, "--memory", "16m", IMAGE, "sh", "-c", "tail /dev/zero; exit 9", output=False)
        e.call("inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", name)
    finally:
        e.quietly("rm", "-f", name)


EVERYDAY = [
    Step("update", update_limits, True),
    Step("stats", statistics, True),
    Step("cp", copy_files, False),
    Step("rename", rename, False),
    Step("diff", changes_and_export, False),
    Step("health check", health, False),
    Step("--restart", restart_policy, False),
    Step("create, start -a", create_then_start, False),
    Step("events", history, True),
    Step("out of memory is told", out_of_memory_is_told, False),
]
DOCKER_ONLY = [Step("update --pids-limit", update_of_pids, False)]
