"""Shapes of the runtime-spec's JSON documents, version 1.3, as TypedDicts.

Two documents: `Config` (a bundle's config.json) and `State` (what `state` prints and hooks read on their
standard input); `tare_spec.features` has the third. Keys keep the spelling of the specification. The types
promise nothing about a document that was only decoded: `tare_spec.validate` judges one.

Only type checkers import this module for the runtime: its hot path never does.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

# --- config.json: what every platform shares (config.md) ----------------------------------------------


class IDMapping(TypedDict):
    """A range of ids, `size` long, seen under two numberings."""

    containerID: int
    hostID: int
    size: int


class Root(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config.md, "Root"."""

    path: Required[str]
    readonly: bool


class Mount(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config.md, "Mounts"."""

    destination: Required[str]
    source: str
    type: str
    options: list[str]
    uidMappings: list[IDMapping]
    gidMappings: list[IDMapping]


class ConsoleSize(TypedDict):
    """Size of the terminal in characters."""

    height: int
    width: int


class User(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config.md, "User"."""

    uid: int
    gid: int
    umask: int
    additionalGids: list[int]
    username: str


class Rlimit(TypedDict):
    """Spec: runtime-spec 1.3, config.md, "POSIX process"."""

    type: str
    soft: int
    hard: int


class Capabilities(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config.md, "Linux Process"."""

    bounding: list[str]
    effective: list[str]
    inheritable: list[str]
    permitted: list[str]
    ambient: list[str]


SchedulerPolicy = Literal[
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"
]


class Scheduler(TypedDict, total=False):
    """Arguments of sched_setattr(2)."""

    policy: Required[SchedulerPolicy]
    nice: int
    priority: int
    flags: list[str]
    runtime: int
    deadline: int
    period: int


IOPriority = TypedDict(
    "IOPriority",
    {"class": Literal["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"], "priority": int},
)


class ExecCPUAffinity(TypedDict, total=False):
    """CPU lists for a process that `exec` starts: before and after it joins the cgroup."""

    initial: str
    final: str


class Process(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config.md, "Process"."""

    terminal: bool
    consoleSize: ConsoleSize
    cwd: Required[str]
    env: list[str]
    args: list[str]
    commandLine: str
    user: User
    rlimits: list[Rlimit]
    capabilities: Capabilities
    apparmorProfile: str
    selinuxLabel: str
    noNewPrivileges: bool
    oomScoreAdj: int
    scheduler: Scheduler
    ioPriority: IOPriority
    execCPUAffinity: ExecCPUAffinity


class Hook(TypedDict, total=False):
    """One program to run at a stage; `timeout` is in seconds."""

    path: Required[str]
    args: list[str]
    env: list[str]
    timeout: int


class Hooks(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config.md, "POSIX-platform Hooks"."""

    prestart: list[Hook]
    createRuntime: list[Hook]
    createContainer: list[Hook]
    startContainer: list[Hook]
    poststart: list[Hook]
    poststop: list[Hook]


# --- config.json: linux (config-linux.md) ---------------------------------------------------------------

NamespaceType = Literal["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]


class Namespace(TypedDict, total=False):
    """A namespace to make, or with `path` one to join."""

    type: Required[NamespaceType]
    path: str


class TimeOffset(TypedDict, total=False):
    """Offset of one clock in a new time namespace."""

    secs: int
    nanosecs: int


class TimeOffsets(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Offset for Time Namespace"."""

    boottime: TimeOffset
    monotonic: TimeOffset


class Device(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Devices"."""

    type: Required[str]
    path: Required[str]
    major: int
    minor: int
    fileMode: int
    uid: int
    gid: int


class NetDevice(TypedDict, total=False):
    """A network interface of the host that moves into the container."""

    name: str


class DeviceRule(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Allowed Device list"."""

    allow: Required[bool]
    type: str
    major: int
    minor: int
    access: str


class Memory(TypedDict, total=False):
    """Limits in bytes; -1 means no limit."""

    limit: int
    reservation: int
    swap: int
    kernel: int
    kernelTCP: int
    swappiness: int
    disableOOMKiller: bool
    useHierarchy: bool
    checkBeforeUpdate: bool


class CPU(TypedDict, total=False):
    """Times are in microseconds."""

    shares: int
    quota: int
    burst: int
    period: int
    realtimeRuntime: int
    realtimePeriod: int
    cpus: str
    mems: str
    idle: int


class Pids(TypedDict):
    """The number of tasks; -1 means no limit."""

    limit: int


class WeightDevice(TypedDict, total=False):
    """Share of one block device."""

    major: Required[int]
    minor: Required[int]
    weight: int
    leafWeight: int


class ThrottleDevice(TypedDict, total=False):
    """Rate of one block device: bytes or operations a second."""

    major: Required[int]
    minor: Required[int]
    rate: int


class BlockIO(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Block IO"."""

    weight: int
    leafWeight: int
    weightDevice: list[WeightDevice]
    throttleReadBpsDevice: list[ThrottleDevice]
    throttleWriteBpsDevice: list[ThrottleDevice]
    throttleReadIOPSDevice: list[ThrottleDevice]
    throttleWriteIOPSDevice: list[ThrottleDevice]


class HugepageLimit(TypedDict):
    """A limit in bytes for one size of page."""

    pageSize: str
    limit: int


class InterfacePriority(TypedDict):
    """Priority of the traffic on one interface."""

    name: str
    priority: int


class Network(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Network"."""

    classID: int
    priorities: list[InterfacePriority]


class Rdma(TypedDict, total=False):
    """Limits for one RDMA device."""

    hcaHandles: int
    hcaObjects: int


class Resources(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Control groups"."""

    devices: list[DeviceRule]
    memory: Memory
    cpu: CPU
    pids: Pids
    blockIO: BlockIO
    hugepageLimits: list[HugepageLimit]
    network: Network
    rdma: dict[str, Rdma]
    unified: dict[str, str]


class SyscallArg(TypedDict, total=False):
    """A comparison with one argument of the system call."""

    index: Required[int]
    value: Required[int]
    valueTwo: int
    op: Required[str]


class Syscall(TypedDict, total=False):
    """A rule for some system calls."""

    names: Required[list[str]]
    action: Required[str]
    errnoRet: int
    args: list[SyscallArg]


class Seccomp(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Seccomp"."""

    defaultAction: Required[str]
    defaultErrnoRet: int
    architectures: list[str]
    flags: list[str]
    listenerPath: str
    listenerMetadata: str
    syscalls: list[Syscall]


class IntelRdt(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md, "Intel RDT"."""

    closID: str
    schemata: list[str]
    l3CacheSchema: str
    memBwSchema: str
    enableMonitoring: bool


class MemoryPolicy(TypedDict, total=False):
    """Arguments of set_mempolicy(2)."""

    mode: Required[str]
    nodes: str
    flags: list[str]


class Personality(TypedDict, total=False):
    """Argument of personality(2)."""

    domain: Required[Literal["LINUX", "LINUX32"]]
    flags: list[str]


class Linux(TypedDict, total=False):
    """Spec: runtime-spec 1.3, config-linux.md."""

    namespaces: list[Namespace]
    uidMappings: list[IDMapping]
    gidMappings: list[IDMapping]
    timeOffsets: TimeOffsets
    devices: list[Device]
    netDevices: dict[str, NetDevice]
    cgroupsPath: str
    resources: Resources
    intelRdt: IntelRdt
    memoryPolicy: MemoryPolicy
    sysctl: dict[str, str]
    seccomp: Seccomp
    rootfsPropagation: str
    maskedPaths: list[str]
    readonlyPaths: list[str]
    mountLabel: str
    personality: Personality


class Config(TypedDict, total=False):
    """config.json of a bundle. Spec: runtime-spec 1.3, config.md."""

    ociVersion: Required[str]
    root: Root
    mounts: list[Mount]
    process: Process
    hostname: str
    domainname: str
    hooks: Hooks
    annotations: dict[str, str]
    linux: Linux


# --- state (runtime.md) ---------------------------------------------------------------------------------


class State(TypedDict, total=False):
    """What `state` prints. `paused` is not the specification's but every runtime's own.

    Spec: runtime-spec 1.3, runtime.md, "State".
    """

    ociVersion: Required[str]
    id: Required[str]
    status: Required[Literal["creating", "created", "running", "paused", "stopped"]]
    pid: int
    bundle: Required[str]
    annotations: dict[str, str]


class ContainerProcessState(TypedDict, total=False):
    """What a seccomp agent receives with the notify descriptor.

    Spec: runtime-spec 1.3, config-linux.md, "The Container Process State".
    """

    ociVersion: Required[str]
    fds: Required[list[str]]
    pid: Required[int]
    metadata: str
    state: Required[State]
