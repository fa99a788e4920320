"""A release on disk as staging makes it: worker, shared and the lock, byte-compiled, nothing else."""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout under test."""


def stage(folder: Path, strategy: Path | None = None) -> Path:
    """Copy the checkout's release parts to a new folder, with another strategy in the place of its own."""
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("shared", "worker"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "worker.lock", folder / "requirements")
    if strategy is not None:
        shutil.copy(strategy, folder / "worker" / "strategy.py")
    compileall.compile_dir(folder, quiet=2)
    return folder
