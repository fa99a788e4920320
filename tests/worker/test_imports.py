"""worker.imports: each module's own import time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CLOCK = """
now_ns = [0]
class SystemClock:
    def monotonic_ns(self):
        return now_ns[0]
"""
"""Time passes only where a module says so: how busy this machine is makes no difference."""
TAKES = "from shared.clock import now_ns; now_ns[0] += {ms} * 1_000_000\n"
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
    (tmp_path / "shared" / "clock.py").write_text(CLOCK)
    (tmp_path / "worker" / "imports.py").write_bytes((root / "worker" / "imports.py").read_bytes())
    (tmp_path / "worker" / "inner.py").write_text(TAKES.format(ms=100))
    (tmp_path / "worker" / "outer.py").write_text(
        f"import json\n{TAKES.format(ms=2)}import worker.inner\n{TAKES.format(ms=3)}"
    )
    out = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    load_us, loader, others = json.loads(out)
    assert load_us == {"worker.inner": 100_000, "worker.outer": 5_000}
    assert loader == "SourceFileLoader"
    assert others is False
