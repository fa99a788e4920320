"""What a candidate does while it is watched."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared import entries as e
from shared.clock import NS
from supervisor import watch
from supervisor.board import NO_DECISION
from supervisor.watch import Watch, Watched, denial, slope_per_min

BLUE, GREEN = e.By("71be04", "p1", 7, "w1-1"), e.By("9f3c21", "p1", 8, "w1-2")


def outcome(kind: e.OutcomeKind = "HOLD", reason: str = "", **changes: Any) -> e.OutcomeOf:
    """What became of a tick that green owned."""
    said = e.OutcomeOf("BTC/5m", 1_000, kind, reason, GREEN, 100, 900, NO_DECISION)
    return msgspec.structs.replace(said, **changes)


def placing(order_id: str, by: e.By = GREEN, slot: str = "BTC/5m") -> e.Placing:
    """An order that leaves."""
    return e.Placing(order_id, slot, 1_000, 0, 900, "t1", "Up", "BUY", 500_000, 5_000_000, "GTC", True, by)


def answered(order_id: str, state: str, request: Any = "place") -> e.Answered:
    """The venue's word on it."""
    return e.Answered(order_id, request, state, "", 5_000)


def watched(*entries: e.Entry, slots: frozenset[str] | None = None) -> Watched:
    """What is known after these."""
    watching = Watch(GREEN.uid, 0, slots)
    for entry in entries:
        watching.see(entry, 0)
    return watching.numbers()


def test_ticks_are_counted_as_the_owner_only() -> None:
    """What blue answers, or a shadow says, is not green's doing."""
    shadow = e.Shadow("BTC/5m", 1_000, GREEN, 100, 900, NO_DECISION)
    assert watched(outcome(), outcome("ORDER"), outcome(by=BLUE), shadow).answered == 2


def test_deadlines_missed_in_a_row_are_counted_for_each_slot() -> None:
    """An answer in between begins anew, one of another slot does not; a tick skipped for another reason is no miss."""
    miss = outcome("SKIP", "deadline")
    found = watched(miss, outcome(), miss, outcome(slot="ETH/5m"), miss, outcome(), outcome("SKIP", "unknown_order"))
    assert (found.missed, found.missed_in_a_row, found.answered) == (3, 2, 3)
    other = outcome("SKIP", "deadline", slot="ETH/5m")
    assert watched(miss, other).missed_in_a_row == 1
    assert watched(outcome("SKIP", "deadline", by=BLUE)).missed == 0


def test_orders_the_venue_refuses_are_told_from_those_it_owes_a_word() -> None:
    """Unknown is not refused, and a cancel or a look-up is another story."""
    sent = [placing(str(number)) for number in range(5)]
    answers = [answered("0", "open"), answered("1", "closed"), answered("2", "unknown"), answered("3", "")]
    later = [answered("1", "closed"), answered("4", "closed", "cancel"), answered("0", "closed", "lookup")]
    found = watched(*sent, *answers, *later)
    assert (found.sent, found.judged, found.rejected) == (5, 3, 1)


def test_orders_of_others_are_not_its_own() -> None:
    """Blue's, and those of slots outside the ring."""
    entries = [placing("1", BLUE), answered("1", "closed"), placing("2", slot="ETH/5m"), answered("2", "closed")]
    found = watched(*entries, slots=frozenset({"BTC/5m"}))
    assert (found.sent, found.rejected) == (0, 0)
    assert watched(*entries).rejected == 1


def test_denials_are_counted_by_reason() -> None:
    """As the outcome tells them."""
    denied = ("0 slot_cap: 4.00 + 1.00 is over 4.50", "1 no_window: the window closed meanwhile")
    found = watched(outcome("ORDER", denied=denied), outcome(denied=denied[:1]), outcome(denied=denied, by=BLUE))
    assert found.denied == (("no_window", 1), ("slot_cap", 2))
    assert denial("no such text") == "such text"


def test_reasons_without_end_are_counted_together() -> None:
    """Nothing that is written makes it grow without bound."""
    many = tuple(f"0 reason{number}: x" for number in range(200))
    found = watched(outcome(denied=many))
    assert len(found.denied) == watch.KINDS_MAX + 1
    assert sum(count for _, count in found.denied) == 200


def test_alarms_count_when_they_name_it() -> None:
    """By its whole uid: w1-2 is not w1-21."""
    found = watched(
        e.Alarm("ledger_differs", "w1-2 on BTC/5m at 1000: cash: tick 1, ledger 2"),
        e.Alarm("bad_frame", "worker w1-2: frame of 3 bytes"),
        e.Alarm("hole", "w1-2 expected frame 5 and got 7"),
        e.Alarm("hole", "w1-2 expected frame 9 and got 11"),
        e.Alarm("hole", "w1-21 expected frame 5 and got 7"),
        e.Alarm("ledger_gone", "somebody removed the shared memory's name; it was made again"),
    )
    assert found.alarms == (("bad_frame", 1), ("hole", 2), ("ledger_differs", 1))


def test_orders_that_are_never_answered_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted as sent, and given up."""
    monkeypatch.setattr(watch, "ORDERS_MAX", 10)
    watching = Watch(GREEN.uid, 0)
    for number in range(100):
        watching.see(placing(str(number)), 0)
    assert len(watching._unanswered) == 10
    watching.see(answered("0", "closed"), 0)
    watching.see(answered("99", "closed"), 0)
    assert (watching.numbers().sent, watching.numbers().rejected) == (100, 1)


def test_memory_is_sampled_and_its_slope_told() -> None:
    """Heartbeats come five times a second; a sample each five seconds is enough, the peak is of all of them."""
    watching = Watch(GREEN.uid, 1_000 * NS)
    for beat in range(5 * 600):
        at_s = beat / 5
        watching.beat(40_000 + round(at_s * 10) + (100_000 if beat == 7 else 0), 1_000 * NS + round(at_s * NS))
    found = watching.numbers()
    assert found.rss_max_kib == 140_014
    assert found.rss_kib == 40_000 + 5_998
    assert len(watching._rss) == 120
    assert found.slope_kib_per_min == 600


def test_a_slope_needs_time() -> None:
    """Two minutes of it: an allocator grows in steps."""
    assert slope_per_min([]) is None
    assert slope_per_min([(0, 1)]) is None
    assert slope_per_min([(0, 1), (119 * NS, 1_000)]) is None
    assert slope_per_min([(0, 0), (60 * NS, 1_000), (120 * NS, 2_000)]) == 1_000
    assert slope_per_min([(0, 2_000), (60 * NS, 1_000), (120 * NS, 0)]) == -1_000
    assert slope_per_min([(second * NS, 500) for second in range(0, 200, 5)]) == 0


def test_samples_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bake that is held for a day costs what one of an hour does."""
    watching = Watch(GREEN.uid, 0)
    for sample in range(3 * watch.SAMPLES_MAX):
        watching.beat(1_000, sample * 5 * NS)
    assert len(watching._rss) == watch.SAMPLES_MAX
