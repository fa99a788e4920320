"""Every event of the stream has its row, and the README says what is in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kit.tapes import TERMS

from deploy.analysis.tables import SCHEMAS, event_row, exact, gap_row, rows
from deploy.analysis.tapes import Gap
from shared import messages as m
from shared.wire import encode

README = (Path(__file__).resolve().parents[3] / "README.md").read_text()
START_S = 1_784_851_200
WINDOW = ("BTC/5m", START_S * 10**9)
ACCOUNT = m.Account(9, 100_000_000, 5_000_000, (), ())
BOOK = m.BookSeen("BTC/5m", START_S, "Up", (m.Level(510_000, 7_000_000), m.Level(500_000, 1)), (), True)

EXPECTED: list[tuple[Any, str, tuple[object, ...]]] = [
    (
        m.PriceSeen("BTC", "twap", START_S * 1_000, "67000000000000000000001"),
        "prices",
        ("BTC", "twap", START_S * 10**9, "67000.000000000000000001"),
    ),
    (
        BOOK,
        "books",
        (*WINDOW, "Up", 510_000, 7_000_000, None, None, True, [(510_000, 7_000_000), (500_000, 1)], []),
    ),
    (
        m.TradeSeen("BTC/5m", START_S, "Down", "SELL", 480_000, 5_000_000),
        "trades",
        (*WINDOW, "Down", "SELL", 480_000, 5_000_000),
    ),
    (
        m.Tick("BTC/5m", START_S * 1_000 + 5_000, START_S, "w1", 7, "p1", "paused", ACCOUNT),
        "ticks",
        (*WINDOW, START_S * 1_000 + 5_000, "w1", 7, "p1", "paused", 9, 100_000_000, 5_000_000),
    ),
    (
        m.WindowOpened("BTC/5m", START_S, TERMS),
        "windows",
        (*WINDOW, "opened", TERMS.condition_id, "twap60", 10_000, 5_000_000, 70_000, 1, 150, None, None),
    ),
    (
        m.StrikeSet("BTC/5m", START_S, "5"),
        "windows",
        (*WINDOW, "strike", *[None] * 7, "0.000000000000000005", None),
    ),
    (m.WindowResolved("BTC/5m", START_S, "Up"), "windows", (*WINDOW, "resolved", *[None] * 8, "Up")),
    (m.WindowClosed("BTC/5m", START_S), "windows", (*WINDOW, "closed", *[None] * 9)),
    (m.TickSizeSet("BTC/5m", START_S, 1_000), "windows", (*WINDOW, "tick_size", None, None, 1_000, *[None] * 6)),
]


@pytest.mark.parametrize(("event", "table", "values"), EXPECTED, ids=lambda value: type(value).__name__)
def test_an_event_has_its_row(event: m.Event, table: str, values: tuple[object, ...]) -> None:
    """Number and time of its frame first, then what it says, as many values as the table has columns."""
    frame = m.Streamed(7, 9, event)
    assert list(rows(frame)) == [(table, (7, 9, *values))]
    assert len(values) + 2 == len(SCHEMAS[table])


def test_every_frame_is_among_the_events() -> None:
    """By its kind, with its slot if it has one, and its bytes."""
    for event, slot in ((BOOK, "BTC/5m"), (m.Pulse(), None), (m.Keyframe((BOOK,)), None)):
        frame = m.Streamed(7, 9, event)
        payload = encode(frame)
        assert event_row(payload, frame) == (
            7,
            9,
            payload[payload.index(event_tag(event)) :][: len(event_tag(event))].decode(),
            slot,
            len(payload),
        )
        assert len(event_row(payload, frame)) == len(SCHEMAS["events"])
    assert list(rows(m.Streamed(7, 9, m.Pulse()))) == []


def event_tag(event: Any) -> bytes:
    """The kind as it stands on the wire."""
    return {m.BookSeen: b"book", m.Pulse: b"pulse", m.Keyframe: b"keyframe"}[type(event)]


def test_a_gap_has_its_length_unless_it_is_open() -> None:
    """In seconds."""
    assert gap_row(Gap("user", 10**9, 25 * 10**8, "closed", "venue", 7)) == (
        7,
        "user",
        10**9,
        25 * 10**8,
        1.5,
        "venue",
        "closed",
    )
    assert gap_row(Gap("user", 10**9, 0, "closed", "venue", 7)) == (7, "user", 10**9, None, None, "venue", "closed")
    assert len(SCHEMAS["gaps"]) == 7


def test_a_reference_price_keeps_every_digit() -> None:
    """However small or large, and below nothing."""
    assert [exact(text) for text in ("0", "1", "1000000000000000000", "-25")] == [
        "0.000000000000000000",
        "0.000000000000000001",
        "1.000000000000000000",
        "-0.000000000000000025",
    ]


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_readme_documents_every_column(table: str) -> None:
    """The row of the table names them, in order."""
    documented = re.search(rf"^\| `{table}` \| .* \| (.*) \|$", README, re.MULTILINE)
    assert documented is not None
    assert re.findall(r"`(\w+)`", documented[1]) == list(SCHEMAS[table])
