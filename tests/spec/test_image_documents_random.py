"""Documents with anything anywhere: a decoder returns a value or raises BadDocument, never anything else."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tare_spec import media_types
from tare_spec.errors import BadDocument
from tare_spec.image import Manifest, decode_manifest
from tare_spec.image_config import decode_config

DIGEST = "sha256:" + "ab" * 32
PLATFORM = {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1", "os.features": ["a"]}
DESCRIPTOR = {
    "mediaType": media_types.OCI_LAYER,
    "digest": DIGEST,
    "size": 3,
    "urls": ["https://a/b"],
    "annotations": {"a": "b"},
    "platform": PLATFORM,
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": media_types.OCI_MANIFEST,
    "config": DESCRIPTOR,
    "layers": [DESCRIPTOR, DESCRIPTOR],
    "subject": DESCRIPTOR,
    "annotations": {"a": "b"},
}
INDEX = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [DESCRIPTOR]}
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Env": ["A=B"],
        "Cmd": ["a"],
        "Volumes": {"/v": {}},
        "Labels": {"a": "b"},
        "ArgsEscaped": True,
    },
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "history": [{"created_by": "a", "empty_layer": True}],
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([DIGEST, media_types.OCI_INDEX, -1, 2**63, "", "Size"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def changed(document: Any, path: tuple[Any, ...], value: object) -> bytes:
    result = copy.deepcopy(document)
    if not path:
        return json.dumps(value).encode()
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(result).encode()


@given(st.sampled_from([MANIFEST, INDEX]), st.randoms(use_true_random=False), ANYTHING)
def test_manifests_with_anything_anywhere(document: Any, random: Any, value: object) -> None:
    raw = changed(document, random.choice(places(document)), value)
    try:
        found = decode_manifest(raw)
    except BadDocument as error:
        assert str(error).isprintable()
        return
    assert found.raw == raw
    entries = found.layers if isinstance(found, Manifest) else found.manifests
    assert all(entry.size >= 0 for entry in entries)


@given(st.randoms(use_true_random=False), ANYTHING)
def test_configs_with_anything_anywhere(random: Any, value: object) -> None:
    raw = changed(CONFIG, random.choice(places(CONFIG)), value)
    try:
        found = decode_config(raw)
    except BadDocument:
        return
    assert len(found.chain_ids) == len(found.diff_ids)


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    for decode in (decode_manifest, decode_config):
        try:
            decode(raw)
        except BadDocument:
            continue
