"""What a release is, in one hash: the content of its code and of its worker's lock, and nothing else.

The same bytes give the same hash on any machine: names and contents count, times, owners and compiled files do not.
Neither does what is only for people to read: a better word in a guide is not another release.
Staging computes it to name a release, the worker computes it again from the files it loaded, and success is said only
when both agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

PACKAGES: Final = ("shared", "worker")
"""The folders a release is made of."""
FOR_PEOPLE: Final = ".md"
"""The suffix of files beside the code that no process reads; they are not staged either."""
LOCK: Final = "requirements/worker.lock"
"""The third-party packages a worker may load, with their hashes."""
_HASH_DIGITS: Final = 12


def file_digest(path: Path) -> str:
    """The sha256 of a file's content, hex. Raises: OSError."""
    return sha256(path.read_bytes()).hexdigest()


def sources(root: Path) -> Iterator[Path]:
    """Every file that belongs to the release in `root`, in a fixed order; not what Python compiled or people read."""
    for package in PACKAGES:
        yield from _files(root / package)
    yield root / LOCK


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != FOR_PEOPLE)
    return sorted(path for path in found if "__pycache__" not in path.parts)


def code_hash(root: Path, packages: tuple[str, ...]) -> str:
    """The hash of other packages' code, 12 hex digits: what a process that is no release runs. Raises: OSError."""
    files = {p.relative_to(root).as_posix(): file_digest(p) for name in packages for p in _files(root / name)}
    return release_hash(files)


def modules(root: Path) -> dict[str, str]:
    """Path below `root` -> digest, for every file of the release. Raises: OSError: one of them is missing."""
    return {path.relative_to(root).as_posix(): file_digest(path) for path in sources(root)}


def release_hash(files: dict[str, str]) -> str:
    """The hash of a release, 12 hex digits, from its files' names and digests."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return sha256(lines.encode()).hexdigest()[:_HASH_DIGITS]


def lock_hash(files: dict[str, str]) -> str:
    """The hash of the worker's lock alone, 12 hex digits: names its virtual environment."""
    return files[LOCK][:_HASH_DIGITS]
