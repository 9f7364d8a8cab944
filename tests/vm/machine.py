"""One run of the machine: boot it with a command, pass its output on, and learn its exit status.

QEMU emulates the processor (no KVM: it is missing on many hosts that run CI, and hangs on some). Nothing
that the machine writes is kept.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from tests.vm.tsc import tsc_khz

GUEST = Path(__file__).resolve().parent / "guest"
NO_STATUS, TIMED_OUT = 125, 124
_SYSTEMD = {
    "v2": "systemd.unified_cgroup_hierarchy=1",
    "hybrid": "systemd.unified_cgroup_hierarchy=0",
    "v1": "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1",
}


class Machine:
    """What to boot: `parts` holds vmlinux, initrd and root.ext4; `cgroups` is v1, v2 or hybrid."""

    def __init__(
        self, parts: Path, *, cgroups: str, systemd: bool, processors: int = 2, memory_mb: int = 2048
    ):
        self.parts = parts
        self.cgroups = cgroups
        self.systemd = systemd
        self.processors = processors
        self.memory_mb = memory_mb

    def run(self, command: list[str], folder: str, job: Path, timeout_s: float) -> int:
        """Run `command` in `folder` as root, after unpacking the tar archive `job` at /; its exit status.

        NO_STATUS if the machine ended without one, TIMED_OUT if it did not end in time.
        """
        script = f"cd {shlex.quote(folder)} && exec {shlex.join(command)}\n"
        with tarfile.open(job, "a") as archive:
            entry = tarfile.TarInfo("vm-command")
            entry.size = len(script)
            archive.addfile(entry, BytesIO(script.encode()))
        with tempfile.TemporaryDirectory(prefix="tare-vm.") as scratch:
            return self._boot(job, Path(scratch), timeout_s)

    def _boot(self, job: Path, scratch: Path, timeout_s: float) -> int:
        console, status = scratch / "console", scratch / "status"
        reader, writer = os.pipe()
        initrd = _initrd(self.parts, scratch)
        arguments = self._arguments(initrd, job, console, f"/dev/fd/{writer}", status)
        late = threading.Event()
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, pass_fds=[writer]) as qemu:
            os.close(writer)

            def stop() -> None:
                late.set()
                qemu.kill()

            timer = threading.Timer(timeout_s, stop)
            timer.start()
            with open(reader, "rb", buffering=0) as output:
                while chunk := output.read(65536):
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.buffer.flush()
            qemu.wait()
            timer.cancel()
        text = status.read_text().strip() if status.exists() else ""
        if text:
            return int(text)
        why = f"stopped after {timeout_s:.0f} s" if late.is_set() else "no exit status came back"
        tail = console.read_text(errors="replace")[-3000:] if console.exists() else ""
        print(f"vm: {why}; the end of its console:\n{tail}", file=sys.stderr)
        return TIMED_OUT if late.is_set() else NO_STATUS

    def _arguments(self, initrd: Path, job: Path, console: Path, output: str, status: Path) -> list[str]:
        return [
            *"qemu-system-x86_64 -accel tcg,thread=multi,tb-size=512 -cpu max".split(),
            *f"-M microvm,isa-serial=on,rtc=on -smp {self.processors} -m {self.memory_mb}".split(),
            *"-nodefaults -no-user-config -no-reboot -display none".split(),
            *("-serial", f"file:{console}"),
            *("-kernel", str(self.parts / "vmlinux"), "-initrd", str(initrd)),
            *("-append", " ".join(self._command_line())),
            *_disk("root", self.parts / "root.ext4", "snapshot=on"),
            *_disk("job", job, "readonly=on"),
            *("-device", "virtio-serial-device"),
            *_port("out", output),
            *_port("status", str(status)),
        ]

    def _command_line(self) -> Iterable[str]:
        yield "console=ttyS0 quiet loglevel=3 panic=-1 reboot=t nokaslr mitigations=off random.trust_cpu=on"
        yield "cryptomgr.notests rcupdate.rcu_expedited=1 swapaccount=1 apparmor=1 security=apparmor"
        # The emulated processor shows the host's counter; on a busy host the kernel's own attempt to measure
        # it against an emulated timer fails, and the boot hangs.
        yield f"no_timer_check tsc=reliable clocksource=tsc tsc_early_khz={tsc_khz()}"
        yield f"vm.cgroups={self.cgroups}"
        if self.systemd:
            yield "vm.init=/lib/systemd/systemd systemd.unit=vm.target systemd.show_status=0"
            yield f"systemd.log_level=warning {_SYSTEMD[self.cgroups]}"


def _initrd(parts: Path, scratch: Path) -> Path:
    """The drivers, with our programs behind them: the kernel takes archives one after another."""
    tree, made = scratch / "initrd.tree", scratch / "initrd"
    shutil.copytree(GUEST, tree / "guest")
    shutil.copy(GUEST / "initrd", tree / "init")
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        cwd=tree,
        input=names.encode(),
        capture_output=True,
        check=True,
    ).stdout
    made.write_bytes((parts / "initrd").read_bytes() + archive)
    return made


def _disk(name: str, path: Path, mode: str) -> list[str]:
    return [
        *("-drive", f"if=none,id={name},file={path},format=raw,cache=unsafe,{mode}"),
        *("-device", f"virtio-blk-device,drive={name},serial={name}"),
    ]


def _port(name: str, path: str) -> list[str]:
    return [
        *("-chardev", f"file,id={name},path={path}"),
        *("-device", f"virtserialport,chardev={name},name={name}"),
    ]
