"""A password never reaches another origin than the one it was given for, whatever a registry answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import hostile_rules as rules
from tests.support.hostile_registry import BASIC, PASSWORD, USER, HostileRegistry
from tests.support.image_program import Surroundings
from tests.support.layouts import make_layout

CREDS = ("--creds", f"{USER}:{PASSWORD}")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    with HostileRegistry(make_layout(tmp_path / "image", tag="v1")).running() as server:
        server.needs = BASIC
        yield server


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


PULLS = {
    "blob redirected": rules.elsewhere(rules.BLOB),
    "blob redirected with 302": rules.elsewhere(rules.BLOB, 302),
    "blob redirected with 308": rules.elsewhere(rules.BLOB, 308),
    "manifest redirected": rules.elsewhere(rules.BY_TAG),
    "everything redirected": rules.elsewhere("/v2/.*"),
}
PUSHES = {
    "upload location": rules.upload_elsewhere(),
    "upload redirected": rules.elsewhere(r"/v2/.+/blobs/uploads/.*", 307, "POST|PATCH|PUT"),
    "upload redirected for ever": rules.elsewhere(r"/v2/.+/blobs/uploads/.*", 308, "POST|PATCH|PUT"),
    "the end of an upload redirected": rules.elsewhere(r"/v2/.+/blobs/uploads/.+", 307, "PUT"),
    "manifest redirected": rules.elsewhere(r"/v2/.+/manifests/v1", 307, "PUT"),
}


@pytest.mark.parametrize("name", PULLS)
def test_a_redirected_pull_carries_no_credentials(
    registry: HostileRegistry, around: Surroundings, name: str
) -> None:
    # The rules come before the registry's own check, so what is redirected has been sent credentials or not
    # as the client likes; only what reaches the other origin counts.
    registry.rules = PULLS[name]
    source = f"docker://{registry.address}/box:v1"
    done = around.run("copy", "--quiet", *CREDS, source, f"oci:{around.target}/out:v1")
    assert done.code == 0, done.stderr
    assert any(seen.origin == "other" for seen in registry.seen)
    assert registry.leaks() == []


@pytest.mark.parametrize("name", PUSHES)
def test_a_push_that_is_led_astray_carries_no_credentials(
    registry: HostileRegistry, around: Surroundings, tmp_path: Path, name: str
) -> None:
    registry.rules = PUSHES[name]
    registry.stored.clear()  # so that every blob must be uploaded
    destination = f"docker://{registry.address}/new:v1"
    done = around.run("copy", "--quiet", *CREDS, f"oci:{tmp_path}/image:v1", destination)
    assert done.code == 0, done.stderr
    assert any(seen.method == "PUT" and seen.origin == "other" for seen in registry.seen)
    assert registry.leaks() == []


def test_a_token_server_elsewhere_is_asked_without_the_password(
    registry: HostileRegistry, around: Surroundings
) -> None:
    registry.needs = None
    registry.rules = rules.realm_elsewhere()
    source = f"docker://{registry.address}/box:v1"
    around.run("copy", "--quiet", *CREDS, "--retry-times", "0", source, f"oci:{around.target}/out:v1")
    assert registry.leaks() == []


def test_a_link_to_the_next_tags_elsewhere_gets_nothing(
    registry: HostileRegistry, around: Surroundings
) -> None:
    registry.rules = rules.tags_elsewhere()
    around.run("tags", *CREDS, f"docker://{registry.address}/box")
    assert any(seen.path.endswith("/tags/list") for seen in registry.seen)
    assert registry.leaks() == []


def test_the_password_of_one_registry_is_not_told_to_the_next(
    registry: HostileRegistry, around: Surroundings
) -> None:
    authfile = around.home / "auth.json"
    encoded = BASIC.removeprefix("Basic ")
    authfile.write_text(f'{{"auths": {{"{registry.address}": {{"auth": "{encoded}"}}}}}}')
    registry.rules = [
        rules.Rule(".*", ".*", lambda server, seen: rules.basic_challenge(), origin="other"),
    ]
    done = around.run(
        "copy",
        "--quiet",
        "--authfile",
        str(authfile),
        f"docker://{registry.other}/box:v1",
        f"oci:{around.target}/out:v1",
    )
    assert done.code != 0
    assert any(seen.origin == "other" for seen in registry.seen)
    assert registry.leaks() == []
    authfile.unlink()
