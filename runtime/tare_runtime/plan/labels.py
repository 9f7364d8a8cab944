"""AppArmor profiles and SELinux labels → operations. Pure; loaded where a config names one.

Spec: runtime-spec 1.3, config.md "Linux Process", config-linux.md "Mount Label".
"""

from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

# File systems that take no context from a mount's options.
_UNLABELLED = ("proc", "sysfs", "mqueue", "cgroup", "cgroup2")
CONTEXT_TYPES = ("context", "fscontext", "defcontext", "rootcontext")
CONTEXT_ANNOTATION = "run.oci.mount_context_type"


def plan_labels(process: "dict[str, Any]") -> "list[Op]":
    """What the process becomes at its exec; written by itself, while the host's /proc is there."""
    plan: list[Op] = []
    if process.get("selinuxLabel"):
        plan.append(ops.attribute("/process/selinuxLabel", "exec", process["selinuxLabel"]))
    if process.get("apparmorProfile"):
        plan.append(
            ops.attribute(
                "/process/apparmorProfile",
                "apparmor/exec",
                "exec " + process["apparmorProfile"],
                stack=bool(process.get("noNewPrivileges")),
            )
        )
    return plan


def labelled_keyring(process: "dict[str, Any]", keyring: "Op") -> "list[Op]":
    """The session keyring with the process's label, which it could not search else."""
    label = process.get("selinuxLabel")
    if not label:
        return [keyring]
    pointer = "/process/selinuxLabel"
    return [
        ops.attribute(pointer, "keycreate", label),
        keyring,
        ops.attribute(pointer, "keycreate", ""),
    ]


def labelled(data: str, fstype: str, config: "dict[str, Any]") -> str:
    """Mount data with linux.mountLabel, in quotes: a label's categories are separated by commas."""
    if fstype in _UNLABELLED:
        return data
    kind = (config.get("annotations") or {}).get(CONTEXT_ANNOTATION, "context")
    option = f'{kind}="{config["linux"]["mountLabel"]}"'
    return f"{data},{option}" if data else option
