"""The record on disk, and the keys beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.rehearsal.keys import Key
from deploy.rehearsal.record import KEYS_FILE, RECORD_FILE, Record, RecordUnusable, read_keys, read_lines, write_keys


def write(folder: Path, *names: str) -> None:
    record = Record(folder)
    for number, name in enumerate(names):
        record.add(name, number, 1_000 + number, {"name": name})
    record.close()


def kinds(folder: Path) -> list[str]:
    return [str(line["kind"]) for line in read_lines(folder)]


def test_what_was_written_is_read_in_its_order(tmp_path: Path) -> None:
    """With both times; a second venue goes on behind the first one's lines."""
    write(tmp_path / "new", "a", "b")
    write(tmp_path / "new", "c")
    lines = list(read_lines(tmp_path / "new"))
    assert lines[1] == {"kind": "b", "t_ms": 1, "wall_ms": 1_001, "name": "b"}
    assert kinds(tmp_path / "new") == ["a", "b", "c"]


def test_lines_are_on_disk_once_they_are_flushed(tmp_path: Path) -> None:
    """Not before, and without a proper end."""
    record = Record(tmp_path)
    record.add("a", 1, 1, {})
    assert kinds(tmp_path) == []
    record.flush()
    assert kinds(tmp_path) == ["a"]
    record.close()


@settings(max_examples=30)
@given(st.integers(0, 200))
def test_a_torn_end_is_cut_off(tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
    """Wherever the last write broke off, whole lines stay and new ones follow them."""
    folder = tmp_path_factory.mktemp("torn")
    write(folder, "a", "b", "c")
    path = folder / RECORD_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    left = whole[:kept].count(b"\n")
    assert kinds(folder) == ["a", "b", "c"][:left]
    write(folder, "d")
    assert kinds(folder) == [*["a", "b", "c"][:left], "d"]


def test_a_long_torn_line_is_cut_off_wholly(tmp_path: Path) -> None:
    """Longer than one look backwards."""
    write(tmp_path, "a")
    with (tmp_path / RECORD_FILE).open("ab") as file:
        file.write(b"x" * 200_000)
    write(tmp_path, "b")
    assert kinds(tmp_path) == ["a", "b"]


def test_one_venue_writes_a_record(tmp_path: Path) -> None:
    """A second one is refused until the first has ended."""
    first = Record(tmp_path)
    with pytest.raises(RecordUnusable, match="another venue"):
        Record(tmp_path)
    first.close()
    Record(tmp_path).close()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordUnusable, match="cannot be written"):
        Record(tmp_path / "file" / "folder")


@pytest.mark.parametrize("line", ["not json", "[]", '{"kind": "x"}'])
def test_a_line_that_is_none_of_ours_is_named(tmp_path: Path, line: str) -> None:
    """By its number."""
    write(tmp_path, "a")
    with (tmp_path / RECORD_FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RecordUnusable, match="line 2: "):
        list(read_lines(tmp_path))


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """Never a silent gap: the venue stops instead."""
    record = Record(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, record._file)
    os.close(full)
    record.add("a", 1, 1, {})
    with pytest.raises(RecordUnusable, match="No space left"):
        record.flush()
    os.close(record._file)


def test_keys_are_kept_for_their_owners_eyes(tmp_path: Path) -> None:
    """Whole, replaced at once, readable by nobody else."""
    keys = [Key("id", "secret", "phrase", "0xOwner", 0)]
    assert read_keys(tmp_path) == []
    write_keys(tmp_path, [])
    write_keys(tmp_path, keys)
    assert read_keys(tmp_path) == keys
    assert stat.S_IMODE((tmp_path / KEYS_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEYS_FILE]


def test_keys_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """With the file's name."""
    (tmp_path / KEYS_FILE).write_text('[{"api_key": 5}]')
    with pytest.raises(RecordUnusable, match=KEYS_FILE):
        read_keys(tmp_path)
