"""Containers on disk: ROOT/ID/state.json, who may write it, and what status it stands for.

The maker of a container holds a lock on its directory until the container is made. A directory that is
neither locked nor has a state beyond `creating` is a ruin: its maker was killed. `create` clears it away and
takes its place.
"""

from __future__ import annotations

import posix
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock

from tare_runtime.errors import ContainerExists, ContainerNotFound, HostError, NotRunning, UsageError
from tare_runtime.json_text import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    State = dict[str, Any]

OCI_VERSION = "1.3.0"
STATE_FILE = "state.json"
GATE = "start.sock"  # there as long as the container waits for `start`
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC | posix.O_NOFOLLOW
_ID_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def check_id(id: str) -> None:
    """Raises: UsageError for an id that is no plain file name of letters, digits and `_ + - .`."""
    if id in ("", ".", "..") or not _ID_LETTERS.issuperset(id) or len(id) > 255:
        raise UsageError(
            f"invalid container ID {id[:64]!r}: it must be 1 to 255 of the letters a-z A-Z 0-9 _ + - ."
            " and neither . nor .."
        )


class StateStore:
    """The directory that holds one directory for each container."""

    def __init__(self, root: str) -> None:
        self.root = root

    def create(self, id: str) -> StateDir:
        """Make the directory of a new container and lock it until its first state is written.

        Raises: ContainerExists; UsageError for a bad id; HostError where the root cannot be used.
        """
        from tare_runtime.state import folder

        check_id(id)
        path = f"{self.root}/{id}"
        for _ in range(8):
            try:
                folder.make(self.root, path)
            except FileExistsError:
                if not _clear_ruin(self.root, path):
                    raise ContainerExists(id, self.root) from None
                continue
            except FileNotFoundError:
                self._make_root()
                continue
            except OSError as error:
                raise _unusable("make container directory", path, error) from None
            # Until we hold the lock, another `create` may take our directory for a ruin and put its own in
            # its place, or a command that was late may remove it. Then we try again.
            fd = -1
            try:
                fd = posix.open(path, _DIRECTORY)
                flock(fd, LOCK_EX)
                if _is_at(fd, path) and not posix.listdir(fd):
                    return StateDir(self.root, id, fd, fresh=True)
            except FileNotFoundError:
                continue
            except OSError as error:
                if fd >= 0:
                    posix.close(fd)
                posix.rmdir(path)
                raise _unusable("open container directory", path, error) from None
            posix.close(fd)
        raise ContainerExists(id, self.root)

    def open(self, id: str) -> StateDir:
        """Open the directory of an existing container. Raises: ContainerNotFound; UsageError for a bad id."""
        check_id(id)
        path = f"{self.root}/{id}"
        try:
            fd = posix.open(path, _DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            raise ContainerNotFound(id, self.root) from None
        except OSError as error:
            raise _unusable("open container directory", path, error) from None
        return StateDir(self.root, id, fd)

    def ids(self) -> list[str]:
        """The ids of all containers, sorted."""
        try:
            names = posix.listdir(self.root)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable("list containers in", self.root, error) from None
        return sorted(name for name in names if _ID_LETTERS.issuperset(name))

    def _make_root(self) -> None:
        path = ""
        for part in self.root.split("/"):
            path += part + "/"
            try:
                posix.mkdir(path, 0o700 if path.rstrip("/") == self.root.rstrip("/") else 0o755)
            except FileExistsError:
                pass
            except OSError as error:
                raise _unusable("make state directory", self.root, error) from None


class StateDir:
    """The directory of one container. Owns `fd`, an open descriptor of it; closed by `close` or `with`."""

    def __init__(self, root: str, id: str, fd: int, *, fresh: bool = False) -> None:
        self.root = root
        self.id = id
        self.path = f"{root}/{id}"
        self.fd = fd
        self._locked = fresh

    def __enter__(self) -> StateDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def write(self, state: State) -> None:
        """Replace the state in one step. The first that is not `creating` ends the maker's lock."""
        from tare_runtime.state import folder

        data = dumps(state).encode("ascii")
        name = f".{STATE_FILE}.{posix.getpid()}"
        try:
            fd = posix.open(
                name, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600, dir_fd=self.fd
            )
            try:
                while data:
                    data = data[posix.write(fd, data) :]
            finally:
                posix.close(fd)
            folder.replace(self.fd, name, STATE_FILE)
        except OSError as error:
            raise _unusable("write state to", f"{self.path}/{STATE_FILE}", error) from None
        if self._locked and not state.get("creating"):
            self._locked = False
            flock(self.fd, LOCK_UN)

    def read(self) -> State:
        """The state as it was written. Raises: ContainerNotFound if there is none; HostError if damaged."""
        try:
            data = _read_file(STATE_FILE, self.fd)
        except FileNotFoundError:
            raise ContainerNotFound(self.id, self.root) from None
        except OSError as error:
            raise _unusable("read state of", self.path, error) from None
        try:
            state = loads(data.decode("ascii"))
        except ValueError as error:
            state = str(error)
        if type(state) is not dict or state.get("id") != self.id:
            if not _is_at(self.fd, self.path):  # removed since we opened it, and another's by now
                raise ContainerNotFound(self.id, self.root)
            problem = state if type(state) is str else "it is not the state of this container"
            raise HostError(
                f"read state of container {self.id}: {self.path}/{STATE_FILE} is damaged: {problem}",
                f"remove it by: tare-runtime delete --force {self.id}",
            )
        return state

    def lock(self) -> _Lock:
        """Keep every other command that locks this container out, for the time of a `with`."""
        return _Lock(self.fd)

    def remove(self) -> None:
        """Remove the directory with all that is in it; that it is gone already is fine."""
        from tare_runtime.state import folder

        try:
            folder.remove(self.root, self.path)
        except OSError as error:
            raise _unusable("remove container directory", self.path, error) from None


class _Lock:
    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> None:
        flock(self.fd, LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        flock(self.fd, LOCK_UN)


# --- status ----------------------------------------------------------------------------------------------


def state_and_status(root: str, id: str) -> tuple[State, str]:
    """Of one moment: nothing is locked. Raises: ContainerNotFound, and kin."""
    with StateStore(root).open(id) as state_dir:
        state = state_dir.read()
        return state, status(state, state_dir.path)


def state_in_use(root: str, id: str) -> State:
    """Of a container that has a process of its own. Raises: NotRunning; as `state_and_status`."""
    state, have = state_and_status(root, id)
    if have in ("stopped", "creating"):
        raise NotRunning(id, have)
    return state


def status(state: State, path: str) -> str:
    """creating, created, running, paused or stopped; `path` is the container's directory."""
    pid = state.get("pid", 0)
    if not pid:
        return "creating" if state.get("creating") else "stopped"
    if process_start(pid) != state["pidStart"]:
        return "stopped"
    if state.get("creating"):
        return "creating"
    if _is_frozen(state):
        return "paused"
    try:
        posix.stat(f"{path}/{GATE}", follow_symlinks=False)
    except FileNotFoundError:
        return "running"
    return "created"


def process_start(pid: int) -> int:
    """Start time of a living process in clock ticks since boot; 0 if there is none, or only its zombie."""
    try:
        text = _read_file(f"/proc/{pid}/stat", None)
    except OSError:
        return 0
    # The second field is the name in parentheses and may hold anything; the third is the state.
    fields = text[text.rfind(b")") + 2 :].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def oci_state(state: State, status: str) -> dict[str, Any]:
    """The state document of the runtime-spec, with the fields that the other runtimes add to it."""
    document: dict[str, Any] = {
        "ociVersion": OCI_VERSION,  # of this document: the config may be of another one
        "id": state["id"],
        "pid": 0 if status == "stopped" else state.get("pid", 0),
        "status": status,
        "bundle": state.get("bundle", ""),
        "rootfs": state.get("rootfs", ""),
        "created": state.get("created", ""),
    }
    if state.get("annotations"):
        document["annotations"] = state["annotations"]
    document["owner"] = ""
    return document


def _is_frozen(state: State) -> bool:
    cgroup = state.get("cgroup")
    if not cgroup:
        return False
    from tare_runtime.cgroup.freeze import is_frozen

    return bool(is_frozen(state))


# --- files -----------------------------------------------------------------------------------------------


def _read_file(path: str, dir_fd: int | None) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC, dir_fd=dir_fd)
    try:
        data = chunk = posix.read(fd, 65536)
        while len(chunk) == 65536:
            chunk = posix.read(fd, 65536)
            data += chunk
        return data
    finally:
        posix.close(fd)


def _is_at(fd: int, path: str) -> bool:
    """Whether `path` still leads to the directory that is open as `fd`."""
    try:
        there, here = posix.stat(path, follow_symlinks=False), posix.fstat(fd)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _clear_ruin(root: str, path: str) -> bool:
    """Remove what a maker that was killed has left; False if the directory is a container's."""
    from tare_runtime.state import folder

    try:
        fd = posix.open(path, _DIRECTORY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        flock(fd, LOCK_EX | LOCK_NB)
        try:
            state = loads(_read_file(STATE_FILE, fd).decode("ascii"))
        except FileNotFoundError:
            state = {"creating": True}
        if type(state) is not dict or not state.get("creating"):
            return False
        if "cgroup" in state:
            from tare_runtime.cgroup.life import remove_if_left

            pid = state.get("pid", 0)
            if pid and process_start(pid) == state.get("pidStart"):
                posix.kill(pid, 9)
            remove_if_left(state)
        folder.remove(root, path)
        return True
    except (BlockingIOError, ValueError):
        return False
    finally:
        posix.close(fd)


def _unusable(tried: str, path: str, error: OSError) -> HostError:
    return HostError(f"{tried} {path}: {(error.strerror or str(error)).lower()}")
