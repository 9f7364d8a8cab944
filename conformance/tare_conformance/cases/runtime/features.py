"""features.md and features-linux.md."""

from __future__ import annotations

import json
import re

from tare_spec.validate import violations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import hides, idle, prints
from tare_conformance.verdict import Failure, equal, true


@case(
    "features.md, Specification version",
    hides("features", "/ociVersionMin"),
    hides("features", "/ociVersionMax"),
    prints("features", "/ociVersionMax", "latest"),
    prints("features", "/hooks", "all"),
    prints("features", "/linux/namespaces", ["flavour"]),
    idle("features"),
)
def features_prints_what_the_runtime_can_do(lab: Lab) -> None:
    """The document has the lowest and the highest version that the runtime knows, and lists of names."""
    done = lab.call("features").demand()
    try:
        document = json.loads(done.stdout)
    except ValueError as error:
        raise Failure(f"features prints no JSON: {error}", done.stdout) from error
    for name in ("ociVersionMin", "ociVersionMax"):
        version = document.get(name, "")
        true(f"{name} is a version: {version!r}", re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.+-]+)?", version))
    equal("violations of the schema", [str(found) for found in violations("runtime/features", document)], [])


@case("features-linux.md, Namespaces", prints("features", "/linux/namespaces", ["pid"]))
def features_names_the_namespaces_that_work(lab: Lab) -> None:
    """linux.namespaces names what the runtime can make: at least what its container here has."""
    document = json.loads(lab.call("features").demand().stdout)
    listed = set(document.get("linux", {}).get("namespaces") or [])
    wanted = {entry["type"] for entry in lab.linux["namespaces"]}
    lab.observe("pids")
    true(f"these are listed: {sorted(wanted - listed)}", wanted <= listed)
