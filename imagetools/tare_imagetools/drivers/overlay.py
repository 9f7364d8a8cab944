"""The overlay driver: one directory a layer, mounted on top of each other by the kernel.

    ROOT/layers/HEX/diff         what the layer changes, in the kernel's own form (whiteouts are devices 0:0)
    ROOT/layers/HEX/parent       the chain id of the layer below; missing for the lowest
    ROOT/containers/ID/{diff,work,merged}
    ROOT/containers/ID/top       the chain id that it stands on

A layer that is not the lowest is applied *through* an overlay mount of its parents. So there is one
implementation of the layer rules, that of a plain directory, and the kernel writes the whiteouts, keeps the
modes of directories that are only passed, and escapes attributes that would steer it. The mount used for that
hangs in no mount table: a killed process leaves none.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tare_spec.digest import Digest

from tare_imagetools._layer import ffi, lib
from tare_imagetools.drivers.folder import LayerFolder
from tare_imagetools.errors import StoreError
from tare_imagetools.layer.apply import AppliedLayer, Reader, apply_layer
from tare_imagetools.layer.staging import remove_tree, staging

OPTIONS = {"index": "off", "metacopy": "off", "redirect_dir": "off"}
OPTIONS_BYTES_MAX = 4095
"""mount(2) takes one page."""
PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._-]{1,200}")
HINTS = {
    errno.EINVAL: "a store on an overlay, or without extended attributes, needs --driver vfs",
    errno.EPERM: "mounting needs root; --driver vfs does not mount",
}


class OverlayDriver(LayerFolder):
    def prepare_layer(
        self, chain_id: Digest, parent: Digest | None, stream: Reader, diff_id: Digest, *, media_type: str
    ) -> AppliedLayer:
        with self.used() as layers, staging(layers) as stage:
            lower = self._chain(parent) if parent else []
            diff = stage / "diff"
            make_upper(diff, lower)
            with opened(diff, lower, stage) as root_fd:
                # The lowest layer needs no mount, so escaping is up to us there.
                applied = apply_layer(
                    stream, root_fd, media_type=media_type, diff_id=diff_id, overlay=not lower
                )
            remove_tree(stage / "work")
            if parent:
                (stage / "parent").write_text(str(parent))
            self.publish(stage, chain_id)
        return applied

    def mount(self, container_id: str, top: Digest) -> Path:
        with self.used():
            return self._mount(self.containers() / container_id, top)

    def _mount(self, home: Path, top: Digest) -> Path:
        lower = self._chain(top)
        try:
            home.mkdir(mode=0o700)
        except FileExistsError:
            raise StoreError(f"mount rootfs of container {home.name}", "it has one already") from None
        try:
            (home / "top").write_text(str(top))
            make_upper(home / "diff", lower)
            for name in ("work", "merged"):
                (home / name).mkdir(mode=0o700)
            attach(home, lower)
        except BaseException:
            remove_tree(home)
            raise
        return home / "merged"

    def unmount(self, container_id: str) -> None:
        home = self.root / "containers" / container_id
        if not home.is_dir():
            return
        merged = home / "merged"
        while os.path.ismount(merged):
            fail_if(lib.overlay_unmount(os.fsencode(merged)), f"unmount {merged}")
        remove_tree(home)

    def in_use(self) -> set[str]:
        tops = [Digest.parse(top.read_text()) for top in self.root.glob("containers/*/top")]
        return {path.parent.name for top in tops for path in self._chain(top)}

    def _chain(self, top: Digest) -> list[Path]:
        """The directories of a layer and all below it, top first."""
        found: list[Path] = []
        chain_id: Digest | None = top
        while chain_id:
            layer = self.layer(chain_id)
            if not layer.is_dir():
                raise StoreError(f"read layer {chain_id}", f"it is not in {self.root}")
            found.append(layer / "diff")
            parent = layer / "parent"
            chain_id = Digest.parse(parent.read_text()) if parent.exists() else None
        return found


def make_upper(diff: Path, lower: list[Path]) -> None:
    """The root of an upper directory is the root of the merged tree, so it begins as the lower one is."""
    diff.mkdir(mode=0o755)
    if not lower:
        os.chmod(diff, 0o755)
        os.utime(diff, (0, 0))
        return
    found = lower[0].stat()
    os.chown(diff, found.st_uid, found.st_gid)
    os.chmod(diff, stat.S_IMODE(found.st_mode))
    for name in os.listxattr(lower[0]):
        if not name.startswith("trusted.overlay.") or name.startswith("trusted.overlay.overlay."):
            os.setxattr(diff, name, os.getxattr(lower[0], name))
    os.utime(diff, ns=(found.st_atime_ns, found.st_mtime_ns))


@contextmanager
def opened(diff: Path, lower: list[Path], stage: Path) -> Iterator[int]:
    """A descriptor of the tree to apply a layer to."""
    if not lower:
        fd = os.open(diff, os.O_RDONLY | os.O_DIRECTORY)
    else:
        (stage / "work").mkdir(mode=0o700)
        fd = hidden_mount(diff, lower, stage)
    try:
        yield fd
    finally:
        os.close(fd)


def hidden_mount(diff: Path, lower: list[Path], stage: Path) -> int:
    with ExitStack() as stack:
        options = mount_options(stack, diff, stage / "work", lower)
        # Nothing of it is read after a crash, so no file needs to be flushed when it is copied up.
        result = detached_mount([*options, ("volatile", None)])
        if result >= 0:
            root_fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=result)
            os.close(result)
            return root_fd
        return mount_in_own_namespace(options_text([*options, ("volatile", None)]), stage / "merged")


def mount_in_own_namespace(options: bytes, target: Path) -> int:
    """The same by mount(2): a descriptor of the root. `target` is made and removed."""
    made: list[int] = []
    target.mkdir(mode=0o700)
    # A thread of its own: its mount namespace is to end with it.
    thread = threading.Thread(
        target=lambda: made.append(lib.overlay_mount_hidden(options, os.fsencode(target)))
    )
    thread.start()
    thread.join()
    target.rmdir()
    fail_if(made[0], "mount overlay")
    return made[0]


def attach(home: Path, lower: list[Path]) -> None:
    merged = os.fsencode(home / "merged")
    what = f"mount overlay of {len(lower)} layers on {home / 'merged'}"
    with ExitStack() as stack:
        places = home / "diff", home / "work", lower
        fd = detached_mount(mount_options(stack, *places, by_path=True))
        if fd < 0:
            fail_if(lib.overlay_mount_at(options_text(mount_options(stack, *places)), merged), what)
            return
        stack.callback(os.close, fd)
        fail_if(lib.overlay_attach(fd, merged), what)


def mount_options(
    stack: ExitStack, diff: Path, work: Path, lower: list[Path], *, by_path: bool = False
) -> list[tuple[str, str | None]]:
    """Layers are named by descriptors: short, and a ':' or ',' in a path means nothing.

    `by_path`: where a path can stand as it is, it does, so that the mount table can be read.
    """

    def named(path: Path) -> str:
        if by_path and PLAIN_PATH.fullmatch(str(path)):
            return str(path)
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
        stack.callback(os.close, fd)
        return f"/proc/self/fd/{fd}"

    return [
        ("lowerdir", ":".join(named(path) for path in lower)),
        ("upperdir", named(diff)),
        ("workdir", named(work)),
        *OPTIONS.items(),
    ]


def detached_mount(options: list[tuple[str, str | None]]) -> int:
    """A mount in no mount table, or -errno. Layers one by one (Linux 6.7), else in one short text."""
    (_, layers), *rest = options
    one_by_one: list[tuple[str, str | None]] = [("lowerdir+", path) for path in str(layers).split(":")]
    result = fsconfig_mount([*one_by_one, *rest])
    if result < 0 and len(str(layers)) < 256:
        result = fsconfig_mount(options)
    return result


def fsconfig_mount(options: list[tuple[str, str | None]]) -> int:
    options = [("source", "overlay"), *options]
    keys = [ffi.new("char[]", key.encode()) for key, _ in options]
    values = [ffi.NULL if value is None else ffi.new("char[]", value.encode()) for _, value in options]
    return int(lib.overlay_mount(ffi.new("char *[]", keys), ffi.new("char *[]", values), len(options), 0))


def options_text(options: list[tuple[str, str | None]]) -> bytes:
    text = ",".join(key if value is None else f"{key}={value}" for key, value in options).encode()
    if len(text) > OPTIONS_BYTES_MAX:
        raise StoreError("mount overlay", "too many layers for this kernel", "Linux 6.7 and later take 500")
    return text


def fail_if(result: int, what: str) -> None:
    if result < 0:
        raise StoreError(what, os.strerror(-result), HINTS.get(-result))
