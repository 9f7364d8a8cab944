"""Namespaces, id maps, names, sysctls."""

from __future__ import annotations

from tests.support.bundles import Bundle
from tests.support.failures.files import as_nobody, bundle_of_everybody
from tests.support.failures.mounts import user_namespace, without
from tests.support.failures.table import Done, failure
from tests.support.faults import faulty


def joining(bundle: Bundle, kind: str, path: str) -> Done:
    without(bundle, kind)
    bundle.config["linux"]["namespaces"].append({"type": kind, "path": path})
    return bundle.args("true").run()


def sysctl(bundle: Bundle, name: str, value: str) -> Done:
    bundle.config["linux"]["sysctl"] = {name: value}
    return bundle.args("true").run()


@failure("namespaces", "runc#4111", "the namespace's process has ended")
def joined_is_gone(bundle: Bundle) -> Done:
    return joining(bundle, "ipc", "/proc/4194304/ns/ipc")


@failure("namespaces", "runc#1395", "the path is a namespace of another kind")
def joined_is_another_kind(bundle: Bundle) -> Done:
    return joining(bundle, "network", "/proc/self/ns/ipc")


@failure("namespaces", "containerd#10431", "the path is an ordinary file, left of a namespace that went")
def joined_is_a_file(bundle: Bundle) -> Done:
    (bundle.path / "netns").write_text("")
    return joining(bundle, "network", str(bundle.path / "netns"))


@failure("namespaces", "runc#3128", "joining the user namespace that one is in already")
def own_user_namespace(bundle: Bundle) -> Done:
    return joining(bundle, "user", "/proc/self/ns/user")


@failure(
    "namespaces",
    "runc#3666 containers/bubblewrap#465 google/gvisor#5964",
    "no more namespaces: a limit is reached",
)
def too_many_namespaces(bundle: Bundle) -> Done:
    return faulty(bundle, "clone3", "error=ENOSPC", "run", bundle.id, follow=True)


@failure("namespaces", "lxc/go-lxc#134", "new namespaces are forbidden")
def namespaces_forbidden(bundle: Bundle) -> Done:
    return faulty(bundle, "clone3", "error=EPERM", "run", bundle.id, follow=True)


@failure("namespaces", "runc#2544", "the kernel was built without one of the namespaces")
def namespace_unknown(bundle: Bundle) -> Done:
    return faulty(bundle, "clone3", "error=EINVAL", "run", bundle.id, follow=True)


@failure("namespaces", "runc#3666", "no more processes: pids.max, RLIMIT_NPROC or kernel.pid_max")
def too_many_processes(bundle: Bundle) -> Done:
    return faulty(bundle, "clone3", "error=EAGAIN", "run", bundle.id, follow=True)


@failure("namespaces", "", "no memory for another process or namespace")
def no_memory(bundle: Bundle) -> Done:
    return faulty(bundle, "clone3", "error=ENOMEM", "run", bundle.id, follow=True)


@failure("namespaces", "runc#1646", "a user that is not root, and no user namespace in the config")
def not_root(bundle: Bundle) -> Done:
    with bundle_of_everybody(bundle) as place:
        return as_nobody(["--root", f"{place}/state", "run", "--bundle", place, bundle.id])


@failure("namespaces", "crun#166", "a user namespace without id maps")
def no_maps(bundle: Bundle) -> Done:
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    return bundle.run()


@failure("namespaces", "crun#1088 crun#209", "two ranges of the id map overlap")
def overlapping_maps(bundle: Bundle) -> Done:
    user_namespace(bundle)
    bundle.config["linux"]["uidMappings"].append({"containerID": 10, "hostID": 100000, "size": 5})
    return bundle.args("true").run()


@failure("namespaces", "crun#1072 crun#1074", "the host's ids are not ours to map")
def foreign_ids(bundle: Bundle) -> Done:
    user_namespace(bundle)
    with bundle_of_everybody(bundle) as place:
        return as_nobody(["--root", f"{place}/state", "run", "--bundle", place, bundle.id])


@failure("namespaces", "", "a host name without a uts namespace")
def hostname_of_the_host(bundle: Bundle) -> Done:
    without(bundle, "uts")
    return bundle.run()


@failure(
    "namespaces", "runc#1193 containerd/nerdctl#4016", "the sysctl does not exist in a new network namespace"
)
def missing_sysctl(bundle: Bundle) -> Done:
    return sysctl(bundle, "net.ipv4.tcp_nothing", "1")


@failure("namespaces", "moby#27484", "the sysctl does not take the value")
def bad_sysctl_value(bundle: Bundle) -> Done:
    return sysctl(bundle, "net.ipv4.ip_forward", "a")


@failure("namespaces", "crun#1648", "net.ipv4.ping_group_range with groups that are not mapped")
def ping_group_range(bundle: Bundle) -> Done:
    user_namespace(bundle, size=100)
    bundle.config["mounts"] = [one for one in bundle.config["mounts"] if one["type"] != "devpts"]
    return sysctl(bundle, "net.ipv4.ping_group_range", "0 2147483647")


@failure("namespaces", "runc#2693", "a sysctl of the network with the host's network")
def sysctl_of_the_host(bundle: Bundle) -> Done:
    without(bundle, "network")
    return sysctl(bundle, "net.ipv4.ip_forward", "1")


@failure("namespaces", "docker/docs#9631", "a sysctl that belongs to no namespace")
def sysctl_of_no_namespace(bundle: Bundle) -> Done:
    return sysctl(bundle, "vm.max_map_count", "262144")


@failure("namespaces", "", "an offset that would put a clock before its beginning")
def clock_before_boot(bundle: Bundle) -> Done:
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {"boottime": {"secs": -(10**9)}}
    return bundle.args("true").run()


@failure(
    "namespaces", "runc#726 moby#22865 podman#13363", "too many keys: a keyring for the session is refused"
)
def too_many_keys(bundle: Bundle) -> Done:
    return faulty(bundle, "keyctl", "error=EDQUOT", "run", bundle.id, follow=True)
