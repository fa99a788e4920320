"""Where recorded markets and samples are, if they are here: never part of the project, used where present."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def _folder(variable: str, usual: Path) -> Path | None:
    named = Path(os.environ.get(variable) or usual)
    return named if named.is_dir() else None


DATA = _folder("FORESIGHT_DATA", _ROOT.parent / "shared" / "data")
SAMPLES = _folder("FORESIGHT_SAMPLES", _ROOT.parent / "shared" / "samples")
SETTLEMENT_DAY = DATA / "A_pm_btc5m_settlement_day" if DATA else None
POLYMARKET = SAMPLES / "polymarket" if SAMPLES else None
