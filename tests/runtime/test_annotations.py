"""Annotations that callers of crun write: obeyed, or refused with words."""

from __future__ import annotations

import array
import base64
import os
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import CgroupPlan
from tare_runtime.errors import ConfigError
from tare_runtime.life.annotations import delegate
from tare_runtime.plan import ops

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.mark.flag("run.oci.keep_original_groups")
@pytest.mark.parametrize("user_namespace", [False, True], ids=["plain", "user namespace"])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "the config's"])
def test_the_caller_s_groups_may_be_kept(bundle: Bundle, keep: bool, user_namespace: bool) -> None:
    if user_namespace:
        linux = bundle.config["linux"]
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    bundle.config["process"]["user"]["additionalGids"] = [7]
    if keep:
        bundle.config["annotations"] = {"run.oci.keep_original_groups": "1"}
    bundle.script("grep ^Groups: /proc/self/status || id -G").write()
    command = ["setpriv", "--groups", "0,1234", *bundle.command("run", bundle.id)]
    done = subprocess.run(command, cwd=bundle.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) - {"Groups:", "0"} == ({"1234"} if keep else {"7"})
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "cwd": bundle.path}
    bundle.args("sleep", "100").write()
    subprocess.run(bundle.command("create", bundle.id), check=True, **quiet)  # type: ignore[call-overload]
    inside = ["setpriv", "--groups", "0,1234", *bundle.command("exec", bundle.id, "id", "-G")]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) - {"0"} == ({"1234"} if keep else {"7"}), done.stderr


@pytest.mark.flag("run.oci.hooks.stdout", "run.oci.hooks.stderr")
def test_the_output_of_hooks_goes_to_files_that_grow(bundle: Bundle) -> None:
    out, err = bundle.path / "out", bundle.path / "err"
    bundle.config["annotations"] = {"run.oci.hooks.stdout": str(out), "run.oci.hooks.stderr": str(err)}
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "echo said; echo failed >&2"]}
    bundle.config["hooks"] = {"prestart": [hook], "poststart": [hook], "poststop": [hook]}
    for _ in range(2):
        assert bundle.run().returncode == 0
    assert out.read_text() == "said\n" * 6
    assert err.read_text() == "failed\n" * 6
    bundle.config["annotations"] = {"run.oci.hooks.stdout": str(bundle.path / "no" / "file")}
    done = bundle.run()
    assert (done.returncode, "for the output of hooks: no such file" in done.stderr) == (1, True)
    assert bundle.leftovers() == []


@pytest.mark.flag("run.oci.pidfd_receiver")
def test_a_pidfd_goes_to_the_socket_that_an_annotation_names(bundle: Bundle) -> None:
    path = str(bundle.path / "sock")
    bundle.config["annotations"] = {"run.oci.pidfd_receiver": path}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        assert bundle.args("sleep", "100").create().returncode == 0
        connection, _ = server.accept()
        with connection:
            _, ((_, _, data),), _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
    (pidfd,) = array.array("i", data[:4])
    assert f"Pid:\t{bundle.state()['pid']}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    os.close(pidfd)


def profile(name: str) -> dict[str, Any]:
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": [name], "action": "SCMP_ACT_ERRNO"}],
    }


@pytest.mark.flag("run.oci.seccomp_fail_unknown_syscall")
def test_unknown_system_calls_of_a_profile_fail_where_that_is_asked_for(bundle: Bundle) -> None:
    bundle.config["linux"]["seccomp"] = profile("no_such_call")
    assert bundle.run().returncode == 0
    bundle.config["annotations"] = {"run.oci.seccomp_fail_unknown_syscall": "1"}
    done = bundle.run()
    assert done.returncode == 1
    assert "/linux/seccomp/syscalls/0/names/0: 'no_such_call' is no system call" in done.stderr
    bundle.config["linux"]["seccomp"] = profile("mkdir")
    assert bundle.run().returncode == 0
    assert bundle.leftovers() == []


@pytest.mark.flag("run.oci.seccomp_bpf_data")
def test_a_filter_may_be_given_as_data(bundle: Bundle) -> None:
    # mkdir(2), number 83 on x86_64, fails with EPERM; everything else is allowed.
    if os.uname().machine != "x86_64":
        pytest.skip("the filter is for x86_64")
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 83), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
    data = b"".join(struct.pack("<HBBI", *instruction) for instruction in code)
    bundle.config["annotations"] = {"run.oci.seccomp_bpf_data": base64.b64encode(data).decode()}
    bundle.config["process"]["args"] = ["/bin/busybox", "mkdir", "/new"]
    done = bundle.run()
    assert (done.returncode, "permitted" in done.stderr) == (1, True)
    bundle.args("sleep", "100")
    assert bundle.create().returncode == 0
    done = bundle.tare("exec", bundle.id, "/bin/busybox", "mkdir", "/new")
    assert (done.returncode, "permitted" in done.stderr) == (1, True)
    bundle.tare("delete", "--force", bundle.id)
    for bad, words in (("%%%", "is not base64"), ("AAAA", "is no number of BPF instructions")):
        bundle.config["annotations"] = {"run.oci.seccomp_bpf_data": bad}
        assert words in bundle.run().stderr


@pytest.mark.flag("run.oci.handler", "module.wasm.image/variant")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("run.oci.handler", "krun", "has no handlers (krun, wasm)"),
        ("run.oci.handler", "wasm", "has no handlers (krun, wasm)"),
        ("module.wasm.image/variant", "compat", "does not run WebAssembly"),
        ("run.oci.seccomp.plugins", "x.so", "loads no code of others"),
        ("run.oci.systemd.force_cgroup_v1", "/x", "give the mount in `mounts`"),
        ("run.oci.hooks.stdout", "relative", "must be an absolute path, is 'relative'"),
        ("run.oci.pidfd_receiver", "relative", "must be an absolute path, is 'relative'"),
    ],
)
def test_what_is_left_out_is_refused_by_name(bundle: Bundle, name: str, value: str, words: str) -> None:
    bundle.config["annotations"] = {name: value}
    done = bundle.run()
    assert done.returncode == 1
    assert f"/annotations/{name.replace('/', '~1')}: " in done.stderr
    assert words in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.flag("run.oci.delegate-cgroup")
def test_a_delegated_cgroup_lies_below_the_one_with_the_limits() -> None:
    plan = CgroupPlan(
        2,
        {"": "/cg/c"},
        ["/cg/c"],
        [ops.host_mkdir("", "/cg/c"), ops.host_write("", "/cg/c/pids.max", "5")],
        [],
    )
    plan.late = 1
    delegate(plan, "inner")
    assert [op[2][0] for op in plan.host_ops] == ["/cg/c", "/cg/c/inner", "/cg/c/pids.max"]
    assert [op[2][0] for op in plan.open_ops] == ["/cg/c/inner/cgroup.procs"]
    assert plan.created == ["/cg/c", "/cg/c/inner"]
    for bad in ("", "..", "a/b"):
        with pytest.raises(ConfigError, match="name of one directory"):
            delegate(plan, bad)


@pytest.mark.flag("run.oci.delegate-cgroup")
def test_a_delegated_cgroup_is_refused_on_v1(bundle: Bundle) -> None:
    if not Path("/sys/fs/cgroup/memory").exists():
        pytest.skip("it is allowed on cgroup v2, which this host has")
    bundle.config["annotations"] = {"run.oci.delegate-cgroup": "inner"}
    done = bundle.run()
    assert (done.returncode, "it takes cgroup v2" in done.stderr) == (1, True)
