"""Whether a candidate may go on."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from shared import risk
from shared.config import Expect, Gates
from shared.units import MICRO
from supervisor.comparing import Difference, Summary
from supervisor.gates import (
    DIFFERENCES,
    EXCUSED,
    Gate,
    Tried,
    Verdict,
    bake_gates,
    hard_triggers,
    shadow_gates,
    trial_gates,
    worst,
)
from supervisor.watch import Watched

LIMITS = Gates(bake_ticks_min=6)
CALM = Watched(rss_kib=40_000, rss_max_kib=41_000)
OWNER = Watched(answered=200, sent=30, judged=30, rss_kib=40_000, rss_max_kib=41_000, slope_kib_per_min=35)
TRIED = Tried(ticks=412, digest="ab", state="cd", took_ms=824)


def a_summary(**changes: Any) -> Summary:
    """So many pairs that all agree, a few of them orders, changed."""
    pairs = changes.get("pairs", 212)
    agreeing = dict.fromkeys(("ticks", "pairs", "same", "fresh", "samples"), pairs)
    orders = {"both_order": 20, "blue_orders": 20, "green_orders": 20, "blue_wishes": 20, "green_wishes": 20}
    money = {"blue_notional_micro": 100 * MICRO, "green_notional_micro": 100 * MICRO}
    times = {"p50_us": 900, "p99_us": 41_000, "max_us": 60_000, "slots": 10}
    return Summary(**{**agreeing, **orders, **money, **times, **changes})


def shadowed(
    expect: Expect = "change", wanted: int = 200, watched: Watched = CALM, limits: Gates = LIMITS, **changes: Any
) -> dict[str, Gate]:
    """The shadow's gates by name."""
    gates = shadow_gates(a_summary(**changes), watched, expect, wanted, limits)
    return {gate.name: gate for gate in gates}


def baked(
    watched: Watched = OWNER, expect: Expect = "change", elapsed_s: float = 600, **changes: Any
) -> dict[str, Gate]:
    """The gates of a bake of ten minutes by name."""
    gates = bake_gates(a_summary(**changes), watched, expect, LIMITS, elapsed_s, 600)
    return {gate.name: gate for gate in gates}


def not_passed(gates: dict[str, Gate]) -> dict[str, Verdict]:
    """The gates that did not pass."""
    return {name: gate.verdict for name, gate in gates.items() if gate.verdict != "PASS"}


# --- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ([], "INCONCLUSIVE"),
        (["PASS", "PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "FAIL", "PASS"], "FAIL"),
    ],
)
def test_the_worst_gate_is_the_word_on_all(verdicts: list[Verdict], word: Verdict) -> None:
    """And no gate at all is no pass."""
    assert worst(Gate("x", verdict, "") for verdict in verdicts) == word


@pytest.mark.parametrize("expect", ["identical", "change", "any"])
def test_no_data_never_passes(expect: Expect) -> None:
    """Nothing seen in the shadow, nothing seen in the bake, nothing on the tape."""
    assert worst(shadow_gates(Summary(), Watched(), expect, 1, LIMITS)) == "INCONCLUSIVE"
    assert worst(shadow_gates(Summary(), Watched(), expect, 0, LIMITS)) == "INCONCLUSIVE"
    assert worst(bake_gates(Summary(), Watched(), expect, LIMITS, 600, 600)) == "INCONCLUSIVE"
    assert worst(trial_gates(Tried(), Tried(), LIMITS)) == "INCONCLUSIVE"


@pytest.mark.parametrize("expect", ["identical", "change", "any"])
def test_a_candidate_that_does_as_blue_does_passes(expect: Expect) -> None:
    """Every gate of it, in the shadow and in the bake."""
    assert not_passed(shadowed(expect)) == {}
    assert not_passed(baked(expect=expect)) == {}


def test_every_gate_says_its_number_and_keeps_the_integers() -> None:
    """A person reads the words; whoever wants to compute them again has the numbers."""
    for gates in (shadowed(), baked()):
        for gate in gates.values():
            assert any(character.isdigit() for character in gate.words) or gate.name == "alarms", gate
            assert all(type(number) is int for number in gate.numbers.values())


# --- the trial ------------------------------------------------------------------------------------------------------


def test_two_replays_that_agree_pass() -> None:
    """How many ticks, and how fast."""
    repeats, speed = trial_gates(TRIED, TRIED, LIMITS)
    assert (repeats.verdict, repeats.words) == ("PASS", "412 ticks replayed twice, every decision the same")
    assert (speed.verdict, speed.words) == ("PASS", "412 ticks in 824 ms < 71800 ms: 10 s to begin and 150 ms each")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (Tried(412, "xx", "cd", 824, differs="BTC/5m 1000"), "two replays of the same tape differ at BTC/5m 1000"),
        (Tried(412, "ab", "xx", 824), "two replays of the same tape end in another state"),
        (Tried(411, "ab", "cd", 824), "two replays of the same tape end in another state"),
    ],
)
def test_two_replays_that_differ_fail(second: Tried, words: str) -> None:
    """And the first tick that differs is named."""
    repeats, _ = trial_gates(TRIED, second, LIMITS)
    assert (repeats.verdict, repeats.words) == ("FAIL", words)


def test_a_replay_that_breaks_fails_with_its_last_words() -> None:
    """Either of the two, and whatever the other one did."""
    broken = Tried(took_ms=10, fault="exit code 1: ValueError at worker/strategy.py:9")
    for pair, which in (((broken, TRIED), "first"), ((TRIED, broken), "second")):
        (gate,) = trial_gates(*pair, LIMITS)
        assert (gate.verdict, gate.words) == ("FAIL", f"the {which} replay failed: {broken.fault}")


def test_a_replay_that_could_not_be_made_says_nothing_of_the_release() -> None:
    """This machine had no room for it, or nobody waited any more."""
    for pair, which in (((Tried(unsure="no room"), Tried()), "first"), ((TRIED, Tried(unsure="no room")), "second")):
        (gate,) = trial_gates(*pair, LIMITS)
        assert (gate.verdict, gate.words) == ("INCONCLUSIVE", f"the {which} replay could not be made: no room")


def test_a_replay_that_is_slow_fails() -> None:
    """The slower of the two; a short one is not judged by the time it takes to start."""
    for took_ms, verdict in ((71_800, "PASS"), (71_801, "FAIL")):
        _, speed = trial_gates(TRIED, Tried(412, "ab", "cd", took_ms), LIMITS)
        assert speed.verdict == verdict
    _, speed = trial_gates(Tried(1, "ab", "cd", 900), Tried(1, "ab", "cd", 900), LIMITS)
    assert speed.verdict == "PASS"


# --- pairs, latency, liveness ---------------------------------------------------------------------------------------


def test_pairs_are_waited_for() -> None:
    """One too few is not enough, and says nothing against it."""
    assert not_passed(shadowed(wanted=212)) == {}
    assert not_passed(shadowed(wanted=213)) == {"pairs": "INCONCLUSIVE", "agreement": "INCONCLUSIVE"}
    assert shadowed(wanted=213)["pairs"].words == "212 of 213 paired decisions in 10 slots"


def test_latency_is_told_as_a_person_reads_it() -> None:
    """The percentile, the limit, the number of samples."""
    assert shadowed()["latency"].words == "p99 decide 41 ms < 150 ms (n=212)"
    slow = shadowed(p99_us=150_001)["latency"]
    assert (slow.verdict, slow.words) == ("FAIL", "p99 decide 150 ms > 150 ms (n=212)")
    assert shadowed(p99_us=150_000)["latency"].verdict == "PASS"


def test_few_slow_samples_are_not_a_percentile() -> None:
    """Of less than a hundred the slowest one is the p99; when half of them are too slow there is no doubt."""
    assert shadowed(samples=99, p99_us=900_000)["latency"].verdict == "INCONCLUSIVE"
    assert shadowed(samples=100, p99_us=900_000)["latency"].verdict == "FAIL"
    assert shadowed(samples=3, p50_us=150_001, p99_us=900_000)["latency"].verdict == "FAIL"


@pytest.mark.parametrize("name", ["late", "missing"])
@pytest.mark.parametrize("expect", ["change", "any"])
def test_a_candidate_that_does_not_answer_in_time_fails(name: str, expect: Expect) -> None:
    """Whatever is expected of its decisions; at two in a hundred, and one alone is no share."""
    assert shadowed(expect, **{name: 4})[name].verdict == "PASS"
    assert shadowed(expect, **{name: 5})[name].verdict == "FAIL"
    assert shadowed(expect, pairs=20, wanted=20, **{name: 1})[name].verdict == "PASS"
    assert "one is no share" in shadowed(expect, pairs=20, wanted=20, **{name: 1})[name].words
    assert shadowed(expect, pairs=20, wanted=20, **{name: 2})[name].verdict == "FAIL"


def test_a_share_does_not_fail_while_it_may_still_be_kept() -> None:
    """Three of twenty are too many, three of two hundred are not, and the other pairs are still to come."""
    assert shadowed(pairs=20, wanted=200, late=3)["late"].verdict == "PASS"
    assert shadowed(pairs=20, wanted=200, late=5)["late"].verdict == "FAIL"


def test_a_limit_of_none_allows_none() -> None:
    """Also not the one that is no share."""
    assert shadowed(limits=Gates(late_max=0), late=0)["late"].verdict == "PASS"
    assert shadowed(limits=Gates(late_max=0), late=1)["late"].verdict == "FAIL"


def test_other_input_speaks_against_the_comparison_only() -> None:
    """It never fails green, and never lets it pass."""
    assert shadowed(input=11)["input"].verdict == "PASS"
    assert not_passed(shadowed(input=12)) == {"input": "INCONCLUSIVE"}


def test_one_decision_that_cannot_be_read_fails() -> None:
    """There is no share of such."""
    assert not_passed(shadowed("any", undecodable=1)) == {"readable": "FAIL"}


# --- likeness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(DIFFERENCES))
def test_identical_means_that_nothing_differs(kind: str) -> None:
    """Any class but the same fails, and is named with the first tick of it."""
    first = Difference(kind, "BTC/5m", 1_000)  # type: ignore[arg-type]
    gate = shadowed("identical", same=211, first=first, **{kind: 1})["agreement"]
    assert gate.verdict == "FAIL"
    told = f"99.5 % of 212 paired decisions agree; 1 {DIFFERENCES[kind]}; the first: {DIFFERENCES[kind]}"
    assert gate.words == f"{told} on BTC/5m at 1000"


def test_every_class_that_is_not_the_same_has_its_words() -> None:
    """A class that is added needs some; what is no class of difference is not among them."""
    names = {field.name for field in fields(Summary)}
    assert set(DIFFERENCES) < names
    assert not {"same", "input", "pairs", "nudged"} & set(DIFFERENCES)


def test_identical_tells_of_prices_within_a_tick() -> None:
    """They pass, and are no secret."""
    gate = shadowed("identical", nudged=3)["agreement"]
    assert gate.verdict == "PASS"
    assert gate.words == "100.0 % of 212 paired decisions agree; 3 of them within one price tick"


def test_a_change_may_enter_where_blue_holds_up_to_a_share() -> None:
    """Of the pairs with no difference before them; what follows one is told, and left out."""
    gate = shadowed(same=206, hold_to_order=5, fresh_hold_to_order=5)["agreement"]
    assert gate.verdict == "PASS"
    assert gate.words == "97.2 % of 212 paired decisions agree; 5 hold->order (2.4 % < 10 %)"
    assert shadowed(fresh_hold_to_order=21)["agreement"].verdict == "PASS"
    assert shadowed(fresh_hold_to_order=22)["agreement"].verdict == "FAIL"
    aside = shadowed(hold_to_order=120, fresh=92, fresh_hold_to_order=9)["agreement"]
    assert aside.verdict == "PASS"
    assert "120 pairs after their window's first difference left out" in aside.words
    assert shadowed(hold_to_order=120, fresh=92, fresh_hold_to_order=10)["agreement"].verdict == "FAIL"


def test_a_change_is_not_failed_by_its_first_pair() -> None:
    """One of one is every pair, and two hundred are wanted; when it is beyond mending it fails at once."""
    early = {"pairs": 1, "fresh": 1, "same": 0, "hold_to_order": 1, "fresh_hold_to_order": 1}
    assert shadowed(**early)["agreement"].verdict == "INCONCLUSIVE"
    assert shadowed(pairs=21, fresh=21, fresh_hold_to_order=21)["agreement"].verdict == "FAIL"


def test_betting_against_blue_fails() -> None:
    """Two of twenty orders may be on the other side, three may not."""
    assert shadowed(side=2)["sides"].verdict == "PASS"
    assert shadowed(side=3)["sides"].verdict == "FAIL"


@pytest.mark.parametrize(
    ("flips", "both", "verdict"),
    [(0, 0, "PASS"), (0, 9, "PASS"), (1, 1, "INCONCLUSIVE"), (1, 9, "INCONCLUSIVE"), (2, 2, "FAIL"), (1, 10, "PASS")],
)
def test_a_rate_of_few_orders_passes_only_when_nothing_speaks_against_it(
    flips: int, both: int, verdict: Verdict
) -> None:
    """Without a flip among few orders there is nothing a rate could hurt; with one, more have to be seen."""
    gate = shadowed(side=flips, both_order=both)["sides"]
    assert gate.verdict == verdict
    assert ("a rate takes 10" in gate.words) == (both < 10 and verdict != "FAIL")


def test_wishing_for_much_more_than_blue_fails() -> None:
    """Three times as much may be, in as many orders as make a sum."""
    assert shadowed(green_notional_micro=300 * MICRO)["notional"].verdict == "PASS"
    much = shadowed(green_notional_micro=301 * MICRO)["notional"]
    assert (much.verdict, much.words) == (
        "FAIL",
        "wishes for 301.00 in 20 orders, blue for 100.00 (3.01 x > 3 x)",
    )
    assert shadowed(blue_notional_micro=0, blue_wishes=0)["notional"].verdict == "FAIL"
    few = shadowed(blue_notional_micro=0, green_wishes=9)["notional"]
    assert (few.verdict, few.words) == ("PASS", "wishes for 100.00 in 9 orders, blue for 0.00; too few to compare")
    too_much = shadowed(green_notional_micro=301 * MICRO, green_wishes=1)["notional"]
    assert (too_much.verdict, too_much.words) == (
        "INCONCLUSIVE",
        "wishes for 301.00 in 1 orders, blue for 100.00 (3.01 x > 3 x); too few to compare",
    )
    early = shadowed(pairs=100, green_notional_micro=301 * MICRO)["notional"]
    assert early.verdict == "INCONCLUSIVE"


def test_anything_goes_means_that_only_liveness_is_asked_for() -> None:
    """The agreement is told and not judged."""
    gates = shadowed("any", same=0, hold_to_order=212, fresh_hold_to_order=212, side=20, blue_notional_micro=0)
    assert not_passed(gates) == {}
    assert gates["agreement"].words == "0.0 % of 212 paired decisions agree; any difference was expected"


# --- health and conduct ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ledger_differs", "bad_frame", "anything_new"])
def test_an_alarm_that_names_it_fails_at_once(name: str) -> None:
    """No averaging: in the shadow and in the bake, before their time is up."""
    loud = Watched(rss_kib=1, rss_max_kib=1, alarms=((name, 1),))
    assert not_passed(shadowed(watched=loud)) == {"alarms": "FAIL"}
    assert worst(bake_gates(Summary(), loud, "change", LIMITS, 0, 600)) == "FAIL"


def test_a_hole_in_the_stream_may_happen_once() -> None:
    """What it missed it has read from the tape; seeing holes again and again is its own fault."""
    for holes, verdict in ((1, "PASS"), (2, "FAIL")):
        watched = Watched(rss_kib=1, rss_max_kib=1, alarms=(("hole", holes),))
        assert shadowed(watched=watched)["alarms"].verdict == verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "PASS"),
        ({"rss_kib": 0}, "INCONCLUSIVE"),
        ({"rss_max_kib": 512 * 1024}, "PASS"),
        ({"rss_max_kib": 512 * 1024 + 1}, "FAIL"),
        ({"slope_kib_per_min": 1_024}, "PASS"),
        ({"slope_kib_per_min": 1_025}, "FAIL"),
        ({"slope_kib_per_min": -5_000}, "PASS"),
    ],
)
def test_memory_is_bounded_in_size_and_in_growth(changes: dict[str, int], verdict: Verdict) -> None:
    """What it has not told is not known; growth that cannot be told yet is no growth."""
    watched = Watched(**{"rss_kib": 40_000, "rss_max_kib": 41_000, **changes})
    assert shadowed(watched=watched)["memory"].verdict == verdict


def test_a_bake_takes_its_time_and_its_ticks() -> None:
    """Neither alone is enough."""
    assert not_passed(baked(elapsed_s=599)) == {"time": "INCONCLUSIVE"}
    few = Watched(answered=5, rss_kib=1, rss_max_kib=1)
    assert not_passed(baked(few)) == {"ticks": "INCONCLUSIVE"}
    assert not_passed(baked(Watched(answered=6, rss_kib=1, rss_max_kib=1))) == {}


def test_a_bake_wants_something_to_compare_with() -> None:
    """When blue's worker is away nothing is held against anything; unless anything goes."""
    assert not_passed(baked(pairs=5)) == {"agreement": "INCONCLUSIVE"}
    assert not_passed(baked(expect="any", pairs=0, samples=50)) == {}


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"missed": 4, "missed_in_a_row": 1}, set()),
        ({"missed": 5, "missed_in_a_row": 1}, {"deadlines"}),
        ({"missed": 2, "missed_in_a_row": 2}, {"deadlines"}),
        ({"judged": 20, "rejected": 10}, set()),
        ({"judged": 20, "rejected": 11}, {"rejects"}),
        ({"judged": 19, "rejected": 19}, set()),
        ({"denied": (("slot_cap", 10),)}, set()),
        ({"denied": (("bad_price", 6), ("slot_cap", 5))}, {"denied"}),
        ({"denied": (("entries_closed", 500), ("slot_cap", 5))}, set()),
    ],
)
def test_a_hard_trigger_fails_the_bake_before_its_time(changes: dict[str, Any], failed: set[str]) -> None:
    """Deadlines missed as the owner, orders refused, wishes denied; nothing is averaged over the rest of the bake."""
    watched = Watched(**{"answered": 200, "rss_kib": 1, "rss_max_kib": 1, **changes})
    gates = baked(watched, elapsed_s=10)
    assert {name for name, gate in gates.items() if gate.verdict == "FAIL"} == failed
    hard = failed if watched.missed_in_a_row > 1 else failed - {"deadlines"}  # a share of the ticks takes its time
    assert {gate.name for gate in hard_triggers(watched, LIMITS)} == hard


def test_denials_that_are_excused_are_reasons_there_are() -> None:
    """A word of risk that changes has to change here as well; caps are never excused."""
    reasons = {reason for reason, _ in risk._CHECKS}
    elsewhere = {"no_window", "cancelling", "not_open", "not_replaced", "venue_away"}
    elsewhere |= {"order_rate_shared", "cancel_rate_shared"}  # named so where the other worker is known
    assert reasons | elsewhere >= EXCUSED
    assert not {"order_cap", "slot_cap", "asset_cap", "total_cap", "day_loss", "order_rate", "price_far"} & EXCUSED
