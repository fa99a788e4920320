"""How long a supervisor takes to know what is true: from the whole journal, and from a snapshot and what came after."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest
from kit.sim import Sim
from kit.weather import BUSY

from shared import entries as e
from shared.records import Appender
from supervisor import snapshots
from supervisor.accounts import rebuild
from supervisor.journal import JOURNAL

CODE = "abcdef012345"
SEGMENT_BYTES = 8 << 20
LIVED_S = 240
LINES = 100_000
"""Some hours of eighteen slots."""
SINCE = 600
"""Lines of the last half minute."""
SHORTER = 10.0
"""How many times shorter a start from a snapshot has to be."""


def test_a_start_from_a_snapshot_is_shorter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hours of journal, folded whole and from half a minute ago: the same accounts."""
    journal, folder = tmp_path / "journal", tmp_path / "snapshots"
    pack_ms = written(journal, folder)
    whole_s, whole = timed(journal, tmp_path / "none")
    short_s, short = timed(journal, folder)
    assert (whole.folded, short.folded) == (LINES, SINCE)
    assert vars(whole.accounts) == vars(short.accounts)
    with capsys.disabled():
        size = next(folder.glob("*.snap")).stat().st_size
        print(
            f"\na start over {LINES} records: {whole_s:.2f} s whole, {short_s * 1e3:.0f} ms from a snapshot",
            end="",
        )
        print(f" of {size >> 10} KiB, {whole_s / short_s:.0f} times shorter; packing it took {pack_ms:.1f} ms")
    assert whole_s / short_s > SHORTER


def written(journal: Path, folder: Path) -> float:
    """A long journal, made of a busy desk's minutes again and again; what packing its accounts took."""
    sim = Sim(1, BUSY)
    sim.run(LIVED_S)
    lived, appender, pack_ms = sim.disk.journal, Appender(journal, JOURNAL), 0.0
    lines = [lived[number % len(lived)] for number in range(LINES)]
    for number, line in enumerate(lines, 1):
        appender.append(e.encode_line(line))
        appender.flush()
        if appender.size > SEGMENT_BYTES:
            appender.roll()
        if number == LINES - SINCE:
            accounts, begun = rebuild(lines[:number]), perf_counter()
            data = snapshots.pack(accounts, number, appender.link, CODE)
            pack_ms = (perf_counter() - begun) * 1e3
            snapshots.write(folder, number, data)
    appender.close()
    return pack_ms


def timed(journal: Path, folder: Path) -> tuple[float, snapshots.Recovered]:
    """A start's way to its accounts, and how long it took."""
    begun = perf_counter()
    recovered = snapshots.recover(journal, folder, CODE)
    return perf_counter() - begun, recovered
