"""The one table of commands and options: it feeds the argv parser, and click's help, completion and pages.

Here are the commands of a container's life; cli.table_more has the rest, so that these need not load them.

An option is `(name, letter, kind, default, metavar, help)`. Kinds: "flag" (no value; `=true` and `=false`
are understood), "text", "count" (a number from 0 up), "list" (may be repeated) and a tuple of the words
that are allowed. A command is `(summary, arguments, least, most, options, mixed)`: `most` is -1 where there
is no limit; `mixed` says that options may follow arguments, which is wrong where those are a command line.
"""

from __future__ import annotations

Option = tuple[str, str, str | tuple[str, ...], object, str, str]
Command = tuple[str, str, int, int, tuple[Option, ...], bool]

GLOBAL_OPTIONS: tuple[Option, ...] = (
    ("debug", "", "flag", False, "", "write debug messages too"),
    ("log", "", "text", "", "TARGET", "send errors to [file:]FILE, journald:NAME or syslog:NAME as well"),
    ("log-format", "", ("text", "json"), "text", "FORMAT", "format of the log file: text or json"),
    (
        "log-level",
        "",
        ("error", "warning", "debug"),
        "error",
        "LEVEL",
        "the least that the log gets",
    ),
    ("root", "", "text", "", "DIR", "where container states are kept (default: /run/tare-runtime)"),
    ("systemd-cgroup", "", "flag", False, "", "have systemd make the cgroups"),
    (
        "cgroup-manager",
        "",
        ("cgroupfs", "systemd", "disabled"),
        "cgroupfs",
        "MANAGER",
        "who makes the cgroups: the runtime itself, systemd, or nobody",
    ),
    ("rootless", "", ("auto", "true", "false"), "auto", "WHEN", "ignore cgroup permission errors"),
    ("trace", "", "text", "", "FILE", "write a timeline of the command: JSON for Perfetto, or FILE.svg"),
    ("criu", "", "text", "criu", "PROGRAM", "the program that checkpoint and restore call"),
    ("help", "h", "flag", False, "", "show this text"),
    ("version", "v", "flag", False, "", "show versions"),
)

BUNDLE: Option = ("bundle", "b", "text", "", "DIR", "the bundle (default: the current directory)")
CONSOLE: Option = (
    "console-socket",
    "",
    "text",
    "",
    "SOCKET",
    "send the terminal's master fd there",
)
PID_FILE: Option = ("pid-file", "", "text", "", "FILE", "write the process id to FILE")
_PRESERVE: Option = ("preserve-fds", "", "count", 0, "N", "pass N more file descriptors, from 3 up")
DETACH: Option = ("detach", "d", "flag", False, "", "return once the process runs")
CONFIG: Option = ("config", "f", "text", "", "FILE", "read FILE instead of the bundle's config.json")
_CREATE: tuple[Option, ...] = (
    BUNDLE,
    CONFIG,
    CONSOLE,
    ("pidfd-socket", "", "text", "", "SOCKET", "send a pidfd of the process to this socket"),
    PID_FILE,
    ("no-pivot", "", "flag", False, "", "do not use pivot_root, for a root file system on a ramdisk"),
    ("no-new-keyring", "", "flag", False, "", "keep the caller's session keyring"),
    _PRESERVE,
)
_REGEX: Option = ("regex", "r", "flag", False, "", "ID is a pattern: all containers that it is found in")

COMMANDS: dict[str, Command] = {
    "create": ("create a container and leave it waiting for start", "ID", 1, 1, _CREATE, True),
    "run": (
        "create a container, start it, and wait for its process",
        "ID",
        1,
        1,
        (
            *_CREATE,
            DETACH,
            ("keep", "", "flag", False, "", "do not delete the container when it ends"),
            ("no-subreaper", "", "flag", False, "", "do not adopt the container's orphans"),
        ),
        True,
    ),
    "start": ("let a created container run its program", "ID", 1, 1, (), True),
    "state": ("show the state of a container as JSON", "ID", 1, 1, (), True),
    "kill": (
        "send a signal (TERM) to a container's first process",
        "ID [SIGNAL]",
        1,
        2,
        (("all", "a", "flag", False, "", "to every process of the container"), _REGEX),
        True,
    ),
    "delete": (
        "remove what a stopped container holds",
        "ID",
        1,
        1,
        (("force", "f", "flag", False, "", "kill it first if it runs; a missing one is no error"), _REGEX),
        True,
    ),
    "exec": (
        "run another process in a container",
        "ID [COMMAND [ARGS...]]",
        1,
        -1,
        (
            ("process", "p", "text", "", "FILE", "a JSON file with the process to run"),
            CONSOLE,
            ("pidfd-socket", "", "text", "", "SOCKET", "send a pidfd of the process to this socket"),
            ("tty", "t", "flag", False, "", "give it a terminal"),
            ("cwd", "", "text", "", "DIR", "working directory in the container"),
            ("env", "e", "list", (), "NAME=VALUE", "set an environment variable"),
            ("user", "u", "text", "", "UID[:GID]", "run as this user"),
            ("additional-gids", "g", "list", (), "GID", "give it one more group"),
            ("cap", "c", "list", (), "CAP", "give it one more capability"),
            DETACH,
            PID_FILE,
            _PRESERVE,
            ("no-new-privs", "", "flag", False, "", "set no_new_privs"),
            ("process-label", "", "text", "", "LABEL", "SELinux label of the process"),
            ("apparmor", "", "text", "", "PROFILE", "AppArmor profile of the process"),
            ("cgroup", "", "list", (), "[CONTROLLERS:]PATH", "join this sub-cgroup of the container"),
            ("ignore-paused", "", "flag", False, "", "allow it in a paused container"),
        ),
        False,
    ),
}
