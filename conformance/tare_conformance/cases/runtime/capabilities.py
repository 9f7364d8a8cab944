"""config.md, "Linux Process": capabilities, set by set."""

from __future__ import annotations

from tare_conformance.bundle import CAPABILITIES
from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, idle, put
from tare_conformance.verdict import equal


def names_in(mask: int) -> list[str]:
    """The capabilities of a mask, sorted by name."""
    return sorted(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)


SOME = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"]
MORE = [*SOME, "CAP_NET_BIND_SERVICE"]


@case(
    "config.md, Linux Process: capabilities.bounding",
    put("/process/capabilities/bounding/-", "CAP_SYS_CHROOT"),
    put("/process/capabilities/bounding/0", "CAP_SETGID"),
)
def bounding_set_is_as_given(lab: Lab) -> None:
    """The bounding set is exactly capabilities.bounding."""
    lab.process["capabilities"] = {"bounding": MORE, "effective": SOME, "permitted": SOME}
    equal("bounding", names_in(lab.observe("capabilities")["capabilities"]["bounding"]), sorted(MORE))


@case(
    "config.md, Linux Process: capabilities.effective",
    put("/process/capabilities/bounding", SOME),
    drop("/process/capabilities/bounding/1", "/process/capabilities/permitted/1"),
)
def root_gets_what_its_bounding_set_allows(lab: Lab) -> None:
    """User 0 has after the execve, by the kernel's rules, the bounding set as permitted and effective."""
    lab.process["capabilities"] = {"bounding": MORE, "effective": MORE, "permitted": MORE}
    facts = lab.observe("capabilities")["capabilities"]
    equal("permitted", names_in(facts["permitted"]), sorted(MORE))
    equal("effective", names_in(facts["effective"]), sorted(MORE))


@case(
    "config.md, Linux Process: capabilities.inheritable",
    drop("/process/capabilities/inheritable"),
    put("/process/capabilities/inheritable", MORE),
)
def inheritable_set_is_as_given(lab: Lab) -> None:
    """The inheritable set is exactly capabilities.inheritable."""
    lab.process["user"] = {"uid": 1000, "gid": 1000}
    lab.process["capabilities"] = {
        "bounding": MORE,
        "effective": MORE,
        "permitted": MORE,
        "inheritable": SOME,
    }
    equal("inheritable", names_in(lab.observe("capabilities")["capabilities"]["inheritable"]), sorted(SOME))


@case(
    "config.md, Linux Process: capabilities.inheritable",
    put("/process/capabilities/inheritable", SOME),
)
def inheritable_set_is_empty_unasked(lab: Lab) -> None:
    """Without capabilities.inheritable the set is empty."""
    equal("inheritable", names_in(lab.observe("capabilities")["capabilities"]["inheritable"]), [])


@case(
    "config.md, Linux Process: capabilities.ambient",
    drop("/process/capabilities/ambient"),
)
def ambient_set_survives_for_an_ordinary_user(lab: Lab) -> None:
    """capabilities.ambient is the ambient set, so that a user other than 0 has them after execve."""
    lab.process["user"] = {"uid": 1000, "gid": 1000}
    lab.process["capabilities"] = {
        "bounding": MORE,
        "effective": MORE,
        "permitted": MORE,
        "inheritable": SOME,
        "ambient": SOME,
    }
    facts = lab.observe("capabilities")["capabilities"]
    for name in ("ambient", "effective", "permitted"):
        equal(name, names_in(facts[name]), sorted(SOME))


@case(
    "config.md, Linux Process: capabilities.permitted",
    put("/process/capabilities/ambient", SOME),
    put("/process/user/uid", 0),
)
def an_ordinary_user_keeps_nothing_else(lab: Lab) -> None:
    """A user other than 0 without ambient capabilities has no permitted or effective ones."""
    lab.process["user"] = {"uid": 1000, "gid": 1000}
    lab.process["capabilities"] = {
        "bounding": MORE,
        "effective": MORE,
        "permitted": MORE,
        "inheritable": SOME,
    }
    facts = lab.observe("capabilities")["capabilities"]
    equal("permitted", names_in(facts["permitted"]), [])
    equal("effective", names_in(facts["effective"]), [])


@case("config.md, Linux Process: capabilities", put("/process/capabilities/bounding", ["CAP_KILL"]))
def no_capability_at_all(lab: Lab) -> None:
    """Five empty sets leave the program, even as user 0, with no capability."""
    lab.process["capabilities"] = {
        "bounding": [],
        "effective": [],
        "permitted": [],
        "inheritable": [],
        "ambient": [],
    }
    facts = lab.observe("capabilities")["capabilities"]
    for name, mask in facts.items():
        equal(name, names_in(mask), [])


@case("config.md, Linux Process: capabilities", idle("create", 1))
def a_capability_that_nobody_knows_is_no_error(lab: Lab) -> None:
    """A name that cannot be mapped to a kernel capability is worth a warning, and the container runs."""
    caps = [*SOME, "CAP_NOT_INVENTED_YET"]
    lab.process["capabilities"] = {"bounding": caps, "effective": caps, "permitted": caps}
    equal("bounding", names_in(lab.observe("capabilities")["capabilities"]["bounding"]), sorted(SOME))
