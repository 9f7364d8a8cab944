"""Scopes of systemd, over D-Bus: made, changed, ended. The manager is the system's, or the user's own."""

from __future__ import annotations

from posix import environ

from tare_runtime.errors import HostError
from tare_runtime.host.dbus import Bus, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cgroup.systemd import Unit
    from tare_runtime.cgroup.systemd_properties import Property
    from tare_runtime.host.dbus import Value

_SYSTEMD = "org.freedesktop.systemd1"
_OBJECT = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_JOBS = "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager'"
_EXISTS = "org.freedesktop.systemd1.UnitExists"
_MISSING = ("org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.DBus.Error.UnknownObject")
_UNKNOWN = ("org.freedesktop.DBus.Error.PropertyReadOnly", "org.freedesktop.DBus.Error.UnknownProperty")
_SYSTEM_BUS, _SYSTEM_PRIVATE = "/run/dbus/system_bus_socket", "/run/systemd/private"


def start_unit(unit: Unit, pid: int, state: dict[str, Any]) -> None:
    """Make the scope with process `pid` in it; its cgroup is there on return.

    Where systemd refuses, `state` (the part of state.json about cgroups) forgets all of it: a unit of that
    name is somebody else's, not ours to undo. Raises: HostError.
    """
    tried = f"start unit {unit.name}"
    with _manager(tried, user=unit.user) as bus:
        try:
            _watch_jobs(bus)
            properties: list[Property] = [*unit.properties, ("PIDs", "au", [pid])]
            result = _finished(bus, _start(bus, unit.name, properties))
        except Refusal as refusal:
            state.update(paths={}, created=[])
            del state["unit"]
            hint = "give the container another linux.cgroupsPath" if refusal.name == _EXISTS else ""
            raise HostError(f"{tried}: systemd refuses: {refusal.text}", hint) from None
        except OSError as error:
            raise _lost(tried, error) from None
        if result != "done":
            _forget(bus, unit.name)
            raise HostError(f"{tried}: systemd says that the job has ended as {result!r}")
    _check_place(unit, pid, tried)


def _start(bus: Bus, name: str, properties: list[Property]) -> Value:
    """The path of the job. What is left of a unit that failed is cleared away once."""
    for attempt in range(len(properties) + 1):
        variants: list[Value] = [(key, (signature, value)) for key, signature, value in properties]
        try:
            (job,) = _call(bus, "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", variants, [])
            return job
        except Refusal as refusal:
            if refusal.name == _EXISTS and not attempt:
                _forget(bus, name)
                continue
            rest = _without_unknown(properties, refusal)
            if not rest:
                raise
            properties = rest
    raise Refusal(_EXISTS, f"unit {name} is there already")


# Limits that are written to the cgroup besides: an older systemd that has no such property does no harm.
_DISPENSABLE = frozenset(
    "AllowedCPUs AllowedMemoryNodes CPUQuotaPeriodUSec IOWeight MemoryMin MemoryZSwapMax OOMPolicy".split()
)


def _without_unknown(properties: list[Property], refusal: Refusal) -> list[Property]:
    if refusal.name not in _UNKNOWN:
        return []
    named = [key for key, _, _ in properties if key in _DISPENSABLE and key in refusal.text]
    return [entry for entry in properties if entry[0] not in named] if named else []


def _check_place(unit: Unit, pid: int, tried: str) -> None:
    from tare_runtime.cgroup.paths import read_text

    try:
        lines = read_text(f"/proc/{pid}/cgroup").splitlines()
    except OSError:
        return  # it has died meanwhile, of which init's end will tell
    places = [line.split(":", 2)[2] for line in lines if line.startswith("0::") or ":name=systemd:" in line]
    if unit.path not in places:
        raise HostError(f"{tried}: its cgroup is {', '.join(places)}, where {unit.path} was expected")


def attach_process(name: str, place: str, pid: int) -> None:
    """Put a process into the cgroup `place` ("" or "/NAME…") of a scope of the user's. Raises: HostError."""
    tried = f"put process {pid} into unit {name}"
    with _manager(tried, user=True) as bus:
        try:
            _call(bus, "AttachProcessesToUnit", "ssau", name, place, [pid])
        except Refusal as refusal:
            raise HostError(f"{tried}: systemd refuses: {refusal.text}") from None
        except OSError as error:
            raise _lost(tried, error) from None


def stop_unit(name: str, *, user: bool) -> None:
    """End a scope, whose processes have been killed, and let systemd forget it; a missing one is fine."""
    tried = f"stop unit {name}"
    with _manager(tried, user=user) as bus:
        try:
            _watch_jobs(bus)
            (job,) = _call(bus, "StopUnit", "ss", name, "replace")
            _finished(bus, job)
        except Refusal as refusal:
            if refusal.name not in _MISSING:
                raise HostError(f"{tried}: systemd refuses: {refusal.text}") from None
        except OSError as error:
            raise _lost(tried, error) from None
        _forget(bus, name)


def set_properties(name: str, properties: list[Property], *, user: bool) -> None:
    """Change a scope until it ends. Raises: HostError."""
    tried = f"change unit {name}"
    while properties:
        variants: list[Value] = [(key, (signature, value)) for key, signature, value in properties]
        with _manager(tried, user=user) as bus:
            try:
                _call(bus, "SetUnitProperties", "sba(sv)", name, True, variants)
                return
            except Refusal as refusal:
                rest = _without_unknown(properties, refusal)
                if not rest:
                    raise HostError(f"{tried}: systemd refuses: {refusal.text}") from None
                properties = rest
            except OSError as error:
                raise _lost(tried, error) from None


def manager_cgroup(*, user: bool) -> str:
    """The cgroup in which the manager makes its own. Raises: HostError."""
    tried = "ask systemd for its cgroup"
    with _manager(tried, user=user) as bus:
        try:
            properties = "org.freedesktop.DBus.Properties"
            (path,) = bus.call(_SYSTEMD, _OBJECT, properties, "Get", "ss", _MANAGER, "ControlGroup")
        except Refusal as refusal:
            raise HostError(f"{tried}: systemd refuses: {refusal.text}") from None
        except OSError as error:
            raise _lost(tried, error) from None
    return str(path)


# --- the connection --------------------------------------------------------------------------------------


def _manager(tried: str, *, user: bool) -> Bus:
    """Over the bus; where there is none, by systemd's own socket, as systemctl does."""
    reason = "no socket of it is known"
    for address, direct in _user_addresses() if user else ((_SYSTEM_BUS, False), (_SYSTEM_PRIVATE, True)):
        try:
            return Bus(address, direct=direct)
        except (OSError, Refusal) as error:
            words = error.text if isinstance(error, Refusal) else (error.strerror or str(error)).lower()
            reason = f"{address!s}: {words}"
    hint = "is XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS that of a session?" if user else ""
    manager = "the user's systemd" if user else "systemd"
    raise HostError(f"{tried}: {manager} cannot be reached: {reason}", hint or "is systemd running here?")


def _user_addresses() -> list[tuple[str, bool]]:
    found = []
    for address in environ.get(b"DBUS_SESSION_BUS_ADDRESS", b"").decode().split(";"):
        kind, _, pairs = address.partition(":")
        values = dict(pair.split("=", 1) for pair in pairs.split(",") if "=" in pair)
        if kind == "unix" and "path" in values:
            found.append((values["path"], False))
        elif kind == "unix" and "abstract" in values:
            found.append(("\0" + values["abstract"], False))
    folder = environ.get(b"XDG_RUNTIME_DIR", b"").decode()
    if folder:
        found += [(folder + "/bus", False), (folder + "/systemd/private", True)]
    return found


def _call(bus: Bus, member: str, signature: str, *body: Value) -> list[Value]:
    return bus.call(_SYSTEMD, _OBJECT, _MANAGER, member, signature, *body)


def _watch_jobs(bus: Bus) -> None:
    dbus = "org.freedesktop.DBus"
    if not bus.direct:
        bus.call(dbus, "/org/freedesktop/DBus", dbus, "AddMatch", "s", _JOBS + ",member='JobRemoved'")
    _call(bus, "Subscribe", "")


def _finished(bus: Bus, job: Value) -> str:
    """How the job ended, by the signal JobRemoved(id, job, unit, result)."""
    while True:
        body = bus.signal().body
        if len(body) == 4 and body[1] == job:
            return str(body[3])


def _forget(bus: Bus, name: str) -> None:
    try:
        _call(bus, "ResetFailedUnit", "s", name)
    except (Refusal, OSError):
        pass  # it has not failed, or is gone


def _lost(tried: str, error: OSError) -> HostError:
    return HostError(f"{tried}: systemd does not answer: {(error.strerror or str(error)).lower()}")
