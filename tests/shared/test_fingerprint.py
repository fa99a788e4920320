"""The hash of a release."""

import os
import shutil
from pathlib import Path

from shared import fingerprint

ROOT = Path(__file__).resolve().parents[2]


def copied(folder: Path) -> Path:
    """The release parts of this checkout, copied."""
    for package in fingerprint.PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements").mkdir()
    shutil.copyfile(ROOT / fingerprint.LOCK, folder / fingerprint.LOCK)
    return folder


def test_the_same_bytes_have_the_same_hash_anywhere(tmp_path: Path) -> None:
    """Times, modes and what Python compiled do not count."""
    there = copied(tmp_path)
    (there / "worker" / "__pycache__").mkdir()
    (there / "worker" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    os.utime(there / "worker" / "__init__.py", (1, 1))
    (there / "shared" / "units.py").chmod(0o755)
    assert fingerprint.modules(there) == fingerprint.modules(ROOT)


def test_a_guide_beside_the_code_is_no_part_of_a_release(tmp_path: Path) -> None:
    """Who explains a strategy better has not changed it."""
    there = copied(tmp_path)
    (there / "worker" / "README.md").write_text("another guide")
    assert fingerprint.modules(there) == fingerprint.modules(ROOT)
    assert not [path for path in fingerprint.modules(ROOT) if path.endswith(".md")]


def test_any_changed_byte_or_name_changes_the_hash(tmp_path: Path) -> None:
    """Code, data files and the lock alike."""
    there = copied(tmp_path)
    hashes = {fingerprint.release_hash(fingerprint.modules(there))}
    for path in (there / "worker" / "__init__.py", there / "shared" / "py.typed", there / fingerprint.LOCK):
        path.write_bytes(path.read_bytes() + b" ")
        hashes.add(fingerprint.release_hash(fingerprint.modules(there)))
    (there / "shared" / "py.typed").rename(there / "shared" / "py.untyped")
    hashes.add(fingerprint.release_hash(fingerprint.modules(there)))
    assert len(hashes) == 5
    assert all(len(name) == 12 for name in hashes)


def test_only_the_lock_names_the_environment(tmp_path: Path) -> None:
    """Changed code runs in the same environment."""
    there = copied(tmp_path)
    (there / "worker" / "new.py").write_text("x = 1\n")
    assert fingerprint.lock_hash(fingerprint.modules(there)) == fingerprint.lock_hash(fingerprint.modules(ROOT))


def test_what_is_no_release_has_a_hash_too() -> None:
    """The supervisor names its own code the same way."""
    assert fingerprint.code_hash(ROOT, ("supervisor",)) != fingerprint.code_hash(ROOT, ("deploy",))
