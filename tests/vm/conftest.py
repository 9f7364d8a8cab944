"""These tests are for the machine of `./dev vm`; anywhere else they are not collected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, bundle_in

collect_ignore_glob = [] if os.environ.get("TARE_VM") else ["*/test_*.py"]


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    with bundle_in(tmp_path) as made:
        yield made
