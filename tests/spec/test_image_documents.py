from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.errors import BadDocument
from tare_spec.image import Index, Manifest, decode_manifest
from tare_spec.image_config import decode_config
from tare_spec.platform import Platform

DIGEST = "sha256:" + "ab" * 32
CONFIG = {"mediaType": media_types.OCI_CONFIG, "digest": DIGEST, "size": 2}
LAYER = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": DIGEST, "size": 3}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": media_types.OCI_MANIFEST,
    "config": CONFIG,
    "layers": [LAYER],
    "annotations": {"a": "b"},
}
INDEX = {
    "schemaVersion": 2,
    "mediaType": media_types.OCI_INDEX,
    "manifests": [
        {**LAYER, "mediaType": media_types.OCI_MANIFEST, "platform": {"os": "linux", "architecture": name}}
        for name in ("s390x", "amd64", "arm64")
    ],
}
IMAGE = {
    "architecture": "amd64",
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": [DIGEST, DIGEST]},
    "config": {"Env": ["A=B"], "Cmd": ["sh"], "Volumes": {"/v": {}}, "Labels": None},
    "history": [{"created_by": "x"}, {"empty_layer": True}],
}


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_manifest_keeps_its_bytes() -> None:
    raw = json.dumps(MANIFEST, indent=3).encode()
    manifest = decode_manifest(raw, media_types.OCI_MANIFEST)
    assert isinstance(manifest, Manifest)
    assert manifest.raw == raw
    assert manifest.digest == Digest.of(raw)
    assert [layer.size for layer in manifest.layers] == [3]
    assert manifest.layers[0].to_json() == LAYER


def test_an_index_gives_the_entry_of_a_platform() -> None:
    index = decode_manifest(encode(INDEX))
    assert isinstance(index, Index)
    chosen = index.select(Platform.parse("linux/amd64"))
    assert chosen is not None
    assert str(chosen.platform) == "linux/amd64"
    assert index.select(Platform.parse("linux/riscv64")) is None


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key}


def with_config(**changes: object) -> dict[str, object]:
    return {**MANIFEST, "config": {**CONFIG, **changes}}


TWICE = encode(MANIFEST).replace(b'"layers"', b'"layers": [], "layers"')


@pytest.mark.parametrize(
    ("raw", "told", "why"),
    [
        pytest.param(b"", "", "not JSON", id="empty"),
        pytest.param(b"{", "", "not JSON", id="truncated"),
        pytest.param(b"[]", "", "must be an object", id="array"),
        pytest.param(b'"\xff"', "", "not UTF-8", id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf" + encode(MANIFEST), "", "not JSON", id="byte-order-mark"),
        pytest.param(encode(MANIFEST) + b"{}", "", "not JSON", id="two-documents"),
        pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, "", "nested deeper", id="deep"),
        pytest.param(TWICE, "", "given twice", id="key-twice"),
        pytest.param(encode({**MANIFEST, "LAYERS": []}), "", "in case only", id="key-in-other-case"),
        pytest.param(encode({**MANIFEST, "layerſ": []}), "", "in case only", id="key-in-folded-case"),
        pytest.param(encode({**MANIFEST, "manifests": []}), "", "at once", id="index-and-manifest"),
        pytest.param(encode({**INDEX, "config": CONFIG}), "", "at once", id="index-with-config"),
        pytest.param(encode(MANIFEST), media_types.OCI_INDEX, "was sent as", id="told-index"),
        pytest.param(encode(without(MANIFEST, "mediaType")), media_types.OCI_INDEX, "missing", id="no-type"),
        pytest.param(encode(without(MANIFEST, "layers")), "", "layers: is missing", id="no-layers"),
        pytest.param(encode(without(MANIFEST, "config")), "", "config: is missing", id="no-config"),
        pytest.param(encode({**MANIFEST, "schemaVersion": 1}), "", "must be 2", id="schema-version"),
        pytest.param(encode({"schemaVersion": 1, "fsLayers": []}), "", "schema 1", id="schema-1"),
        pytest.param(encode({**MANIFEST, "mediaType": "x/y"}), "", "neither", id="unknown-type"),
        pytest.param(encode(with_config(size=-1)), "", "between 0", id="negative-size"),
        pytest.param(encode(with_config(size=2**63)), "", "between 0", id="huge-size"),
        pytest.param(encode(with_config(size=2.0)), "", "whole number", id="fraction"),
        pytest.param(encode(with_config(size=True)), "", "whole number", id="boolean-size"),
        pytest.param(encode(with_config(size="2")), "", "whole number", id="text-size"),
        pytest.param(encode(with_config(digest="sha256:../x")), "", "/config/digest", id="bad-digest"),
        pytest.param(encode(with_config(data="e30=")), "", "not the content", id="wrong-data"),
        pytest.param(encode(with_config(data="!")), "", "base64", id="broken-data"),
        pytest.param(encode({**MANIFEST, "layers": {}}), "", "must be an array", id="layers-object"),
        pytest.param(encode({**MANIFEST, "annotations": {"a": 1}}), "", "must be a string", id="annotation"),
        pytest.param(b'{"schemaVersion": NaN}', "", "NaN", id="nan"),
    ],
)
def test_an_ambiguous_or_malformed_document_is_refused(raw: bytes, told: str, why: str) -> None:
    with pytest.raises(BadDocument, match=why):
        decode_manifest(raw, told)


@pytest.mark.parametrize("told", ["", "application/json", media_types.OCI_MANIFEST + "; charset=utf-8"])
def test_a_generic_content_type_leaves_the_type_to_the_document(told: str) -> None:
    assert decode_manifest(encode(MANIFEST), told).media_type == media_types.OCI_MANIFEST


def test_embedded_data_is_kept_when_it_is_the_content() -> None:
    content = b"{}"
    config = {
        "mediaType": media_types.OCI_EMPTY,
        "digest": str(Digest.of(content)),
        "size": 2,
        "data": base64.b64encode(content).decode(),
    }
    manifest = decode_manifest(encode({**MANIFEST, "config": config}))
    assert isinstance(manifest, Manifest)
    assert manifest.config.data == content
    assert manifest.config.to_json() == config


def test_an_image_config_is_read() -> None:
    config = decode_config(encode(IMAGE))
    assert config.config.env == ("A=B",)
    assert config.config.cmd == ("sh",)
    assert config.config.entrypoint is None
    assert config.config.volumes == ("/v",)
    assert config.history[1].empty_layer


def test_chain_ids_follow_the_formula() -> None:
    config = decode_config(encode(IMAGE))
    first = Digest.parse(DIGEST)
    assert config.chain_ids == (first, Digest.of(f"{first} {first}".encode()))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rootfs": {"type": "x", "diff_ids": []}}, "layers"),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}}, "diff_ids"),
        ({"rootfs": None}, "missing"),
        ({"os": 1}, "string"),
        ({"OS": "linux"}, "case only"),
        ({"config": {"Cmd": "sh"}}, "array"),
        ({"config": {"Env": ["A\0=B"]}}, "NUL"),
        ({"config": {"cmd": ["sh"]}}, "case only"),
        ({"config": {"Volumes": {"/v": 1}}}, "empty object"),
        ({"history": [1]}, "object"),
    ],
)
def test_a_malformed_image_config_is_refused(change: dict[str, object], why: str) -> None:
    with pytest.raises(BadDocument, match=why):
        decode_config(encode({**IMAGE, **change}))
