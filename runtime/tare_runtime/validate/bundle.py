"""The whole check of a bundle: document, files, host; each part goes on where another found something."""

from __future__ import annotations

from tare_runtime.errors import ConfigError, HostError
from tare_runtime.validate.document import check_document, finding_of
from tare_runtime.validate.files import check_files
from tare_runtime.validate.findings import BUNDLE, HOST, Finding
from tare_runtime.validate.host import check_host, this_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def validate_bundle(bundle: str, config_path: str | None = None) -> tuple[list[Finding], list[str]]:
    """Findings, those of the bundle first, and warnings. Nothing is changed anywhere."""
    from tare_runtime.config.read import parse_config

    warnings: list[str] = []
    try:
        config = parse_config(config_path or f"{bundle}/config.json")
    except ConfigError as error:
        return [finding_of(*violation) for violation in error.violations], warnings
    found = check_document(config, warnings)
    found += check_files(config, bundle)
    found += check_host(config, this_host())
    wrong = [finding.pointer for finding in found if finding.kind != HOST]
    found += _check_cgroups(_without_wrong_limits(config, wrong), warnings)
    if not any(pointer.startswith("/linux/seccomp") for pointer in wrong):
        found += _check_seccomp(config)
    order = (BUNDLE, HOST)
    found.sort(key=lambda finding: order.index(finding.kind) if finding.kind in order else 2)
    return _without_repeats(found), warnings


def _check_cgroups(config: dict[str, Any], warnings: list[str]) -> list[Finding]:
    from tare_runtime.cgroup.plan import plan_cgroup

    try:
        plan_cgroup(config, "validate", rootless="auto", warn=warnings.append)
    except ConfigError as error:
        return [finding_of(*violation) for violation in error.violations]
    except HostError as error:
        return [
            Finding(HOST, "/linux/resources", error.message, error.hint or "mount cgroup2 on /sys/fs/cgroup")
        ]
    return []


def _without_wrong_limits(config: dict[str, Any], wrong: list[str]) -> dict[str, Any]:
    """What of the config decides about cgroups, without sections of limits in which something is wrong."""
    linux = config.get("linux") or {}
    bad = {pointer.split("/")[3] for pointer in wrong if pointer.startswith("/linux/resources/")}
    resources = {name: value for name, value in (linux.get("resources") or {}).items() if name not in bad}
    kept = {**linux, "resources": resources}
    if "/linux/cgroupsPath" in wrong:
        del kept["cgroupsPath"]
    return {**config, "linux": kept}


def _check_seccomp(config: dict[str, Any]) -> list[Finding]:
    profile = (config.get("linux") or {}).get("seccomp")
    if not profile:
        return []
    from tare_runtime.seccomp.cache import make

    try:
        make(profile)
    except ConfigError as error:
        return [finding_of(*violation) for violation in error.violations]
    return []


def _without_repeats(found: list[Finding]) -> list[Finding]:
    seen: set[tuple[str, str]] = set()
    kept = []
    for finding in found:
        if (finding.pointer, finding.problem) not in seen:
            seen.add((finding.pointer, finding.problem))
            kept.append(finding)
    return kept
