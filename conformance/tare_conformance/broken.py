"""A runtime that is wrong on purpose: broken.py EDITS -- RUNTIME [ARGUMENT...].

Run by path, never imported: it stands in a subject's place on the command line. EDITS is the JSON of
`mutants.Mutant.encoded`. config.json is edited for the time of one call and then put back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

READS_CONFIG = "create"


def main(argv: list[str]) -> int:
    command = argv[3:]
    # Any: the edits carry values of any JSON type.
    edits: list[dict[str, Any]] = json.loads(argv[1].replace("TOKEN", token_of(command[-1])))
    at = next(i for i, word in enumerate(command[1:], 1) if not word.startswith("-"))
    verb, words, container = command[at], command[at + 1 :], command[-1]
    mine = [edit for edit in edits if edit.get("verb") == verb]
    for edit in mine:
        if edit["do"] == "idle":
            return int(edit["code"])
        if edit["do"] == "swap":
            words = [str(edit["new"]) if word == edit["old"] else word for word in words]
        if edit["do"] == "first":
            subprocess.run([*command[:at], *edit["call"], container], stdout=2)
    for edit in mine:
        if edit["do"] == "leak":  # a descriptor that the container then inherits
            os.dup2(os.open("/", os.O_RDONLY), 3)
            os.set_inheritable(3, True)  # dup2 onto itself leaves it as it is
            words = ["--preserve-fds=1", *words]
    code = call([*command[:at], verb, *words], verb, words, edits, mine)
    for edit in mine:
        if edit["do"] == "then" and code == 0:
            subprocess.run([*command[:at], *edit["call"], container], stdout=2)
        if edit["do"] == "litter":
            litter(str(edit["what"]), container)
        if edit["do"] == "exit":
            code = int(edit["code"])
    return code


def call(
    command: list[str], verb: str, words: list[str], edits: list[dict[str, Any]], mine: list[dict[str, Any]]
) -> int:
    changes = [edit for edit in edits if edit["do"] in ("put", "drop", "reverse")]
    if verb == READS_CONFIG and changes:
        path = os.path.join(words[words.index("--bundle") + 1], "config.json")
        return with_config(path, changes, command)
    speech = [edit for edit in mine if edit["do"] in ("print", "hide")]
    if not speech:
        return subprocess.run(command, close_fds=False).returncode
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode == 0:
        document = json.loads(done.stdout)
        for edit in speech:
            apply(document, {**edit, "do": "put" if edit["do"] == "print" else "drop"})
        print(json.dumps(document))
    return done.returncode


def with_config(path: str, changes: list[dict[str, Any]], command: list[str]) -> int:
    with open(path) as file:
        original = file.read()
    try:
        document = json.loads(original)
    except ValueError:
        return subprocess.run(command, close_fds=False).returncode
    for edit in changes:
        apply(document, edit)
    try:
        write(path, json.dumps(document))
        return subprocess.run(command, close_fds=False).returncode
    finally:
        write(path, original)


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def apply(document: Any, edit: dict[str, Any]) -> None:  # Any: a JSON document
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in edit["at"].split("/")[1:]]
    place = document
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if isinstance(place, list) and last == "-":
        place.append(edit["value"])
        return
    key = int(last) if isinstance(place, list) else last
    if edit["do"] == "put":
        place[key] = edit["value"]
    elif edit["do"] == "drop":
        if isinstance(place, list) or key in place:
            del place[key]
    else:
        place[key] = place[key][::-1]


def litter(what: str, container: str) -> None:
    if what == "process":
        subprocess.Popen(["/bin/sleep", "60"], stdout=2, start_new_session=True)
    elif what == "mount":
        subprocess.run(["/bin/mount", "-t", "tmpfs", "none", "/mnt"], check=True, stdout=2)
    elif what == "cgroup":
        for hierarchy in ("/sys/fs/cgroup", "/sys/fs/cgroup/pids"):
            if os.path.exists(f"{hierarchy}/cgroup.procs"):
                os.makedirs(f"{hierarchy}/{token_of(container)}/{container}", exist_ok=True)


def token_of(container: str) -> str:
    """The directory of control groups that the lab cleans up, by the form of its ids."""
    return container.rsplit(".", 1)[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv))
