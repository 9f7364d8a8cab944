"""Man pages come from the table that the parser reads: each command has one, with all of its options."""

from __future__ import annotations

from pathlib import Path

import pytest
from click_man.core import write_man_pages
from tare_runtime.cli.cold import click_group
from tare_runtime.cli.table import COMMANDS


@pytest.mark.filterwarnings("ignore::DeprecationWarning:click")
def test_every_command_has_a_page_with_each_of_its_options(tmp_path: Path) -> None:
    group = click_group()
    write_man_pages("tare-runtime", group, version="1", target_dir=str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} >= {f"tare-runtime-{name}.1" for name in COMMANDS}
    for name, command in group.commands.items():
        page = (tmp_path / f"tare-runtime-{name}.1").read_text().replace("\\-", "-").replace("\\fP", "")
        words = {word for option in command.params for word in option.opts if word.startswith("-")}
        assert not [word for word in words if word not in page], name
