"""worker.imports: each module's own import time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SLOW = """
from time import perf_counter
def spin(seconds):
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass
"""
RUN = """
import json, sys
from worker import imports
imports.watch()
import worker.outer
print(json.dumps([imports.load_us, type(worker.outer.__spec__.loader).__mro__[1].__name__, "json" in imports.load_us]))
"""


def test_a_module_is_charged_with_its_own_time_only(tmp_path: Path) -> None:
    """An outer module that is quick and imports a slow one is quick."""
    root = Path(__file__).parents[2]
    for package in ("shared", "worker"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "shared" / "clock.py").write_bytes((root / "shared" / "clock.py").read_bytes())
    (tmp_path / "worker" / "imports.py").write_bytes((root / "worker" / "imports.py").read_bytes())
    (tmp_path / "worker" / "inner.py").write_text(f"{SLOW}\nspin(0.1)\n")
    (tmp_path / "worker" / "outer.py").write_text("import json\nimport worker.inner\n")
    out = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    load_us, loader, others = json.loads(out)
    assert load_us["worker.inner"] >= 100_000
    assert load_us["worker.outer"] < 100_000
    assert loader == "SourceFileLoader"
    assert others is False
