"""What a mount or a device fails on."""

from __future__ import annotations

from typing import Any

from tests.support.bundles import Bundle
from tests.support.failures.table import Done, failure
from tests.support.faults import faulty


def mount(bundle: Bundle, **entry: Any) -> Done:
    bundle.config["mounts"].append(entry)
    return bundle.args("true").run()


def user_namespace(bundle: Bundle, host: int = 0, size: int = 65536) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        bundle.config["linux"][name] = [{"containerID": 0, "hostID": host, "size": size}]


def without(bundle: Bundle, kind: str) -> None:
    spaces = bundle.config["linux"]["namespaces"]
    bundle.config["linux"]["namespaces"] = [space for space in spaces if space["type"] != kind]


@failure("mounts", "docker/cli#2573 apptainer/singularity#3373", "the source of a bind mount does not exist")
def bind_of_nothing(bundle: Bundle) -> Done:
    return mount(bundle, destination="/data", source="/no/such/place", type="bind", options=["rbind"])


@failure(
    "mounts", "moby#36428 moby#23920 moby#24749", "a directory is mounted on what is a file in the image"
)
def directory_on_a_file(bundle: Bundle) -> Done:
    (bundle.rootfs / "etc/app.conf").write_text("")
    return mount(bundle, destination="/etc/app.conf", source="/usr", type="bind", options=["rbind"])


@failure("mounts", "docker/cli#2994", "a file is mounted on what is a directory in the image")
def file_on_a_directory(bundle: Bundle) -> Done:
    (bundle.path / "app.conf").write_text("")
    return mount(bundle, destination="/etc", source="app.conf", type="bind", options=["rbind"])


@failure("mounts", "crun#1307", "a directory above the destination is a file in the image")
def below_a_file(bundle: Bundle) -> Done:
    (bundle.rootfs / "etc/package.unmask").write_text("")
    return mount(bundle, destination="/etc/package.unmask/host", type="tmpfs", source="tmpfs")


@failure("mounts", "", "the destination is below a mount that is read-only")
def below_a_readonly_mount(bundle: Bundle) -> Done:
    bundle.config["mounts"].append({"destination": "/mnt", "source": "/usr", "options": ["bind", "ro"]})
    return mount(bundle, destination="/mnt/new/place", type="tmpfs", source="tmpfs")


@failure("mounts", "", "the destination is a symlink to itself")
def destination_loop(bundle: Bundle) -> Done:
    (bundle.rootfs / "loop").symlink_to("loop")
    return mount(bundle, destination="/loop/x", type="tmpfs", source="tmpfs")


@failure("mounts", "", "this kernel does not know the file system")
def unknown_file_system(bundle: Bundle) -> Done:
    return mount(bundle, destination="/data", type="nofs", source="none")


@failure("mounts", "", "the file system does not know an option")
def unknown_option(bundle: Bundle) -> Done:
    return mount(bundle, destination="/data", type="tmpfs", source="tmpfs", options=["sise=1m"])


@failure("mounts", "", "an option has a bad value")
def bad_option_value(bundle: Bundle) -> Done:
    return mount(bundle, destination="/data", type="tmpfs", source="tmpfs", options=["size=lots"])


@failure("mounts", "", "a disk's file system is mounted from what is no block device")
def no_block_device(bundle: Bundle) -> Done:
    (bundle.path / "disk.img").write_bytes(b"\0" * 4096)
    return mount(bundle, destination="/data", type="ext4", source=str(bundle.path / "disk.img"))


@failure("mounts", "", "a disk that does not exist")
def no_disk(bundle: Bundle) -> Done:
    return mount(bundle, destination="/data", type="ext4", source="/dev/nodisk")


@failure("mounts", "", "an overlay whose lower directory does not exist")
def overlay_without_lower(bundle: Bundle) -> Done:
    options = [f"lowerdir={bundle.path}/none"]
    return mount(bundle, destination="/data", type="overlay", source="overlay", options=options)


@failure(
    "mounts", "moby#41457 containerd/nerdctl#297", "/proc in a user namespace that keeps the host's pids"
)
def proc_with_host_pids(bundle: Bundle) -> Done:
    user_namespace(bundle)
    without(bundle, "pid")
    return bundle.args("true").run()


@failure("mounts", "podman#20453 podman#9813", "/sys in a user namespace that keeps the host's network")
def sys_with_host_network(bundle: Bundle) -> Done:
    user_namespace(bundle)
    without(bundle, "network")
    return bundle.args("true").run()


@failure("mounts", "crun#166 crun#1060 runc#3317", "devpts with gid=5 where group 5 is not mapped")
def devpts_gid(bundle: Bundle) -> Done:
    user_namespace(bundle, size=1)
    return bundle.args("true").run()


@failure("mounts", "", "tmpfs with the uid of a user that is not mapped")
def tmpfs_uid(bundle: Bundle) -> Done:
    user_namespace(bundle)
    return mount(bundle, destination="/data", type="tmpfs", source="tmpfs", options=["uid=70000"])


@failure("mounts", "", "/dev/pts without a devpts: a terminal has nowhere to come from")
def no_devpts(bundle: Bundle) -> Done:
    bundle.config["process"]["terminal"] = True
    bundle.config["mounts"] = [one for one in bundle.config["mounts"] if one["type"] != "devpts"]
    return bundle.args("true").run()


@failure("mounts", "", "the kernel has no more room for mounts (fs.mount-max)")
def too_many_mounts(bundle: Bundle) -> Done:
    return faulty(bundle, "move_mount", "error=ENOSPC", "run", bundle.id, nth=3, follow=True)


@failure("mounts", "", "a security module forbids the mount")
def mount_forbidden(bundle: Bundle) -> Done:
    return faulty(bundle, "move_mount", "error=EACCES", "run", bundle.id, nth=2, follow=True)


@failure("mounts", "", "pivot_root from a ramdisk, without --no-pivot")
def pivot_on_a_ramdisk(bundle: Bundle) -> Done:
    return faulty(bundle, "pivot_root", "error=EINVAL", "run", bundle.id, follow=True)


@failure("mounts", "", "a kernel before 5.2, without the mount API")
def old_kernel(bundle: Bundle) -> Done:
    return faulty(bundle, "fsopen", "error=ENOSYS", "run", bundle.id, follow=True)
