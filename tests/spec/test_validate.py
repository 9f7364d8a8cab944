"""The schemas: what they take, what they refuse, and where they say it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tare_spec.errors import BadDocument
from tare_spec.validate import KINDS, Violation, check, ecma, schema, violations

DIGEST = "sha256:" + "a" * 64
DESCRIPTOR = {"mediaType": "application/x.y+json", "digest": DIGEST, "size": 3}
GOOD: dict[str, dict[str, Any]] = {
    "runtime/config": {
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {
            "cwd": "/",
            "args": ["a"],
            "user": {"uid": 0, "gid": 4294967295},
            "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 18446744073709551615}],
            "capabilities": {"bounding": ["CAP_KILL"]},
        },
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["ro"]}],
        "hooks": {"poststop": [{"path": "/x", "timeout": 1}]},
        "annotations": {"a": "b"},
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "time", "path": "/x"}],
            "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}],
            "devices": [{"type": "c", "path": "/dev/x", "major": 1, "minor": 2, "fileMode": 438}],
            "resources": {
                "memory": {"limit": -1},
                "pids": {"limit": 0},
                "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
                "devices": [{"allow": False}],
                "network": {"priorities": [{"name": "eth0", "priority": 1}]},
            },
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
            },
            "rootfsPropagation": "slave",
            "intelRdt": {"memBwSchema": "MB:0=1"},
        },
    },
    "runtime/state": {"ociVersion": "1.0.2", "id": "x", "status": "paused", "pid": 1, "bundle": "/b"},
    "runtime/features": {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.3.0",
        "linux": {"namespaces": ["pid"], "capabilities": ["CAP_KILL"], "cgroup": {"v1": True}},
    },
    "image/manifest": {"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR]},
    "image/index": {
        "schemaVersion": 2,
        "manifests": [{**DESCRIPTOR, "platform": {"architecture": "amd64", "os": "linux"}}],
    },
    "image/config": {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": None, "Entrypoint": ["x"], "ExposedPorts": {"1/tcp": {}}, "Labels": {"a": "b"}},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    },
    "image/layout": {"imageLayoutVersion": "1.0.0"},
}
MISSING = object()

# kind, pointer of what is changed, the new value, pointer of the violation
BAD: list[tuple[str, str, object, str]] = [
    ("runtime/config", "/ociVersion", MISSING, ""),
    ("runtime/config", "/ociVersion", 1, "/ociVersion"),
    ("runtime/config", "/root", [], "/root"),
    ("runtime/config", "/root/path", MISSING, "/root"),
    ("runtime/config", "/process/cwd", MISSING, "/process"),
    ("runtime/config", "/process/args/0", 1, "/process/args/0"),
    ("runtime/config", "/process/user/uid", -1, "/process/user/uid"),
    ("runtime/config", "/process/user/gid", 2**32, "/process/user/gid"),
    ("runtime/config", "/process/user/uid", 1.0, "/process/user/uid"),
    ("runtime/config", "/process/user/uid", True, "/process/user/uid"),
    ("runtime/config", "/process/rlimits/0/type", "RLIMIT_CORE\n", "/process/rlimits/0/type"),
    ("runtime/config", "/process/rlimits/0/type", "CORE", "/process/rlimits/0/type"),
    ("runtime/config", "/process/rlimits/0/soft", 2**64, "/process/rlimits/0/soft"),
    ("runtime/config", "/process/rlimits/0/hard", MISSING, "/process/rlimits/0"),
    ("runtime/config", "/mounts/0/destination", MISSING, "/mounts/0"),
    ("runtime/config", "/mounts/0/options", "ro", "/mounts/0/options"),
    ("runtime/config", "/hooks/poststop/0/timeout", 0, "/hooks/poststop/0/timeout"),
    ("runtime/config", "/annotations/a", 1, "/annotations/a"),
    ("runtime/config", "/linux/namespaces/1/type", "flavour", "/linux/namespaces/1/type"),
    ("runtime/config", "/linux/uidMappings/0/size", MISSING, "/linux/uidMappings/0"),
    ("runtime/config", "/linux/devices/0/type", "x", "/linux/devices/0/type"),
    ("runtime/config", "/linux/devices/0/fileMode", 512, "/linux/devices/0/fileMode"),
    ("runtime/config", "/linux/resources/memory/limit", 2**63, "/linux/resources/memory/limit"),
    ("runtime/config", "/linux/resources/pids/limit", MISSING, "/linux/resources/pids"),
    ("runtime/config", "/linux/resources/devices/0/allow", MISSING, "/linux/resources/devices/0"),
    (
        "runtime/config",
        "/linux/resources/hugepageLimits/0/pageSize",
        "2mb",
        "/linux/resources/hugepageLimits/0/pageSize",
    ),
    (
        "runtime/config",
        "/linux/resources/network/priorities/0/priority",
        MISSING,
        "/linux/resources/network/priorities/0",
    ),
    ("runtime/config", "/linux/seccomp/defaultAction", MISSING, "/linux/seccomp"),
    ("runtime/config", "/linux/seccomp/syscalls/0/names", [], "/linux/seccomp/syscalls/0/names"),
    ("runtime/config", "/linux/seccomp/syscalls/0/action", "ALLOW", "/linux/seccomp/syscalls/0/action"),
    ("runtime/config", "/linux/rootfsPropagation", "rslave", "/linux/rootfsPropagation"),
    ("runtime/config", "/linux/intelRdt/memBwSchema", "MB:0=1\n", "/linux/intelRdt/memBwSchema"),
    ("runtime/state", "/status", "up", "/status"),
    ("runtime/state", "/pid", -1, "/pid"),
    ("runtime/state", "/bundle", MISSING, ""),
    ("runtime/features", "/ociVersionMax", MISSING, ""),
    ("runtime/features", "/linux/capabilities/0", "cap_kill", "/linux/capabilities/0"),
    ("runtime/features", "/linux/cgroup/v1", "yes", "/linux/cgroup/v1"),
    ("image/manifest", "/schemaVersion", 1, "/schemaVersion"),
    ("image/manifest", "/layers", [], "/layers"),
    ("image/manifest", "/config/digest", DIGEST + "\n", "/config/digest"),
    ("image/manifest", "/config/digest", "sha256", "/config/digest"),
    ("image/manifest", "/layers/0/size", -1, "/layers/0/size"),
    ("image/manifest", "/layers/0/size", 2**63, "/layers/0/size"),
    ("image/manifest", "/config/mediaType", "text", "/config/mediaType"),
    ("image/index", "/manifests/0/platform/os", MISSING, "/manifests/0/platform"),
    ("image/index", "/manifests/0/size", -1, "/manifests/0/size"),
    ("image/index", "/manifests", MISSING, ""),
    ("image/config", "/rootfs/type", "trees", "/rootfs/type"),
    ("image/config", "/config/Cmd", "x", "/config/Cmd"),
    ("image/config", "/config/ExposedPorts/1~1tcp", 1, "/config/ExposedPorts/1~1tcp"),
    ("image/layout", "/imageLayoutVersion", "1.1.0", "/imageLayoutVersion"),
]


def changed(kind: str, pointer: str, value: object) -> object:
    document = json.loads(json.dumps(GOOD[kind]))  # deepcopy would keep what is shared
    *way, last = [part.replace("~1", "/") for part in pointer.split("/")[1:]]
    place: Any = document
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) else last
    if value is MISSING:
        del place[key]
    else:
        place[key] = value
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_good_documents_have_no_violation(kind: str) -> None:
    assert violations(kind, GOOD[kind]) == []


@pytest.mark.parametrize(
    ("kind", "pointer", "value", "place"), BAD, ids=[f"{case[0]}:{case[1]}={case[2]!r}"[:80] for case in BAD]
)
def test_a_wrong_value_is_one_violation_at_its_place(
    kind: str, pointer: str, value: object, place: str
) -> None:
    assert [violation.pointer for violation in violations(kind, changed(kind, pointer, value))] == [place]


def test_every_violation_is_reported_in_order() -> None:
    document = {"process": {"cwd": 1, "args": [1, 2]}, "hostname": 3}
    assert [str(violation).split(":")[0] for violation in violations("runtime/config", document)] == [
        "/",
        "/hostname",
        "/process/args/0",
        "/process/args/1",
        "/process/cwd",
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("document", [None, 1, "text", [], True])
def test_a_document_that_is_no_object_is_refused(kind: str, document: object) -> None:
    assert violations(kind, document)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_members_are_allowed(kind: str) -> None:
    assert violations(kind, {**GOOD[kind], "x-unknown": [1]}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_are_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))


def test_check_decodes_strictly_and_names_the_first_violation() -> None:
    assert check("image/layout", b'{"imageLayoutVersion": "1.0.0"}') == GOOD["image/layout"]
    with pytest.raises(BadDocument, match="given twice"):
        check("image/layout", b'{"imageLayoutVersion": "1.0.0", "imageLayoutVersion": "1.0.0"}')
    raw = json.dumps(changed("runtime/state", "/pid", -1)).encode()
    with pytest.raises(BadDocument) as caught:
        check("runtime/state", raw)
    assert caught.value.pointer == "/pid"


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        violations("runtime/linux", {})


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        (r"^\$$", "$", True),
        (r"^\$$", "$\n", False),
        ("^[$]$", "$", True),
        ("^[!#$&]+$", "#$", True),
        ("^(a|b$)", "b", True),
        ("^(a|b$)", "b\n", False),
    ],
)
def test_a_dollar_is_the_end_of_the_text(pattern: str, text: str, matches: bool) -> None:
    assert bool(ecma(pattern).search(text)) is matches


def test_violations_are_plain_values() -> None:
    assert violations("image/layout", {})[0] == Violation(
        "", "'imageLayoutVersion' is a required property", "required"
    )
