"""The Pythons of this machine that we support: those on the path, and those installed beside the one that runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13")
ASK_S = 60.0


@lru_cache
def interpreters() -> dict[str, str]:
    """Version -> executable; the one that runs is always among them."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {version: path for version in SUPPORTED if (path := _find(version))}
    return found | {running: sys.executable}


def _find(version: str) -> str:
    beside = sorted(Path(sys.base_prefix).parent.glob(f"*{version}*/bin/python{version}"))
    on_path = [path] if (path := shutil.which(f"python{version}")) else []
    return next((str(path) for path in (*on_path, *beside) if _is(str(path), version)), "")


def _is(path: str, version: str) -> bool:
    """Whether it runs, and is what its name says; a name on the path may lead nowhere."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False, timeout=ASK_S)
    return asked.returncode == 0 and asked.stdout.strip() == version
