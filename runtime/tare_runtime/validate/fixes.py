"""What to do about a violation: a table of patterns, the first that fits counts. Pure."""

from __future__ import annotations

# (pattern of the pointer, pattern of the problem, fix); {0}, {1} … are the groups of the problem's pattern,
# {field} the last part of the pointer.
_FIXES: tuple[tuple[str, str, str], ...] = (
    # what the host cannot give, or we do not do
    ("", "AppArmor is not enabled", "boot with apparmor=1 security=apparmor, or remove the field"),
    ("", "SELinux is not enabled", "boot with SELinux and load a policy, or remove the field"),
    (
        "",
        "there is no (\\S+) controller",
        "mount the {0} controller (v1), or enable it in cgroup.subtree_control of every parent (v2); else"
        " remove the limit",
    ),
    ("", "controllers are on cgroup v1", "boot with systemd.unified_cgroup_hierarchy=1, or use v1's fields"),
    ("", "belong to another user", "have a cgroup delegated (systemd: Delegate=yes), or remove the limit"),
    # mounts and ids
    ("", "without a mount namespace", 'add {{"type": "mount"}} to linux.namespaces'),
    ("", "no option of a bind mount", "remove it, or mount a file system of the container's own"),
    ("", "is not mapped by (\\S+)", "use an id that is mapped, or map this one in {0}"),
    ("", "bind mounts only", 'add "bind" and a source, or remove the mapping'),
    ("", "both are given, or none", "map users and groups alike"),
    ("", "no mappings to use", "give the mount uidMappings and gidMappings"),
    ("/options$", "uids=|ID-HOSTID-SIZE|map both", "write idmap=uids=0-1000-1;gids=0-1000-1"),
    ("", "setgroups", "map more groups than the own one (newgidmap), or remove the field"),
    # particular fields
    ("^$", "is empty|is not JSON|must be a JSON object", "`tare-runtime spec` writes a config to start from"),
    ("^$", "is not UTF-8", "save the file as UTF-8"),
    ("^/ociVersion$", "", 'set it to the version the config was written for, "1.0.2" to "1.3.0"'),
    ("^/process$", "", 'add "process": {{"cwd": "/", "args": ["sh"]}}'),
    ("^/process/args$", "", 'name the program and its arguments: ["sh", "-c", "…"]'),
    ("/cwd$", "", 'use a path from the container\'s root on, such as "/"'),
    ("/env/\\d+$", "must be NAME=VALUE", "write NAME=VALUE, or NAME= for an empty value"),
    ("^/root(/path)?$", "is missing", 'add "root": {{"path": "rootfs"}}'),
    ("/rlimits/\\d+/type$", "given twice", "keep one of the two"),
    ("/rlimits/\\d+/type$", "", "use a name of setrlimit(2), such as RLIMIT_NOFILE"),
    ("/rlimits/\\d+/soft$", "hard limit (\\d+)", "lower soft to at most {0}, or raise hard"),
    ("/umask$", "", "JSON has no octal: 0022 is written 18"),
    ("/(selinuxLabel|mountLabel)$", "", "write the label without quotation marks"),
    ("^/(hostname|domainname)$", "uts namespace", 'add {{"type": "uts"}} to linux.namespaces'),
    ("^/(hostname|domainname)$", "longer", "shorten it to 64 bytes"),
    ("^/mounts/\\d+/destination$", "", "say where in the container it is mounted"),
    ("^/mounts/\\d+/source$", "", "name the file or directory of the host"),
    ("^/mounts/\\d+/type$", "", 'name the file system, or "bind" with a source'),
    ("^/hooks/.*/path$", "", "name the program from the host's root on"),
    ("^/hooks/.*/timeout$", "", "give at least one second, or leave it out for no limit"),
    ("^/annotations/$", "", "give the annotation a name, like org.example.key"),
    ("^/linux/namespaces/\\d+/type$", "given twice", "remove one of the two"),
    ("^/linux/namespaces/\\d+/type$", "", 'use one of these names; that of the network is "network"'),
    ("^/linux/[ug]idMappings$", "needs a user", 'add {{"type": "user"}} to linux.namespaces, or remove it'),
    (
        "^/linux/[ug]idMappings$",
        "is missing",
        'add [{{"containerID": 0, "hostID": 100000, "size": 65536}}], or leave the user namespace out',
    ),
    ("^/linux/[ug]idMappings/\\d+/size$", "", "ids run from 0 to 4294967294, and a range holds at least one"),
    ("^/linux/(masked|readonly)Paths$", "mount namespace", 'add {{"type": "mount"}} to linux.namespaces'),
    ("^/linux/rootfsPropagation$", "", 'leave it out for "rprivate", which most containers want'),
    (
        "^/linux/cgroupsPath$",
        "slice:prefix:name",
        'write it like "system.slice:app:1", or leave the option out',
    ),
    ("^/linux/cgroupsPath$", "", "give the container a cgroup of its own, such as /my/container"),
    ("^/linux/devices/\\d+/type$", "", "c is a character, b a block device, p a fifo"),
    ("^/linux/devices/\\d+/(major|minor)$", "is missing", "`ls -l` shows both on a host that has the device"),
    ("^/linux/sysctl/", "hostname", "set the top-level field hostname instead"),
    ("^/linux/sysctl/", "needs a (\\w+) namespace", 'add {{"type": "{0}"}} to linux.namespaces'),
    ("^/linux/sysctl/", "would change the host", "set it on the host: sysctl -w {field}=…"),
    ("^/linux/sysctl/", "", "use a name of sysctl(8), such as net.core.somaxconn"),
    ("/resources/devices/\\d+/access$", "", 'r reads, w writes, m makes nodes: "rwm" is all'),
    ("/resources/devices/\\d+/type$", "", "a is all devices, b block, c character devices"),
    ("/resources/devices/\\d+/allow$", "", "say true or false"),
    ("/pageSize$", "", "/sys/kernel/mm/hugepages shows the sizes there are"),
    ("/resources/unified/", "", "write the file's name alone, such as memory.high"),
    (
        "/memory/swap$",
        "not be below|not above it",
        "swap counts memory too: make it at least the limit, or -1",
    ),
    ("/memory/swap$", "without memory.limit", "set memory.limit too"),
    ("/seccomp/.*[aA]ction$", "", "use SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_ACT_KILL_PROCESS …"),
    ("/seccomp/architectures/", "", "use names like SCMP_ARCH_X86_64"),
    ("/seccomp/syscalls/\\d+/names$", "", "name the system calls, or remove the rule"),
    ("/seccomp/.*/op$", "", "use SCMP_CMP_EQ, _NE, _LT, _LE, _GE, _GT or _MASKED_EQ"),
    ("/seccomp/flags/", "", "remove the flag"),
    ("/timeOffsets", "time namespace", 'add {{"type": "time"}} without a path to linux.namespaces'),
    ("/timeOffsets/", "no clock", "write monotonic or boottime"),
    ("/personality", "", 'use {{"domain": "LINUX"}} or "LINUX32" and no flags'),
    ("/scheduler/runtime$", "", "make runtime ≤ deadline ≤ period, in nanoseconds"),
    ("/(scheduler|memoryPolicy)/", "can only be given|must be empty|only$", "remove {field}"),
    # what many fields have in common
    ("", "must be an absolute path", 'begin it with "/"'),
    ("", "must lie between (-?\\d+) and (\\d+)", "give a number from {0} to {1}"),
    ("", "must be (?:one|none) of (.*), is|is none of (.*)", "use one of the words listed"),
    ("", "must be (an? \\w+|true or false)", "write {0} here, or remove the member"),
    ("", "must be (less|greater) than", "change the number so that it is"),
    ("", "must not hold both", "remove one of the two"),
    ("", "must name at least one", "add one"),
    ("", "NUL|surrogate", "remove the character: no path, argument or variable can hold it"),
    ("", "is missing", "add the member {field}"),
)


def fix_of(pointer: str, problem: str) -> str:
    """One line; "" where the table has none."""
    import re

    field = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    for place, words, fix in _FIXES:
        if not re.search(place, pointer):
            continue
        match = re.search(words, problem)
        if match:
            return fix.format(*match.groups(""), field=field)
    return ""
