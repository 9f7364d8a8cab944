"""Copying an image from any source to any sink: manifest, blobs, manifest, name, in this order.

A manifest is put only when everything it names is there, the name last; so whoever finds a name finds all
of the image. Nothing is changed on the way: what a sink must have otherwise, it makes itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tare_spec import media_types
from tare_spec.errors import BadDocument
from tare_spec.image import Descriptor, Index, Manifest, decode_manifest
from tare_spec.image_config import decode_config
from tare_spec.platform import Platform

from tare_imagetools.errors import MissingError, RegistryError, UsageError, VerifyError
from tare_imagetools.parallel import Cancelled, run_all
from tare_imagetools.progress import Progress
from tare_imagetools.registry.retry import RetryPolicy
from tare_imagetools.transports.interface import RawManifest, Sink, Source
from tare_imagetools.verify import read_blob

MAX_DEPTH = 4  # of indexes in indexes
MAX_CONFIG = 8 << 20


@dataclass(slots=True)
class CopyOptions:
    """`all_platforms`: the index with all that it names, instead of the one image for `platform`."""

    progress: Progress
    all_platforms: bool = False
    platform: Platform | None = None
    parallel: int = 4
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def copy(source: Source, sink: Sink, options: CopyOptions) -> Descriptor:
    """Copy, and return what the name at the sink now leads to. Both ends are open.

    Raises: whatever source and sink raise; UsageError for a sink that cannot hold an index.
    """
    raw = source.manifest()
    document = decode(raw, source)
    if isinstance(document, Index) and not options.all_platforms:
        raw, document = choose(source, document, options.platform or Platform.host())
    elif isinstance(document, Manifest) and options.platform:
        note_mismatch(source, document, options)
    if isinstance(document, Index) and not sink.takes_index:
        raise UsageError(
            f"copy {source.describe()} to {sink.describe()}",
            "that holds one image, not an index of several",
            "leave --all away, or choose one with --platform",
        )
    put = put_tree(source, sink, raw, document, options, depth=0)
    sink.put_manifest(put, tag=True)
    sink.commit()
    options.progress.manifest(put.descriptor)
    options.progress.end(put.descriptor)
    return put.descriptor


def note_mismatch(source: Source, manifest: Manifest, options: CopyOptions) -> None:
    """A word where there is one image alone, and not for the platform that was asked for."""
    if manifest.config.media_type not in media_types.CONFIGS:
        return
    what = f"config {manifest.config.digest} of {source.describe()}"
    try:
        config = decode_config(read_blob(source.open_blob(manifest.config), MAX_CONFIG), what)
    except BadDocument:
        return  # a copy is of bytes: who uses the image will say it
    words = mismatch(config.platform, options.platform)
    if words:
        options.progress.note(f"{source.describe()}: {words}")


def mismatch(have: Platform, wanted: Platform | None) -> str:
    """Words for an image that is for another platform than `wanted`, or than this machine's; "" if it is not.

    A word and no error, as of the other tools: many images in the world name a platform that is not theirs.
    """
    if have.rank_for(wanted or Platform.host()) is not None:
        return ""
    return f"the image is for {have}, " + (
        f"not for {wanted}" if wanted else f"this machine is {Platform.host()}"
    )


def decode(raw: RawManifest, source: Source) -> Manifest | Index:
    """Raises: VerifyError for a document that must not be used."""
    what = f"manifest {raw.digest} of {source.describe()}"
    try:
        return decode_manifest(raw.raw, raw.media_type, what)
    except BadDocument as error:
        place = f"{error.pointer}: " if error.pointer else ""
        raise VerifyError(what, f"{place}{error.problem}") from error


def choose(source: Source, index: Index, platform: Platform) -> tuple[RawManifest, Manifest]:
    """The image for a platform.

    Raises: MissingError, saying which platforms there are.
    """
    tried = f"choose an image for {platform} in {source.describe()}"
    for _ in range(MAX_DEPTH):
        entry = index.select(platform)
        if entry is None:
            there = sorted({str(each.platform) for each in index.manifests if each.platform})
            shown = ", ".join(name for name in there if not name.startswith("unknown")) or "none is named"
            raise MissingError(tried, "there is none", f"--platform chooses one of: {shown}")
        raw = fetch(source, entry)
        document = decode(raw, source)
        if isinstance(document, Manifest):
            return raw, document
        index = document
    raise VerifyError(f"index of {source.describe()}", f"it holds indexes deeper than {MAX_DEPTH} levels")


def fetch(source: Source, entry: Descriptor) -> RawManifest:
    """The manifest an index entry names; the entry's size and type must be its own."""
    raw = source.manifest(entry.digest)
    what = f"manifest {entry.digest} of {source.describe()}"
    if len(raw.raw) != entry.size:
        raise VerifyError.of_size(what, entry.size, str(len(raw.raw)))
    given = media_types.without_parameters(raw.media_type)
    if given in media_types.INDEXES | media_types.MANIFESTS and given != entry.media_type:
        raise VerifyError(what, f"it was sent as {given!r}, the index says {entry.media_type!r}")
    return replace(raw, media_type=entry.media_type)


def put_tree(
    source: Source,
    sink: Sink,
    raw: RawManifest,
    document: Manifest | Index,
    options: CopyOptions,
    depth: int,
) -> RawManifest:
    """Put everything below a manifest; returns it with the media type it really has."""
    if isinstance(document, Manifest):
        put_blobs(source, sink, document, options)
    else:
        if depth > MAX_DEPTH:
            raise VerifyError(f"index of {source.describe()}", f"indexes lie deeper than {MAX_DEPTH} levels")
        for entry in dict.fromkeys(each.digest for each in document.manifests):
            descriptor = next(each for each in document.manifests if each.digest == entry)
            child = fetch(source, descriptor)
            below = put_tree(source, sink, child, decode(child, source), options, depth + 1)
            sink.put_manifest(below, tag=False)
            options.progress.manifest(below.descriptor)
    return replace(raw, media_type=document.media_type)


def put_blobs(source: Source, sink: Sink, manifest: Manifest, options: CopyOptions) -> None:
    wanted: dict[str, tuple[Descriptor, str]] = {}
    for layer in manifest.layers:
        if layer.media_type in media_types.FOREIGN_LAYERS and layer.urls:
            # Its bytes lie elsewhere, at addresses that the image chose; they are not asked (CVE-2020-15157).
            options.progress.finish(layer, "foreign layer", "skipped")
            continue
        known = wanted.setdefault(str(layer.digest), (layer, "layer"))
        if known[0].size != layer.size:
            raise VerifyError(f"manifest of {source.describe()}", f"gives {layer.digest} two sizes")
    # The large ones first: the last to finish should not be the last to begin.
    blobs = sorted(wanted.values(), key=lambda blob: -blob[0].size)
    if str(manifest.config.digest) not in wanted:
        blobs.insert(0, (manifest.config, "config"))

    def put(blob: tuple[Descriptor, str]) -> None:
        put_blob(source, sink, *blob, options)

    run_all(put, blobs, min(options.parallel, sink.parallel), options.retry.cancelled)


def put_blob(source: Source, sink: Sink, descriptor: Descriptor, what: str, options: CopyOptions) -> None:
    """One blob, with as many attempts as a broken upload deserves; downloads mend themselves."""
    progress = options.progress
    if sink.has_blob(descriptor):
        progress.finish(descriptor, what, "present")
        return

    def watch(count: int) -> None:
        if options.retry.cancelled.is_set():
            raise Cancelled
        progress.advance(descriptor, what, count)

    failures = 0
    while True:
        progress.start(descriptor, what)
        with source.open_blob(descriptor) as stream:
            stream.watch = watch
            try:
                sink.put_blob(descriptor, stream)
            except VerifyError:
                # The part kept from an earlier run may be what is wrong; it is gone now.
                if not stream.resumed:
                    raise
            except RegistryError as error:
                failures += 1
                wait = options.retry.wait_s(failures) if error.temporary else None
                if wait is None or not stream.position:
                    raise
                progress.retry(f"{error}; trying again")
                options.retry.sleep(wait)
            else:
                progress.finish(descriptor, what, "copied")
                return
