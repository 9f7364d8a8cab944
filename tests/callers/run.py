"""`./dev callers`: podman, containerd and Docker with our runtime, each step beside the same under runc.

Prints a table and the differences; exits 1 when there are any.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests.callers.compare import CALLERS, REFERENCE, Comparison, compare, fresh_folder, steps_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev callers", description=__doc__)
    parser.add_argument("--caller", nargs="+", choices=sorted(CALLERS), default=list(CALLERS))
    parser.add_argument("--runtime", default="tare-runtime", help="the runtime to judge: a name or a path")
    parser.add_argument("--only", metavar="TEXT", default="", help="steps with TEXT in their name")
    parser.add_argument("--show", action="store_true", help="print what was seen under runc as well")
    options = parser.parse_args()
    path = shutil.which(options.runtime)
    reference = shutil.which(REFERENCE)
    if path is None or reference is None:
        print(f"callers: find {options.runtime} and {REFERENCE} on PATH: not there", file=sys.stderr)
        return 1
    subject = "subject" if options.runtime == REFERENCE else Path(path).name
    subjects = {REFERENCE: reference, subject: str(Path(path).absolute())}
    found = [one for name in options.caller for one in _try(name, subjects, subject, options)]
    different = [one for one in found if one.difference]
    print(f"{len(found)} steps, {len(different)} different")
    return 1 if different else 0


def _try(name: str, subjects: dict[str, str], subject: str, options: argparse.Namespace) -> list[Comparison]:
    found = []
    with CALLERS[name](fresh_folder(), subjects) as caller:
        for step in steps_of(name):
            if options.only in step.name:
                found.append(compare(caller, step, subject))
                _print(found[-1], subject, show=options.show)
    return found


def _print(one: Comparison, subject: str, *, show: bool) -> None:
    verdict = "DIFFERENT" if one.difference else "same"
    times = f"{REFERENCE} {one.reference_s:5.1f} s  {subject} {one.subject_s:5.1f} s"
    print(f"{one.caller:7} {one.step:36} {times}  {verdict}", flush=True)
    text = "\n".join(one.lines) if show else one.difference
    for line in text.splitlines():
        print(f"        {line}")


if __name__ == "__main__":
    sys.exit(main())
