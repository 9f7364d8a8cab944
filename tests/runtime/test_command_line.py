"""The command line as managers use it: parsing, help, log, exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest
from tare_runtime.cli.argv import parse
from tare_runtime.cli.cold import click_group
from tare_runtime.cli.table import GLOBAL_OPTIONS
from tare_runtime.cli.table_more import every_command
from tare_runtime.errors import UsageError

from tests.support.runtime import TARE_RUNTIME

COMMANDS = every_command()


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TARE_RUNTIME, *args], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("argv", "verb", "args", "values"),
    [
        ("create --bundle /b --pid-file p c1", "create", ["c1"], {"bundle": "/b", "pid_file": "p"}),
        ("create -b=/b c1", "create", ["c1"], {"bundle": "/b"}),
        ("create c1 --bundle /b", "create", ["c1"], {"bundle": "/b"}),
        (
            "--root /r --log=/l --log-format json state x",
            "state",
            ["x"],
            {"root": "/r", "log_format": "json"},
        ),
        ("-root /r -debug state x", "state", ["x"], {"root": "/r", "debug": True}),
        ("--systemd-cgroup=false --rootless=auto state x", "state", ["x"], {"systemd_cgroup": False}),
        ("run -no-subreaper --keep -d x", "run", ["x"], {"no_subreaper": True, "keep": True, "detach": True}),
        ("kill --all x 9", "kill", ["x", "9"], {"all": True}),
        ("kill x KILL", "kill", ["x", "KILL"], {"all": False}),
        ("delete x --force", "delete", ["x"], {"force": True}),
        ("exec -e A=1 --env B=2 x env -i", "exec", ["x", "env", "-i"], {"env": ["A=1", "B=2"], "tty": False}),
        ("exec -t x -- sh -c", "exec", ["x", "--", "sh", "-c"], {"tty": True}),
        ("exec --preserve-fds 3 x a", "exec", ["x", "a"], {"preserve_fds": 3}),
        ("ps --format json x", "ps", ["x"], {"format": "json"}),
        ("ps x -e -o pid", "ps", ["x", "-e", "-o", "pid"], {"format": "table"}),
        ("list -q", "list", [], {"quiet": True}),
        ("state -- -x", "state", ["-x"], {}),
    ],
)
def test_a_command_line_is_understood(
    argv: str, verb: str, args: list[str], values: dict[str, object]
) -> None:
    options = parse(argv.split())
    assert (options.verb, options.args) == (verb, args)
    assert {name: getattr(options, name) for name in values} == values


def test_options_of_two_calls_are_apart() -> None:
    parse(["exec", "-e", "A=1", "x", "true"])
    assert parse(["exec", "x", "true"]).env == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("frob", "unknown command 'frob'"),
        ("--frob state x", "unknown option --frob"),
        ("state --frob x", "unknown option --frob"),
        ("state", "1 argument wanted"),
        ("state a b", "1 argument wanted"),
        ("kill", "at least 1 argument"),
        ("kill a b c", "at most 2 arguments"),
        ("list x", "0 arguments wanted"),
        ("create --bundle", "needs a value (DIR)"),
        ("create --preserve-fds -1 x", "not a number from 0 up"),
        ("create --preserve-fds 99999999 x", "not a number from 0 up"),
        ("delete --force=maybe x", "neither true nor false"),
        ("ps --format yaml x", "none of table, json"),
        ("--log-format xml state x", "none of text, json"),
    ],
)
def test_a_wrong_command_line_is_explained(argv: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv.split())
    assert words in str(caught.value)


def test_the_table_and_click_agree() -> None:
    group = click_group()
    assert set(group.commands) == set(COMMANDS)
    tables = {"": (group, GLOBAL_OPTIONS)}
    tables.update({name: (group.commands[name], command[4]) for name, command in COMMANDS.items()})
    for name, (command, options) in tables.items():
        shown = {
            option.name: sorted(option.opts) for option in command.params if isinstance(option, click.Option)
        }
        told = {
            option[0].replace("-", "_"): sorted([f"--{option[0]}", *([f"-{option[1]}"] if option[1] else [])])
            for option in options
            if option[0] != "help"
        }
        assert shown == told, name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_click_and_argv_read_defaults_alike(name: str) -> None:
    command = click_group().commands[name]
    arguments = ["x"] * max(COMMANDS[name][2], 0)
    context = command.make_context(name, list(arguments))
    options = parse([name, *arguments])
    for option, _, kind, *_ in COMMANDS[name][4]:
        attribute = option.replace("-", "_")
        ours, theirs = getattr(options, attribute), context.params[attribute]
        assert (ours or None) == ((list(theirs) if kind == "list" else theirs) or None), option


def test_every_command_has_a_module() -> None:
    folder = Path(__file__).parents[2] / "runtime" / "tare_runtime" / "verbs"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(COMMANDS) - {"completion"}


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], []])
@pytest.mark.flag("--help")
def test_help_lists_every_command(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_help_of_a_command_shows_its_options_and_needs_no_arguments() -> None:
    for words in (["create", "--help"], ["help", "create"]):
        text = run(*words).stdout
        assert "--console-socket SOCKET" in text
        assert "Usage: tare-runtime create" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.flag("completion")
def test_completion_is_a_script_with_every_command(shell: str) -> None:
    text = run("completion", shell).stdout
    assert all(name in text for name in COMMANDS)
    assert "--console-socket" in text
    if shell == "bash":
        probe = 'COMP_WORDS=(tare-runtime sta); COMP_CWORD=1; _tare_runtime; echo "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", text + probe], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["start", "state"]
        probe = 'COMP_WORDS=(tare-runtime delete --f); COMP_CWORD=2; _tare_runtime; echo "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", text + probe], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["--force"]


@pytest.mark.flag("--version")
def test_the_version_begins_as_containerd_wants_it() -> None:
    done = run("--version")
    first, *_, last = done.stdout.splitlines()
    assert done.returncode == 0
    assert first.startswith("runc version 1.")
    assert last.startswith("tare-runtime version ")
    assert "\ncommit: " in done.stdout
    assert "\nspec: 1.3.0\n" in done.stdout


@pytest.mark.flag("--log", "--log-format")
def test_an_error_is_one_json_object_in_the_log_and_the_same_words_on_stderr(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run("--root", str(tmp_path), "--log", str(log), "--log-format", "json", "state", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    entry = json.loads(log.read_text())
    assert list(entry) == ["level", "msg", "time"]
    assert entry["level"] == "error"
    assert "container does not exist" in entry["msg"]
    assert entry["msg"] in done.stderr
    assert entry["time"].endswith("Z")


def test_a_command_line_that_cannot_be_read_is_logged_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run("--log", str(log), "--log-format=json", "frobnicate")
    assert done.returncode == 1
    assert "unknown command 'frobnicate'" in json.loads(log.read_text())["msg"]


def test_a_log_in_text_form_has_one_line_for_an_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run("--root", str(tmp_path), "--log", str(log), "state", "nope")
    (line,) = log.read_text().splitlines()
    assert line.startswith('time="')
    assert ' level=error msg="container does not exist' in line


def test_success_writes_nothing_to_stderr_and_makes_no_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run("--root", str(tmp_path), "--log", str(log), "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert not log.exists()


def test_a_log_that_cannot_be_written_does_not_hide_the_error(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path), "--log", str(tmp_path / "no" / "log"), "state", "nope")
    assert done.returncode == 1
    assert "container does not exist" in done.stderr
    assert "open log" in done.stderr


@pytest.mark.parametrize("id", ["", "..", ".", "a/b", "../x", "a b", "é", "x" * 300, "a\nb", "~seccomp"])
@pytest.mark.parametrize("verb", ["state", "start", "delete", "kill", "ps"])
@pytest.mark.flag("--root")
def test_a_bad_id_is_refused_before_anything_is_touched(tmp_path: Path, verb: str, id: str) -> None:
    done = run("--root", str(tmp_path / "root"), verb, id)
    assert done.returncode == 1
    assert "invalid container ID" in done.stderr
    assert not (tmp_path / "root").exists()


def test_the_root_of_the_file_system_is_no_root() -> None:
    done = run("--root", "//", "list")
    assert done.returncode == 1
    assert "cannot hold container states" in done.stderr


def test_exec_fails_with_255_where_the_runtime_is_to_blame(tmp_path: Path) -> None:
    assert run("--root", str(tmp_path), "exec", "nope", "true").returncode == 255


def test_delete_by_force_of_a_missing_container_is_no_error(tmp_path: Path) -> None:
    assert run("--root", str(tmp_path), "delete", "nope").returncode == 1
    assert run("--root", str(tmp_path), "delete", "--force", "nope").returncode == 0


@pytest.mark.flag("--systemd-cgroup")
def test_the_systemd_driver_wants_a_path_of_its_own_form(tmp_path: Path) -> None:
    from tests.support.runtime import make_bundle

    bundle = make_bundle(tmp_path / "b")
    done = run("--root", str(tmp_path / "root"), "--systemd-cgroup", "run", "-b", str(bundle), "tare-never")
    assert done.returncode == 1
    assert 'must have the form "slice:prefix:name"' in done.stderr


def test_a_closed_stdout_is_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{TARE_RUNTIME} features >&-"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


@pytest.mark.root
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["features"], ["completion", "bash"]])
def test_what_needs_no_container_needs_no_place_for_containers(words: list[str]) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i"]
    if subprocess.run([*nobody, TARE_RUNTIME, "--root", "/x", "--version"], capture_output=True).returncode:
        pytest.skip("another user cannot reach this checkout")
    done = subprocess.run([*nobody, TARE_RUNTIME, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
