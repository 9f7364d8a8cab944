"""Cgroups and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.bundles import Bundle
from tests.support.failures.table import Done, failure
from tests.support.faults import faulty


def limited(bundle: Bundle, **resources: Any) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    bundle.config["linux"]["resources"] = resources
    return bundle.args("true").run()


def fails(bundle: Bundle, call: str, error: str, path: str = "", nth: int = 1) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    return faulty(bundle, call, f"error={error}", "run", bundle.id, path=path, nth=nth)


@failure(
    "cgroups",
    "runc#1980 runc#4021 moby#41167 podman#4722",
    "a memory limit below what a start takes",
    only_v1=True,
)
def tiny_memory_limit(bundle: Bundle) -> Done:
    return limited(bundle, memory={"limit": 4096})


@failure("cgroups", "", "a swap limit below the memory limit", only_v1=True)
def swap_below_memory(bundle: Bundle) -> Done:
    return limited(bundle, memory={"limit": 2**26, "swap": 2**25})


@failure("cgroups", "", "a swap limit without a memory limit", only_v1=True)
def swap_alone(bundle: Bundle) -> Done:
    return limited(bundle, memory={"swap": 2**26})


@failure("cgroups", "lxc/lxc#2953", "cpus that this host does not have", only_v1=True)
def missing_cpus(bundle: Bundle) -> Done:
    return limited(bundle, cpu={"cpus": "500-501"})


@failure("cgroups", "", "cpus that are no list", only_v1=True)
def cpus_are_no_list(bundle: Bundle) -> Done:
    return limited(bundle, cpu={"cpus": "zero"})


@failure(
    "cgroups", "runc#133 containerd/cgroups#48", "memory nodes that this host does not have", only_v1=True
)
def missing_nodes(bundle: Bundle) -> Done:
    return limited(bundle, cpu={"mems": "7"})


@failure("cgroups", "", "a CPU quota of less than a millisecond", only_v1=True)
def tiny_quota(bundle: Bundle) -> Done:
    return limited(bundle, cpu={"quota": 100, "period": 100000})


@failure("cgroups", "", "a CPU period of more than a second", only_v1=True)
def long_period(bundle: Bundle) -> Done:
    return limited(bundle, cpu={"quota": 5000000, "period": 5000000})


@failure("cgroups", "", "huge pages of a size that does not exist", only_v1=True)
def missing_page_size(bundle: Bundle) -> Done:
    return limited(bundle, hugepageLimits=[{"pageSize": "3MB", "limit": 1}])


@failure("cgroups", "", "a limit on a block device that does not exist", only_v1=True)
def missing_block_device(bundle: Bundle) -> Done:
    rate = {"major": 4000, "minor": 0, "rate": 1000}
    return limited(bundle, blockIO={"throttleReadBpsDevice": [rate]})


@failure("cgroups", "crun#1785", "files of cgroup v2 on a host with v1", only_v1=True)
def unified_on_v1(bundle: Bundle) -> Done:
    return limited(bundle, unified={"memory.high": "1000000"})


@failure("cgroups", "crun#1785 runc#3321", "a limit whose controller is not there", only_v1=True)
def missing_controller(bundle: Bundle) -> Done:
    return limited(bundle, network={"classID": 1}, rdma={"mlx5_1": {"hcaHandles": 1}})


@failure("cgroups", "", "the cgroup is another container's", only_v1=True)
def cgroup_in_use(bundle: Bundle) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    assert bundle.args("sleep", "60").create().returncode == 0
    return bundle.tare("create", bundle.id + "-2")


@failure("cgroups", "", "cgroupsPath is the root of all cgroups")
def root_cgroup(bundle: Bundle) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/"
    return bundle.run()


@failure(
    "cgroups",
    "moby#29638 cloudfoundry/garden-runc-release#15",
    "the kernel has no more room for cgroups",
    only_v1=True,
)
def too_many_cgroups(bundle: Bundle) -> Done:
    return fails(bundle, "mkdir", "ENOSPC", path=f"/sys/fs/cgroup/memory/{bundle.id}")


@failure("cgroups", "", "/sys/fs/cgroup is read-only, in a container for one", only_v1=True)
def readonly_cgroups(bundle: Bundle) -> Done:
    return fails(bundle, "mkdir", "EROFS", path=f"/sys/fs/cgroup/memory/{bundle.id}")


@failure("cgroups", "runc#4475 youki#3690", "the cgroup above belongs to another user", only_v1=True)
def cgroups_of_another(bundle: Bundle) -> Done:
    return fails(bundle, "mkdir", "EACCES", path=f"/sys/fs/cgroup/memory/{bundle.id}")


@failure("cgroups", "", "the device list may not be changed, in a nested container", only_v1=True)
def nested_device_rules(bundle: Bundle) -> Done:
    return fails(bundle, "write", "EPERM", path=f"/sys/fs/cgroup/devices/{bundle.id}/devices.deny")


@failure(
    "cgroups",
    "runc#2356 crun#81 youki#3347",
    "the container's cgroup has children: nobody may join it",
    only_v1=True,
)
def busy_cgroup(bundle: Bundle) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    path = f"/sys/fs/cgroup/memory/{bundle.id}/tasks"
    return faulty(bundle, "write", "error=EBUSY", "run", bundle.id, path=path, follow=True)


@failure("cgroups", "runc#133", "the cpuset of the cgroup is empty", only_v1=True)
def empty_cpuset(bundle: Bundle) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    path = f"/sys/fs/cgroup/cpuset/{bundle.id}/tasks"
    return faulty(bundle, "write", "error=ENOSPC", "run", bundle.id, path=path, follow=True)


@failure("cgroups", "", "`update` of a limit below what is used", only_v1=True)
def update_below_use(bundle: Bundle) -> Done:
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    bundle.config["linux"]["resources"] = {"memory": {"limit": 2**26}}
    bundle.script("dd if=/dev/zero of=/dev/shm bs=1 count=0 2>/dev/null; sleep 60")
    assert bundle.create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    path = f"/sys/fs/cgroup/memory/{bundle.id}/memory.limit_in_bytes"
    assert Path(path).exists()
    return faulty(bundle, "write", "error=EBUSY", "update", "--memory", "64k", bundle.id, path=path)


@failure("cgroups", "", "`update` with text that is no number")
def update_without_number(bundle: Bundle) -> Done:
    assert bundle.args("sleep", "60").create().returncode == 0
    return bundle.tare("update", "--memory", "lots", bundle.id)
