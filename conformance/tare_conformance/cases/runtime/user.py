"""config.md, "POSIX-platform User"."""

from __future__ import annotations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal, true


@case("config.md, POSIX-platform User: uid, gid", put("/process/user/uid", 0), put("/process/user/gid", 0))
def uid_and_gid_are_set(lab: Lab) -> None:
    """Real, effective and saved ids of the program are user.uid and user.gid."""
    lab.process["user"] = {"uid": 1234, "gid": 5678}
    ids = lab.observe("ids")["ids"]
    equal("uids", ids["uid"], [1234] * 3)
    equal("gids", ids["gid"], [5678] * 3)


@case("config.md, POSIX-platform User: additionalGids", drop("/process/user/additionalGids"))
def additional_gids_are_set(lab: Lab) -> None:
    """user.additionalGids become supplementary groups, and there are no others."""
    lab.process["user"] = {"uid": 1, "gid": 2, "additionalGids": [10, 20, 30]}
    groups = lab.observe("ids")["ids"]["groups"]
    equal("groups", sorted(set(groups) - {2}), [10, 20, 30])


@case("config.md, POSIX-platform User: uid, gid", put("/process/user", {"uid": 1, "gid": 1}))
def ids_above_two_to_the_31_are_ids(lab: Lab) -> None:
    """uid and gid are unsigned 32-bit numbers: the upper half works like the lower."""
    lab.process["user"] = {"uid": 4000000001, "gid": 4000000002, "additionalGids": [4000000003]}
    ids = lab.observe("ids")["ids"]
    equal("uid and gid", [ids["uid"][0], ids["gid"][0]], [4000000001, 4000000002])
    true("the additional group is there", 4000000003 in ids["groups"])


@case(
    "config.md, POSIX-platform User: additionalGids",
    put("/process/user/additionalGids", [6]),
)
def the_caller_s_groups_do_not_come_along(lab: Lab) -> None:
    """Without additionalGids the program has no supplementary group but its own."""
    lab.process["user"] = {"uid": 1, "gid": 2}
    equal("groups", [group for group in lab.observe("ids")["ids"]["groups"] if group != 2], [])


@case("config.md, POSIX-platform User: umask", drop("/process/user/umask"), put("/process/user/umask", 0))
def umask_is_set(lab: Lab) -> None:
    """user.umask is the program's file mode creation mask."""
    lab.process["user"] = {"uid": 0, "gid": 0, "umask": 0o027}
    facts = lab.observe("umask", "create=/tmp/made", "stat=/tmp/made")
    equal("umask", facts["umask"], 0o027)
    equal("mode of a new file", facts["stat=/tmp/made"]["mode"], 0o640)
