"""What several tests of the worker read: one recorded desk, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.releases import stage
from kit.tapes import Market, Stream

from shared.messages import ParametersSet


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stream]:
    """Forty minutes of two lanes in segments of four minutes."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    parameters = ParametersSet("p1", {"stake_usd": 6})
    return folder, Market(Stream(folder), parameters=parameters).run(2_400)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout, staged and byte-compiled."""
    return stage(tmp_path_factory.mktemp("release") / "r")
