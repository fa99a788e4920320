"""Folders a desk can live in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.releases import a_checkout

from deploy.release import Stager
from shared.paths import State


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the environment of this checkout's lock in it, made once."""
    folder = tmp_path_factory.mktemp("environments")
    Stager(State(folder / "state")).stage(str(a_checkout(folder / "checkout")))
    return folder / "state" / "environments"


@pytest.fixture
def state(environments: Path) -> Iterator[State]:
    """An empty state folder, whose path is short enough for sockets and which need not make an environment."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        made = State(Path(folder) / "s")
        made.root.mkdir()
        made.environments.symlink_to(environments)
        yield made
