"""Strike, close and winner."""

from __future__ import annotations

from kit.days import a_day, price_at
from kit.shared_data import SETTLEMENT_DAY

from deploy.rehearsal.days import RecordedDay
from deploy.rehearsal.recordings import read_day
from supervisor.settlement import Boundaries, winner


def test_up_wins_a_tie() -> None:
    """At or above the strike, to the last of eighteen decimals."""
    assert winner(10**23, 10**23) == "Up"
    assert winner(10**23, 10**23 - 1) == "Down"


def test_only_the_boundary_second_itself_counts() -> None:
    """A second beside it, or another mean, is another price."""
    boundaries = Boundaries()
    assert not boundaries.see("BTC", 0, 300_999, 1)
    assert not boundaries.see("BTC", 0, 301_000, 2)
    assert boundaries.see("BTC", 0, 300_000, 3)
    assert boundaries.see("BTC", 60, 300_000, 4)
    assert (boundaries.at("BTC", "spot", 300), boundaries.at("BTC", "twap60", 300)) == (3, 4)
    assert boundaries.at("BTC", "twap30", 300) is None
    assert boundaries.at("ETH", "spot", 300) is None


def test_the_first_word_on_a_second_stands() -> None:
    """A feed that repeats a second differently does not move a strike that orders were placed on."""
    boundaries = Boundaries()
    boundaries.see("BTC", 0, 300_000, 3)
    assert not boundaries.see("BTC", 0, 300_000, 5)
    assert boundaries.at("BTC", "spot", 300) == 3


def test_an_hour_is_remembered_and_no_more() -> None:
    """Bounded for months of running."""
    boundaries = Boundaries()
    for second in range(0, 86_400, 300):
        boundaries.see("BTC", 0, second * 1_000, second)
    assert boundaries.at("BTC", "spot", 0) is None
    assert boundaries.at("BTC", "spot", 86_100) == 86_100
    assert len(boundaries._exact) <= 13


def compared(day: RecordedDay) -> list[bool]:
    """For each window whose closing second was seen: whether our winner is the official one.

    The strike is the one we saw; where its second was missed, the one the venue tells afterwards.
    """
    boundaries, right = Boundaries(), list[bool]()
    ending = {(listing.asset, listing.end_s): listing for listing in day.listings(0, 2**40)}
    for point in day.points(0):
        listing = ending.get((point.asset, point.source_ms // 1_000))
        if boundaries.see(point.asset, 0, point.source_ms, point.value_e18) and listing is not None:
            seen = boundaries.at(listing.asset, "spot", listing.start_s)
            assert seen in {None, listing.strike_e18}
            strike = seen or listing.strike_e18
            if strike is not None:
                right.append(winner(strike, point.value_e18) == listing.official)
    return right


def test_a_days_outcomes_come_out_of_its_prices() -> None:
    """Every window of a small day whose price rises in one and falls in the next."""
    day = a_day(12, price_at)
    assert {listing.official for listing in day.listings(0, 2**40)} == {"Up", "Down"}
    assert compared(day) == [True] * 12


if SETTLEMENT_DAY:

    def test_a_real_days_outcomes_come_out_of_its_prices() -> None:
        """Of 292 windows the closing second of 257 was seen: no strike and no winner differs from the venue's."""
        assert SETTLEMENT_DAY is not None
        found = compared(read_day(SETTLEMENT_DAY))
        assert (len(found), found.count(False)) == (257, 0)
