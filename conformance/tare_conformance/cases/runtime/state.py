"""runtime.md, "State" and "Query State": the document that `state` prints."""

from __future__ import annotations

import re
from pathlib import Path

from tare_spec.validate import violations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import hides, prints
from tare_conformance.verdict import equal, true


@case(
    "runtime.md, State",
    *(hides("state", f"/{name}") for name in ("ociVersion", "id", "status", "bundle", "pid")),
    prints("state", "/status", "up"),
    prints("state", "/pid", "1"),
    prints("state", "/annotations", {"a": 1}),
)
def state_has_the_members_that_are_required(lab: Lab) -> None:
    """The state has ociVersion, id, status, bundle, and on Linux pid, each of its type."""
    box = lab.run("hold")
    box.facts()
    state = box.state()
    for name, kind in (("ociVersion", str), ("id", str), ("status", str), ("bundle", str), ("pid", int)):
        true(f"{name} is there and is a {kind.__name__}", isinstance(state.get(name), kind))
    equal("status", state["status"], "running")
    equal("violations of the schema", [str(found) for found in violations("runtime/state", state)], [])


@case("runtime.md, State", prints("state", "/id", "another"))
def state_id_is_the_container_s(lab: Lab) -> None:
    """id is the one that create was given."""
    box = lab.create("hold")
    equal("id", box.state()["id"], box.id)


@case("runtime.md, State", prints("state", "/status", "running"), prints("state", "/status", "stopped"))
def status_follows_the_container(lab: Lab) -> None:
    """status is created, then running, then stopped."""
    box = lab.create("hold")
    equal("status after create", box.status(), "created")
    box.start().demand()
    box.facts()
    equal("status after start", box.status(), "running")
    box.kill("KILL").demand()
    box.wait()
    equal("status after the end", box.status(), "stopped")


@case("runtime.md, State", prints("state", "/pid", 1))
def pid_is_the_container_process_seen_from_the_host(lab: Lab) -> None:
    """pid names the container process on the host: the process that is first inside."""
    box = lab.run("pids", "hold")
    box.facts()
    pid = box.state()["pid"]
    equal("pid, beside the pid file", pid, box.pid)
    status = Path(f"/proc/{pid}/status").read_text()
    inside = re.search(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE)
    equal("that process's pid in its own namespace", inside and inside.group(1), "1")


@case("runtime.md, State", prints("state", "/bundle", "bundle"))
def bundle_is_an_absolute_path(lab: Lab) -> None:
    """bundle is the absolute path of the bundle."""
    box = lab.create("hold")
    bundle = box.state()["bundle"]
    true(f"bundle is absolute: {bundle}", bundle.startswith("/"))
    true("bundle leads to the bundle", Path(bundle).samefile(lab.bundle.path))


@case("runtime.md, State", prints("state", "/ociVersion", "1"), prints("state", "/ociVersion", "v1.0.0"))
def oci_version_is_a_semantic_version(lab: Lab) -> None:
    """ociVersion is a version of the specification, in SemVer 2.0.0 form."""
    box = lab.create("hold")
    version = box.state()["ociVersion"]
    true(f"{version!r} is a semantic version", re.fullmatch(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?", version))


@case("runtime.md, State", hides("state", "/annotations"), prints("state", "/annotations", {}))
def annotations_are_those_of_the_config(lab: Lab) -> None:
    """annotations of config.json come back in the state."""
    notes = {"com.example.key": "value", "org.example/other": "", "unicode": "ünï"}
    lab.config["annotations"] = notes
    box = lab.create("hold")
    shown = box.state().get("annotations", {})
    equal("annotations", {key: shown.get(key) for key in notes}, notes)
