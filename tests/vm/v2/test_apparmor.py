"""AppArmor: a profile like Docker's confines the container and what is executed in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.bundles import Bundle

PROFILE = "tare-vm-default"
# Much of what Docker's default profile says, and a file of ours: its denial cannot be the kernel's own.
TEXT = f"""
abi <abi/3.0>,
#include <tunables/global>
profile {PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (send, receive) peer={PROFILE},
  deny @{{PROC}}/sys/[^k]** w,
  deny @{{PROC}}/sysrq-trigger rwklx,
  deny @{{PROC}}/kcore rwklx,
  deny mount,
  deny /sys/[^f]*/** wklx,
  deny /tmp/forbidden rwklx,
  ptrace (trace, read, tracedby, readby) peer={PROFILE},
}}
"""


@pytest.fixture(scope="module", autouse=True)
def profile() -> Iterator[None]:
    subprocess.run(["apparmor_parser", "--replace"], input=TEXT, text=True, check=True)
    yield
    subprocess.run(["apparmor_parser", "--remove"], input=TEXT, text=True, check=True)


@pytest.fixture
def confined(bundle: Bundle) -> Bundle:
    bundle.config["process"]["apparmorProfile"] = PROFILE
    (bundle.rootfs / "tmp/forbidden").write_text("secret")
    (bundle.rootfs / "tmp/allowed").write_text("plain")
    return bundle


def test_the_program_is_confined_from_its_first_instruction(confined: Bundle) -> None:
    done = confined.args("cat", "/proc/self/attr/current").run()
    assert done.stdout == f"{PROFILE} (enforce)\n", done.stderr


def test_what_the_profile_denies_is_denied_inside(confined: Bundle) -> None:
    done = confined.script("cat /tmp/allowed && cat /tmp/forbidden").run()
    assert done.stdout == "plain"
    assert "Permission denied" in done.stderr


def test_the_same_program_unconfined_reads_it(confined: Bundle) -> None:
    """Else the test above would prove nothing."""
    del confined.config["process"]["apparmorProfile"]
    assert confined.script("cat /tmp/forbidden").run().stdout == "secret"


def test_exec_has_the_containers_profile(confined: Bundle) -> None:
    assert confined.args("sleep", "1000").create().returncode == 0
    assert confined.tare("start", confined.id).returncode == 0
    done = confined.tare("exec", confined.id, "cat", "/proc/self/attr/current", "/tmp/forbidden")
    assert done.stdout == f"{PROFILE} (enforce)\n"
    assert "Permission denied" in done.stderr


def test_exec_can_ask_for_another(confined: Bundle) -> None:
    assert confined.args("sleep", "1000").create().returncode == 0
    assert confined.tare("start", confined.id).returncode == 0
    done = confined.tare("exec", "--apparmor", "unconfined", confined.id, "cat", "/proc/self/attr/current")
    assert done.stdout == "unconfined\n", done.stderr


def test_with_a_filter_for_system_calls_and_no_new_privileges(confined: Bundle) -> None:
    confined.config["process"]["noNewPrivileges"] = True
    confined.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}],
    }
    done = confined.args("cat", "/proc/self/attr/current").run()
    assert done.stdout == f"{PROFILE} (enforce)\n", done.stderr


def test_a_profile_that_is_not_loaded_is_told(confined: Bundle) -> None:
    confined.config["process"]["apparmorProfile"] = "no-such-profile"
    done = confined.run()
    assert done.returncode == 1
    assert "/process/apparmorProfile" in done.stderr
    assert "not loaded" in done.stderr
    assert confined.leftovers() == []
