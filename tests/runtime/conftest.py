from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, bundle_in


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    with bundle_in(tmp_path) as made:
        yield made
