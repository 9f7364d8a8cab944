"""Every public attack on a low-level runtime since 2019, on ours and on Debian 12's runc and crun beside it.

A row names the advisories that it stands for, and the peers that are known to fall to it: those must be seen
to, for an attack that nobody falls to may be no attack. Where no version at hand falls any more, the attack
is as its advisory describes it. Each is harmless: what it reaches for are canaries beside its bundle.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import attacks
from tests.support.attacks import Attack, Target

pytestmark = [pytest.mark.root, pytest.mark.peer]

# What each row is about: (attack, advisories, who falls to it)
ROWS: list[tuple[Attack, str, tuple[str, ...]]] = [
    (attacks.overwrite_the_runtime, "CVE-2019-5736", ()),
    (attacks.mount_proc_elsewhere, "CVE-2019-19921 CVE-2023-27561 CVE-2023-28642 CVE-2025-54867", ()),
    (attacks.fill_a_directory_of_the_host_by_a_mount, "CVE-2019-18837", ()),
    (attacks.overflow_the_message_of_mappings, "CVE-2021-43784", ()),
    (attacks.keep_inheritable_capabilities, "CVE-2022-29162 CVE-2022-27650 CVE-2025-27612", ()),
    (attacks.write_to_the_host_s_cgroups, "CVE-2023-25809", ()),
    (attacks.leave_by_a_leaked_directory, "CVE-2024-21626", ()),
    (attacks.make_mount_targets_on_the_host, "CVE-2021-30465 CVE-2024-45310", ("runc",)),
    (attacks.unmask_by_a_null_device_of_the_image, "CVE-2025-31133 CVE-2025-62161", ("runc",)),
    (attacks.move_the_console_by_a_link_of_the_image, "CVE-2025-52565", ("runc",)),
    (attacks.write_sysctls_to_a_false_proc, "CVE-2019-16884 CVE-2025-52881 CVE-2025-62596", ("runc",)),
    (attacks.become_root_by_a_user_without_a_group, "CVE-2026-30892", ("runc", "crun")),
    (attacks.fill_a_directory_of_the_host_by_dev, "CVE-2026-41579 CVE-2026-47766", ("runc", "crun")),
]
# The versions that "who falls to it" is about.
KNOWN = {"runc": "1.1.5+ds1-1+deb12u1", "crun": "1.8.1-1+deb12u1"}


def known_version(name: str) -> bool:
    command = ["dpkg-query", "-W", "-f=${Version}", name]
    return subprocess.run(command, capture_output=True, text=True).stdout == KNOWN[name]


@pytest.mark.parametrize("attack", [row[0] for row in ROWS], ids=[row[1] for row in ROWS])
def test_we_do_not_fall_to(tmp_path: Path, attack: Attack) -> None:
    target = Target(tmp_path, "tare-runtime")
    try:
        assert attack(target) == []
        assert target.touched() == []
    finally:
        target.delete()
    assert target.leftovers() == []


@pytest.mark.parametrize(
    ("attack", "falls", "peer"),
    [pytest.param(row[0], peer in row[2], peer, id=f"{row[1]}-{peer}") for row in ROWS for peer in KNOWN],
)
def test_a_peer_falls_to_what_it_is_known_to_fall_to(
    tmp_path: Path, attack: Attack, falls: bool, peer: str
) -> None:
    if not known_version(peer):
        pytest.skip(f"{peer} is not {KNOWN[peer]}: nothing is known of it")
    target = Target(tmp_path, peer)
    try:
        breaches = attack(target)
    finally:
        target.delete()
    assert bool(breaches) == falls, breaches
