"""The image configuration: what an image says about the process to start, and the layers' diff_ids.

Spec: image-spec 1.1, config.md. Docker's configurations have more keys; they are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tare_spec.digest import Digest
from tare_spec.document import Fields, kind, parse_json
from tare_spec.platform import Platform

IMAGE_KEYS = frozenset(
    {"created", "author", "architecture", "os", "os.version", "os.features", "variant", "config", "rootfs",
     "history"}
)  # fmt: skip
PROCESS_KEYS = frozenset(
    {"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
     "ArgsEscaped", "Memory", "MemorySwap", "CpuShares", "Healthcheck"}
)  # fmt: skip
ROOTFS_KEYS = frozenset({"type", "diff_ids"})
HISTORY_KEYS = frozenset({"created", "created_by", "author", "comment", "empty_layer"})


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """The `config` object: defaults of a container made from the image.

    `entrypoint` and `cmd` are None where the image says nothing, () where it says "none".
    """

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    args_escaped: bool = False


@dataclass(frozen=True, slots=True)
class History:
    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    platform: Platform
    config: ProcessConfig
    diff_ids: tuple[Digest, ...]
    raw: bytes = field(repr=False)
    created: str = ""
    author: str = ""
    history: tuple[History, ...] = ()

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """For each layer the name of the tree that it and all below it make.

        Spec: image-spec 1.1, config.md, "Layer ChainID".
        """
        chain: list[Digest] = []
        for diff_id in self.diff_ids:
            chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
        return tuple(chain)


def decode_config(raw: bytes, what: str = "image config") -> ImageConfig:
    """Read an image configuration.

    Raises: BadDocument.
    """
    fields = Fields(parse_json(raw, what), what, "", IMAGE_KEYS)
    rootfs = Fields(fields.get("rootfs"), what, "/rootfs", ROOTFS_KEYS)
    if rootfs.text("type") != "layers":
        raise rootfs.fail("type", "must be 'layers'")
    diff_ids = tuple(rootfs.as_digest(text, "diff_ids") for text in rootfs.texts("diff_ids"))
    platform = Platform(
        fields.text("os"),
        fields.text("architecture"),
        fields.text("variant", ""),
        fields.text("os.version", ""),
        fields.texts("os.features"),
    )
    return ImageConfig(
        platform,
        decode_process(fields.object("config"), what),
        diff_ids,
        raw,
        fields.text("created", ""),
        fields.text("author", ""),
        tuple(decode_history(item, what, f"/{place}") for place, item in fields.items("history")),
    )


def decode_process(value: dict[str, object], what: str) -> ProcessConfig:
    fields = Fields(value, what, "/config", PROCESS_KEYS)
    for variable in fields.texts("Env"):
        if "\0" in variable:
            raise fields.fail("Env", "holds a NUL")
    return ProcessConfig(
        fields.text("User", ""),
        fields.texts("Env"),
        words(fields, "Entrypoint"),
        words(fields, "Cmd"),
        fields.text("WorkingDir", ""),
        fields.text("StopSignal", ""),
        key_set(fields, "ExposedPorts"),
        key_set(fields, "Volumes"),
        fields.text_map("Labels"),
        fields.boolean("ArgsEscaped"),
    )


def words(fields: Fields, key: str) -> tuple[str, ...] | None:
    return fields.texts(key) if fields.has(key) else None


def key_set(fields: Fields, key: str) -> tuple[str, ...]:
    """A set written as an object of empty objects, as Go's map[string]struct{} is."""
    found = fields.object(key)
    for name, value in found.items():
        if value is not None and not isinstance(value, dict):
            raise fields.fail(f"{key}/{name}", f"must be an empty object, is {kind(value)}")
    return tuple(found)


def decode_history(value: object, what: str, pointer: str) -> History:
    fields = Fields(value, what, pointer, HISTORY_KEYS)
    return History(
        fields.text("created", ""),
        fields.text("created_by", ""),
        fields.text("author", ""),
        fields.text("comment", ""),
        fields.boolean("empty_layer"),
    )
