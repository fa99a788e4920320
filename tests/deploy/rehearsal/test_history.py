"""Markets by their date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deploy.rehearsal.days import Fee
from deploy.rehearsal.history import fee_on, plain_listing


def at(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("date", "interval_s", "fee"),
    [
        ((2026, 1, 4), 900, Fee(0, 1)),
        ((2026, 1, 9), 900, Fee(250_000, 2)),
        ((2026, 1, 9), 300, Fee(0, 1)),
        ((2026, 2, 12), 300, Fee(250_000, 2)),
        ((2026, 6, 24), 300, Fee(70_000, 1)),
        ((2026, 11, 20), 900, Fee(70_000, 1)),
    ],
)
def test_fees_came_step_by_step(date: tuple[int, ...], interval_s: int, fee: Fee) -> None:
    """First for fifteen minutes, then for five, then the present schedule for all."""
    assert fee_on(at(*date), interval_s) == fee


def test_a_market_that_is_made_up_twice_is_the_same_market() -> None:
    """In another world it has other ids; a known condition id is kept."""
    one, other = (plain_listing(world, "BTC", 300, 1_784_851_200) for world in ("a", "b"))
    assert one == plain_listing("a", "BTC", 300, 1_784_851_200)
    assert one.slug == other.slug == "btc-updown-5m-1784851200"
    assert {one.up_token, one.down_token}.isdisjoint({other.up_token, other.down_token})
    assert plain_listing("a", "BTC", 300, 1_784_851_200, "0xabc").condition_id == "0xabc"
