"""The state folder has one holder at a time: a supervisor, or whoever has to act in its place when there is none.

The kernel lets go of it with the process, however that ends, so that nothing stale ever has to be judged.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class AlreadyRunning(Exception):
    """Somebody else holds this state folder; the text names the process."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the state folder of this lock file. Raises: AlreadyRunning, OSError."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(f"supervisor {file.read().strip() or '?'} holds {path.parent}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
