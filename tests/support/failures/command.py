"""Command lines that cannot be understood."""

from __future__ import annotations

from tests.support.bundles import Bundle
from tests.support.failures.table import Done, failure


@failure("command", "", "a command that does not exist")
def unknown_command(bundle: Bundle) -> Done:
    return bundle.tare("strat", bundle.id)


@failure("command", "", "an option that does not exist")
def unknown_option(bundle: Bundle) -> Done:
    return bundle.tare("run", "--deatch", bundle.id)


@failure("command", "", "no id")
def no_id(bundle: Bundle) -> Done:
    return bundle.tare("run")


@failure("command", "", "two ids")
def two_ids(bundle: Bundle) -> Done:
    return bundle.tare("start", "a", "b")


@failure("command", "", "an option without its value")
def no_value(bundle: Bundle) -> Done:
    return bundle.tare("run", bundle.id, "--pid-file")


@failure("command", "", "a number that is none")
def no_number(bundle: Bundle) -> Done:
    return bundle.tare("run", "--preserve-fds", "two", bundle.id)


@failure("command", "", "a user by name: the runtime knows only numbers")
def user_by_name(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle.tare("exec", "--user", "www-data", bundle.id, "true")


@failure("command", "", "a capability that does not exist")
def unknown_capability(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle.tare("exec", "--cap", "CAP_EVERYTHING", bundle.id, "true")


@failure("command", "", "--root is / itself")
def root_of_everything(bundle: Bundle) -> Done:
    bundle.write()
    command = bundle.command("list")
    command[2] = "/"
    import subprocess

    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@failure("command", "", "a log format that does not exist")
def unknown_format(bundle: Bundle) -> Done:
    return bundle.tare("--log-format", "yaml", "list")
