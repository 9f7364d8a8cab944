"""What keeps a program from being executed."""

from __future__ import annotations

import json

from tests.support.bundles import Bundle
from tests.support.failures.table import Done, failure


def put(bundle: Bundle, content: bytes, mode: int = 0o755, name: str = "bin/prog") -> Bundle:
    path = bundle.rootfs / name
    path.write_bytes(content)
    path.chmod(mode)
    return bundle.args("/" + name)


def elf(machine: int, interpreter: bytes = b"") -> bytes:
    """The head of an executable; with an interpreter it has that one program header."""
    head = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0" + machine.to_bytes(2, "little") + b"\x01\0\0\0"
    head += (0x400000).to_bytes(8, "little") + (64).to_bytes(8, "little") + b"\0" * 12 + b"\x40\0\x38\0"
    head += (b"\x01\0" if interpreter else b"\0\0") + b"\0" * 6
    size = len(interpreter) + 1
    program = (3).to_bytes(4, "little") + (4).to_bytes(4, "little") + (120).to_bytes(8, "little") + b"\0" * 16
    program += size.to_bytes(8, "little") * 2 + b"\0" * 8
    return head + program + interpreter + b"\0" * 64


@failure("program", "runc#1490 moby#31702", "the program is in no directory of PATH")
def not_in_path(bundle: Bundle) -> Done:
    return bundle.args("nothing-like-it").run()


@failure("program", "runc#3676", "there is no PATH in process.env")
def no_path_at_all(bundle: Bundle) -> Done:
    bundle.config["process"]["env"] = ["A=b"]
    return bundle.args("sh").run()


@failure("program", "moby#14972", "the path that is given does not exist")
def missing_path(bundle: Bundle) -> Done:
    return bundle.args("/opt/app/server").run()


@failure("program", "moby#40859 runc#3237", "a script begins with #! and an interpreter that is not there")
def missing_interpreter(bundle: Bundle) -> Done:
    return put(bundle, b"#!/bin/bash\necho\n").run()


@failure("program", "moby#29420", "a script with Windows line ends: its interpreter's name ends in a return")
def windows_line_ends(bundle: Bundle) -> Done:
    return put(bundle, b"#!/bin/sh\r\necho\r\n").run()


@failure("program", "docker/cli#2681", "a dynamic program without its C library in the root file system")
def missing_loader(bundle: Bundle) -> Done:
    return put(bundle, elf(62, b"/lib64/ld-linux-x86-64.so.2")).run()


@failure("program", "hpc/charliecloud#1898 lxc/lxc#4353", "an image for another machine")
def other_machine(bundle: Bundle) -> Done:
    return put(bundle, elf(22)).run()


@failure("program", "runc#3676", "the file is empty")
def empty_file(bundle: Bundle) -> Done:
    return put(bundle, b"").run()


@failure("program", "moby#40859", "a script without #!")
def no_format(bundle: Bundle) -> Done:
    return put(bundle, b"echo hello\n").run()


@failure("program", "moby#40859", "no execute permission")
def not_executable(bundle: Bundle) -> Done:
    return put(bundle, b"#!/bin/sh\n", 0o644).run()


@failure("program", "", "the program is a directory")
def is_a_directory(bundle: Bundle) -> Done:
    return bundle.args("/etc").run()


@failure("program", "", "the program lies on a mount with noexec")
def on_a_noexec_mount(bundle: Bundle) -> Done:
    bundle.config["mounts"].append(
        {"destination": "/usr/bin", "source": "/usr/bin", "type": "bind", "options": ["bind", "noexec"]}
    )
    return bundle.args("/usr/bin/env").run()


@failure("program", "", "the program is a symlink to itself")
def link_loop(bundle: Bundle) -> Done:
    (bundle.rootfs / "bin/loop").symlink_to("loop")
    return bundle.args("/bin/loop").run()


@failure("program", "", "the first argument is an empty text")
def empty_name(bundle: Bundle) -> Done:
    return bundle.args("").run()


@failure("program", "", "the name is longer than a path may be")
def long_name(bundle: Bundle) -> Done:
    return bundle.args("/" + "x" * 300).run()


@failure("program", "", "the arguments are larger than the kernel takes")
def long_arguments(bundle: Bundle) -> Done:
    return bundle.args("true", "x" * (256 << 10)).run()


@failure("program", "", "somebody has the program open for writing")
def busy_file(bundle: Bundle) -> Done:
    put(bundle, (bundle.rootfs / "bin/busybox").read_bytes())
    with (bundle.rootfs / "bin/prog").open("r+b"):
        return bundle.args("/bin/prog").run()


@failure("program", "", "another user may not enter the program's directory")
def directory_of_another_user(bundle: Bundle) -> Done:
    (bundle.rootfs / "secret").mkdir(mode=0o700)
    put(bundle, b"#!/bin/sh\n", name="secret/prog")
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    return bundle.run()


@failure("program", "", "process.cwd is a file")
def cwd_is_a_file(bundle: Bundle) -> Done:
    (bundle.rootfs / "file").write_text("")
    bundle.config["process"]["cwd"] = "/file"
    return bundle.args("true").run()


@failure("program", "", "process.cwd leads to a descriptor of the host (CVE-2024-21626)")
def cwd_outside(bundle: Bundle) -> Done:
    bundle.config["process"]["cwd"] = "/proc/self/fd/4"
    return bundle.args("true").run()


@failure("program", "moby#36830", "the seccomp profile forbids execve with an error")
def filter_forbids_exec(bundle: Bundle) -> Done:
    rule = {"names": ["execve"], "action": "SCMP_ACT_ERRNO"}
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    return bundle.args("true").run()


@failure("program", "", "`start` of a container whose program has gone meanwhile")
def gone_before_start(bundle: Bundle) -> Done:
    put(bundle, b"#!/bin/sh\n")
    assert bundle.create().returncode == 0
    (bundle.rootfs / "bin/prog").unlink()
    return bundle.tare("start", bundle.id)


@failure("program", "moby#31702", "`exec` of what is not in the container")
def exec_of_nothing(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle.tare("exec", bundle.id, "nothing-like-it")


@failure("program", "distribution/distribution#2656", "`exec --cwd` of a directory that is not there")
def exec_without_cwd(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle.tare("exec", "--cwd", "/nowhere", bundle.id, "true")


@failure("program", "", "`exec --process` with a document that lacks cwd")
def exec_document(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    (bundle.path / "process.json").write_text(json.dumps({"args": ["true"], "env": ["A"]}))
    return bundle.tare("exec", "--process", "process.json", bundle.id)
