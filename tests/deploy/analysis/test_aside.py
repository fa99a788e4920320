"""A folder appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.analysis.aside import Exists, made_aside


def test_a_folder_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    """And is its owner's alone; what a killed one has left is gone."""
    target = tmp_path / "out"
    (tmp_path / ".out.new").mkdir()
    (tmp_path / ".out.new" / "left").touch()
    with made_aside(target) as aside:
        (aside / "file").touch()
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["file"]
    assert target.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("fault", [OSError, KeyboardInterrupt])
def test_whatever_ends_it_leaves_nothing(tmp_path: Path, fault: type[BaseException]) -> None:
    """A fault as well as Ctrl-C."""
    with pytest.raises(fault), made_aside(tmp_path / "out") as aside:
        (aside / "file").touch()
        raise fault
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [Path.mkdir, Path.touch])
def test_nothing_is_overwritten(tmp_path: Path, there: object) -> None:
    """Neither a folder, be it empty, nor a file."""
    assert callable(there)
    there(tmp_path / "out")
    with pytest.raises(Exists, match="out"), made_aside(tmp_path / "out"):
        raise AssertionError("it was begun")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
