"""A checkout to stage from, and a release on disk as staging makes it: worker, shared and the lock, nothing else."""

from __future__ import annotations

import compileall
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[2]
"""The checkout under test."""
STRATEGY: Final = "worker/strategy.py"
MAIN: Final = "worker/__main__.py"
APP: Final = "worker/app.py"
REPLAY: Final = "worker/replay.py"
UNRULY: Final = Path(__file__).with_name("unruly.py")
BUSY: Final = Path(__file__).with_name("strategies") / "busy.py"
RESTLESS: Final = BUSY.with_name("restless.py")


def a_checkout(folder: Path, changes: Mapping[str, str] | None = None) -> Path:
    """Copy what a release is made of to a new folder; `changes`: files of it that hold something else."""
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("shared", "worker"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "worker.lock", folder / "requirements")
    for path, text in (changes or {}).items():
        (folder / path).write_text(text)
    return folder


def another_checkout(folder: Path, number: int = 1) -> Path:
    """A checkout that is as good as ours, and is not the same release: its strategy has a number."""
    return a_checkout(folder, {STRATEGY: f"{(ROOT / STRATEGY).read_text()}\nNUMBER: Final = {number}\n"})


def stage(folder: Path, strategy: Path | None = None) -> Path:
    """A checkout, byte-compiled, with another strategy in the place of its own."""
    a_checkout(folder, {} if strategy is None else {STRATEGY: strategy.read_text()})
    compileall.compile_dir(folder, quiet=2)
    return folder


def unruly_checkout(folder: Path, behaviour: str, strategy: Path | None = None) -> Path:
    """A checkout whose worker misbehaves. `behaviour`: one of `kit.unruly` with its arguments, like "raises(1)"."""
    changes = {path: f"{(ROOT / path).read_text()}\n\n{_MISBEHAVE}\n" for path in (APP, REPLAY)}
    changes["worker/unruly.py"] = f"{UNRULY.read_text()}\n\n{behaviour}\n"
    return a_checkout(folder, changes if strategy is None else changes | {STRATEGY: strategy.read_text()})


_MISBEHAVE: Final = "from worker import unruly  # at the end, so that it finds everything else"
