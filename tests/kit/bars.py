"""Bars to hold indicators against others' arithmetic: recorded where they are here, and always a walk made up."""

from __future__ import annotations

import csv
import gzip
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from kit.shared_data import DATA

RECORDED = (
    "K_crypto_bars/btc_perp_1m_2022-01-01_15.csv.gz",
    "K_crypto_bars/coinbase_ethusd_1m_2017-09-03_2018-04-04.csv.gz",
    "J_spx_1min/spx_1min_2021-01-04_2023-06-26_2023-07-03.csv.gz",
)
BARS_MAX = 2_000


class DealtBar(NamedTuple):
    """A bar with its volume; prices in millionths, the volume in millionths of a unit."""

    open_micro: int
    high_micro: int
    low_micro: int
    close_micro: int
    size_micro: int

    @property
    def paid_micro(self) -> int:
        """What was paid, when all of it traded at the mean of high, low and close."""
        return (self.high_micro + self.low_micro + self.close_micro) * self.size_micro // 3_000_000


def walked_bars(seed: int = 1, count: int = 600) -> list[DealtBar]:
    """A random walk with quiet and wild hours, now and then a gap, and a stretch in which nothing moves at all."""
    random, price, bars = Random(seed), 60_000_000_000, list[DealtBar]()
    for number in range(count):
        step = 0.0 if number % 200 < 30 else price * (4e-4 if number % 100 < 50 else 4e-5)
        opened = price + int(random.gauss(0, step) if number % 17 == 0 else 0)
        price = max(1_000_000, opened + int(random.gauss(0, step)))
        reach = sorted((opened, price))
        high, low = reach[1] + int(abs(random.gauss(0, step))), reach[0] - int(abs(random.gauss(0, step)))
        bars.append(DealtBar(opened, high, low, price, random.randrange(1, 10**9) if number % 23 else 0))
    return bars


def recorded_bars(path: Path) -> list[DealtBar]:
    """The first bars of a recorded file; where no volume was recorded, each has the same."""
    with gzip.open(path, "rt") as file:
        return [_bar(row) for row in islice(csv.DictReader(file), BARS_MAX)]


def every_series() -> dict[str, list[DealtBar]]:
    """All series there are, by name; the made-up ones always."""
    series = {f"walk {seed}": walked_bars(seed) for seed in (1, 2)}
    present = [DATA / name for name in RECORDED if (DATA / name).is_file()] if DATA else []
    return series | {path.name: recorded_bars(path) for path in present}


def _bar(row: dict[str, Any]) -> DealtBar:
    prices = (round(float(row[name]) * 1e6) for name in ("open", "high", "low", "close"))
    return DealtBar(*prices, round(float(row.get("volume") or 1.0) * 1e6))
