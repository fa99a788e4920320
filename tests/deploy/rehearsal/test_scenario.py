"""Scenario files: when what goes wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.faults import Unfit
from deploy.rehearsal.scenario import (
    BYTES_MAX,
    FAULTS_MAX,
    After,
    AfterOrders,
    At,
    InWindows,
    read_scenario,
)

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 14 * 3_600_000 + 90_500
"""14:01:30.5 of some day."""
GIVE_ONE = "give one of at, after_s, window, after_orders"
SECONDS = "seconds after its start, or before its end if negative"
ONE = '[[fault]]\nkind = "silence"\n'


def test_a_scenario_is_faults_and_their_moments() -> None:
    """The four ways to say when, and arguments beside them."""
    text = "\n".join(f"{ONE}{when}" for when in ('at = "14:05"', "after_s = 60", 'window = "5m"\noffset_s = -20'))
    text += '\n[[fault]]\nkind = "refuse"\nstatus = 429\nafter_orders = 3\n'
    planned = read_scenario(text)
    assert [each.when for each in planned] == [At(14 * 3_600 + 300), After(60), InWindows(300, -20, 1), AfterOrders(3)]
    assert (planned[3].fault.kind, planned[3].fault.number("status")) == ("refuse", 429)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "it names no fault; write [[fault]] and kind = ..."),
        ("fault = 5", "faults are written as [[fault]] tables"),
        (f"[[faults]]\n{ONE}at = '14:00'", "unknown key 'faults'; did you mean fault?"),
        (ONE, f"fault 1: nothing says when; {GIVE_ONE}"),
        (f"{ONE}at = '1'\nafter_s = 5", f"fault 1: at and after_s are both there; {GIVE_ONE}"),
        (f"{ONE}at = '25:00'", 'fault 1: at is a time of day in UTC, written "HH:MM" or "HH:MM:SS", not \'25:00\''),
        (f"{ONE}at = 14", 'fault 1: at is a time of day in UTC, written "HH:MM" or "HH:MM:SS", not 14'),
        (f"{ONE}after_s = -1", "fault 1: after_s lies between 0 and 86400, not at -1"),
        (f"{ONE}after_s = 1.5", "fault 1: after_s is a whole number, not 1.5"),
        (f"{ONE}after_orders = true", "fault 1: after_orders is a whole number, not True"),
        (f"{ONE}after_orders = 0", "fault 1: after_orders lies between 1 and 1000000, not at 0"),
        (f"{ONE}window = 'BTC'\noffset_s = 1", 'fault 1: window is a length, written "5m" or "15m", not \'BTC\''),
        (f"{ONE}window = '5m'", f"fault 1: window needs offset_s: {SECONDS}"),
        (f"{ONE}window = '5m'\noffset_s = 300", "fault 1: offset_s lies between -299 and 299, not at 300"),
        (f"{ONE}at = '14:00'\noffset_s = 3", "fault 1: offset_s goes with window, not with at"),
        (f"{ONE}at = '14:00'\nloud = 3", "fault 1: silence has no argument 'loud'"),
        (f"{ONE}at = '14:00'\nfor_s = 'x'", "fault 1: silence: for_s is a whole number, not 'x'"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_clear_line(text: str, line: str) -> None:
    """It names the fault by its place in the file."""
    with pytest.raises(Unfit) as unfit:
        read_scenario(text)
    assert unfit.value.lines == (line,)


def test_all_that_is_wrong_with_a_file_is_told_together() -> None:
    """Of every fault: its moment and its arguments."""
    with pytest.raises(Unfit) as unfit:
        read_scenario(f"what = 1\n{ONE}for_s = 1.5\n{ONE}at = 'noon'\nfor_s = 5\n[[fault]]\nat = '14:00'\n")
    places = [line.partition(":")[0] for line in unfit.value.lines]
    assert places == ["unknown key 'what'", "fault 1", "fault 1", "fault 2", "fault 3"]


def test_a_file_that_is_no_toml_says_where() -> None:
    """In the words of the reader."""
    with pytest.raises(Unfit, match=r"it is no TOML: .*line 2"):
        read_scenario("[[fault]]\nkind = silence")


def test_a_file_has_bounds() -> None:
    """In length and in faults."""
    for text in ("#" * (BYTES_MAX + 1), f"{ONE}after_s = 1\n" * (FAULTS_MAX + 1)):
        with pytest.raises(Unfit):
            read_scenario(text)


@pytest.mark.parametrize(
    ("when", "due_s"),
    [
        (At(14 * 3_600 + 300), 3 * 60 + 30 - 0.5),
        (At(14 * 3_600), 86_400 - 90.5),
        (After(10), 10),
        (InWindows(300, 0, 1), 209.5),
        (InWindows(300, 120, 1), 29.5),
        (InWindows(300, 60, 1), 269.5),
        (InWindows(300, -20, 1), 189.5),
        (InWindows(900, -899, 1), 900 - 90.5 + 1),
    ],
)
def test_moments_are_the_next_ones(when: At | After | InWindows, due_s: float) -> None:
    """Seen from 14:01:30.5."""
    assert when.due_ms(NOW_MS) == NOW_MS + due_s * 1_000


@given(st.integers(1, 2**41), st.integers(-299, 299))
def test_a_moment_of_a_window_comes_once_a_window(now_ms: int, offset_s: int) -> None:
    """Never before now, never later than a window, always at the same place in it."""
    when = InWindows(300, offset_s, 0)
    due_ms = when.due_ms(now_ms)
    assert 0 <= due_ms - now_ms < 300_000
    assert due_ms % 300_000 == offset_s % 300 * 1_000
    assert when.due_ms(due_ms) == due_ms
    assert when.due_ms(due_ms + 1) == due_ms + 300_000
