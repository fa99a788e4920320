"""What two releases decided on the same ticks, held against each other."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from kit.tapes import START_S

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Gates
from shared.units import MICRO
from shared.wire import encode
from supervisor import comparing
from supervisor.comparing import Comparison, Difference, Said, Sample, Summary, classify

BLUE, GREEN = e.By("71be04", "p1", 7, "w1-1"), e.By("9f3c21", "p1", 7, "w1-2")
STANDBY, TRAILING = e.By("71be04", "p1", 7, "w1-3"), e.By("50aa11", "p1", 7, "w1-4")
HOLD = m.Decision((), {"verdict": "hold: quiet"})
LIMITS = Gates(late_ms=500, missing_s=5)
LONG_NS = 6 * NS
"""Longer than an answer may be missing."""
SLOT = "BTC/5m"


def a_place(**changes: Any) -> m.Place:
    """A bid for five shares at 0.50, changed."""
    return msgspec.structs.replace(m.Place("Up", "BUY", 500_000, 5 * MICRO, "GTC", True), **changes)


def orders(**changes: Any) -> m.Decision:
    """A decision with one wish."""
    return m.Decision((a_place(**changes),), {})


def cancels(*order_ids: str) -> m.Decision:
    """A decision that only takes orders back."""
    return m.Decision(tuple(map(m.Cancel, order_ids)), {})


def a_tick(number: int) -> int:
    """The number of a slot's tick, five seconds apart, from the start of a window on."""
    return START_S * 1_000 + 5_000 * number


def outcome(tick: int, decided: m.Decision = HOLD, by: e.By = BLUE, **changes: Any) -> e.OutcomeOf:
    """The owner's word on a tick."""
    kind: e.OutcomeKind = "ORDER" if decided.intents else "HOLD"
    said = e.OutcomeOf(SLOT, tick, kind, "", by, 100, 900, msgspec.Raw(encode(decided)))
    return msgspec.structs.replace(said, **changes)


def shadow(tick: int, decided: m.Decision = HOLD, by: e.By = GREEN, **changes: Any) -> e.Shadow:
    """The word of somebody who does not own the slot."""
    said = e.Shadow(SLOT, tick, by, 100, 900, msgspec.Raw(encode(decided)))
    return msgspec.structs.replace(said, **changes)


def skip(tick: int) -> e.OutcomeOf:
    """A tick that nobody decided."""
    return e.OutcomeOf(SLOT, tick, "SKIP", "deadline", BLUE, 0, 0, msgspec.Raw(b"\xc0"))


def compared(*entries: e.Entry, slots: frozenset[str] | None = None, after_ns: int = 0) -> Summary:
    """The summary of entries that came all at once, so long after they came."""
    comparison = Comparison(GREEN.uid, BLUE.release, LIMITS, slots)
    for entry in entries:
        comparison.see(entry, 0)
    return comparison.summary(after_ns)


def pairs_of(decisions: Iterable[tuple[m.Decision, m.Decision]]) -> Summary:
    """The summary of what blue, the owner, and green decided on one tick after the other."""
    entries: list[e.Entry] = []
    for number, (blue, green) in enumerate(decisions):
        entries += [outcome(a_tick(number), blue), shadow(a_tick(number), green)]
    return compared(*entries)


# --- pairs ----------------------------------------------------------------------------------------------------------


def test_an_outcome_is_paired_with_the_shadow_of_its_tick() -> None:
    """Whoever was heard first."""
    found = compared(outcome(1_000), shadow(1_000), shadow(2_000), outcome(2_000), outcome(3_000))
    assert (found.ticks, found.pairs, found.same, found.slots) == (3, 2, 2, 1)


def test_green_is_compared_as_the_owner_as_well() -> None:
    """In the bake it owns the slot and blue is its shadow; who orders more is still told apart."""
    found = compared(outcome(1_000, orders(), GREEN), shadow(1_000, HOLD, BLUE))
    assert (found.pairs, found.hold_to_order, found.order_to_hold) == (1, 1, 0)


def test_a_second_worker_of_the_release_before_does_not_count_twice() -> None:
    """A hot standby says the same again; the first word of each side is the pair, early or late."""
    entries = [outcome(1_000), shadow(1_000), shadow(1_000, orders(), STANDBY)]
    before = [shadow(2_000, HOLD, STANDBY), outcome(2_000, orders()), shadow(2_000)]
    found = compared(*entries, *before, after_ns=LONG_NS)
    assert (found.ticks, found.pairs, found.same, found.missing) == (2, 2, 2, 0)


def test_a_repeated_shadow_of_green_counts_once() -> None:
    """A tick that was shown again after a death is answered again."""
    found = compared(shadow(1_000), shadow(1_000, orders()), outcome(1_000), shadow(1_000, orders()))
    assert (found.pairs, found.same, found.samples) == (1, 1, 1)


def test_a_tick_that_was_skipped_makes_no_pair() -> None:
    """There is no owner's decision to be like, also when a standby had one."""
    found = compared(shadow(1_000), shadow(1_000, HOLD, STANDBY), skip(1_000), skip(2_000), after_ns=LONG_NS)
    assert (found.ticks, found.pairs, found.missing) == (0, 0, 0)


def test_a_third_release_is_nobody_here() -> None:
    """A trailing worker of an older release shadows too."""
    found = compared(outcome(1_000), shadow(1_000, HOLD, TRAILING), after_ns=LONG_NS)
    assert (found.ticks, found.pairs) == (1, 0)


def test_only_the_slots_of_the_ring_count() -> None:
    """What green does elsewhere is another ring's business."""
    entries = [outcome(1_000), shadow(1_000), outcome(1_000, slot="ETH/5m"), shadow(1_000, slot="ETH/5m")]
    assert compared(*entries).pairs == 2
    assert compared(*entries, slots=frozenset({"ETH/5m"})).pairs == 1


def test_other_entries_pass_through() -> None:
    """The board shows it everything."""
    assert compared(e.Alarm("hole", "w1-2"), e.Balance(1, True)) == Summary()


# --- classes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blue", "green", "kind"),
    [
        (HOLD, m.Decision((), {"verdict": "hold: other words"}), "same"),
        (orders(), orders(), "same"),
        (HOLD, orders(), "hold_to_order"),
        (orders(), HOLD, "order_to_hold"),
        (orders(), orders(side="SELL"), "side"),
        (orders(), orders(outcome="Down"), "side"),
        (orders(), orders(outcome="Down", size_micro=1), "side"),
        (orders(), orders(kind="FAK", post_only=False), "order_kind"),
        (orders(), orders(post_only=False), "order_kind"),
        (orders(), orders(size_micro=6 * MICRO), "size"),
        (orders(), m.Decision((a_place(), a_place()), {}), "size"),
        (orders(), orders(price_micro=510_000), "same"),
        (orders(), orders(price_micro=520_000), "price"),
        (orders(), orders(price_micro=501_000), "same"),
        (orders(), orders(price_micro=502_000), "price"),
        (orders(), orders(price_micro=500_150), "price"),
        (HOLD, cancels("0x1"), "cancel"),
        (
            m.Decision((m.Cancel("0x2"), m.Cancel("0x1")), {}),
            m.Decision((m.Cancel("0x1"), m.Cancel("0x2")), {}),
            "same",
        ),
        (m.Decision((m.Cancel("0x1"),), {}), orders(), "hold_to_order"),
        (
            m.Decision((a_place(), a_place(outcome="Down")), {}),
            m.Decision((a_place(outcome="Down"), a_place()), {}),
            "same",
        ),
    ],
)
def test_a_pair_is_of_the_class_of_its_weightiest_difference(blue: m.Decision, green: m.Decision, kind: str) -> None:
    """Wishes count, words and their order do not; prices differ when they are beyond one tick of the grid."""
    assert classify(blue, green) == kind
    found = compared(outcome(1_000, blue), shadow(1_000, green))
    assert (getattr(found, kind), found.pairs) == (1, 1)


def test_a_price_within_one_tick_is_told() -> None:
    """It is the same to a gate, and a person can see that it happened."""
    found = pairs_of([(orders(), orders()), (orders(), orders(price_micro=510_000))])
    assert (found.same, found.nudged, found.first) == (2, 1, None)


@pytest.mark.parametrize("changes", [{"read_seq": 101}, {"by": e.By("9f3c21", "p2", 7, "w1-2")}])
def test_decisions_on_other_input_cannot_be_held_against_green(changes: dict[str, Any]) -> None:
    """Another frame was the last one, or other parameters were in force: it says nothing of the code."""
    found = compared(outcome(1_000), shadow(1_000, orders(), **changes))
    assert (found.input, found.pairs, found.hold_to_order, found.first) == (1, 0, 0, None)


def test_a_decision_that_takes_too_long_is_late_whatever_it_says() -> None:
    """To the microsecond."""
    found = compared(outcome(1_000), shadow(1_000, took_us=500_000), outcome(2_000), shadow(2_000, took_us=500_001))
    assert (found.pairs, found.same, found.late) == (2, 1, 1)


def test_a_decision_that_comes_too_late_is_late_however_quickly_it_was_made() -> None:
    """A loop that is slow between two decisions would miss its deadlines as the owner. Being first is never late."""
    comparison = Comparison(GREEN.uid, BLUE.release, LIMITS)
    for tick, behind_ms in ((1_000, 500), (2_000, 501), (3_000, -900)):
        words = [(outcome(tick), 10 * tick), (shadow(tick), 10 * tick + behind_ms)]
        for entry, at_ms in sorted(words, key=lambda word: word[1]):
            comparison.see(entry, at_ms * 1_000_000)
    found = comparison.summary(30 * NS)
    assert (found.same, found.late, found.first) == (2, 1, Difference("late", SLOT, 2_000))


@pytest.mark.parametrize(
    "raw", [b"", b"\xc0", b"\x92\x91\x93\xc0\xc0\xc0\x80", b"\xff" * 40, b"\x91" * 70_000], ids=len
)
def test_a_decision_that_cannot_be_read_is_a_class_and_no_crash(raw: bytes) -> None:
    """Green's is its own fault; with an unreadable one of blue's there is nothing to compare."""
    found = compared(outcome(1_000), shadow(1_000, decision=msgspec.Raw(raw)))
    assert (found.undecodable, found.pairs, found.same) == (1, 1, 0)
    found = compared(outcome(1_000, decision=msgspec.Raw(raw)), shadow(1_000))
    assert (found.input, found.pairs) == (1, 0)


def test_the_classes_add_up() -> None:
    """Each pair is of exactly one, in a seeded mixture of everything."""
    random = Random(4)
    choices = [HOLD, orders(), orders(side="SELL"), orders(size_micro=1), orders(price_micro=700_000)]
    found = pairs_of((random.choice(choices), random.choice(choices)) for _ in range(500))
    kinds = ("hold_to_order", "order_to_hold", "side", "order_kind", "size", "price", "cancel", "late", "undecodable")
    assert found.pairs == 500 == found.same + sum(getattr(found, kind) for kind in kinds)
    assert all(getattr(found, kind) for kind in ("same", "hold_to_order", "order_to_hold", "side", "size", "price"))


def test_the_first_difference_is_named() -> None:
    """So that a person can look at it."""
    found = pairs_of([(HOLD, HOLD), (HOLD, orders()), (orders(), HOLD)])
    assert found.first == Difference("hold_to_order", SLOT, a_tick(1))


# --- missing --------------------------------------------------------------------------------------------------------


def test_an_answer_that_does_not_come_is_missing() -> None:
    """Not before its time is up, and never twice."""
    comparison = Comparison(GREEN.uid, BLUE.release, LIMITS)
    for entry in (outcome(1_000), shadow(1_000), outcome(2_000)):
        comparison.see(entry, 0)
    assert comparison.summary(5 * NS - 1).missing == 0
    assert comparison.summary(5 * NS).missing == 1
    comparison.see(shadow(2_000), LONG_NS)
    after = comparison.summary(2 * LONG_NS)
    assert (after.missing, after.pairs, after.first) == (1, 1, Difference("missing", SLOT, 2_000))


def test_what_was_asked_before_the_comparison_began_is_not_missing() -> None:
    """Green may have answered the tick that was open then before anybody listened; it is excused once for each slot."""
    found = compared(outcome(1_000), outcome(1_000, slot="ETH/5m"), outcome(2_000), after_ns=LONG_NS)
    assert (found.ticks, found.missing) == (3, 1)
    assert compared(skip(1_000), outcome(2_000), after_ns=LONG_NS).missing == 1


def test_green_alone_is_not_held_against_it() -> None:
    """Blue's worker died, or its standby is late: no pair, nothing missing."""
    found = compared(outcome(1_000), shadow(1_000), shadow(2_000), shadow(3_000, HOLD, STANDBY), after_ns=LONG_NS)
    assert (found.ticks, found.pairs, found.missing) == (1, 1, 0)


def test_memory_is_bounded_by_ticks_that_nobody_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are let go, and count for nothing."""
    monkeypatch.setattr(comparing, "PENDING_MAX", 10)
    comparison = Comparison(GREEN.uid, BLUE.release, LIMITS)
    for tick in range(1_000, 2_000):
        comparison.see(outcome(tick), 0)
        assert len(comparison._pending) <= 11
    assert comparison.summary(0).missing == 0
    assert comparison.summary(LONG_NS).missing == 10


# --- what is behind the classes -------------------------------------------------------------------------------------


def test_what_follows_the_first_difference_of_a_window_is_conditional() -> None:
    """Green's order was never sent, so it wishes for it again on every tick: one difference, not twenty."""
    window = 300 // 5
    found = pairs_of([(HOLD, HOLD)] * 10 + [(HOLD, orders())] * 20 + [(HOLD, HOLD)] * (window - 30) + [(HOLD, HOLD)])
    assert (found.pairs, found.hold_to_order) == (61, 20)
    assert (found.fresh, found.fresh_hold_to_order, found.conditional) == (12, 1, 49)


def test_other_cancels_do_not_make_a_window_conditional() -> None:
    """What is held stays the same for both."""
    found = pairs_of([(HOLD, cancels("0x1")), (HOLD, orders())])
    assert (found.cancel, found.fresh, found.fresh_hold_to_order) == (1, 2, 1)


def test_a_wish_counts_once_for_each_window_at_its_largest() -> None:
    """Whoever owns the slot has its order after the first tick; the other one repeats itself."""
    ticks = [(orders(), HOLD), (HOLD, orders()), (HOLD, orders(size_micro=10 * MICRO)), (HOLD, orders())]
    found = pairs_of([*ticks, *[(HOLD, HOLD)] * 56, (HOLD, orders(outcome="Down"))])
    assert (found.blue_orders, found.blue_wishes, found.blue_notional_micro) == (1, 1, 2_500_000)
    assert (found.green_orders, found.green_wishes, found.green_notional_micro) == (4, 2, 5_000_000 + 2_500_000)


def test_legs_of_one_decision_add_up() -> None:
    """A ladder is one wish of all its rungs."""
    ladder = m.Decision((a_place(), a_place(price_micro=400_000)), {})
    found = pairs_of([(ladder, ladder)])
    assert (found.both_order, found.green_wishes, found.green_notional_micro) == (1, 1, 4_500_000)


def test_percentiles_are_exact() -> None:
    """Nearest rank over what green took, whatever came of its decision."""
    entries: list[e.Entry] = []
    for number in range(1, 201):
        entries += [outcome(number, took_us=9_999_999), shadow(number, took_us=number)]
    found = compared(*entries)
    assert (found.samples, found.p50_us, found.p99_us, found.max_us) == (200, 100, 198, 200)


def test_a_sample_keeps_the_newest() -> None:
    """Exact over a bounded window, held against sorting it again."""
    random, sample, every = Random(7), Sample(50), list[int]()
    assert (len(sample), sample.percentile(99)) == (0, 0)
    for _ in range(500):
        every.append(random.randrange(40))
        sample.add(every[-1])
        newest = sorted(every[-50:])
        assert len(sample) == len(newest)
        for percent in (1, 50, 99, 100):
            rank = min(k for k in range(len(newest)) if (k + 1) * 100 >= percent * len(newest))
            assert sample.percentile(percent) == newest[rank]


@pytest.mark.parametrize("seed", range(50))
def test_pairs_are_those_that_a_naive_reading_finds(seed: int) -> None:
    """Words come in any order, some twice, some not at all; all entries of a tick laid side by side say the same."""
    random = Random(seed)
    said: dict[int, list[Said]] = {}
    for number in range(30):
        owner = random.choice([skip(number), outcome(number), outcome(number, orders()), outcome(number, by=STANDBY)])
        others = [shadow(number, orders()), shadow(number), shadow(number, HOLD, STANDBY), shadow(number, by=TRAILING)]
        said[number] = [owner, *random.choices(others, k=random.randrange(4))]
        random.shuffle(said[number])
    found = compared(*[entry for words in said.values() for entry in words], after_ns=LONG_NS)
    ended = {tick: words for tick, words in said.items() if "SKIP" not in [getattr(w, "kind", "") for w in words]}
    blue = {tick: next(w for w in words if w.by.release == BLUE.release) for tick, words in ended.items()}
    green = {tick: next((w for w in words if w.by == GREEN), None) for tick, words in ended.items()}
    pairs = [(blue[tick], other) for tick, other in green.items() if other is not None]
    assert (found.ticks, found.pairs) == (len(ended), len(pairs))
    assert found.missing == sum(other is None and tick != 0 for tick, other in green.items())
    assert found.same == sum(bytes(one.decision) == bytes(other.decision) for one, other in pairs)


def test_it_is_a_fold_that_anybody_can_repeat() -> None:
    """The lines of a journal, written and read again, give the same summary."""
    random, entries = Random(11), list[e.Entry]()
    for number in range(200):
        decision = random.choice([HOLD, orders(), orders(side="SELL")])
        said: list[e.Entry] = [
            outcome(a_tick(number), random.choice([HOLD, orders()])),
            shadow(a_tick(number), decision),
        ]
        entries += said if random.random() < 0.9 else said[:1]
    read = [e.decode_line(e.encode_line(e.Line(n, 0, 0, 1, entry))).entry for n, entry in enumerate(entries)]
    assert compared(*read, after_ns=LONG_NS) == compared(*entries, after_ns=LONG_NS)
    assert compared(*entries, after_ns=LONG_NS).missing > 0
