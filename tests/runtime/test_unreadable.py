"""A rootfs that the root of a user namespace may not enter."""

from __future__ import annotations

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.fixture
def mapped(bundle: Bundle) -> Bundle:
    """Root inside is user 100000 here."""
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.config["linux"].update(uidMappings=maps, gidMappings=maps)
    return bundle.args("true")


@pytest.mark.parametrize("closed", ["rootfs", ""])
def test_it_is_refused_with_the_field_and_the_way_out(mapped: Bundle, closed: str) -> None:
    (mapped.path / closed).chmod(0o700)
    done = mapped.run()
    assert done.returncode == 1
    assert f"bind the rootfs {mapped.rootfs} (/root/path): permission denied" in done.stderr
    assert "hint: root of the container must be able to enter every directory above root.path" in done.stderr
    assert mapped.leftovers() == []
