"""The shape of what `features` prints (features.md, features-linux.md), as TypedDicts.

Like `tare_spec.runtime`: types for checkers, loaded by no hot path.
"""

from __future__ import annotations

from typing import Required, TypedDict


class Enabled(TypedDict, total=False):
    """A feature that is compiled in or not."""

    enabled: bool


class CgroupFeatures(TypedDict, total=False):
    """Which cgroup managers and versions the runtime knows."""

    v1: bool
    v2: bool
    systemd: bool
    systemdUser: bool
    rdma: bool


class SeccompFeatures(TypedDict, total=False):
    """The words of `linux.seccomp` that the runtime recognises."""

    enabled: bool
    actions: list[str]
    operators: list[str]
    archs: list[str]
    knownFlags: list[str]
    supportedFlags: list[str]


class IntelRdtFeatures(TypedDict, total=False):
    """Which parts of `linux.intelRdt` the runtime knows."""

    enabled: bool
    schemata: bool
    monitoring: bool


class MemoryPolicyFeatures(TypedDict, total=False):
    """The words of `linux.memoryPolicy` that the runtime recognises."""

    modes: list[str]
    flags: list[str]


class MountExtensions(TypedDict, total=False):
    """Mount features that have no option of their own."""

    idmap: Enabled


class LinuxFeatures(TypedDict, total=False):
    """Spec: runtime-spec 1.3, features-linux.md."""

    namespaces: list[str]
    capabilities: list[str]
    cgroup: CgroupFeatures
    seccomp: SeccompFeatures
    apparmor: Enabled
    selinux: Enabled
    intelRdt: IntelRdtFeatures
    memoryPolicy: MemoryPolicyFeatures
    mountExtensions: MountExtensions
    netDevices: Enabled


class Features(TypedDict, total=False):
    """What `features` prints. Spec: runtime-spec 1.3, features.md."""

    ociVersionMin: Required[str]
    ociVersionMax: Required[str]
    hooks: list[str]
    mountOptions: list[str]
    annotations: dict[str, str]
    potentiallyUnsafeConfigAnnotations: list[str]
    linux: LinuxFeatures
