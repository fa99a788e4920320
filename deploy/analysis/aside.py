"""A folder that appears whole or not at all: it is made under another name and gets its own at the end.

What always holds: nothing is overwritten, an end by whatever fault or signal that Python hears leaves nothing behind,
and what one that was killed has left is not in the next one's way.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.files import sync_folder


class Exists(Exception):
    """There is something of that name, and nothing is overwritten."""


@contextmanager
def made_aside(target: Path) -> Iterator[Path]:
    """A new folder, for its owner alone, that is `target` once the block has ended well. Raises: Exists; OSError."""
    if target.exists():
        raise Exists(str(target))
    aside = target.with_name(f".{target.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(mode=0o700)
        yield aside
        os.rename(aside, target)
        sync_folder(target.absolute().parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
