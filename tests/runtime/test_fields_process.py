"""Top-level fields and those of `process`, beside the other runtimes where they do the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bundles import CAPABILITIES, Bundle
from tests.support.field_cases import Case, Refusal, add, both, check, check_refusal, put, refusals, rows
from tests.support.peers import OURS

pytestmark = pytest.mark.root

STATUS = "while read -r k v; do case $k in {0}) echo $v;; esac; done </proc/self/status"
US = (OURS,)
NOT_CRUN = (OURS, "runc")


def no_linux_extras(config: dict[str, Any]) -> None:
    config["linux"] = {"namespaces": config["linux"]["namespaces"]}


CASES = [
    Case("ociVersion", "newest", put("ociVersion", "1.3.0"), "echo ok", "ok", US),
    Case("ociVersion", "suffix", put("ociVersion", "1.0.2-dev+x"), "echo ok", "ok", US),
    Case("unknown members", "top", put("nonsense", {"a": [1]}), "echo ok", "ok"),
    Case("unknown members", "process", put("process/nonsense", 1), "echo ok", "ok"),
    Case("unknown members", "linux", put("linux/nonsense", None), "echo ok", "ok"),
    Case("root.path", "relative", put("root/path", "./rootfs"), "ls /bin/busybox", "/bin/busybox"),
    Case("root.readonly", "true", put("root/readonly", True), "touch /x 2>/dev/null || echo ro", "ro"),
    Case("root.readonly", "false", put("root/readonly", False), "touch /x && echo rw", "rw"),
    Case("hostname", "set", put("hostname", "mrs-dalloway"), "cat /proc/sys/kernel/hostname", "mrs-dalloway"),
    Case("domainname", "set", put("domainname", "london"), "cat /proc/sys/kernel/domainname", "london", US),
    Case("process.args", "arguments", put("x", 0), 'echo "$0" $#', "sh 0"),
    Case("process.env", "set", add("process/env", "COLOUR=blue"), "echo $COLOUR", "blue"),
    Case("process.env", "last counts", add("process/env", "A=1", "A=2"), "echo $A", "2"),
    Case("process.env", "home", put("process/env", ["PATH=/bin"]), "echo $HOME", "/"),
    Case("process.cwd", "there", put("process/cwd", "/proc"), "echo $PWD", "/proc"),
    Case("process.cwd", "missing", put("process/cwd", "/new/dir"), "echo $PWD", "/new/dir"),
    Case("process.user.uid", "numbers", put("process/user", {"uid": 7, "gid": 8}), "id -u; id -g", "7 8"),
    Case(
        "process.user.additionalGids",
        "two",
        put("process/user", {"uid": 7, "gid": 8, "additionalGids": [10, 11]}),
        STATUS.format("Groups:"),
        "10 11",
    ),
    Case(
        "process.user.umask", "set", put("process/user", {"uid": 0, "gid": 0, "umask": 0o27}), "umask", "0027"
    ),
    Case("process.user.umask", "default", put("process/user", {"uid": 0, "gid": 0}), "umask", "0022"),
    Case(
        "process.rlimits",
        "two",
        put(
            "process/rlimits",
            [
                {"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 512},
            ],
        ),
        "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc",
        "99 100 0 1",
    ),
    Case(
        "process.noNewPrivileges",
        "true",
        put("process/noNewPrivileges", True),
        STATUS.format("NoNewPrivs:"),
        "1",
    ),
    Case(
        "process.noNewPrivileges",
        "false",
        put("process/noNewPrivileges", False),
        STATUS.format("NoNewPrivs:"),
        "0",
    ),
    Case(
        "process.oomScoreAdj", "set", put("process/oomScoreAdj", 321), "cat /proc/self/oom_score_adj", "321"
    ),
    Case(
        "process.capabilities",
        "sets",
        put(
            "process/capabilities",
            {
                "bounding": ["CAP_KILL", "CAP_CHOWN"],
                "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "effective": ["CAP_KILL"],
                "inheritable": ["CAP_KILL"],
                "ambient": ["CAP_KILL"],
            },
        ),
        # Root's program gets what is bounding and permitted; uid 0 makes it effective too (capabilities(7)).
        STATUS.format("CapInh:|CapBnd:|CapAmb:"),
        "0000000000000020 0000000000000021 0000000000000020",
    ),
    Case(
        "process.capabilities",
        "ambient for a user",
        both(
            put("process/user", {"uid": 7, "gid": 7}),
            put(
                "process/capabilities",
                {
                    kind: ["CAP_KILL"]
                    for kind in ("bounding", "permitted", "effective", "inheritable", "ambient")
                },
            ),
        ),
        STATUS.format("CapPrm:|CapEff:"),
        "0000000000000020 0000000000000020",
    ),
    Case("process.capabilities", "none", put("process/capabilities", {}), STATUS.format("CapBnd:"), "0" * 16),
    Case(
        "process.capabilities",
        "unknown name",
        add("process/capabilities/bounding", "CAP_FLY"),
        "echo ok",
        "ok",
        NOT_CRUN,
    ),
    Case("annotations", "kept", put("annotations", {"a": "b"}), "echo ok", "ok"),
    Case("linux.namespaces", "defaults", no_linux_extras, "echo $$", "1"),
]


@pytest.mark.parametrize(("program", "case"), rows(CASES))
def test_the_container_shows_the_field(bundle: Bundle, program: str, case: Case) -> None:
    check(bundle, program, case)


REFUSED = [
    Refusal("ociVersion", "next major", put("ociVersion", "2.0.0"), "/ociVersion: 2.0.0 is not supported"),
    Refusal("ociVersion", "no version", put("ociVersion", "1.0"), "/ociVersion: must be a version"),
    Refusal("root.path", "missing", put("root/path", "nowhere"), "/root/path"),
    Refusal("hostname", "no uts", put("linux/namespaces", [{"type": "mount"}]), "without a uts namespace"),
    Refusal("process.args", "empty", put("process/args", []), "/process/args: must hold"),
    Refusal("process.cwd", "relative", put("process/cwd", "a"), "/process/cwd: must be an absolute path"),
    Refusal("process.env", "no name", put("process/env", ["=x"]), "/process/env/0: must be NAME=VALUE"),
    Refusal(
        "process.rlimits",
        "twice",
        put("process/rlimits", [{"type": "RLIMIT_CPU", "soft": 1, "hard": 2}] * 2),
        "/process/rlimits/1/type: RLIMIT_CPU is given twice",
    ),
    Refusal("process.oomScoreAdj", "range", put("process/oomScoreAdj", 1001), "between -1000 and 1000"),
    Refusal("process.user.umask", "range", put("process/user/umask", 0o1000), "between 0 and 511"),
]


@pytest.mark.parametrize("case", refusals(REFUSED))
def test_what_the_specification_forbids_is_refused(bundle: Bundle, case: Refusal) -> None:
    bundle.args("true")
    check_refusal(bundle, case)


@pytest.mark.field("process.capabilities")
def test_an_unknown_capability_is_warned_of(bundle: Bundle) -> None:
    bundle.config["process"]["capabilities"]["bounding"] = [*CAPABILITIES, "CAP_FLY"]
    assert "'CAP_FLY' is unknown and left out" in bundle.run().stderr


@pytest.mark.field("annotations")
def test_annotations_are_in_the_state(bundle: Bundle) -> None:
    bundle.config["annotations"] = {"org.example.key": "value"}
    assert bundle.args("sleep", "9").create().returncode == 0
    assert bundle.state()["annotations"] == {"org.example.key": "value"}
