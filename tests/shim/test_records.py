"""Names, locks and what is left when a process was killed between two steps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tare_shim.errors import NameTaken, NotFound, ShimError
from tare_shim.records import Facts, Record, Records

A, B = "a" * 64, "ab" + "c" * 62


def facts(container_id: str, name: str, created_s: float = 0.0) -> Facts:
    return Facts(container_id, name, "image", ("sh", "-c"), created_s, "overlay", ("runtime",), False, False)


def made(records: Records, container_id: str, name: str, created_s: float = 0.0) -> Record:
    return records.create(facts(container_id, name, created_s))


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    record = made(Records(tmp_path), A, "one")
    assert record.facts == facts(A, "one")


def test_a_name_belongs_to_one_container(tmp_path: Path) -> None:
    records = Records(tmp_path)
    made(records, A, "one")
    with pytest.raises(NameTaken, match="one"):
        made(records, B, "one")
    assert os.listdir(tmp_path / "containers") == [A], "the second left nothing"


def test_a_name_whose_container_has_gone_is_free(tmp_path: Path) -> None:
    records = Records(tmp_path)
    shutil.rmtree(made(records, A, "one").path)
    assert made(records, B, "one").facts.name == "one"


def test_containers_are_found_by_name_id_and_beginning(tmp_path: Path) -> None:
    records = Records(tmp_path)
    made(records, A, "one")
    made(records, B, "two")
    assert records.find("one").path.name == records.find(A).path.name == records.find("aa").path.name == A
    assert records.find("two").path.name == B
    with pytest.raises(ShimError, match="2 ids"):
        records.find("a")


@pytest.mark.parametrize("name", ["none", "", "../containers/" + A, "/", "."])
def test_a_name_that_nobody_has_is_not_found(tmp_path: Path, name: str) -> None:
    records = Records(tmp_path)
    made(records, A, "one")
    with pytest.raises(NotFound):
        records.find(name)


def test_the_newest_is_listed_first_and_the_damaged_not_at_all(tmp_path: Path) -> None:
    records = Records(tmp_path)
    made(records, A, "one", 1.0)
    made(records, B, "two", 2.0)
    (made(records, "d" * 64, "three").path / "record.json").write_text('{"id": ')
    assert [facts.name for _, facts in records.listed()] == ["two", "one"]
    assert records.find("three").path.name == "d" * 64, "so that it can be removed"


def test_a_draft_left_by_a_killed_process_is_swept_away(tmp_path: Path) -> None:
    records = Records(tmp_path)
    old, new = (tmp_path / "containers" / f".new-{letter * 64}" for letter in "ef")
    for draft in (old, new):
        draft.mkdir()
    os.utime(old, (0, 0))
    made(records, A, "one")
    assert not old.exists()
    assert new.exists(), "somebody may be making it"
    assert [record.path.name for record in records.all()] == [A]


def test_the_lock_is_held_by_one_and_freed_by_its_end(tmp_path: Path) -> None:
    record = made(Records(tmp_path), A, "one")
    lock = record.lock()
    assert lock is not None
    assert record.lock() is None
    with record.in_charge() as free:
        assert not free
    os.close(lock)
    with record.in_charge() as free:
        assert free


def test_removing_frees_the_name(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.remove(made(records, A, "one"))
    assert not os.listdir(tmp_path / "names")
    assert not os.listdir(tmp_path / "containers")
