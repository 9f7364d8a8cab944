"""Messages to the journal and to syslog, by their sockets. Cold: loaded when --log names one of them.

Spec: systemd, JOURNAL_NATIVE_PROTOCOL; RFC 3164 as syslog(3) of the C libraries writes it.
"""

from __future__ import annotations

from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, socket
from time import ctime

JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
_PRIORITIES = {"error": 3, "warning": 4, "debug": 7}
_DAEMON = 3 << 3  # the facility
_LONGEST = 32 << 10  # a datagram to the journal has to fit its receive buffer


def send(target: str, level: str, message: str) -> str:
    """Send one message to "journald:NAME" or "syslog:NAME"; "", or why it did not get there."""
    kind, _, name = target.partition(":")
    name = name or "tare-runtime"
    place = JOURNAL if kind == "journald" else SYSLOG
    text = message.encode("utf-8", "surrogateescape")[:_LONGEST]
    make = _journal_entry if kind == "journald" else _syslog_line
    channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        channel.connect(place)
        channel.send(make(_PRIORITIES[level], name.encode("utf-8", "surrogateescape"), text))
    except OSError as error:
        return f"send to log {target}: {place}: {(error.strerror or str(error)).lower()}"
    finally:
        channel.close()
    return ""


def _journal_entry(priority: int, name: bytes, text: bytes) -> bytes:
    """A text of several lines has its length before it, in eight bytes."""
    fields = b"PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nID=%s\n" % (priority, _one_line(name), _one_line(name))
    return fields + b"MESSAGE\n" + len(text).to_bytes(8, "little") + text + b"\n"


def _syslog_line(priority: int, name: bytes, text: bytes) -> bytes:
    when = ctime()[4:19].encode()
    return b"<%d>%s %s: %s" % (_DAEMON | priority, when, _one_line(name), _one_line(text))


def _one_line(text: bytes) -> bytes:
    return text.replace(b"\n", b" ")
