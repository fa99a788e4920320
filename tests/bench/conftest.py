"""Benchmarks measure the machine as well as the code: they run when they are asked for, with --run-bench."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flag; without it nothing in this folder is even looked at."""
    parser.addoption("--run-bench", action="store_true", help="run the benchmarks")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folder out unless it was asked for."""
    return None if config.getoption("--run-bench", default=False) else True
