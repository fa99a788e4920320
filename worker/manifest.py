"""What this process has loaded, file by file: the worker's own testimony of which release it is.

A shell over files: every module whose source lies below the release folder is named with the digest of that source,
as it is on the disk now. Leaves to others whom to tell. What always holds: what comes with the virtual environment is
not ours, even where that lies below the folder; a module of ours that no release contains is named all the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

from shared import fingerprint
from shared.messages import Loaded
from worker import imports


def testimony(root: Path) -> tuple[str, tuple[Loaded, ...]]:
    """The hash of the release in a folder, and every module loaded from below it, by name.

    Raises: OSError: a part of the release is missing, or a module's source is gone.
    """
    files = fingerprint.modules(root)
    found = {}
    for module in list(sys.modules.values()):
        spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
        if spec is not None and file is not None and _ours(root, Path(file)):
            found[spec.name] = _loaded(spec.name, Path(file), root, files)
    return fingerprint.release_hash(files), tuple(found[name] for name in sorted(found))


def _loaded(name: str, file: Path, root: Path, files: dict[str, str]) -> Loaded:
    digest = files.get(file.relative_to(root).as_posix()) or fingerprint.file_digest(file)
    return Loaded(name, digest, imports.load_us.get(name, 0))


def _ours(root: Path, file: Path) -> bool:
    return file.is_relative_to(root) and not file.is_relative_to(sys.prefix)
