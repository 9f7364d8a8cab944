"""linux.netDevices → operations, and their rules. Pure; loaded where a config has some.

Spec: runtime-spec 1.3, config-linux.md "Network Devices".
"""

from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

_LONGEST = 15  # IFNAMSIZ, which counts a NUL too
_AT = "/linux/netDevices/"


def plan_net_devices(devices: "dict[str, dict[str, Any]]") -> "list[Op]":
    """Operations of the host for when the container's process, and so its network namespace, is there."""
    return [
        ops.host_net_device(_AT + name.replace("~", "~0").replace("/", "~1"), name, new_name_of(name, device))
        for name, device in devices.items()
    ]


def new_name_of(name: str, device: "dict[str, Any]") -> str:
    return device.get("name") or name


def name_problem(name: str, *, template: bool) -> str:
    """Why no network device can have this name, or "". `template`: "%d" stands for a number."""
    if not name or name in (".", "..") or len(name.encode()) > _LONGEST:
        return f"{name!r} is no name of a network device: they have 1 to {_LONGEST} bytes"
    if any(letter in "/:" or letter.isspace() for letter in name):
        return f"{name!r} is no name of a network device: they have no slash, colon or space"
    if "%" in name and not (template and name.count("%") == 1 and "%d" in name):
        return f"{name!r} is no name of a network device: of % signs it may have one %d in a new name"
    return ""
