"""A store, a runtime root and an image for the tests of `tare`, and the program itself."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.make_busybox_image import make_busybox_image
from tests.support.programs import BIN

TIMEOUT_S = 60


@dataclass
class Tare:
    """Runs `tare`, and knows what it may leave behind."""

    store: Path
    runtime_root: Path
    image: str
    names: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TARE_STORE": str(self.store), "TARE_RUNTIME_ROOT": str(self.runtime_root)}

    def __call__(
        self, *arguments: str, stdin: bytes = b"", want: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [str(BIN / "tare"), *arguments],
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT_S,
            env={**self.environment, **environment},
        )
        if want is not None:
            assert done.returncode == want, f"tare {arguments}: {done.returncode}: {done.stderr.decode()}"
        return done

    def name(self) -> str:
        self.names.append(f"t-{uuid.uuid4().hex[:10]}")
        return self.names[-1]

    def mounts(self) -> list[str]:
        return [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.store) in line
        ]

    def leftovers(self) -> list[str]:
        """Whatever stays of containers: records, names, root filesystems, mounts, the runtime's state."""
        folders = [self.store / "containers", self.store / "names", self.runtime_root]
        folders += [self.store / driver / "containers" for driver in ("overlay", "vfs")]
        entries = [str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()]
        # "~…" is no container: the runtime's cache of filters and its spare directory.
        return [entry for entry in entries if Path(entry).name[0] != "~"] + self.mounts()


@pytest.fixture(scope="session")
def image_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout = tmp_path_factory.mktemp("image") / "layout"
    make_busybox_image(layout, "latest")
    return layout


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests, so that the layer is unpacked once."""
    return tmp_path_factory.mktemp("tare")


@pytest.fixture
def tare(shared_store: Path, image_layout: Path) -> Iterator[Tare]:
    if os.geteuid() != 0:
        pytest.skip("runs containers: needs root")
    made = Tare(shared_store / "store", shared_store / "run", f"oci:{image_layout}:latest")
    yield made
    if made.leftovers():  # of a test that failed: the next one is not to suffer
        for record in (made.store / "containers").iterdir():
            made("rm", "-f", record.name, want=None)
    assert not made.mounts(), "a test left mounts behind"
