"""runtime.md, "Lifecycle" and "Operations": what each verb does, and when it must refuse."""

from __future__ import annotations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import all_of, drop, exits, idle, litters, put, swaps, then
from tare_conformance.verdict import Failure, equal, true


@case("runtime.md, Create", then("create", "start"))
def create_does_not_run_the_program(lab: Lab) -> None:
    """After create the container exists, and its program has not been run."""
    box = lab.create("pids", "hold")
    equal("status after create", box.status(), "created")
    true("the program is silent before start", box.is_silent())


@case("runtime.md, Start", idle("start"))
def start_runs_the_program(lab: Lab) -> None:
    """start runs the program of config.json, with the container as it was created."""
    box = lab.create("pids", "exit=7")
    box.start().demand()
    equal("pid inside", box.facts()["pids"]["pid"], 1)
    equal("exit status of the program", box.wait(), 7)


@case("runtime.md, Start", exits("start", 0))
def start_of_a_running_container_is_an_error(lab: Lab) -> None:
    """start of a container that is not `created` fails and changes nothing: here, one that runs."""
    box = lab.run("pids", "hold")
    box.facts()
    true("the second start fails", not box.start().ok)
    equal("status afterwards", box.status(), "running")


@case("runtime.md, Start", exits("start", 0))
def start_of_a_stopped_container_is_an_error(lab: Lab) -> None:
    """start of a container that is not `created` fails: here, one whose program has ended."""
    box = lab.run("pids")
    box.wait()
    true("start fails", not box.start().ok)
    equal("status afterwards", box.status(), "stopped")


@case("runtime.md, Operations", exits("start", 0), exits("kill", 0), exits("delete", 0), exits("state", 0))
def every_verb_refuses_an_id_that_is_not_there(lab: Lab) -> None:
    """start, kill, delete and state of an unknown container fail, and say something on standard error."""
    missing = f"{lab.token}.missing"
    for verb, more in (("start", ()), ("kill", ("TERM",)), ("delete", ()), ("state", ())):
        done = lab.call(verb, missing, *more)
        true(f"{verb} of a missing container fails", not done.ok)
        true(f"{verb} says why on standard error", done.stderr.strip())


@case("runtime.md, Operations", *(idle(verb, 0) for verb in ("start", "kill", "delete", "state", "create")))
def every_verb_refuses_to_work_without_an_id(lab: Lab) -> None:
    """start, kill, delete, state and create without an id are errors."""
    for verb in ("start", "kill", "delete", "state"):
        true(f"{verb} without an id fails", not lab.call(verb).ok)
    lab.bundle.write()
    true("create without an id fails", not lab.call("create", "--bundle", str(lab.bundle.path)).ok)


@case("runtime.md, Create", exits("create", 0))
def create_with_an_id_in_use_is_an_error(lab: Lab) -> None:
    """Ids are unique on a host: a second create fails, and the first container goes on."""
    box = lab.create("pids", "hold")
    _, again = lab.try_create("pids", id=box.id)
    true("the second create fails", not again.ok)
    equal("status of the first container", box.status(), "created")
    box.start().demand()
    equal("pid inside the first container", box.facts()["pids"]["pid"], 1)


@case("runtime.md, Delete", idle("delete"))
def an_id_is_free_again_after_delete(lab: Lab) -> None:
    """Once a container is deleted its id may be used by another."""
    box = lab.run("pids")
    box.facts()
    box.wait()
    box.delete().demand()
    again, done = lab.try_create("pids", id=box.id)
    done.demand()
    again.start().demand()
    again.facts()
    again.wait()


@case("runtime.md, Kill", swaps("kill", "USR1", "TERM"))
def kill_sends_the_signal_by_name(lab: Lab) -> None:
    """kill sends the named signal to the container process."""
    box = lab.run("hold")
    box.facts()
    box.kill("USR1").demand()
    equal("signal that ended the program", box.wait() - 100, 10)


@case("runtime.md, Kill", swaps("kill", "12", "15"))
def kill_sends_the_signal_by_number(lab: Lab) -> None:
    """kill sends the numbered signal to the container process."""
    box = lab.run("hold")
    box.facts()
    box.kill(12).demand()
    equal("signal that ended the program", box.wait() - 100, 12)


@case("runtime.md, Kill", idle("kill"), exits("kill", 1))
def kill_reaches_a_created_container(lab: Lab) -> None:
    """kill works on a container that was created and never started."""
    box = lab.create("hold")
    box.kill("KILL").demand()
    equal("exit status of the container process", box.wait(), 128 + 9)
    equal("status afterwards", box.status(), "stopped")


@case("runtime.md, Kill", exits("kill", 0))
def kill_of_a_stopped_container_is_an_error(lab: Lab) -> None:
    """kill of a container that neither is created nor runs fails."""
    box = lab.run("pids")
    box.wait()
    true("kill fails", not box.kill("TERM").ok)
    equal("status afterwards", box.status(), "stopped")


@case("runtime.md, Delete", exits("delete", 0))
def delete_of_a_running_container_is_an_error(lab: Lab) -> None:
    """delete of a container that is not stopped fails and changes nothing."""
    box = lab.run("hold")
    box.facts()
    true("delete fails", not box.delete().ok)
    equal("status afterwards", box.status(), "running")


@case("runtime.md, Delete", exits("delete", 0))
def delete_of_a_created_container_is_an_error(lab: Lab) -> None:
    """delete of a container that is not stopped fails and changes nothing: created is not stopped."""
    box = lab.create("hold")
    true("delete fails", not box.delete().ok)
    equal("status afterwards", box.status(), "created")


@case(
    "runtime.md, Delete",
    idle("delete"),
    litters("delete", "cgroup"),
    litters("delete", "process"),
    litters("delete", "mount"),
)
def delete_undoes_create(lab: Lab) -> None:
    """delete removes what create made: no state, process, mount or control group is left."""
    box = lab.run("pids")
    box.facts()
    box.wait()
    box.delete().demand()
    true("state of the deleted container fails", not lab.call("state", box.id).ok)


@case("runtime.md, Create", put("/process/args/2", "args"))
def config_is_read_at_create_only(lab: Lab) -> None:
    """What happens to config.json after create has no effect on the container."""
    box = lab.create("args", "cwd")
    lab.process["args"] = ["/probe", "args", "args"]
    lab.bundle.write()
    box.start().demand()
    equal("arguments", box.facts()["args"], ["/probe", "args", "cwd"])


@case("runtime.md, Errors", drop("/mounts/5"), idle("create", 0))
def a_failed_create_leaves_nothing(lab: Lab) -> None:
    """When create fails there is no container, and the id can be used at once."""
    lab.config["mounts"].append(
        {"destination": "/dir", "type": "bind", "source": f"{lab.path}/missing", "options": ["bind"]}
    )
    lab.refused("pids", why="a bind mount whose source is missing")
    del lab.config["mounts"][-1]
    box, done = lab.try_create("pids", id=lab.ids[-1])
    done.demand()
    box.start().demand()
    box.facts()
    box.wait()


@case("runtime.md, Start", put("/process/args/0", "/probe"))
def a_missing_program_is_an_error(lab: Lab) -> None:
    """A program that is not in the root filesystem makes create or start fail."""
    lab.process["args"] = ["/no/such/program"]
    box, created = lab.try_create()
    if created.ok and box.start().ok:
        raise Failure("neither create nor start reports the missing program")


@case(
    "runtime.md, Lifecycle",
    all_of("starts the program at create and forgets it", then("create", "start"), exits("start", 0)),
    idle("create"),
)
def the_whole_life_in_order(lab: Lab) -> None:
    """created, running, stopped, gone: each verb moves the container one step, and state follows."""
    box = lab.create("hold")
    equal("status after create", box.status(), "created")
    box.start().demand()
    box.facts()
    equal("status after start", box.status(), "running")
    box.kill("TERM").demand()
    box.wait()
    equal("status after the program's end", box.status(), "stopped")
    box.delete().demand()
    true("state fails after delete", not lab.call("state", box.id).ok)
