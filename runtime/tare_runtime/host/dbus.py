"""A D-Bus client of the size that we need: method calls, their replies, and signals that come meanwhile.

Spec: D-Bus Specification 0.43, "Message Protocol", "Authentication Protocol". Messages are little-endian.
Why it is our own: docs/adr/, "D-Bus by hand". Loaded only where systemd makes the cgroups.
"""

from __future__ import annotations

from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket
from _struct import pack, pack_into, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    Value = bool | int | float | str | list["Value"] | tuple["Value", ...]

CALL, REPLY, ERROR, SIGNAL = 1, 2, 3, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, _SENDER, SIGNATURE = range(1, 9)
# Type → format of struct; each is aligned to its own size.
_FIXED = {
    "y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I",
}  # fmt: skip
_SIZES = {"B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "d": 8}
_MAX_BYTES = 1 << 27
_TIMEOUT_S = 30.0


class Refusal(Exception):
    """The other side answered with an error: its name, and its words."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text


class Message:
    """fields: header fields by their codes; body: what the signature says, as values."""

    __slots__ = ("body", "fields", "kind")

    def __init__(self, kind: int, fields: dict[int, Value], body: list[Value]) -> None:
        self.kind = kind
        self.fields = fields
        self.body = body


class Bus:
    """A connection to a message bus, or (`direct`) to a service without a bus between. Owns its socket.

    Raises: OSError where it cannot be reached (TimeoutError after 30 s of silence); Refusal.
    """

    def __init__(self, address: str | bytes, *, direct: bool = False) -> None:
        self._serial = 0
        self._data = bytearray()
        self.direct = direct
        self.signals: list[Message] = []
        self._socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
        try:
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.connect(address)
            self._authenticate()
            if not direct:
                bus = "org.freedesktop.DBus"
                self.call(bus, "/org/freedesktop/DBus", bus, "Hello")
        except BaseException:
            self._socket.close()
            raise

    def call(
        self, to: str, path: str, interface: str, member: str, signature: str = "", *body: Value
    ) -> list[Value]:
        """Call a method and wait for what it returns."""
        serial = self.send(to, path, interface, member, signature, *body)
        while True:
            message = self._receive()
            if message.kind == SIGNAL:
                self.signals.append(message)
            elif message.fields.get(REPLY_SERIAL) == serial:
                if message.kind == ERROR:
                    words = str(message.body[0]) if message.body else ""
                    raise Refusal(str(message.fields.get(ERROR_NAME, "")), words)
                return message.body

    def send(self, to: str, path: str, interface: str, member: str, signature: str, *body: Value) -> int:
        """Send a method call; its serial number."""
        self._serial += 1
        fields = [(PATH, ("o", path)), (INTERFACE, ("s", interface)), (MEMBER, ("s", member))]
        if not self.direct:
            fields.append((DESTINATION, ("s", to)))
        self._socket.sendall(encode_call(self._serial, fields, signature, body))
        return self._serial

    def signal(self) -> Message:
        """The next signal, of those that came before too."""
        if self.signals:
            return self.signals.pop(0)
        while (message := self._receive()).kind != SIGNAL:
            pass
        return message

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _authenticate(self) -> None:
        # No user id is named: the other side takes it from the socket. In a user namespace we do not know
        # the id that it sees.
        self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
        while self._data.count(b"\r\n") < 2:
            self._more()
        if not self._data.split(b"\r\n")[1].startswith(b"OK "):
            raise PermissionError(13, "the bus does not accept this user")
        del self._data[:]
        self._socket.sendall(b"BEGIN\r\n")

    def _receive(self) -> Message:
        while True:
            size = message_size(self._data)
            if size and len(self._data) >= size:
                message = decode(bytes(self._data[:size]))
                del self._data[:size]
                return message
            self._more()

    def _more(self) -> None:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionResetError(104, "the bus has closed the connection")
        self._data += chunk


# --- writing ---------------------------------------------------------------------------------------------


def encode_call(
    serial: int, fields: list[tuple[int, tuple[str, str]]], signature: str, body: tuple[Value, ...]
) -> bytes:
    """A method call as bytes."""
    text = bytearray()
    for kind, value in zip(split(signature), body, strict=True):
        _write(text, kind, value)
    if signature:
        fields = [*fields, (SIGNATURE, ("g", signature))]
    out = bytearray(pack("<BBBBII", ord("l"), CALL, 0, 1, len(text), serial))
    _write(out, "a(yv)", list(fields))
    _align(out, 8)
    return bytes(out + text)


def split(signature: str) -> list[str]:
    """The complete types that a signature is made of."""
    types, begin = [], 0
    while begin < len(signature):
        end = _type_end(signature, begin)
        types.append(signature[begin:end])
        begin = end
    return types


def _type_end(signature: str, at: int) -> int:
    while signature[at] == "a":
        at += 1
    if signature[at] not in "({":
        return at + 1
    depth = 0
    while True:
        depth += (signature[at] in "({") - (signature[at] in ")}")
        at += 1
        if not depth:
            return at


def _alignment(kind: str) -> int:
    if kind[0] in _FIXED:
        return _SIZES[_FIXED[kind[0]]]
    return {"s": 4, "o": 4, "a": 4, "(": 8, "{": 8}.get(kind[0], 1)


def _align(out: bytearray, size: int) -> None:
    out += bytes(-len(out) % size)


def _write(out: bytearray, kind: str, value: Value | object) -> None:
    code = kind[0]
    _align(out, _alignment(kind))
    if code in _FIXED:
        out += pack("<" + _FIXED[code], value)
    elif code in "sog":
        data = str(value).encode()
        out += (pack("B", len(data)) if code == "g" else pack("<I", len(data))) + data + b"\0"
    elif code == "v":
        assert isinstance(value, tuple)
        _write(out, "g", value[0])
        _write(out, str(value[0]), value[1])
    elif code == "a":
        assert isinstance(value, list)
        at = len(out)
        out += bytes(4)
        _align(out, _alignment(kind[1:]))
        begin = len(out)
        for item in value:
            _write(out, kind[1:], item)
        pack_into("<I", out, at, len(out) - begin)
    else:
        assert isinstance(value, tuple)
        for part, item in zip(split(kind[1:-1]), value, strict=True):
            _write(out, part, item)


# --- reading ---------------------------------------------------------------------------------------------


def message_size(data: bytes | bytearray) -> int:
    """How long the message is that begins here; 0 if that cannot be told yet. Raises: ConnectionError."""
    if len(data) < 16:
        return 0
    body, _serial, fields = unpack_from("<III", data, 4)
    size: int = 16 + (fields + 7) // 8 * 8 + body
    if data[0] != ord("l") or size > _MAX_BYTES:
        raise ConnectionError(71, "the bus sends what is no message for us")
    return size


def decode(data: bytes) -> Message:
    """A whole message. Raises: ConnectionError for one that is malformed."""
    try:
        pairs, at = _read(data, "a(yv)", 12)
        fields: dict[int, Value] = dict(pairs)  # type: ignore[arg-type]  # as the signature says
        at += -at % 8
        body = []
        for kind in split(str(fields.get(SIGNATURE, ""))):
            value, at = _read(data, kind, at)
            body.append(value)
    except (IndexError, ValueError, TypeError, RecursionError) as error:
        raise ConnectionError(71, f"the bus sends a malformed message: {error}") from None
    except Exception as error:
        if type(error).__name__ != "error":  # of _struct, which has no better name
            raise
        raise ConnectionError(71, "the bus sends a message that is cut off") from None
    return Message(data[1], fields, body)


def _read(data: bytes, kind: str, at: int) -> tuple[Value, int]:
    code = kind[0]
    at += -at % _alignment(kind)
    if code in _FIXED:
        (number,) = unpack_from("<" + _FIXED[code], data, at)
        return bool(number) if code == "b" else number, at + _SIZES[_FIXED[code]]
    if code in "sog":
        size = data[at] if code == "g" else unpack_from("<I", data, at)[0]
        at += 1 if code == "g" else 4
        return data[at : at + size].decode(), at + size + 1
    if code == "v":
        inner, at = _read(data, "g", at)
        return _read(data, str(inner), at)
    items: list[Value] = []
    if code == "a":
        (size,) = unpack_from("<I", data, at)
        at += 4
        at += -at % _alignment(kind[1:])
        end = at + size
        while at < end:
            item, at = _read(data, kind[1:], at)
            items.append(item)
        return items, at
    for part in split(kind[1:-1]):
        item, at = _read(data, part, at)
        items.append(item)
    return tuple(items), at
