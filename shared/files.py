"""Files that are replaced whole: written aside, then renamed over the old one; a reader finds one of the two.

Leaves to others what is in them. What always holds: a file is its owner's alone; a write that fails leaves the old file
as it was, and nothing beside it; what is said to be durable is on the disk, and so is its name.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace(
    path: Path, content: bytes, *, aside: Path, durable: bool, owner: tuple[int, int] | None = None
) -> os.stat_result:
    """Put a file there, whole or not at all; the facts of that very file, whoever may have put another there since.

    Args: aside: where it is written first, a name in the same folder; what stands there is overwritten. durable:
    whether to wait for the disk. owner: its uid and gid where they are not ours. Raises: OSError: nothing has changed.
    """
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, 0o600)  # what was left behind aside may be anybody's to read
            file.write(content)
            file.flush()
            if durable:
                os.fsync(fd)
            if owner is not None:
                os.fchown(fd, *owner)
            facts = os.fstat(fd)
        os.rename(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)
    return facts


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Raises: OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
