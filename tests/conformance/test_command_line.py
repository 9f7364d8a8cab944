"""tare-conformance as a command: selection, formats, files, exit statuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from tare_conformance.cli import main; main()", "runtime"]
CWD = "process/cwd-is-where-the-program-starts"

needs_runc = pytest.mark.skipif(not shutil.which("runc") or os.geteuid() != 0, reason="needs root and runc")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_signal_takes_the_chambers_down(tmp_path: Path, number: signal.Signals) -> None:
    marker, program = tmp_path / "called", tmp_path / "hangs"
    program.write_text(f"#!/bin/sh\n[ $1 = --version ] && exit\necho $$ >{marker}\nexec sleep 1000\n")
    program.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [*COMMAND, "--subject", str(program), "--filter", CWD]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as suite:
        while not marker.exists() and suite.poll() is None:
            time.sleep(0.01)
        suite.send_signal(number)
        assert suite.wait(20) != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["called", "hangs"]


def test_list_prints_ids_titles_clauses_and_mutants() -> None:
    done = run("--list", "--filter", CWD)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        CWD,
        "    process.cwd is the working directory of the program.",
        "    config.md, Process: cwd; fails when the runtime:",
        "      reads /process/cwd as '/'",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "judge a runtime: none is named"),
        (["--subject", "no-such-runtime"], "subject 'no-such-runtime': no such program"),
        (["--subject", "/no/such/runtime"], "subject '/no/such/runtime': no such program"),
        (["--subject", "/bin"], "subject '/bin': no such program"),
        (["--subject", "true", "--filter", "nothing-has-this-name"], "select cases"),
        (["--subject", "/bin/true", "--subject", "true"], "two subjects have one name"),
    ],
    ids=["no subject", "missing", "missing path", "directory", "no case", "same name"],
)
def test_a_command_line_that_cannot_be_followed_ends_with_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_of_known_failures_that_cannot_be_read_ends_with_1(tmp_path: Path) -> None:
    bad = tmp_path / "known.toml"
    bad.write_text("[[known]]\nsubject = 'x'\n")
    done = run("--subject", "true", "--known", str(bad))
    assert done.returncode == 1
    assert f"read known failures, on {bad}" in done.stderr


@pytest.mark.root
@pytest.mark.peer
@needs_runc
def test_arguments_after_the_name_are_for_every_call(tmp_path: Path) -> None:
    log = tmp_path / "log of runc"
    done = run("--subject", f"runc=--debug --log='{log}'", "--filter", CWD)
    assert done.returncode == 0, done.stderr
    assert log.read_text()


@pytest.mark.root
@pytest.mark.peer
@needs_runc
def test_out_writes_the_report_and_prints_the_sums(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    done = run("--subject", "runc", "--filter", CWD, "--format", "json", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "runc (runc version" in done.stdout and "1 pass" in done.stdout
    assert json.loads(out.read_text())["results"][0]["status"] == "pass"


@pytest.mark.root
@pytest.mark.peer
@needs_runc
def test_an_unexpected_failure_ends_with_1_and_known_ones_with_0() -> None:
    case = "rlimits/two-entries-for-one-limit-are-refused"
    assert run("--subject", "runc", "--filter", case).returncode == 0
    assert run("--subject", "runc", "--filter", case, "--no-known").returncode == 1


@pytest.mark.root
@pytest.mark.peer
@needs_runc
def test_prove_ends_with_0_when_every_mutant_is_noticed() -> None:
    done = run("--subject", "runc", "--filter", CWD, "--prove")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "every mutant was noticed"
