"""Files that are replaced whole: a reader finds the old one or the new one, and a disk without room changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit.disks import files_end_at

from shared.files import replace, sync_folder


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_is_its_owners_alone(tmp_path: Path, durable: bool) -> None:
    """Nothing else is in the folder afterwards, whatever a write that was cut off had left there."""
    path, aside = tmp_path / "status.json", tmp_path / "status.json.new"
    path.write_bytes(b"old")
    aside.write_bytes(b"left behind by one that was killed")
    facts = replace(path, b"new", aside=aside, durable=durable)
    assert os.path.samestat(facts, path.stat())
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    """The disk refuses in the middle: what was there is there, and nothing of the new one is."""
    path = tmp_path / "status.json"
    path.write_bytes(b"old")
    with files_end_at(100), pytest.raises(OSError, match="File too large"):
        replace(path, bytes(1_000), aside=tmp_path / "aside", durable=True)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["status.json"])


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """Whoever can put a link there does not choose what is overwritten."""
    other, aside = tmp_path / "other", tmp_path / "aside"
    other.write_bytes(b"somebody's")
    aside.symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        replace(tmp_path / "status.json", b"new", aside=aside, durable=False)
    assert other.read_bytes() == b"somebody's"


def test_a_file_has_the_owner_it_is_given(tmp_path: Path) -> None:
    """What root writes for a desk is the desk's to read."""
    replace(tmp_path / "armed", b"new", aside=tmp_path / "aside", durable=True, owner=(os.getuid(), os.getgid()))
    facts = (tmp_path / "armed").stat()
    assert (facts.st_uid, facts.st_gid) == (os.getuid(), os.getgid())


def test_a_folder_that_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    """Nobody is told that names are on the disk which are nowhere."""
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "nowhere")
