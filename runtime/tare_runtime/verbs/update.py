"""update: change the limits of a container."""

from __future__ import annotations

from tare_runtime.config.document import read_document
from tare_runtime.config.resources import check_resources, read_resources, size_bytes, whole_number
from tare_runtime.errors import RuntimeFailure
from tare_runtime.life.update import update_container
from tare_runtime.verbs.create import warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options

# option → (section of linux.resources, member, how it is read)
_FIELDS = {
    "blkio-weight": ("blockIO", "weight", whole_number),
    "cpu-period": ("cpu", "period", whole_number),
    "cpu-quota": ("cpu", "quota", whole_number),
    "cpu-burst": ("cpu", "burst", whole_number),
    "cpu-share": ("cpu", "shares", whole_number),
    "cpu-rt-period": ("cpu", "realtimePeriod", whole_number),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", whole_number),
    "cpu-idle": ("cpu", "idle", whole_number),
    "memory": ("memory", "limit", size_bytes),
    "memory-reservation": ("memory", "reservation", size_bytes),
    "memory-swap": ("memory", "swap", size_bytes),
    "kernel-memory": ("memory", "kernel", size_bytes),
    "kernel-memory-tcp": ("memory", "kernelTCP", size_bytes),
    "pids-limit": ("pids", "limit", whole_number),
}


def run(options: Options) -> int:
    if options.l3_cache_schema or options.mem_bw_schema:
        raise RuntimeFailure(
            f"update container {options.args[0]}: it has no class of service of Intel RDT",
            "leave --l3-cache-schema and --mem-bw-schema out",
        )
    resources = _from_document(options.resources) if options.resources else _from_flags(options)
    update_container(options.root, options.args[0], resources, warner(options))
    return 0


def _from_flags(options: Options) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    for option, (section, member, read) in _FIELDS.items():
        text = getattr(options, option.replace("-", "_"))
        if text:
            resources.setdefault(section, {})[member] = read(text, f"--{option}")
    for option, member in (("cpuset_cpus", "cpus"), ("cpuset_mems", "mems")):
        if getattr(options, option):
            resources.setdefault("cpu", {})[member] = getattr(options, option)
    check_resources(resources, "the options")
    return resources


def _from_document(path: str) -> dict[str, Any]:
    data, name = read_document(path, "limits")
    return read_resources(data, name)
