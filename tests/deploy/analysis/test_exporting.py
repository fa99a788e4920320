"""A tape becomes a folder of tables, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from kit.tapes import Market, Stream

from deploy.analysis.aside import Exists
from deploy.analysis.exporting import TABLES, export
from deploy.analysis.tapes import NoTape, frames
from shared.messages import BookSeen, FeedGap, PriceSeen, Streamed, Tick


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stream]:
    """Six minutes of a lane, and a gap that is still open."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    stream = Market(Stream(folder), slots=("BTC/5m",)).run(360)
    stream.say(stream.at_ns, FeedGap("user", stream.at_ns, 0, "closed", "venue"))
    stream.flush()
    return folder, stream


@pytest.fixture(scope="module")
def exported(tape: tuple[Path, Stream], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """All of it."""
    target = tmp_path_factory.mktemp("out") / "tables"
    return target, export(frames(tape[0]), target, TABLES, "parquet")


def asked(folder: Path, what: str) -> list[tuple[Any, ...]]:
    """What SQL finds; every table is a view of its name."""
    with duckdb.connect() as database:
        for name in TABLES:
            database.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder / name}.parquet'")
        return database.execute(what).fetchall()


def test_every_event_is_in_a_table(tape: tuple[Path, Stream], exported: tuple[Path, dict[str, int]]) -> None:
    """Counted here from the frames themselves."""
    folder, counts = exported
    kinds = Counter(str(frame.event.__struct_config__.tag) for frame in tape[1].frames)
    assert dict(asked(folder, "SELECT kind, count(*) FROM events GROUP BY kind")) == dict(kinds)
    windows = sum(kinds[kind] for kind in ("window", "closed", "resolved", "strike", "ticksize"))
    assert (counts["events"], counts["books"], counts["prices"]) == (tape[1].seq, kinds["book"], kinds["price"])
    assert (counts["ticks"], counts["windows"], counts["gaps"]) == (kinds["tick"], windows, 1)
    assert {path.name for path in folder.iterdir()} == {f"{name}.parquet" for name in TABLES}


def test_what_was_said_can_be_asked_for(tape: tuple[Path, Stream], exported: tuple[Path, dict[str, int]]) -> None:
    """Money to the millionth, prices to the last digit, levels as they were, times in order."""
    events = [frame.event for frame in tape[1].frames]
    books = [event for event in events if isinstance(event, BookSeen)]
    bids = [
        [{"price": Decimal(b.price_micro).scaleb(-6), "size": Decimal(b.size_micro).scaleb(-6)} for b in e.bids]
        for e in books
    ]
    assert [row[0] for row in asked(exported[0], "SELECT bids FROM books ORDER BY seq")] == bids
    prices = [Decimal(int(event.exact)).scaleb(-18) for event in events if isinstance(event, PriceSeen)]
    assert [row[0] for row in asked(exported[0], "SELECT price FROM prices ORDER BY seq")] == prices
    ticks = [event.tick for event in events if isinstance(event, Tick)]
    assert [row[0] for row in asked(exported[0], "SELECT tick FROM ticks ORDER BY seen_at, seq")] == ticks
    open_gap = asked(exported[0], "SELECT feed, whose, to_at, length_s FROM gaps")
    assert open_gap == [("user", "venue", None, None)]


def test_only_what_is_wanted_is_made_and_csv_can_be_read_back(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """The same numbers in both forms."""
    counts = export(frames(tape[0]), tmp_path / "out", ("ticks", "prices"), "csv")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ticks.csv", "prices.csv"}
    with duckdb.connect() as database:
        read = database.execute(f"SELECT count(*), min(price) FROM '{tmp_path}/out/prices.csv'").fetchone()
    assert read is not None and read[0] == counts["prices"]
    text = (tmp_path / "out" / "ticks.csv").read_text().splitlines()
    assert text[0].startswith("seq,seen_at,slot,start_at,tick,owner,epoch")
    assert len(text) == counts["ticks"] + 1


def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """Not even an empty folder."""
    (tmp_path / "out").mkdir()
    with pytest.raises(Exists, match="out"):
        export(frames(tape[0]), tmp_path / "out", TABLES, "csv")
    with pytest.raises(NoTape):
        export(iter(()), tmp_path / "other", TABLES, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interruption_leaves_nothing_behind(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """Ctrl-C in the middle of the frames; what one that was killed has left is not in the way."""

    def interrupted() -> Iterator[tuple[bytes, Streamed]]:
        yield from list(frames(tape[0]))[:100]
        raise KeyboardInterrupt

    (tmp_path / ".out.new").mkdir()
    with pytest.raises(KeyboardInterrupt):
        export(interrupted(), tmp_path / "out", TABLES, "parquet")
    assert not list(tmp_path.iterdir())
