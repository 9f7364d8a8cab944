"""Which section of the runtime-spec governs a field of config.json; loaded only to word violations."""

from __future__ import annotations

# The longest matching beginning of the pointer counts.
_SECTIONS = {
    "": "config.md",
    "/ociVersion": 'config.md, "Specification version"',
    "/root": 'config.md, "Root"',
    "/mounts": 'config.md, "Mounts"',
    "/process": 'config.md, "Process"',
    "/process/rlimits": 'config.md, "POSIX process"',
    "/process/user": 'config.md, "User"',
    "/process/capabilities": 'config.md, "Linux Process"',
    "/process/apparmorProfile": 'config.md, "Linux Process"',
    "/process/oomScoreAdj": 'config.md, "Linux Process"',
    "/process/scheduler": 'config.md, "Linux Process"',
    "/process/selinuxLabel": 'config.md, "Linux Process"',
    "/process/ioPriority": 'config.md, "Linux Process"',
    "/process/execCPUAffinity": 'config.md, "Linux Process"',
    "/hostname": 'config.md, "Hostname"',
    "/domainname": 'config.md, "Domainname"',
    "/hooks": 'config.md, "POSIX-platform Hooks"',
    "/annotations": 'config.md, "Annotations"',
    "/linux": "config-linux.md",
    "/linux/namespaces": 'config-linux.md, "Namespaces"',
    "/linux/uidMappings": 'config-linux.md, "User namespace mappings"',
    "/linux/gidMappings": 'config-linux.md, "User namespace mappings"',
    "/linux/timeOffsets": 'config-linux.md, "Offset for Time Namespace"',
    "/linux/devices": 'config-linux.md, "Devices"',
    "/linux/netDevices": 'config-linux.md, "Network Devices"',
    "/linux/cgroupsPath": 'config-linux.md, "Cgroups Path"',
    "/linux/resources": 'config-linux.md, "Control groups"',
    "/linux/resources/devices": 'config-linux.md, "Allowed Device list"',
    "/linux/resources/memory": 'config-linux.md, "Memory"',
    "/linux/resources/cpu": 'config-linux.md, "CPU"',
    "/linux/resources/blockIO": 'config-linux.md, "Block IO"',
    "/linux/resources/hugepageLimits": 'config-linux.md, "Huge page limits"',
    "/linux/resources/network": 'config-linux.md, "Network"',
    "/linux/resources/pids": 'config-linux.md, "PIDs"',
    "/linux/resources/rdma": 'config-linux.md, "RDMA"',
    "/linux/resources/unified": 'config-linux.md, "Unified"',
    "/linux/memoryPolicy": 'config-linux.md, "Memory policy"',
    "/linux/intelRdt": 'config-linux.md, "IntelRdt"',
    "/linux/sysctl": 'config-linux.md, "Sysctl"',
    "/linux/seccomp": 'config-linux.md, "Seccomp"',
    "/linux/rootfsPropagation": 'config-linux.md, "Rootfs Mount Propagation"',
    "/linux/maskedPaths": 'config-linux.md, "Masked Paths"',
    "/linux/readonlyPaths": 'config-linux.md, "Readonly Paths"',
    "/linux/mountLabel": 'config-linux.md, "Mount Label"',
    "/linux/personality": 'config-linux.md, "Personality"',
}


def section_of(pointer: str) -> str:
    while pointer not in _SECTIONS:
        pointer = pointer[: pointer.rfind("/")]
    return _SECTIONS[pointer]
