"""What users do with Docker and podman."""

from __future__ import annotations

from tests.callers.engine import Engine
from tests.callers.engine_corners import CORNERS
from tests.callers.engine_everyday import DOCKER_ONLY, EVERYDAY
from tests.callers.image import NAME as IMAGE
from tests.callers.inside import ASK, DEVICES, IDENTITY, PROGRAMS, SIZE
from tests.callers.script import Step


def run_and_see_output(e: Engine) -> None:
    e.run("--rm", IMAGE, "sh", "-c", "echo out; echo err >&2")


def exit_codes(e: Engine) -> None:
    for command in PROGRAMS:
        e.transcript.say(" ".join(command))
        e.run("--rm", IMAGE, *command)


def read_stdin(e: Engine) -> None:
    e.run("-i", "--rm", IMAGE, "cat", stdin=b"one\ntwo\n")
    e.run("-i", "--rm", IMAGE, "md5sum", stdin=bytes(range(256)) * 16384)


def process_options(e: Engine) -> None:
    script = "echo $A; pwd; id; hostname; umask; ulimit -n; cat /proc/self/oom_score_adj"
    e.run("--rm", "-e", "A=b c", "-w", "/tmp", "-u", "1000:1000", "--hostname", "there",
          "--ulimit", "nofile=100:200", "--ulimit", "nproc=500:500", IMAGE, "sh", "-c", script)  # fmt: skip
    e.run("--rm", "-u", "user", "--group-add", "2000", IMAGE, "id")
    e.run("--rm", "--entrypoint", "/bin/echo", IMAGE, "from", "entrypoint")


def the_inside(e: Engine) -> None:
    """Mounts, devices, privileges and masks, as the container itself sees them."""
    for script in (
        # Below /proc only the places: which null device a masked file shows is the runtime's choice.
        "awk '{print $2, $2 ~ /^.proc./ ? \"\" : $3}' /proc/mounts | grep -v ' overlay' | sort",
        IDENTITY,
        DEVICES,
        "ls -l /dev/fd /dev/stdin /dev/ptmx | sed 's/.* \\///'",
        "for f in /proc/keys /proc/timer_list /sys/firmware; do cat $f | wc -c; ls -A $f | wc -l; done",
        "touch /proc/sys/x; echo $?; touch /sys/x; echo $?; cat /proc/1/comm",
        "readlink /proc/self/ns/cgroup | cut -d: -f1; cut -d: -f2 /proc/self/cgroup | sort",
    ):
        e.run("--rm", IMAGE, "sh", "-c", script)


def mounts(e: Engine) -> None:
    e.run("--rm", "-v", "/usr/share/doc/bash:/doc:ro", IMAGE, "sh", "-c", "ls /doc; touch /doc/x; echo $?")
    e.run(
        "--rm", "--tmpfs", "/t:size=1m,mode=1777", IMAGE, "sh", "-c", "echo 1 >/t/a; cat /t/a; stat -c %a /t"
    )
    e.run("--rm", "--tmpfs", "/root", IMAGE, "stat", "-c", "%a", "/root")
    e.run("--rm", "--read-only", IMAGE, "sh", "-c", "echo 1 >/a; echo $?; echo 1 >/dev/null; echo $?")
    e.run("--rm", "--shm-size", "1m", IMAGE, "sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'")


def capabilities(e: Engine) -> None:
    for flags in (
        ["--cap-drop", "all"],
        ["--cap-add", "sys_ptrace"],
        ["--security-opt", "no-new-privileges"],
    ):
        e.run("--rm", *flags, IMAGE, "grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status")
    e.run("--rm", "--security-opt", "seccomp=unconfined", IMAGE, "grep", "^Seccomp:", "/proc/self/status")
    e.run("--rm", "--sysctl", "net.ipv4.ip_forward=1", IMAGE, "cat", "/proc/sys/net/ipv4/ip_forward")


def resource_limits(e: Engine) -> None:
    files = "memory/memory.limit_in_bytes pids/pids.max cpu/cpu.shares cpu/cpu.cfs_quota_us"
    e.run("--rm", "--memory", "64m", "--pids-limit", "32", "--cpu-shares", "512", "--cpus", "0.5",
          IMAGE, "sh", "-c", f"cd /sys/fs/cgroup; cat {files}")  # fmt: skip
    e.run("--rm", "--cpuset-cpus", "0", IMAGE, "grep", "Cpus_allowed_list", "/proc/self/status")


def memory_limit_is_enforced(e: Engine) -> None:
    e.run("--rm", "--memory", "16m", IMAGE, "tail", "/dev/zero")


def pids_limit_is_enforced(e: Engine) -> None:
    # Not fewer: the threads of a runtime's own first stage count too.
    script = "for i in $(seq 40); do sleep 5 & done; echo all started"
    e.run("--rm", "--pids-limit", "24", IMAGE, "sh", "-c", script)


def detached_then_logs(e: Engine) -> None:
    name = e.fresh_name()
    e.run("-d", "--name", name, IMAGE, "sh", "-c", "echo out; echo err >&2; exit 3")
    e.call("wait", name)
    e.transcript.show(e.quietly("logs", name))
    e.call("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
    e.call("rm", name)
    e.call("logs", name)


def exec_commands(e: Engine) -> None:
    with e.sleeping() as name:
        e.call("exec", name, "echo", "hi")
        e.call("exec", name, "sh", "-c", "exit 7")
        e.call("exec", name, "no-such-program")
        e.call("exec", name, "/etc")
        e.call("exec", "-i", name, "cat", stdin=b"through\n")
        e.call(
            "exec", "-e", "A=b", "-w", "/tmp", "-u", "1000", name, "sh", "-c", "echo $A; pwd; id -u; id -g"
        )
        e.call("exec", name, "grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status")
        e.call("exec", name, "sh", "-c", "cut -d: -f2 /proc/self/cgroup | sort; ls /proc/self/fd | wc -l")
        e.call("exec", "-d", name, "touch", "/made", output=False)
        e.call(
            "exec",
            name,
            "sh",
            "-c",
            "for i in 1 2 3 4 5 6 7 8 9; do [ -e /made ] && break; sleep 0.2; done; ls /made",
        )


def run_on_terminal(e: Engine) -> None:
    e.on_terminal(
        "run", "--rm", "-it", IMAGE, "sh", "-c", SIZE + "; tty; [ -t 0 ] && [ -t 1 ] && echo terminal"
    )
    e.on_terminal(
        "run",
        "--rm",
        "-it",
        IMAGE,
        "sh",
        "-c",
        ASK + "; exit 5",
        typed=b"typed\n",
    )


def exec_on_terminal(e: Engine) -> None:
    with e.sleeping() as name:
        e.on_terminal("exec", "-it", name, "sh", "-c", SIZE + "; tty | sed 's/[0-9]*$//'; exit 9")
        e.on_terminal("exec", "-it", name, "sh", "-c", ASK, typed=b"typed\n")


def kill_with_signals(e: Engine) -> None:
    for signal in ("KILL", "9"):
        with e.sleeping() as name:
            e.call("kill", "-s", signal, name)
            e.call("wait", name)
            e.call("kill", name)
    name = e.fresh_name()
    e.run(
        "-d",
        "--name",
        name,
        IMAGE,
        "sh",
        "-c",
        "trap 'echo caught; exit 4' TERM; while :; do sleep 0.1; done",
    )
    e.call("exec", name, "sleep", "0.3")
    e.call("kill", "-s", "TERM", name)
    e.call("wait", name)
    e.call("logs", name)
    e.call("rm", name)


def stop(e: Engine) -> None:
    with e.sleeping() as name:
        e.call("stop", "-t", "1", name)
        e.call("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)


def start_again(e: Engine) -> None:
    with e.sleeping() as name:
        e.call("stop", "-t", "0", name)
        e.call("start", name)
        e.call("exec", name, "echo", "again")
        e.call("restart", "-t", "0", name)
        e.call("exec", name, "echo", "and again")


def pause_and_unpause(e: Engine) -> None:
    with e.sleeping() as name:
        e.call("pause", name)
        e.call("inspect", "--format", "{{.State.Status}} {{.State.Paused}}", name)
        e.call("exec", name, "true")
        e.call("pause", name)
        e.call("unpause", name)
        e.call("exec", name, "echo", "awake")
        e.call("pause", name)
    e.call("inspect", name, output=False)


def list_processes(e: Engine) -> None:
    with e.sleeping() as name:
        # The columns are the engine's; the commands come from the runtime's list of pids.
        outcome = e.quietly("top", name)
        e.transcript.say(str(sum("sleep" in line for line in outcome.out.splitlines())))


def nothing_is_left(e: Engine) -> None:
    e.call("ps", "-a", "-q", "--no-trunc")


DOCKER_STEPS = [
    Step("run", run_and_see_output, True),
    Step("exit codes 0, 7, 126, 127", exit_codes, True),
    Step("stdin", read_stdin, True),
    Step("environment, user, folder, limits", process_options, False),
    Step("mounts, devices, masks inside", the_inside, True),
    Step("-v, --tmpfs, --read-only", mounts, True),
    Step("capabilities, seccomp, sysctl", capabilities, False),
    Step("--memory, --pids-limit, --cpus", resource_limits, True),
    Step("out of memory", memory_limit_is_enforced, False),
    Step("out of pids", pids_limit_is_enforced, False),
    Step("run -d, wait, logs, rm", detached_then_logs, True),
    Step("exec", exec_commands, True),
    Step("run -it", run_on_terminal, True),
    Step("exec -it", exec_on_terminal, True),
    Step("kill", kill_with_signals, False),
    Step("stop", stop, False),
    Step("start again, restart", start_again, False),
    Step("pause, unpause", pause_and_unpause, True),
    Step("top", list_processes, False),
    *CORNERS,
    *EVERYDAY,
    *DOCKER_ONLY,
    Step("nothing left", nothing_is_left, True),
]

# podman 4.3 starts a stopped container again before its own clean-up has deleted the old one, now and then.
PODMAN_STEPS = [step for step in DOCKER_STEPS if step.act is not start_again and step not in DOCKER_ONLY]
