"""All facts of a host, and how they are shown."""

from __future__ import annotations

from tare_runtime.doctor.cgroups import cgroups, managers
from tare_runtime.doctor.host import NO, YES, Fact, Host
from tare_runtime.doctor.security import checkpoints, file_systems, limits, security
from tare_runtime.doctor.system import namespaces, system, user_ids

PARTS = (system, namespaces, user_ids, cgroups, managers, security, file_systems, checkpoints, limits)


def examine(host: Host) -> list[Fact]:
    """Every fact. Reads files only; nothing is changed or tried."""
    return [fact for part in PARTS for fact in part(host)]


def can_run(facts: list[Fact]) -> bool:
    """Whether containers run here at all."""
    return not any(fact.need and fact.status == NO for fact in facts)


def as_text(facts: list[Fact]) -> str:
    """For people, by topics."""
    width = max(len(fact.name) for fact in facts)
    lines: list[str] = []
    topic = ""
    for fact in facts:
        if fact.topic != topic:
            topic = fact.topic
            lines += ["", topic] if lines else [topic]
        lines.append(f"  {fact.status:<6}  {fact.name:<{width}}  {fact.detail}".rstrip())
        if fact.advice and fact.status != YES:
            lines.append(" " * (width + 12) + fact.advice)
    verdict = "containers can run here"
    if not can_run(facts):
        missing = ", ".join(fact.name for fact in facts if fact.need and fact.status == NO)
        verdict = f"containers cannot run here: {missing}"
    return "\n".join([*lines, "", verdict])
