"""What is run in the containers of every caller, so that ctr is asked what Docker is asked."""

from __future__ import annotations

ROWS, COLUMNS = 33, 101
SIZE = "until stty size 2>/dev/null | grep '[1-9]'; do sleep 0.1; done"  # a client sets it after the start
ASK = "printf 'ready> '; read line; echo got $line"
IDENTITY = "grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Umask)' /proc/self/status"
DEVICES = "cd /dev; stat -c '%n %F %a %t:%T' * | sort"
# Programs that end well, badly, or cannot be started.
PROGRAMS = (
    ["true"],
    ["sh", "-c", "exit 7"],
    ["/etc/passwd"],
    ["/etc"],
    ["no-such-program"],
    ["/no/such"],
)
