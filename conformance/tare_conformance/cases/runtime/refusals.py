"""What a runtime must not accept (config.md, bundle.md, runtime.md "Errors")."""

from __future__ import annotations

import json

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, idle, put
from tare_conformance.verdict import true


def config_with(lab: Lab, **members: object) -> str:
    """config.json with some members replaced, whatever their types; None removes one."""
    lab.process["args"] = ["/probe"]
    document = {**lab.config, **members}
    return json.dumps({key: value for key, value in document.items() if value is not None})


@case("config.md, Specification version", put("/ociVersion", "1.0.2"))
def a_version_that_does_not_exist_is_refused(lab: Lab) -> None:
    """ociVersion must be one that the runtime supports: here 99.0.0."""
    lab.refused(config_text=config_with(lab, ociVersion="99.0.0"), why="ociVersion 99.0.0")


@case("config.md, Specification version", put("/ociVersion", "1.0.2"))
def a_missing_version_is_refused(lab: Lab) -> None:
    """ociVersion is required."""
    lab.refused(config_text=config_with(lab, ociVersion=None), why="a config.json without ociVersion")


@case("config.md, Process: cwd", put("/process/cwd", "/dir"))
def a_relative_cwd_is_refused(lab: Lab) -> None:
    """process.cwd must be an absolute path."""
    lab.process["cwd"] = "dir"
    lab.refused("pids", why="a relative process.cwd")


@case("config.md, Process: args", put("/process/args/-", "/probe"))
def empty_args_are_refused(lab: Lab) -> None:
    """process.args has at least one entry."""
    lab.process["args"] = []
    lab.refused(why="empty process.args")


@case("bundle.md, Filesystem Bundle", idle("create", 0))
def a_bundle_without_config_is_refused(lab: Lab) -> None:
    """config.json must be in the bundle."""
    lab.bundle.write()
    (lab.bundle.path / "config.json").unlink()
    done = lab.call("create", "--bundle", str(lab.bundle.path), f"{lab.token}.1")
    true("create fails", not done.ok)
    true("create says why", done.stderr.strip())


@case("config.md", idle("create", 0))
def config_that_is_not_json_is_refused(lab: Lab) -> None:
    """config.json must be JSON: here it is cut off, empty, or something else."""
    whole = config_with(lab)
    for text in (whole[: len(whole) // 2], "", "no JSON", "[]", '"text"'):
        lab.refused(config_text=text, why=f"config.json that is {text[:10]!r}…")


@case("config.md", put("/process/args", ["/probe"]), put("/process/cwd", "/"))
def wrong_types_are_refused(lab: Lab) -> None:
    """A member of another type than the specification's is an error."""
    good = json.loads(config_with(lab))
    for name, value in (("args", "/probe"), ("cwd", 5), ("env", {"A": "B"}), ("user", [0, 0])):
        text = json.dumps({**good, "process": {**good["process"], name: value}})
        lab.refused(config_text=text, why=f"process.{name} of another type")


@case("config.md, Root", put("/root", {"path": "rootfs"}))
def a_missing_root_member_is_refused(lab: Lab) -> None:
    """root is required on every platform but one."""
    lab.refused(config_text=config_with(lab, root=None), why="a config.json without root")


@case("config.md, Mounts", drop("/mounts/5"))
def a_mount_without_destination_is_refused(lab: Lab) -> None:
    """Every mount has a destination."""
    entries = [*lab.config["mounts"], {"type": "tmpfs", "source": "tmpfs"}]
    lab.refused(config_text=config_with(lab, mounts=entries), why="a mount without destination")


@case("runtime.md, Create", idle("create", 0))
def an_id_that_leads_elsewhere_is_refused(lab: Lab) -> None:
    """An id is a name, not a path: ids with slashes, dots alone or nothing in them are errors."""
    lab.process["args"] = ["/probe"]
    lab.bundle.write()
    for id in ("", ".", "..", "a/b", "../escape", "/abs", "new\nline"):
        done = lab.call("create", "--bundle", str(lab.bundle.path), id)
        true(f"the id {id!r} is refused", not done.ok)
    names = {path.name for path in lab.path.iterdir()} - {"bundle", "state", "stderr", "stdout"}
    true(f"nothing was made outside the state directory: {names}", not names)
