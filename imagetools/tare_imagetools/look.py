"""Looking at an image without copying it: its manifest for a platform, and its configuration."""

from __future__ import annotations

from dataclasses import dataclass

from tare_spec import media_types
from tare_spec.errors import BadDocument
from tare_spec.image import Index, Manifest
from tare_spec.image_config import ImageConfig, decode_config
from tare_spec.platform import Platform

from tare_imagetools.errors import UsageError, VerifyError
from tare_imagetools.pipeline import MAX_CONFIG, choose, decode
from tare_imagetools.transports.interface import RawManifest, Source
from tare_imagetools.verify import read_blob


@dataclass(frozen=True, slots=True)
class Looked:
    """`raw` is what `manifest` was read from; `named` is what the reference names, perhaps an index."""

    source: Source
    named: RawManifest
    raw: RawManifest
    manifest: Manifest

    def config_bytes(self) -> bytes:
        return read_blob(self.source.open_blob(self.manifest.config), MAX_CONFIG)

    def config(self) -> ImageConfig | None:
        """None for an artifact, which has no image configuration.

        Raises: VerifyError for one that must not be used.
        """
        if self.manifest.config.media_type not in media_types.CONFIGS:
            return None
        what = f"config {self.manifest.config.digest} of {self.source.describe()}"
        try:
            return decode_config(self.config_bytes(), what)
        except BadDocument as error:
            place = f"{error.pointer}: " if error.pointer else ""
            raise VerifyError(what, f"{place}{error.problem}") from error


def look_at(source: Source, platform: Platform | None = None) -> Looked:
    """The image that the source names, for this machine if no platform is given.

    Raises: MissingError and what the source raises.
    """
    named = source.manifest()
    document = decode(named, source)
    if isinstance(document, Index):
        raw, manifest = choose(source, document, platform or Platform.host())
        return Looked(source, named, raw, manifest)
    return Looked(source, named, named, document)


def image_config(found: Looked) -> ImageConfig:
    """Raises: UsageError for an artifact."""
    config = found.config()
    if config is None:
        kind = found.manifest.artifact_type or found.manifest.config.media_type
        raise UsageError(f"read the config of {found.source.describe()}", f"it is no image but {kind}")
    return config


def described(found: Looked) -> dict[str, object]:
    """The image as an object to print."""
    manifest = found.manifest
    result: dict[str, object] = {
        "Name": found.source.describe(),
        "Digest": str(found.raw.digest),
        "MediaType": manifest.media_type,
    }
    if found.named.digest != found.raw.digest:
        result["IndexDigest"] = str(found.named.digest)
    config = found.config()
    if config is None:
        result["ArtifactType"] = manifest.artifact_type or manifest.config.media_type
    else:
        result |= {
            "Created": config.created,
            "Os": config.platform.os,
            "Architecture": config.platform.architecture,
            "Variant": config.platform.variant,
            "Env": list(config.config.env),
            "Entrypoint": list(config.config.entrypoint or ()),
            "Cmd": list(config.config.cmd or ()),
            "User": config.config.user,
            "WorkingDir": config.config.working_dir,
            "Labels": config.config.labels,
            "DiffIDs": [str(diff_id) for diff_id in config.diff_ids],
        }
    result["Size"] = sum(layer.size for layer in manifest.layers)
    result["Layers"] = [
        {"Digest": str(layer.digest), "Size": layer.size, "MediaType": layer.media_type}
        for layer in manifest.layers
    ]
    if manifest.annotations:
        result["Annotations"] = manifest.annotations
    return result
