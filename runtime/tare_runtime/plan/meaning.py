"""What each kind of operation does, and which text of the runtime-spec asks for it, in our words. Cold."""

from __future__ import annotations

_NS = 'config-linux.md, "Namespaces"'
_CG = 'config-linux.md, "Cgroups Path"'
_CONTROL = 'config-linux.md, "Control groups"'
_MOUNTS = 'config.md, "Mounts"'
_PROCESS = 'config.md, "Process"'
_LINUX = 'config.md, "Linux Process"'
_LIFE = 'runtime.md, "Lifecycle"'

# kind → (what it does, why it is in a plan, section, the kernel's names for it)
MEANING: dict[str, tuple[str, str, str, str]] = {
    "host_mkdir": (
        "makes a cgroup directory, where it is missing",
        "the runtime places the container's processes in the cgroup that cgroupsPath names; without"
        " that field"
        " it chooses one itself",
        _CG,
        "mkdir",
    ),
    "host_write": (
        "writes one value to a file of a cgroup",
        "a limit of linux.resources that is given must be applied, or the start is an error. Device rules are"
        " such writes on cgroup v1: all is denied first, then each rule in its order, then what every"
        " container"
        " may use",
        _CONTROL,
        "open, write",
    ),
    "host_copy_parent": (
        "copies a value from the cgroup above where the new one is empty",
        "a new cpuset of cgroup v1 has no processors and no memory nodes, and nobody can join it before"
        " it has",
        _CONTROL,
        "open, read, write",
    ),
    "host_device_filter": (
        "attaches a BPF program that decides about every use of a device in the cgroup",
        "on cgroup v2 the list of allowed devices has no file: the rules become a program",
        'config-linux.md, "Allowed Device list"',
        "bpf(BPF_PROG_LOAD), bpf(BPF_PROG_ATTACH)",
    ),
    "host_enable_controllers": (
        "enables controllers in a cgroup for those below it",
        "a limit of linux.resources is applied where its controller is; cgroup v2 hands one down only when"
        " the cgroup above says so",
        _CONTROL,
        "open, write",
    ),
    "host_open_cgroup": (
        "opens the file by which the container's process will join the cgroup",
        "it is opened by the runtime, whose rights count for the write, and handed over",
        _CG,
        "open, SCM_RIGHTS",
    ),
    "oom_score_adj": (
        "sets how likely the kernel ends the process when memory runs out",
        "process.oomScoreAdj is written as it is; without the field the runtime leaves the value alone",
        _LINUX,
        "write to /proc/self/oom_score_adj",
    ),
    "setns_path": (
        "joins a namespace that exists",
        "a namespace with a path must be entered there, and an error is due where its kind is another",
        _NS,
        "open, setns",
    ),
    "setns_process": (
        "joins the namespaces of the container's first process",
        "exec runs a process in the container as it is now",
        'runtime.md, "Operations"',
        "setns on a pidfd",
    ),
    "open_proc": (
        "keeps a descriptor of the host's /proc, checked to be one",
        "security attributes and sysctls are written through it, so that no mount of the container can lead"
        " the write elsewhere",
        _LINUX,
        "open, fstatfs",
    ),
    "clone": (
        "makes the container's first process, in its new namespaces",
        "each namespace without a path is a new one; those that are not listed are inherited",
        _NS,
        "clone3(CLONE_NEW…|CLONE_PARENT)",
    ),
    "recorded": (
        "waits until the state on disk names this process",
        "whatever happens to the runtime from here on, delete must find the container",
        'runtime.md, "State"',
        "recvmsg",
    ),
    "join_cgroups": (
        "moves the process into the container's cgroups",
        "all processes of the container belong to the cgroup of cgroupsPath",
        _CG,
        'write "0" to tasks or cgroup.procs',
    ),
    "cgroup_namespace": (
        "makes the cgroup namespace, whose root is the cgroup just joined",
        "a namespace of the kind cgroup without a path is a new one",
        _NS,
        "unshare(CLONE_NEWCGROUP)",
    ),
    "sync": (
        "reports that it has come this far and waits for hooks",
        "prestart and createRuntime hooks run after the namespaces are made and before pivot_root,"
        " startContainer"
        " ones just before the program",
        _LIFE,
        "sendmsg, recvmsg",
    ),
    "become_root": (
        "takes the ids 0 of the new user namespace",
        "the maps say what ids mean inside; the rest of the set-up is done with its root's rights",
        'config-linux.md, "User namespace mappings"',
        "setresgid, setresuid",
    ),
    "setsid": (
        "begins a session of its own",
        "the container must not be able to push characters into the caller's terminal",
        _PROCESS,
        "setsid",
    ),
    "loopback_up": (
        "switches the interface lo on",
        "a new network namespace has nothing but lo, and that is down; programs expect 127.0.0.1",
        'config-linux.md, "Network"',
        "ioctl(SIOCSIFFLAGS)",
    ),
    "sethostname": (
        "sets the host name of the uts namespace",
        "hostname is what the container's processes see",
        'config.md, "Hostname"',
        "sethostname",
    ),
    "setdomainname": (
        "sets the NIS domain name of the uts namespace",
        "domainname is what the container's processes see",
        'config.md, "Domainname"',
        "setdomainname",
    ),
    "sysctl": (
        "writes a kernel parameter of the container's namespaces",
        "linux.sysctl is applied at run time; what belongs to no namespace of the container is refused",
        'config-linux.md, "Sysctl"',
        "write below /proc/sys",
    ),
    "keyring": (
        "joins a new session keyring",
        "keys of the caller must not be reachable in the container (no field asks; --no-new-keyring"
        " leaves it out)",
        _PROCESS,
        "keyctl(KEYCTL_JOIN_SESSION_KEYRING)",
    ),
    "root_propagation": (
        "sets how mounts of the new mount namespace propagate",
        "nothing that is mounted for the container may appear on the host; linux.rootfsPropagation"
        " chooses the rest",
        'config-linux.md, "Rootfs Mount Propagation"',
        "mount(MS_SLAVE|MS_PRIVATE|MS_SHARED …)",
    ),
    "rootfs": (
        "binds the root file system on itself, as a mount of its own",
        "root.path is the container's /; pivot_root wants a mount point",
        'config.md, "Root"',
        "open_tree(OPEN_TREE_CLONE), move_mount",
    ),
    "mount": (
        "makes a file system and attaches it in the container",
        "mounts are made in the order of the list, each at its destination in the container, with its"
        " options",
        _MOUNTS,
        "fsopen, fsconfig, fsmount, openat2, move_mount",
    ),
    "bind": (
        "attaches a copy of a directory or file of the host",
        "bind and rbind mount what source names; options hold for the copy alone",
        _MOUNTS,
        "open_tree, mount_setattr, openat2, move_mount",
    ),
    "unmount": (
        "detaches what is mounted on top at a place",
        "no config asks for it: `mounts remove` does, of a container that exists",
        _MOUNTS,
        "umount2",
    ),
    "remount": (
        "changes attributes of a mount just made",
        "a read-only mount under which something was still to be mounted becomes read-only at the end",
        _MOUNTS,
        "mount_setattr",
    ),
    "mkdir": (
        "makes a directory in the container, with those above it",
        "a missing destination, or working directory, is made",
        _MOUNTS,
        "openat2, mkdirat",
    ),
    "mknod": (
        "makes a device node or fifo",
        "linux.devices lists what must be there, and null, zero, full, random, urandom and tty always are",
        'config-linux.md, "Devices"',
        "openat2, mknodat, fchmodat, fchownat",
    ),
    "symlink": (
        "makes a symlink, unless something is there",
        "/dev/fd, stdin, stdout, stderr (and ptmx) must lead to the process's own",
        'runtime-linux.md, "Dev symbolic links"',
        "openat2, symlinkat",
    ),
    "mask": (
        "hides a path: a file behind /dev/null, a directory behind an empty tmpfs",
        "maskedPaths cannot be read in the container; missing ones are passed over",
        'config-linux.md, "Masked Paths"',
        "openat2, open_tree or fsmount, move_mount",
    ),
    "readonly": (
        "makes a path read-only by a bind mount on itself",
        "readonlyPaths can be read and not be written",
        'config-linux.md, "Readonly Paths"',
        "openat2, open_tree, mount_setattr, move_mount",
    ),
    "pivot_root": (
        "makes the root file system the root, and drops the host's",
        "the process sees root.path as /, and nothing outside of it",
        'config.md, "Root"',
        "pivot_root, umount2; with --no-pivot mount(MS_MOVE), chroot",
    ),
    "root_attr": (
        "gives the root mount its last attributes",
        "root.readonly makes / read-only once nothing has to be made in it any more; rootfsPropagation counts"
        " from here",
        'config.md, "Root"',
        "mount_setattr",
    ),
    "console": (
        "opens a pseudo-terminal of the container and makes it the process's standard streams",
        "process.terminal attaches one; its other end goes to --console-socket, or to our own terminal",
        _PROCESS,
        "open of /dev/pts/ptmx, ioctl, SCM_RIGHTS",
    ),
    "run_hook": (
        "runs a hook in the container's namespaces",
        "createContainer hooks run after the mounts and before pivot_root, startContainer hooks just"
        " before the"
        " program; the state comes on standard input, and a failure ends the start",
        'config.md, "POSIX-platform Hooks"',
        "fork, execve",
    ),
    "rlimit": (
        "sets a resource limit, soft and hard",
        "process.rlimits are those of setrlimit(2)",
        'config.md, "POSIX process"',
        "prlimit64",
    ),
    "raise_limit": (
        "raises a limit of the runtime's own for the set-up",
        "the program's limits are set at the end; until then init must not run into them",
        'config.md, "POSIX process"',
        "prlimit64",
    ),
    "chdir": (
        "enters the working directory and checks that it lies in the container",
        "process.cwd is where the program begins; a leaked descriptor must not lead out of the root"
        " (CVE-2024-21626)",
        _PROCESS,
        "chdir, getcwd",
    ),
    "drop_bounding": (
        "takes capabilities from the bounding set",
        "process.capabilities.bounding is the most that the process and its children can ever have",
        _LINUX,
        "prctl(PR_CAPBSET_DROP)",
    ),
    "user": (
        "takes the user's ids, groups and umask",
        "process.user says who the program runs as",
        'config.md, "User"',
        "setgroups, setresgid, setresuid, umask",
    ),
    "capset": (
        "sets the effective, permitted, inheritable and ambient capabilities",
        "process.capabilities lists each set; what is not listed is not there",
        _LINUX,
        "capset, prctl(PR_CAP_AMBIENT)",
    ),
    "no_new_privs": (
        "forbids that any later program gains privileges",
        "process.noNewPrivileges: set-user-id bits and file capabilities have no effect from here on",
        _LINUX,
        "prctl(PR_SET_NO_NEW_PRIVS)",
    ),
    "seccomp": (
        "loads the filter of system calls",
        "linux.seccomp says what happens on each call; as late as possible, so that the set-up needs no"
        " rules",
        'config-linux.md, "Seccomp"',
        "seccomp(SECCOMP_SET_MODE_FILTER)",
    ),
    "find_executable": (
        "looks the program up in the container's PATH, as its user",
        "process.args[0] is searched as execvp(3) does; that it is missing must be told at create already",
        _PROCESS,
        "stat, faccessat",
    ),
    "home": (
        "looks up the user's home directory for HOME",
        "no text asks for it: programs expect it, and the other runtimes set it where process.env has none",
        _PROCESS,
        "read of /etc/passwd in the container",
    ),
    "ready": (
        "tells the runtime that everything is set up",
        "create returns once all of the environment is made, without running the program",
        _LIFE,
        "sendmsg",
    ),
    "gate": (
        "waits for start",
        "the program must not run before start is called",
        'runtime.md, "Operations"',
        "accept4 on start.sock",
    ),
    "close_fds": (
        "marks every descriptor that is not the program's close-on-exec",
        "nothing of the host may be reached through a descriptor (CVE-2024-21626); --preserve-fds keeps some",
        _PROCESS,
        "close_range(CLOSE_RANGE_CLOEXEC)",
    ),
    "exec": (
        "becomes the program",
        "process.args is run with process.env",
        _PROCESS,
        "execve",
    ),
    "attribute": (
        "writes a security attribute of the process",
        "process.apparmorProfile and selinuxLabel confine the program from its beginning",
        _LINUX,
        "write below /proc/self/attr",
    ),
    "time_namespace": (
        "makes the time namespace and sets its clocks",
        "linux.timeOffsets shift the clocks of a new time namespace, before anything runs in it",
        'config-linux.md, "Offset for Time Namespace"',
        "unshare(CLONE_NEWTIME), write to timens_offsets, setns",
    ),
    "personality": (
        "sets the execution domain",
        "linux.personality makes uname answer as a 32-bit system does, for one thing",
        'config-linux.md, "Personality"',
        "personality",
    ),
    "scheduler": (
        "sets the scheduling policy",
        "process.scheduler has the members of sched_setattr(2)",
        _LINUX,
        "sched_setattr",
    ),
    "io_priority": (
        "sets the priority of I/O",
        "process.ioPriority has the class and level of ioprio_set(2)",
        _LINUX,
        "ioprio_set",
    ),
    "cpu_affinity": (
        "sets the processors to run on",
        "process.execCPUAffinity is for processes of exec: initial before it joins the cgroup, final after",
        _LINUX,
        "sched_setaffinity",
    ),
    "memory_policy": (
        "sets from which memory nodes to take pages",
        "linux.memoryPolicy has the mode and nodes of set_mempolicy(2)",
        'config-linux.md, "Memory policy"',
        "set_mempolicy",
    ),
    "host_write_present": (
        "writes one value to a file of a cgroup, if this kernel has the file",
        "limits on what is reserved come with those on what is used; older kernels have the latter alone",
        _CONTROL,
        "open, write",
    ),
    "host_chown": (
        "gives a directory or file of the cgroup to the container's root",
        "a cgroup namespace with a writable cgroup mount hands the cgroup's management over",
        'config-linux.md, "Cgroup ownership"',
        "fchownat",
    ),
    "host_tree": (
        "copies a mount tree of the host, with its ids mapped",
        "uidMappings, gidMappings, idmap and ridmap of a mount; it takes rights that the container has not",
        _MOUNTS,
        "open_tree(OPEN_TREE_CLONE), mount_setattr(MOUNT_ATTR_IDMAP)",
    ),
    "host_net_device": (
        "moves a network device into the container",
        "linux.netDevices are moved to the container's network namespace, and renamed where a name is given",
        'config-linux.md, "Network Devices"',
        "sendmsg on a netlink socket (RTM_NEWLINK)",
    ),
    "bind_tree": (
        "attaches a tree that host_tree has copied",
        "as bind",
        _MOUNTS,
        "mount_setattr, openat2, move_mount",
    ),
    "open_rootfs": (
        "opens the root file system, without a mount",
        "a container without a mount namespace of its own must change nothing in the host's",
        'config.md, "Root"',
        "open",
    ),
}
