"""deploy.ranges: what no clock can run at, no wait can last and no duration can be is refused on the command line."""

from __future__ import annotations

import click
import pytest

from deploy.ranges import DAY_S, Duration, FiniteRange, Moment, moment_ns, stamp


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "1e999", "0", "11", "fast"])
def test_what_is_no_number_of_the_range_is_refused(said: str) -> None:
    """Not a number passes every comparison, and no end passes a range without one."""
    with pytest.raises(click.BadParameter):
        FiniteRange(1, 10).convert(said, None, None)


def test_a_range_without_an_upper_bound_ends_all_the_same() -> None:
    """Infinity is above 0 and still no number to count with."""
    with pytest.raises(click.BadParameter, match="'inf' is not a finite number"):
        FiniteRange(min=0, min_open=True).convert("inf", None, None)


def test_a_number_of_the_range_is_read() -> None:
    """With its bounds."""
    assert [FiniteRange(1, 10).convert(said, None, None) for said in ("1", "2.5", "10")] == [1.0, 2.5, 10.0]


@pytest.mark.parametrize(
    ("said", "seconds"), [("90s", 90.0), ("10m", 600.0), ("2h", 7_200.0), ("1.5h", 5_400.0), ("1d", DAY_S), ("0", 0.0)]
)
def test_a_duration_is_read_as_people_write_it(said: str, seconds: float) -> None:
    """In seconds, whatever the unit."""
    assert Duration().convert(said, None, None) == seconds


@pytest.mark.parametrize("said", ["30", "", "m", "-5m", "5 m", "5min", "1e3s", "nan", "inf", "٣s", "1.5.5h", "5M"])
def test_what_is_no_duration_is_refused_with_an_example(said: str) -> None:
    """A number alone as well: whoever writes 30 may mean minutes."""
    with pytest.raises(click.BadParameter, match="write it like 90s, 10m, 2h"):
        Duration().convert(said, None, None)


@pytest.mark.parametrize("said", ["24.1h", "2d", "999999999d"])
def test_a_duration_has_a_longest(said: str) -> None:
    """Everything has a bound, and the refusal names it."""
    with pytest.raises(click.BadParameter, match="is longer than 24h"):
        Duration().convert(said, None, None)


def test_a_wait_may_be_a_number_of_seconds() -> None:
    """Where nothing else can be meant; a default comes as a number."""
    wait = Duration(bare=True)
    assert [wait.convert(said, None, None) for said in ("0.3", "600", 600.0, "10m")] == [0.3, 600.0, 600.0, 600.0]
    with pytest.raises(click.BadParameter):
        wait.convert("nan", None, None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1970-01-02", 86_400.0),
        ("1970-01-01T00:01", 60.0),
        ("1970-01-01 00:00:00.5", 0.5),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T02:00:00+02:00", 0.0),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(said: str, seconds: float) -> None:
    """A day is its first moment."""
    assert Moment().convert(said, None, None) == round(seconds * 10**9)


@pytest.mark.parametrize("said", ["", "yesterday", "14:05", "2026-13-01", "1969-12-31", "9999-01-01"])
def test_what_is_no_moment_is_refused_with_an_example(said: str) -> None:
    """Also one that no store could hold."""
    with pytest.raises(click.BadParameter, match="write it like 2026-11-28"):
        Moment().convert(said, None, None)


def test_a_moment_that_is_shown_is_the_moment_that_is_read() -> None:
    """In UTC, to the second or the millisecond; what is finer is left out."""
    at_ns = 1_784_851_287_005_900_000
    assert stamp(at_ns) == "2026-07-24T00:01:27Z"
    assert stamp(at_ns, millis=True) == "2026-07-24T00:01:27.005Z"
    assert moment_ns(stamp(at_ns, millis=True)) == at_ns // 1_000_000 * 1_000_000
