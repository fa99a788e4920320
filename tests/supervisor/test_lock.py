"""One holder of a state folder at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.lock import AlreadyRunning, locked


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    """And may hold it as soon as that one has let go."""
    path = tmp_path / "supervisor.lock"
    told = f"^supervisor {os.getpid()} holds {tmp_path}$"
    with locked(path), pytest.raises(AlreadyRunning, match=told), locked(path):
        pass
    with locked(path):
        assert path.read_text() == str(os.getpid())


def test_a_lock_that_a_dead_process_left_is_free(tmp_path: Path) -> None:
    """The file stays behind; the kernel's lock does not."""
    path = tmp_path / "supervisor.lock"
    path.write_text("4711")
    with locked(path):
        assert path.read_text() == str(os.getpid())
