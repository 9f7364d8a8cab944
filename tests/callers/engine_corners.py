"""Less usual things that users do with Docker and podman; runtimes differ in them first."""

from __future__ import annotations

from tests.callers.engine import Engine
from tests.callers.image import NAME as IMAGE
from tests.callers.script import Step

NAMESPACES = "for n in pid ipc net; do readlink /proc/self/ns/$n; done"


def shared_namespaces(e: Engine) -> None:
    """The host's, and another container's."""
    for flag in ("--pid=host", "--ipc=host", "--uts=host", "--cgroupns=host"):
        e.shell("wc -l </proc/self/cgroup; grep -c ' /dev/shm ' /proc/mounts; cat /proc/1/comm", flag)
    with e.sleeping() as name:
        ids = e.quietly("exec", name, "sh", "-c", NAMESPACES).out.split()
        # Docker makes no shareable ipc namespace unasked; podman takes one network only, and has it.
        kinds = ("pid", "network") if e.caller.name == "docker" else ("pid", "ipc")
        flags = [f"--{kind}=container:{name}" for kind in kinds]
        seen = e.shell(NAMESPACES, *flags, output=False).out.split()
        e.transcript.say(f"{len(set(ids) & set(seen))} namespaces shared")


def devices(e: Engine) -> None:
    device = ("--device", "/dev/kmsg:/dev/log:r")
    e.shell("stat -c '%F %t:%T' /dev/log; echo x >/dev/log; echo $?", *device)
    e.shell("mknod /tmp/m b 8 0 && cat /tmp/m; echo $?")
    e.shell("mknod /tmp/m c 1 11 && head -c 0 /tmp/m; echo $?", "--device-cgroup-rule", "c 1:11 rwm")


def volumes(e: Engine) -> None:
    e.shell("ls /doc/bash | head -1; grep -c ' /doc ' /proc/mounts", "-v", "/usr/share/doc:/doc:ro,rslave")
    e.shell("[ -f /new/f ]; echo $?; echo x >/new/f; echo $?", "-v", "/etc/hostname:/new/f:ro")
    tmpfs = ("--mount", "type=tmpfs,dst=/deep/er/tmp,tmpfs-size=65536")
    e.shell("head -c 100000 /dev/zero >/deep/er/tmp/x; echo $?; wc -c </deep/er/tmp/x", *tmpfs)
    e.shell("[ -e /dev/kmsg ]; echo $?; [ -c /dev/null ]; echo $?", "-v", "/dev:/dev")


def signals_and_output(e: Engine) -> None:
    e.shell("kill -TERM $$; echo survived", "--stop-signal", "INT")
    e.shell("trap 'exit 3' USR1; kill -USR1 1; sleep 5")
    e.shell("sh -c 'kill -SEGV $$'; echo $?")
    e.shell("echo out; echo err >&2; tty", "-t")
    much = e.shell("head -c 3000000 /dev/zero | tr '\\0' x; echo end", output=False).out
    e.transcript.say(f"{len(much)} characters, {much[-4:]}")


def odd_programs(e: Engine) -> None:
    e.shell(
        "echo '#!/bin/sh\necho script $0' >/tmp/s; chmod +x /tmp/s; /tmp/s; /tmp/./s; chmod -x /tmp/s; /tmp/s"
    )
    e.run("--rm", "-w", "/bin", IMAGE, "./busybox", "echo", "relative")
    e.run("--rm", "-e", "PATH=/nowhere", IMAGE, "sh", "-c", "true")
    e.run("--rm", "-e", "PATH=", IMAGE, "/bin/sh", "-c", "echo $PATH.")
    e.run("--rm", IMAGE, "sh", "-c", 'echo "$0" "$1" "$2" $#', "zero", "", "ünïcödé \n")


def odd_users(e: Engine) -> None:
    e.run("--rm", "-u", "65534", IMAGE, "id")
    e.run("--rm", "-u", "nobody-here", IMAGE, "id", output=False)
    e.shell("echo $HOME; env | sort | grep -v HOSTNAME", "-u", "1000")
    e.shell("cd /root; echo $?; touch /tmp/x /x; echo $?", "-u", "1000:2000")


CORNERS = [
    Step("shared namespaces", shared_namespaces, False),
    Step("devices: nodes and rules", devices, False),
    Step("volumes of several kinds", volumes, False),
    Step("signals and much output", signals_and_output, False),
    Step("odd programs", odd_programs, False),
    Step("odd users", odd_users, False),
]
