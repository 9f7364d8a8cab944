"""The flags of a run as edits of the image's configuration and of the config.json made of it. Pure."""

from __future__ import annotations

from dataclasses import replace

from tare_spec.image_config import ImageConfig

from tare_shim.options import ALL_CAPABILITIES, PROPAGATION, RunOptions, Volume

Json = dict[str, object]
CPU_PERIOD_US = 100_000
CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def edit_image(image: ImageConfig, options: RunOptions) -> ImageConfig:
    """The image's configuration with the command, user, folder and variables of the flags.

    A new entrypoint takes the image's own command away, as `docker run` does.
    """
    settings = image.config
    entrypoint, cmd = settings.entrypoint, settings.cmd
    if options.entrypoint is not None:
        entrypoint, cmd = ((options.entrypoint,) if options.entrypoint else ()), ()
    edited = replace(
        settings,
        entrypoint=entrypoint,
        cmd=options.command or cmd,
        user=settings.user if options.user is None else options.user,
        working_dir=settings.working_dir if options.workdir is None else options.workdir,
        env=merge_env(settings.env, options.env),
    )
    return replace(image, config=edited)


def merge_env(base: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Later values of a name replace earlier ones, in the earlier one's place."""
    merged = {entry.partition("=")[0]: entry for entry in base}
    merged.update({entry.partition("=")[0]: entry for entry in more})
    return tuple(merged.values())


def edit_config(config: Json, options: RunOptions, *, container_id: str, root_path: str) -> Json:
    """config.json with everything the flags say that an image cannot: limits, mounts, terminal, network."""
    process = {**_object(config, "process"), "terminal": options.tty}
    if options.tty and not any(entry.startswith("TERM=") for entry in _strings(process, "env")):
        process["env"] = [*_strings(process, "env"), "TERM=xterm"]
    is_root = _object(process, "user").get("uid") == 0
    process["capabilities"] = _capabilities(_object(process, "capabilities"), options, is_root=is_root)
    linux = dict(_object(config, "linux"))
    linux["resources"] = _resources(_object(linux, "resources"), options)
    if options.network == "host":
        linux["namespaces"] = [
            entry for entry in _objects(linux, "namespaces") if entry.get("type") != "network"
        ]
    return {
        **config,
        "root": {"path": root_path, "readonly": options.read_only},
        "hostname": options.hostname or container_id[:12],
        "process": process,
        "linux": linux,
        "mounts": [*_objects(config, "mounts"), *_mounts(options)],
    }


def _resources(base: Json, options: RunOptions) -> Json:
    resources = dict(base)
    if options.memory_bytes is not None:
        resources["memory"] = {**_object(base, "memory"), "limit": options.memory_bytes}
    if options.cpus is not None:
        quota = {"period": CPU_PERIOD_US, "quota": int(options.cpus * CPU_PERIOD_US)}
        resources["cpu"] = {**_object(base, "cpu"), **quota}
    if options.pids_limit is not None:
        resources["pids"] = {"limit": options.pids_limit}
    return resources


def _mounts(options: RunOptions) -> list[Json]:
    mounts = [_bind(volume) for volume in options.volumes]
    if options.network == "host":
        taken = {volume.target for volume in options.volumes}
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            if path not in taken:
                mounts.append(_bind_entry(path, path, ["rbind", "rprivate", "ro"]))
    return mounts


def _bind(volume: Volume) -> Json:
    propagation = PROPAGATION & set(volume.options)
    options = ["rbind", *volume.options] + ([] if propagation else ["rprivate"])
    return _bind_entry(str(volume.source), volume.target, options)


def _bind_entry(source: str, target: str, options: list[str]) -> Json:
    return {"destination": target, "type": "bind", "source": source, "options": options}


def _capabilities(base: Json, options: RunOptions, *, is_root: bool) -> Json:
    """Drop first, then add: `--cap-drop ALL --cap-add CHOWN` leaves one.

    Another user than root starts with none, whatever the bounding set; one that is added by name is meant for
    the process itself, so it goes into the ambient set too, without which execve(2) would take it away.
    """
    held = {name: set(_strings(base, name)) for name in CAPABILITY_SETS}
    for dropped in options.cap_drop:
        for names in held.values():
            names -= names.copy() if dropped == "ALL" else {dropped}
    for added in options.cap_add:
        everything = added == "ALL"
        sets = ("bounding", "effective", "permitted") if is_root else CAPABILITY_SETS
        for name in ("bounding",) if everything and not is_root else sets:
            held[name] |= set(ALL_CAPABILITIES) if everything else {added}
    return {name: sorted(names) for name, names in held.items() if names or name in base}


def _object(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _objects(document: Json, name: str) -> list[Json]:
    value = document.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _strings(document: Json, name: str) -> list[str]:
    value = document.get(name)
    return [str(entry) for entry in value] if isinstance(value, list) else []
