"""`plan --diff` and `plan --explain`: what two bundles do differently, and why an operation is there."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.plan.describe import FIELDS
from tare_runtime.plan.meaning import MEANING
from tare_runtime.plan.wire import KINDS
from tare_runtime.validate.findings import link_of

from tests.support.bundles import Bundle

pytestmark = pytest.mark.flag("plan")


def other(bundle: Bundle, **changes: Any) -> Path:
    """A second bundle beside the first, with members of the config changed."""
    path = bundle.path / "other"
    path.mkdir()
    config = copy.deepcopy(bundle.config)
    for name, value in changes.items():
        config[name] = value
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.mark.flag("plan --diff")
def test_a_bundle_elsewhere_makes_no_difference(bundle: Bundle) -> None:
    done = bundle.tare("plan", "--diff", ".", str(other(bundle)))
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 added, 0 removed, 0 changed, " in done.stdout


@pytest.mark.flag("plan --diff")
def test_what_is_added_removed_and_changed_is_told_apart(bundle: Bundle) -> None:
    mounts = copy.deepcopy(bundle.config["mounts"])
    mounts.insert(1, {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    mounts[2]["options"].append("noexec")
    linux = copy.deepcopy(bundle.config["linux"])
    del linux["maskedPaths"][0]
    done = bundle.tare("plan", "--diff", ".", str(other(bundle, mounts=mounts, linux=linux, hostname="new")))
    assert done.returncode == 2
    lines = done.stdout.splitlines()[3:]
    assert lines[:-1] == [
        "~ sethostname name: inside → new  (/hostname)",
        "+ mount fstype=tmpfs source=tmpfs target=/tmp  (/mounts/1)",
        "~ mount /dev attr: nosuid,strictatime → nosuid,noexec,strictatime  (/mounts/2)",
        "- mask target=/proc/keys  (/linux/maskedPaths/0)",
    ]
    assert lines[-1].startswith("1 added, 1 removed, 2 changed, ")


@pytest.mark.flag("plan --diff", "plan --json")
def test_differences_come_as_json_too(bundle: Bundle) -> None:
    done = bundle.tare("plan", "--diff", "--json", ".", str(other(bundle, hostname="new")))
    (one,) = json.loads(done.stdout)["differences"]
    assert one["changes"] == {"name": {"before": "inside", "after": "new"}}
    assert (one["sign"], one["before"]["pointer"]) == ("~", "/hostname")


@pytest.mark.flag("plan --diff")
def test_a_filter_of_the_same_length_is_still_another(bundle: Bundle) -> None:
    linux = copy.deepcopy(bundle.config["linux"])

    def profile(errno: int) -> dict[str, Any]:
        rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
        return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}

    bundle.config["linux"]["seccomp"] = profile(1)
    linux["seccomp"] = profile(2)
    done = bundle.tare("plan", "--diff", ".", str(other(bundle, linux=linux)))
    assert "~ seccomp content: one → another of the same length  (/linux/seccomp)" in done.stdout


@pytest.mark.parametrize(
    "words", [["--diff", "."], ["--diff", ".", ".", "."], ["--diff", "-b", ".", ".", "."], ["a", "b"]]
)
def test_words_that_make_no_sense_together_are_refused(bundle: Bundle, words: list[str]) -> None:
    done = bundle.tare("plan", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tare-runtime: plan")


@pytest.mark.flag("plan --explain")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_operation_is_explained(bundle: Bundle, kind: str) -> None:
    row = json.loads(bundle.tare("plan", "--json", "--explain", kind).stdout) if kind == "mount" else None
    does, why, section, calls = MEANING[kind]
    assert all((does, why, section, calls))
    assert "#" in link_of(section)
    if row:
        assert (row["does"], row["section"]) == (does, section)
        assert "EROFS" in row["failures"]


def test_no_kind_is_explained_that_does_not_exist() -> None:
    assert set(MEANING) == set(KINDS) == set(FIELDS)


@pytest.mark.flag("plan --explain")
def test_an_operation_of_a_plan_is_explained_with_its_field(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": 2**26}}
    rows = json.loads(bundle.tare("plan", "--json").stdout)
    index = next(row["index"] for row in rows if row["pointer"] == "/linux/resources/memory/limit")
    text = bundle.tare("plan", "--explain", str(index)).stdout
    assert "field     /linux/resources/memory/limit" in text
    assert 'spec      config-linux.md, "Memory"' in text
    assert "config-linux.md#memory" in text


@pytest.mark.flag("plan --explain")
@pytest.mark.parametrize(
    ("word", "words"),
    [("mout", "did you mean mount"), ("zzz", "see the column OPERATION"), ("9999", "has operations 0 to ")],
)
def test_an_operation_that_is_not_there_is_a_usage_error(bundle: Bundle, word: str, words: str) -> None:
    done = bundle.tare("plan", "--explain", word)
    assert done.returncode == 1
    assert words in done.stderr
