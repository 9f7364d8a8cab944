"""`--cgroup-manager disabled`: the container stays in the cgroups of its caller, without limits."""

from __future__ import annotations

from tare_runtime.cgroup.paths import CgroupPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def no_cgroups(config: dict[str, Any], warn: Callable[[str], None]) -> CgroupPlan:
    """An empty plan; `warn` hears of limits that are left out."""
    resources = config.get("linux", {}).get("resources", {})
    left_out = [name for name, value in resources.items() if value]
    if left_out:
        names = ", ".join(left_out)
        warn(f"linux.resources ({names}) has no effect: --cgroup-manager disabled makes no cgroups")
    return CgroupPlan(1, {}, [], [], [])
