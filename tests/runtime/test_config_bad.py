"""config.json that must be refused: each with its JSON pointer and one clear sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.config.read import load_config
from tare_runtime.errors import ConfigError

from tests.support.runtime import Runtime, unique_id

GOOD: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {"args": ["/bin/true"], "cwd": "/", "env": ["A=B"]},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
}


def problems_of(tmp_path: Path, text: str | bytes) -> list[tuple[str, str, str]]:
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / "config.json").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_config(str(tmp_path))
    return caught.value.violations


def test_a_plain_config_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GOOD))
    assert load_config(str(tmp_path)) == GOOD


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("  \n", "is empty", id="blank"),
        pytest.param("hello", "is not JSON: no value at line 1, column 1", id="not-json"),
        pytest.param(json.dumps(GOOD)[:-10], "is not JSON", id="truncated"),
        pytest.param('{"a": "x', "unterminated string", id="truncated-in-a-string"),
        pytest.param(json.dumps(GOOD) + "}", "more text after the value", id="trailing-text"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep-array"),
        pytest.param('{"a":' * 100_000, "nested too deeply", id="deep-object"),
        pytest.param("[1, 2]", "must be a JSON object", id="array"),
        pytest.param("null", "must be a JSON object", id="null"),
        pytest.param('{"ociVersion": NaN}', "NaN is not a JSON number", id="nan"),
        pytest.param('{"a": -Infinity}', "-Infinity is not a JSON number", id="infinity"),
        pytest.param('{"a": "b\nc"}', "invalid control character", id="raw-newline-in-a-string"),
        pytest.param(b'{"a": "\xff"}', "is not UTF-8 at byte 7", id="not-utf8"),
        pytest.param('{"a": 1' + "0" * 5000 + "}", "is not JSON", id="number-of-5000-digits"),
    ],
)
def test_a_text_that_is_no_config_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    ((pointer, problem, _),) = problems_of(tmp_path, text)
    assert pointer == ""
    assert words in problem


def changed(path: str, value: object) -> dict[str, Any]:
    config = copy.deepcopy(GOOD)
    *parents, last = path.strip("/").split("/")
    place: Any = config
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "pointer", "words"),
    [
        ("process", "x", "/process", "must be an object"),
        ("process", ..., "/process", '"process" must be set'),
        ("process/args", ..., "/process/args", "at least the program"),
        ("process/args", [], "/process/args", "at least the program"),
        ("process/args", ["a", 1], "/process/args/1", "must be a string"),
        ("process/args", ["a\0b"], "/process/args/0", "NUL"),
        ("process/cwd", "tmp", "/process/cwd", "must be an absolute path"),
        ("process/cwd", ..., "/process/cwd", "is missing"),
        ("process/cwd", "", "/process/cwd", "is missing"),
        ("process/env", ["A"], "/process/env/0", "must be NAME=VALUE"),
        ("process/user", {"uid": -1, "gid": 0}, "/process/user/uid", "must lie between 0 and 4294967294"),
        ("process/user", {"uid": 1.0, "gid": 0}, "/process/user/uid", "must be an integer"),
        ("process/user", {"uid": True, "gid": 0}, "/process/user/uid", "must be an integer"),
        ("process/terminal", "yes", "/process/terminal", "must be true or false"),
        (
            "process/rlimits",
            [{"type": "RLIMIT_X", "soft": 1, "hard": 1}],
            "/process/rlimits/0/type",
            "no limit",
        ),
        (
            "process/rlimits",
            [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2,
            "/process/rlimits/1/type",
            "given twice",
        ),
        ("process/rlimits", [{"type": "RLIMIT_CPU", "soft": 1}], "/process/rlimits/0/hard", "is missing"),
        (
            "process/rlimits",
            [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}],
            "/process/rlimits/0/soft",
            "hard limit",
        ),
        ("process/oomScoreAdj", 1001, "/process/oomScoreAdj", "between -1000 and 1000"),
        ("ociVersion", ..., "/ociVersion", "is missing"),
        ("ociVersion", "2.0.0", "/ociVersion", "not supported"),
        ("ociVersion", "one", "/ociVersion", "must be a version"),
        ("root", ..., "/root", "is missing"),
        ("root/path", "", "/root/path", "is missing"),
        ("hostname", "x", "/hostname", "without a uts namespace"),
        ("mounts", {}, "/mounts", "must be an array"),
        ("mounts", [{"source": "x"}], "/mounts/0/destination", "is missing"),
        ("mounts", [{"destination": "/a", "options": ["rbind"]}], "/mounts/0/source", "nothing to bind"),
        ("mounts", [{"destination": "/a"}], "/mounts/0/type", "is missing"),
        ("mounts", [None], "/mounts/0", "must be an object, is null"),
        ("mounts", [{"destination": "/a", "options": ["idmap"]}], "/mounts/0", "bind mounts only"),
        ("hooks", {"prestart": [{"path": "x"}]}, "/hooks/prestart/0/path", "must be an absolute path"),
        ("hooks", {"poststop": [{"path": "/x", "timeout": 0}]}, "/hooks/poststop/0/timeout", "greater than"),
        ("annotations", {"a": 1}, "/annotations/a", "must be a string"),
        ("annotations", {"a/b~c": 1}, "/annotations/a~1b~0c", "must be a string"),
        ("linux/namespaces", [{"type": "net"}], "/linux/namespaces/0/type", "'net' is no namespace"),
        ("linux/namespaces", [{"path": "/x"}], "/linux/namespaces/0/type", "is missing"),
        ("linux/namespaces", [{"type": "pid"}] * 2, "/linux/namespaces/1/type", "given twice"),
        ("linux/namespaces", [{"type": "pid", "path": "x"}], "/linux/namespaces/0/path", "absolute"),
        ("linux/namespaces", [{"type": "user"}], "/linux/uidMappings", "a new user namespace needs it"),
        (
            "linux/uidMappings",
            [{"containerID": 0, "hostID": 0, "size": 1}],
            "/linux/uidMappings",
            "needs a user",
        ),
        (
            "linux/resources",
            {"rdma": {"mlx": {}}},
            "/linux/resources/rdma/mlx",
            "is missing a limit",
        ),
        (
            "linux/resources",
            {"blockIO": {"weightDevice": [{"major": 1, "minor": 1}]}},
            "/linux/resources/blockIO/weightDevice/0",
            "is missing a weight",
        ),
        (
            "linux/personality",
            {"domain": "LINUX", "flags": ["X"]},
            "/linux/personality/flags",
            "no flag yet",
        ),
        ("linux/cgroupsPath", "/", "/linux/cgroupsPath", "root cgroup"),
        ("linux/cgroupsPath", "/a/../..", "/linux/cgroupsPath", "root cgroup"),
        ("linux/rootfsPropagation", "sharde", "/linux/rootfsPropagation", "is none of"),
        ("linux/maskedPaths", ["proc"], "/linux/maskedPaths/0", "absolute path"),
        ("linux/devices", [{"type": "x", "path": "/dev/x"}], "/linux/devices/0/type", "must be c, b, u or p"),
        ("linux/devices", [{"type": "c", "path": "/dev/x", "major": 1}], "/linux/devices/0/minor", "missing"),
        ("linux/sysctl", {"kernel.hostname": "x"}, "/linux/sysctl/kernel.hostname", "hostname"),
        (
            "linux/sysctl",
            {"net.ipv4.ip_forward": "1"},
            "/linux/sysctl/net.ipv4.ip_forward",
            "network namespace",
        ),
        ("linux/sysctl", {"vm.swappiness": "1"}, "/linux/sysctl/vm.swappiness", "change the host"),
        ("linux/sysctl", {"net/../vm/x": "1"}, "/linux/sysctl/net~1..~1vm~1x", "no name"),
        (
            "linux/resources",
            {"devices": [{"allow": True, "type": "c"}]},
            "/linux/resources/devices/0/access",
            "letters of rwm",
        ),
        (
            "linux/resources",
            {"hugepageLimits": [{"pageSize": "../../x", "limit": 1}]},
            "/linux/resources/hugepageLimits/0/pageSize",
            "a size like 2MB",
        ),
        (
            "linux/resources",
            {"blockIO": {"throttleReadBpsDevice": [{"major": 1, "rate": 1}]}},
            "/linux/resources/blockIO/throttleReadBpsDevice/0/minor",
            "is missing",
        ),
        ("linux/resources", {"pids": {}}, "/linux/resources/pids/limit", "is missing"),
        ("linux/resources", {"unified": {"a/b": "1"}}, "/linux/resources/unified/a~1b", "one cgroup file"),
        (
            "linux/resources",
            {"memory": {"limit": "1m"}},
            "/linux/resources/memory/limit",
            "must be an integer",
        ),
        ("linux/seccomp", {}, "/linux/seccomp/defaultAction", "is missing"),
        ("linux/seccomp", {"defaultAction": "ALLOW"}, "/linux/seccomp/defaultAction", "is no action"),
        (
            "linux/seccomp",
            {"defaultAction": "SCMP_ACT_NOTIFY"},
            "/linux/seccomp/listenerPath",
            "is missing: SCMP_ACT_NOTIFY needs somebody to ask",
        ),
        (
            "linux/seccomp",
            {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "s"},
            "/linux/seccomp/listenerPath",
            "must be an absolute path",
        ),
        (
            "linux/seccomp",
            {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "s"},
            "/linux/seccomp/listenerMetadata",
            "must not be set without listenerPath",
        ),
        (
            "linux/seccomp",
            {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]},
            "/linux/seccomp/flags/0",
            "needs a rule of SCMP_ACT_NOTIFY",
        ),
    ],
)
def test_a_field_that_breaks_a_rule_is_named(
    tmp_path: Path, path: str, value: object, pointer: str, words: str
) -> None:
    violations = problems_of(tmp_path, json.dumps(changed(path, value)))
    matching = [problem for where, problem, _ in violations if where == pointer]
    assert matching, violations
    assert words in matching[0]
    assert all(section for _, _, section in violations)


def device_rule(**numbers: int) -> dict[str, Any]:
    return {"devices": [{"allow": True, "type": "c", "access": "r", **numbers}]}


_USERNS = [{"type": "mount"}, {"type": "user"}]


@pytest.mark.parametrize(
    ("path", "value", "at", "most"),
    [
        # dev_t of the kernel has 12 bits for a major and 20 for a minor number.
        ("linux/resources", device_rule(major=4096), "/devices/0/major", 4095),
        ("linux/resources", device_rule(major=2**40), "/devices/0/major", 4095),
        ("linux/resources", device_rule(major=-2), "/devices/0/major", 4095),
        ("linux/resources", device_rule(minor=1048576), "/devices/0/minor", 1048575),
        ("linux/resources", device_rule(minor=2**63 - 1), "/devices/0/minor", 1048575),
        (
            "linux/resources",
            {"blockIO": {"throttleReadBpsDevice": [{"major": 4096, "minor": 0, "rate": 1}]}},
            "/blockIO/throttleReadBpsDevice/0/major",
            4095,
        ),
        (
            "linux/resources",
            {"blockIO": {"weightDevice": [{"major": 8, "minor": 2**20, "weight": 10}]}},
            "/blockIO/weightDevice/0/minor",
            1048575,
        ),
        ("linux/resources", {"blockIO": {"weight": 9}}, "/blockIO/weight", 1000),
        ("linux/resources", {"blockIO": {"leafWeight": 1001}}, "/blockIO/leafWeight", 1000),
        (
            "linux/resources",
            {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 5}]}},
            "/blockIO/weightDevice/0/weight",
            1000,
        ),
        ("linux/resources", {"memory": {"limit": -2}}, "/memory/limit", 2**63 - 1),
        ("linux/resources", {"memory": {"swap": -2}}, "/memory/swap", 2**63 - 1),
        ("linux/resources", {"memory": {"reservation": -9}}, "/memory/reservation", 2**63 - 1),
        ("linux/resources", {"memory": {"swappiness": 101}}, "/memory/swappiness", 100),
        ("linux/resources", {"cpu": {"idle": 2}}, "/cpu/idle", 1),
        ("linux/devices", [{"type": "b", "path": "/d", "major": 4096, "minor": 0}], "/0/major", 4095),
        ("linux/devices", [{"type": "b", "path": "/d", "major": 0, "minor": -1}], "/0/minor", 1048575),
        # (uid_t)-1 is "as it is" to the kernel: the process would keep the id of the runtime.
        ("process/user", {"uid": 2**32 - 1, "gid": 0}, "/uid", 2**32 - 2),
        ("process/user", {"uid": 0, "gid": 2**32 - 1}, "/gid", 2**32 - 2),
        ("process/user", {"uid": 0, "gid": 0, "additionalGids": [2**32 - 1]}, "/additionalGids/0", 2**32 - 2),
        ("linux/devices", [{"type": "p", "path": "/d", "uid": 2**32 - 1}], "/0/uid", 2**32 - 2),
        ("process/consoleSize", {"height": 65536, "width": 1}, "/height", 65535),
        (
            "linux/seccomp",  # 65536 would be cut to 0: success
            {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 65536},
            "/defaultErrnoRet",
            4095,
        ),
        (
            "linux/seccomp",
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["getpid"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536}],
            },
            "/syscalls/0/errnoRet",
            65535,
        ),
    ],
)
def test_a_number_that_the_kernel_would_cut_or_read_as_another_is_refused(
    tmp_path: Path, path: str, value: object, at: str, most: int
) -> None:
    violations = problems_of(tmp_path, json.dumps(changed(path, value)))
    (matching,) = [problem for where, problem, _ in violations if where == f"/{path}{at}"]
    assert f" and {most}, is " in matching


def test_the_largest_numbers_the_kernel_knows_are_taken(tmp_path: Path) -> None:
    config = changed(
        "linux/resources",
        {
            **device_rule(major=4095, minor=1048575),
            "memory": {"limit": -1, "swappiness": 2**64 - 1},
            "blockIO": {"weight": 0, "leafWeight": 1000},
        },
    )
    config["process"]["user"] = {"uid": 2**32 - 2, "gid": 2**32 - 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_config(str(tmp_path)) == config


@pytest.mark.parametrize(("first", "size"), [(1, 2**32 - 1), (2**32 - 2, 2)])
def test_an_id_map_that_runs_past_the_last_id_is_refused(tmp_path: Path, first: int, size: int) -> None:
    config = changed("linux/namespaces", _USERNS)
    whole = {"containerID": 0, "hostID": 0, "size": 2**32 - 1}
    config["linux"]["gidMappings"] = [whole]
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": first, "size": size}]
    ((pointer, problem, _),) = problems_of(tmp_path, json.dumps(config))
    assert (pointer, "past the last id" in problem) == ("/linux/uidMappings/0/size", True)


def test_every_violation_is_reported_at_once(tmp_path: Path) -> None:
    config = changed("process/cwd", "x")
    config["ociVersion"] = "9.0.0"
    config["linux"]["namespaces"].append({"type": "pid"})
    violations = problems_of(tmp_path, json.dumps(config))
    assert [pointer for pointer, _, _ in violations] == [
        "/ociVersion",
        "/process/cwd",
        "/linux/namespaces/2/type",
    ]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"(?s)/ociVersion: .*\n.*/process/cwd: .*config.md, \"Process\""):
        load_config(str(tmp_path))


def test_nulls_are_dropped_as_managers_in_go_mean_them(tmp_path: Path) -> None:
    config = changed("mounts", None) | {"hooks": {"prestart": None}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_config(str(tmp_path)) == GOOD | {"hooks": {}}


def test_unknown_fields_are_let_pass(tmp_path: Path) -> None:
    config = GOOD | {"x-mine": {"deep": [1.5, None]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_config(str(tmp_path)) == config


def test_unknown_sets_of_capabilities_are_let_pass(tmp_path: Path) -> None:
    config = changed("process/capabilities", {"bounding": ["CAP_KILL"], "mine": 1})
    (tmp_path / "config.json").write_text(json.dumps(config))
    said: list[str] = []
    assert load_config(str(tmp_path), warn=said.append) == config
    assert said == []


def test_a_config_of_100_mb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(ConfigError, match="104857600 bytes, more than"):
        load_config(str(tmp_path))


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "device"])
def test_what_is_no_readable_file_is_refused(tmp_path: Path, kind: str) -> None:
    import os

    path = tmp_path / "config.json"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)  # must not wait for a writer
    elif kind == "device":
        path.symlink_to("/dev/zero")  # must not be read for ever
    with pytest.raises(ConfigError, match=r"config\.json"):
        load_config(str(tmp_path))


@pytest.mark.root
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON: expecting property name enclosed in double quotes at line 1, column 2"),
        ("[1,]", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": NaN}', "NaN"),
        (
            json.dumps(changed("process/cwd", "x")),
            "/process/cwd: must be an absolute path, is 'x' (config.md",
        ),
        (json.dumps(changed("process/args", [])), "/process/args: must hold at least the program to run"),
        (json.dumps(changed("linux/namespaces", [{"type": "net"}])), "'net' is no namespace"),
        (json.dumps(changed("root/path", "none")), "none"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "create"])
def test_the_command_says_it_once_and_leaves_nothing(
    tmp_path: Path, verb: str, text: str, words: str
) -> None:
    id = unique_id("bad")
    (tmp_path / "config.json").write_text(text)
    log = tmp_path / "log"
    runtime = Runtime(tmp_path / "root")
    done = runtime("--log", str(log), "--log-format", "json", verb, "--bundle", str(tmp_path), id)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(log.read_text())["level"] == "error"  # one object, as podman wants it
    assert runtime.good("list", "-q") == ""
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{id}"))
