"""config.md, "POSIX-platform Hooks", and the steps of runtime.md, "Lifecycle", that call them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tare_spec.runtime import Hook

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, idle, put, reverse
from tare_conformance.verdict import Failure, equal, true

BEFORE_START = ["prestart", "createRuntime", "createContainer"]


def mark(lab: Lab, text: str) -> Hook:
    """A hook of the host's that leaves a line in the one list of marks."""
    return lab.hook(f"say={lab.rootfs}/marks:{text}")


def marks(lab: Lab) -> list[str]:
    """The lines so far, in the order in which they were left."""
    path = lab.rootfs / "marks"
    return path.read_text().split() if path.exists() else []


def said(path: Path) -> dict[str, Any]:  # Any: the probe's facts
    """What a hook wrote by its `out` word. Raises: Failure if it was not run."""
    if not path.exists() or not path.read_text():
        raise Failure(f"the hook was not run: {path.name}")
    facts: dict[str, Any] = json.loads(path.read_text(errors="surrogateescape").splitlines()[0])
    return facts


@case(
    "runtime.md, Lifecycle",
    drop("/hooks/prestart"),
    drop("/hooks/createRuntime"),
    drop("/hooks/createContainer"),
    reverse("/hooks/createRuntime"),
)
def create_runs_its_hooks_in_order(lab: Lab) -> None:
    """create runs prestart, createRuntime, createContainer; within a stage the order is the list's."""
    lab.config["hooks"] = {
        "createContainer": [mark(lab, "createContainer")],
        "createRuntime": [mark(lab, "createRuntime"), mark(lab, "createRuntime2")],
        "prestart": [mark(lab, "prestart")],
    }
    lab.create("hold")
    equal("hooks of create", marks(lab), ["prestart", "createRuntime", "createRuntime2", "createContainer"])


@case("runtime.md, Lifecycle", drop("/hooks/startContainer"), reverse("/hooks/startContainer"))
def start_container_hooks_run_before_the_program(lab: Lab) -> None:
    """start runs the startContainer hooks, which the container's own files hold, and then the program."""
    lab.config["hooks"] = {
        "startContainer": [
            {"path": "/probe", "args": ["probe", "say=/marks:one"]},
            {"path": "/probe", "args": ["probe", "say=/marks:two"]},
        ]
    }
    box = lab.create("say=/marks:program")
    equal("marks after create", marks(lab), [])
    box.start().demand()
    box.facts()
    equal("marks after start", marks(lab), ["one", "two", "program"])


@case("runtime.md, Lifecycle", drop("/hooks/poststart"))
def poststart_hooks_run_in_start(lab: Lab) -> None:
    """The poststart hooks run in start, not in create, and after the startContainer hooks."""
    lab.config["hooks"] = {
        "startContainer": [{"path": "/probe", "args": ["probe", "say=/marks:startContainer"]}],
        "poststart": [mark(lab, "poststart")],
    }
    box = lab.create("hold")
    equal("marks after create", marks(lab), [])
    box.start().demand()
    box.facts()
    equal("marks after start", marks(lab), ["startContainer", "poststart"])


@case("runtime.md, Lifecycle", drop("/hooks/poststop"), reverse("/hooks/poststop"))
def poststop_hooks_run_in_delete(lab: Lab) -> None:
    """The poststop hooks run in delete, not when the program ends."""
    lab.config["hooks"] = {"poststop": [mark(lab, "one"), mark(lab, "two")]}
    box = lab.run("pids")
    box.facts()
    box.wait()
    equal("marks before delete", marks(lab), [])
    box.delete().demand()
    equal("marks after delete", marks(lab), ["one", "two"])


@case(
    "config.md, POSIX-platform Hooks",
    put("/hooks/createRuntime/0/args", ["probe"]),
    drop("/annotations"),
    put("/hooks/poststop", []),
)
def the_state_comes_on_standard_input(lab: Lab) -> None:
    """Every hook reads the container's state: id, pid, bundle, annotations, and a status of its stage."""
    stages = {"createRuntime": "creating", "createContainer": "creating", "poststop": "stopped"}
    lab.config["annotations"] = {"com.example.a": "b"}
    lab.config["hooks"] = {
        "createRuntime": [lab.hook(f"out={lab.path}/createRuntime", "echo")],
        "createContainer": [lab.hook(f"out={lab.path}/createContainer", "echo")],
        "poststop": [lab.hook(f"out={lab.path}/poststop", "echo")],
    }
    box = lab.run("hold")
    box.facts()
    box.kill("KILL").demand()
    box.wait()
    box.delete().demand()
    for stage, status in stages.items():
        state = json.loads(said(lab.path / stage)["echo"])
        equal(f"id, for {stage}", state.get("id"), box.id)
        true(f"the bundle, for {stage}", Path(state["bundle"]).samefile(lab.bundle.path))
        equal(f"annotations, for {stage}", state.get("annotations", {}).get("com.example.a"), "b")
        true(f"ociVersion, for {stage}", state.get("ociVersion"))
        if stage != "poststop":
            # A hook that runs in the container's namespaces sees the container's pid for it.
            equal(f"pid, for {stage}", state.get("pid"), 1 if stage == "createContainer" else box.pid)
        true(
            f"status for {stage} is {status}, got {state.get('status')}",
            state.get("status") in (status, "created" if status == "creating" else status),
        )


@case("config.md, POSIX-platform Hooks", put("/hooks/poststart/0/args", ["probe"]))
def poststart_hooks_see_a_running_container(lab: Lab) -> None:
    """The state on a poststart hook's standard input has the status running."""
    lab.config["hooks"] = {"poststart": [lab.hook(f"out={lab.path}/poststart", "echo")]}
    lab.run("hold").facts()
    state = json.loads(said(lab.path / "poststart")["echo"])
    equal("status", state.get("status"), "running")


@case(
    "config.md, POSIX-platform Hooks: args, env",
    put("/hooks/createRuntime/0/args/6", "other"),
    put("/hooks/createRuntime/0/env", ["A=1"]),
)
def a_hook_gets_its_arguments_and_environment(lab: Lab) -> None:
    """args are the hook's whole argument vector, and env its whole environment."""
    hook = lab.hook(f"out={lab.path}/hook", "args", "env", "--", "two words")
    hook["args"][0] = "own-name"
    hook["env"] = ["A=1", "B=two words"]
    lab.config["hooks"] = {"createRuntime": [hook]}
    lab.observe("pids")
    facts = said(lab.path / "hook")
    equal("arguments", facts["args"], hook["args"])
    equal("environment", sorted(facts["env"]), hook["env"])


@case(
    "config.md, POSIX-platform Hooks",
    put("/hooks/startContainer/0/args", ["probe", "out=/tmp/else", "namespaces"]),
    put("/hooks/createRuntime/0/args/3", "pids"),
    put("/hooks/createContainer/0/args/3", "pids"),
)
def hooks_run_in_the_right_namespaces(lab: Lab) -> None:
    """createRuntime runs in the runtime's namespaces, the two later ones in the container's."""
    lab.config["hooks"] = {
        "createRuntime": [lab.hook(f"out={lab.path}/outer", "namespaces")],
        "createContainer": [lab.hook(f"out={lab.path}/between", "namespaces")],
        "startContainer": [{"path": "/probe", "args": ["probe", "out=/tmp/inner", "namespaces"]}],
    }
    program = lab.observe("namespaces")["namespaces"]
    outer = said(lab.path / "outer").get("namespaces", {})
    between = said(lab.path / "between").get("namespaces", {})
    inner = said(lab.rootfs / "tmp/inner").get("namespaces", {})
    host = os.readlink("/proc/self/ns/mnt")
    equal("mount namespace of createRuntime", outer.get("mnt"), host)
    equal("mount namespace of createContainer", between.get("mnt"), program["mnt"])
    for name in ("mnt", "net", "uts", "ipc", "pid"):
        equal(f"{name} namespace of startContainer", inner.get(name), program[name])


@case(
    "runtime.md, Lifecycle",
    *(put(f"/hooks/{stage}/0/args", ["probe"]) for stage in BEFORE_START),
)
def a_failing_hook_of_create_is_an_error(lab: Lab) -> None:
    """When prestart, createRuntime or createContainer fails, create fails and the container is destroyed."""
    for stage in ("prestart", "createRuntime", "createContainer"):
        lab.config["hooks"] = {
            stage: [lab.hook("exit=3"), mark(lab, f"after-{stage}")],  # type: ignore[misc]  # a key by name
        }
        lab.refused("pids", why=f"a {stage} hook that fails")
    equal("hooks that ran after a failed one", marks(lab), [])


@case("runtime.md, Lifecycle", put("/hooks/createRuntime/0/args", ["probe"]))
def poststop_runs_when_create_fails(lab: Lab) -> None:
    """A create that fails in a hook destroys the container, and that includes its poststop hooks."""
    lab.config["hooks"] = {"createRuntime": [lab.hook("exit=3")], "poststop": [mark(lab, "poststop")]}
    lab.refused("pids", why="a createRuntime hook that fails")
    equal("hooks that ran", marks(lab), ["poststop"])


@case("runtime.md, Lifecycle", put("/hooks/startContainer/0/args", ["probe"]))
def a_failing_start_container_hook_is_an_error(lab: Lab) -> None:
    """When startContainer fails, start fails and the program is not run."""
    lab.config["hooks"] = {"startContainer": [{"path": "/probe", "args": ["probe", "exit=3"]}]}
    box = lab.create("say=/marks:program")
    true("start fails", not box.start().ok)
    equal("what ran", marks(lab), [])


@case("runtime.md, Lifecycle", put("/hooks/poststart/0/args", ["probe"]))
def a_failing_poststart_hook_is_an_error(lab: Lab) -> None:
    """When poststart fails, start reports an error: so since version 1.3."""
    lab.config["ociVersion"] = "1.3.0"
    lab.config["hooks"] = {"poststart": [lab.hook("exit=3")]}
    box = lab.create("hold")
    true("start fails", not box.start().ok)


@case("runtime.md, Lifecycle", idle("delete", 1))
def a_failing_poststop_hook_does_not_stop_delete(lab: Lab) -> None:
    """When a poststop hook fails there is a warning, the next one runs, and the container is gone."""
    lab.config["hooks"] = {"poststop": [lab.hook("exit=3"), mark(lab, "second")]}
    box = lab.run("pids")
    box.facts()
    box.wait()
    done = box.delete().demand()
    true("delete warns on standard error", done.stderr.strip())
    true("state fails", not lab.call("state", box.id).ok)
    equal("hooks that ran", marks(lab), ["second"])


@case(
    "config.md, POSIX-platform Hooks: timeout",
    put("/hooks/createRuntime/0/args", ["probe"]),
    drop("/hooks/createRuntime/0/timeout"),
)
def a_hook_that_hangs_is_ended(lab: Lab) -> None:
    """A hook that outlasts its timeout, in seconds, is ended, and that is a failure."""
    hook = lab.hook("hold")
    hook["timeout"] = 1
    lab.config["hooks"] = {"createRuntime": [hook]}
    lab.refused("pids", why="a hook that outlasts its timeout")


@case("config.md, POSIX-platform Hooks: path", put("/hooks/createRuntime/0/path", "/bin/true"))
def a_missing_hook_is_an_error(lab: Lab) -> None:
    """A hook whose program does not exist fails like one that exits with an error."""
    lab.config["hooks"] = {"createRuntime": [{"path": str(lab.path / "no-hook")}]}
    lab.refused("pids", why="a hook that is not there")


@case("config.md, POSIX-platform Hooks", put("/hooks/createRuntime/1/args", ["probe", "exit=3"]))
def a_hook_need_not_read_its_input(lab: Lab) -> None:
    """A hook that ends without reading the state is as good as another: the verb succeeds, in silence."""
    silent: Hook = {"path": str(lab.rootfs / "probe"), "args": ["probe"]}
    lab.config["hooks"] = {"createRuntime": [silent] * 3, "poststart": [silent] * 3, "poststop": [silent] * 3}
    box = lab.run("pids")
    box.facts()
    box.wait()
    done = box.delete().demand()
    equal("what delete says", done.stderr, "")
