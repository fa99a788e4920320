"""worker.manifest: which release this is, from the files it was loaded from."""

from __future__ import annotations

import sys
from pathlib import Path

from shared import fingerprint
from worker import manifest

ROOT = Path(__file__).parents[2]


def test_the_testimony_is_the_release_and_its_loaded_modules() -> None:
    """Named in order, each with the digest of its source; nothing from the virtual environment."""
    release, modules = manifest.testimony(ROOT)
    names = [module.module for module in modules]
    assert release == fingerprint.release_hash(fingerprint.modules(ROOT))
    assert names == sorted(names)
    assert {"shared.messages", "worker.manifest", "worker"} <= set(names)
    found = {module.module: module.digest for module in modules}
    assert found["worker.manifest"] == fingerprint.file_digest(ROOT / "worker" / "manifest.py")
    assert not any(name.startswith(("msgspec", "pytest", "zmq")) for name in names)


def test_a_module_that_no_release_contains_is_named_all_the_same(tmp_path: Path) -> None:
    """Code of ours from outside the release is exactly what the testimony is for."""
    for part in ("shared", "worker", "requirements"):
        (tmp_path / part).mkdir()
    (tmp_path / "requirements" / "worker.lock").touch()
    (tmp_path / "stray_room.py").write_text("SOMETHING = 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        __import__("stray_room")
        modules = manifest.testimony(tmp_path)[1]
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("stray_room", None)
    assert [module.module for module in modules] == ["stray_room"]
    assert modules[0].digest == fingerprint.file_digest(tmp_path / "stray_room.py")
