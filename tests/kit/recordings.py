"""Frames in the venue's shape, one event a file; the same frames damaged; and the samples, where they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from kit.shared_data import POLYMARKET

FOLDER = Path(__file__).resolve().parents[1] / "recordings"

UP = "481" + "0" * 73 + "1"
DOWN = "481" + "0" * 73 + "2"
CONDITION = "0x" + "c0de" * 16
ORDER = "0x" + "0a1b" * 16
TRADE = "7a000000-0000-4000-8000-000000000001"
API_KEY = "6f1e0000-0000-4000-8000-000000000001"
START_S = 1_791_240_000
"""What the recordings are about: one market of BTC/5m, one order of ours, one trade of it."""


def recording(name: str) -> bytes:
    """The frame of an event, as it would arrive."""
    return (FOLDER / f"{name}.json").read_bytes()


def names(prefix: str) -> list[str]:
    """The recordings of a channel or request."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))


def samples(*prefixes: str) -> list[Path]:
    """Samples of the venue by the beginning of their names; ask only where there are samples."""
    assert POLYMARKET is not None
    found = sorted(path for path in POLYMARKET.glob("*.json") if path.name.startswith(prefixes))
    assert found, f"no sample is called {prefixes}"
    return found


def objects(value: Any, field: str) -> Iterator[dict[str, Any]]:
    """Every object with a field, however deep it stands in a sample."""
    if isinstance(value, dict):
        if field in value:
            yield value
        for part in value.values():
            yield from objects(part, field)
    elif isinstance(value, list):
        for part in value:
            yield from objects(part, field)


_ODD = st.sampled_from(["", "0", "-1", "1e3", "9" * 60, "9" * 5_000, "nan", "٣", 2**70, -(2**70), 1e300, [], {}, None])
_JSON = st.recursive(
    _ODD | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=4), parts, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, prefix: str) -> bytes:
    """A recording with something in it that is not what it should be, or with bytes missing or added."""
    value = json.loads(recording(draw(st.sampled_from(names(prefix)))))
    for _ in range(draw(st.integers(0, 3))):
        place = value
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or draw(st.booleans()):
                place[key] = draw(_JSON)
                break
            place = place[key]
    frame = json.dumps(value).encode()
    cut = draw(st.integers(0, len(frame)))
    junk = draw(st.sampled_from([b"", b"", b"", b"\xff", b"[" * 20_000, b"{", b"\n"]))
    return draw(st.sampled_from([frame, frame[:cut], frame[:cut] + junk + frame[cut:]]))


_TIMES = st.sampled_from(["1791240001", "1791240001000", 1_791_240_001, 1_791_240_001_000, "", "2026-10-05T21:35:56Z"])
_DEEP = st.integers(0, 3_000).map(lambda depth: b'{"event_type":' + b"[" * depth + b"]" * depth + b"}")


@st.composite
def _of_a_kind(draw: st.DrawFn, prefix: str) -> dict[str, Any]:
    """A recording with its times in another unit and some of its fields gone, blank, or of another type."""
    value = json.loads(recording(draw(st.sampled_from(names(prefix)))))
    frame: dict[str, Any] = value[0] if isinstance(value, list) else value
    for field in sorted(frame):
        if field in {"timestamp", "created_at", "last_update", "match_time", "ts"}:
            frame[field] = draw(_TIMES)
        elif draw(st.integers(0, 9)) == 0:
            frame[field] = draw(_JSON)
    return frame


def malformed(prefix: str) -> st.SearchStrategy[bytes]:
    """Whatever may come on a channel: damaged recordings, arrays of several kinds, any JSON, nesting, bytes."""
    one = _of_a_kind(prefix)
    many = st.lists(one | _JSON, max_size=4)
    return damaged(prefix) | (one | many | _JSON).map(lambda value: json.dumps(value).encode()) | _DEEP | st.binary()
