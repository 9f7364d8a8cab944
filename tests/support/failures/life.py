"""Commands that a container in its present state cannot take."""

from __future__ import annotations

from tests.support.bundles import Bundle
from tests.support.failures.table import Done, failure


def running(bundle: Bundle) -> Bundle:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle


def stopped(bundle: Bundle) -> Bundle:
    running(bundle)
    assert bundle.tare("kill", bundle.id, "KILL").returncode == 0
    while bundle.state()["status"] != "stopped":
        pass
    return bundle


@failure("life", "", "the id is taken")
def id_is_taken(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    return bundle.tare("create", bundle.id)


@failure("life", "", "`state` of no container")
def no_container(bundle: Bundle) -> Done:
    return bundle.tare("state", bundle.id)


@failure("life", "", "`delete` of no container")
def delete_nothing(bundle: Bundle) -> Done:
    return bundle.tare("delete", bundle.id)


@failure("life", "", "`start` for the second time")
def start_twice(bundle: Bundle) -> Done:
    return running(bundle).tare("start", bundle.id)


@failure("life", "", "`start` of a stopped container")
def start_stopped(bundle: Bundle) -> Done:
    return stopped(bundle).tare("start", bundle.id)


@failure("life", "", "`kill` of a stopped container")
def kill_stopped(bundle: Bundle) -> Done:
    return stopped(bundle).tare("kill", bundle.id, "TERM")


@failure("life", "", "`kill` with a signal that does not exist")
def unknown_signal(bundle: Bundle) -> Done:
    return running(bundle).tare("kill", bundle.id, "SIGNOTHING")


@failure("life", "", "`delete` of a running container")
def delete_running(bundle: Bundle) -> Done:
    return running(bundle).tare("delete", bundle.id)


@failure("life", "moby#29794", "`exec` in a stopped container")
def exec_in_stopped(bundle: Bundle) -> Done:
    return stopped(bundle).tare("exec", bundle.id, "true")


@failure("life", "", "`exec` in a paused container")
def exec_in_paused(bundle: Bundle) -> Done:
    assert running(bundle).tare("pause", bundle.id).returncode == 0
    return bundle.tare("exec", bundle.id, "true")


@failure("life", "", "`pause` of a container that is paused")
def pause_twice(bundle: Bundle) -> Done:
    assert running(bundle).tare("pause", bundle.id).returncode == 0
    return bundle.tare("pause", bundle.id)


@failure("life", "", "`resume` of a container that runs")
def resume_running(bundle: Bundle) -> Done:
    return running(bundle).tare("resume", bundle.id)


@failure("life", "", "`pause` of a stopped container")
def pause_stopped(bundle: Bundle) -> Done:
    return stopped(bundle).tare("pause", bundle.id)


@failure("life", "", "an id with a slash")
def bad_id(bundle: Bundle) -> Done:
    return bundle.tare("run", "../" + bundle.id)


@failure("life", "", "the state file is damaged")
def damaged_state(bundle: Bundle) -> Done:
    running(bundle)
    path = bundle.root / bundle.id / "state.json"
    whole = path.read_bytes()
    path.write_bytes(b'{"ociVersion": "1.')
    done = bundle.tare("state", bundle.id)
    path.write_bytes(whole)
    return done
