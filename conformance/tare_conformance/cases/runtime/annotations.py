"""config.md, "Annotations" and "Extensibility": what a runtime does not know must not hurt."""

from __future__ import annotations

import json

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import idle
from tare_conformance.verdict import equal


@case("config.md, Annotations", idle("create", 1))
def unknown_annotations_are_no_error(lab: Lab) -> None:
    """A runtime meets annotation keys that it does not know, and runs the container."""
    lab.config["annotations"] = {"com.example.unknown": "yes", "no-dots": "1"}
    equal("pid inside", lab.observe("pids")["pids"]["pid"], 1)


@case("config.md, Extensibility", idle("create", 1))
def unknown_properties_are_no_error(lab: Lab) -> None:
    """A runtime meets members of config.json that it does not know, at any depth, and runs the container."""
    lab.process["args"] = ["/probe", "pids"]
    document = json.loads(json.dumps(lab.config))
    document["x-unknown"] = {"a": [1, None]}
    document["process"]["x-unknown"] = True
    document["linux"]["x-unknown"] = "text"
    document["root"]["x-unknown"] = 1.5
    document["mounts"][0]["x-unknown"] = []
    box, done = lab.try_create(config_text=json.dumps(document))
    done.demand()
    box.start().demand()
    equal("pid inside", box.facts()["pids"]["pid"], 1)
    box.wait()
