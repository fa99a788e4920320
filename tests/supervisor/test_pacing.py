"""How fast we may ask the venue, and when not at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deploy.rehearsal import buckets
from deploy.rehearsal.buckets import STANDARD, Buckets
from deploy.rehearsal.refusals import Refused
from shared.clock import NS
from supervisor.pacing import (
    AWAY_MAX_S,
    AWAY_S,
    CANCELS,
    ORDERS,
    TIERS,
    WORDS,
    Bucket,
    Pace,
    Refusal,
    pace,
)
from supervisor.venue.requests import Answer, Mode

T0 = 1_000 * NS
RATE, BURST = 40, 60


def a_pace(tokens: int = BURST) -> Pace:
    """The pace of a standard signer's orders, with so many tokens."""
    return Pace(Bucket(RATE, BURST, tokens * NS, T0))


def after(seconds: float) -> int:
    """A moment so long after the first."""
    return T0 + round(seconds * NS)


# --- the bucket ---


def test_a_burst_passes_and_the_rate_follows() -> None:
    """Sixty at once, then one each 25 ms."""
    bucket = Bucket(RATE, BURST, BURST * NS, T0)
    assert [bucket.take(1, T0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert not bucket.take(1, after(0.024))
    assert bucket.take(1, after(0.025))
    assert bucket.there(after(3_600)) == BURST


def test_a_cost_is_taken_whole_or_not_at_all() -> None:
    """And one above the burst never passes."""
    bucket = Bucket(RATE, BURST, 5 * NS, T0)
    assert not bucket.take(6, T0)
    assert bucket.there(T0) == 5
    assert not bucket.take(BURST + 1, after(3_600))


def test_the_venues_word_counts_when_it_is_less() -> None:
    """More may be from before what is on its way; nothing said changes nothing."""
    bucket = Bucket(RATE, BURST, 30 * NS, T0)
    for told, left in ((None, 30), (40, 30), (10, 10), (0, 0)):
        bucket.told(told, T0)
        assert bucket.there(T0) == left


def test_a_clock_that_stands_or_steps_back_makes_no_tokens() -> None:
    """Monotonic time does neither; a bucket does not depend on it."""
    bucket = Bucket(RATE, BURST, 0, T0)
    assert bucket.there(after(-5)) == 0
    assert bucket.there(after(0.5)) == 20
    assert bucket.there(after(0.1)) == 20


SPEEDS = st.sampled_from([1.0, 60.0]) | st.floats(0.1, 100)
ASKED = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 15)), max_size=200)


@given(ASKED, SPEEDS)
@example([(0, 15)] * 4 + [(30, 1), (45, 2)], 1.0)  # a token at the very moment at which it is there
def test_what_passes_our_bucket_passes_the_venues(asked: list[tuple[int, int]], speed: float) -> None:
    """Whenever and however many are asked for: the rehearsal venue's own arithmetic never refuses one."""
    venue, ours = Buckets(STANDARD, speed), pace(RATE, BURST, speed, ORDERS).bucket
    ours.left_nano, ours.at_ns = ours.burst * NS, T0
    now_ns = T0
    for wait_ms, cost in asked:
        now_ns += wait_ms * 1_000_000
        if ours.take(cost, now_ns):
            try:
                headers = venue.orders("me", cost, now_ns)
            except Refused as refused:
                raise AssertionError("the venue refused what we let pass") from refused
            ours.told(int(headers["Poly-RateLimit-Remaining"]), now_ns)


def test_a_reign_begins_with_nothing() -> None:
    """The one before it may have used everything up a moment ago."""
    orders = a_pace()
    orders.begin(T0)
    assert orders.why_not(T0)[0] == "venue_rate"
    assert orders.room(after(BURST / RATE)) == BURST


# --- refusals ---


def refused(mode: Mode, wait_s: float = 0.0) -> Answer:
    """The venue's word that it takes none now."""
    return Answer("rejected", reason="no", mode=mode, wait_s=wait_s)


@pytest.mark.parametrize("mode", WORDS)
def test_a_refusal_holds_as_long_as_the_venue_says(mode: Mode) -> None:
    """By its name, with what is left of the wait; then it is asked again."""
    orders = a_pace()
    orders.hear(refused(mode, 7), T0)
    assert orders.why_not(after(1)) == ("venue_away", f"{WORDS[mode]}; asked again in 6.0 s")
    assert orders.room(after(1)) == 0
    assert orders.why_not(after(7)) == ("", "")


def test_a_wait_that_is_not_said_doubles_up_to_its_bound() -> None:
    """And begins anew once the venue took something."""
    orders, now_ns, waits = a_pace(), T0, []
    for _ in range(7):
        orders.hear(refused("restarting"), now_ns)
        waits.append((orders.refusal.until_ns - now_ns) / NS)
        now_ns = orders.refusal.until_ns
    assert waits == [AWAY_S, 2, 4, 8, 16, AWAY_MAX_S, AWAY_MAX_S]
    orders.hear(Answer("accepted"), now_ns)
    orders.hear(refused("restarting"), now_ns)
    assert (orders.refusal.until_ns - now_ns) / NS == AWAY_S


def test_no_word_of_the_venue_silences_us_for_longer_than_the_bound() -> None:
    """It may have come back meanwhile."""
    orders = a_pace()
    orders.hear(refused("closed", 3_600), T0)
    assert orders.why_not(after(AWAY_MAX_S)) == ("", "")


def test_answers_to_what_was_on_its_way_do_not_lengthen_the_wait() -> None:
    """Ten orders that meet one restart are one refusal."""
    orders = a_pace()
    for _ in range(10):
        orders.hear(refused("restarting"), T0)
    assert orders.refusal.until_ns == after(AWAY_S)


def test_post_only_orders_go_while_only_those_are_taken() -> None:
    """Their success does not open the venue for others: only time does."""
    orders = a_pace()
    orders.hear(refused("post_only", 20), T0)
    assert orders.why_not(after(1), post_only=True) == ("", "")
    orders.hear(Answer("accepted"), after(1))
    assert orders.why_not(after(19))[0] == "venue_away"
    assert orders.why_not(after(20)) == ("", "")


def test_an_order_that_was_taken_ends_a_restart_at_once() -> None:
    """It is proof."""
    orders = a_pace()
    orders.hear(refused("restarting", 20), T0)
    orders.hear(Answer("accepted"), after(1))
    assert orders.why_not(after(1)) == ("", "")


def test_an_answer_that_never_came_says_nothing_of_the_venue() -> None:
    """Unknown and unsent leave a refusal as it was."""
    orders = a_pace()
    orders.hear(refused("restarting", 5), T0)
    for answer in (Answer("unknown"), Answer("unsent")):
        orders.hear(answer, T0)
        assert orders.refusal.holds(T0)


def test_every_mode_has_its_words() -> None:
    """Whatever the dialect reads can be said."""
    assert all(Refusal(mode, after(1)).words(T0) for mode in WORDS)


# --- the tier ---


def test_the_tiers_are_the_venues() -> None:
    """Read from the facts twice."""
    assert {name: (tier.rate, tier.burst) for name, tier in buckets.TIERS.items()} == TIERS


@pytest.mark.parametrize(("share", "sizes"), [(ORDERS, (60, 90)), (CANCELS, (120, 180))])
def test_a_tier_below_our_settings_narrows_the_pace(share: int, sizes: tuple[int, int]) -> None:
    """Settings of a better tier than ours would run into refusals; when it gets better, so does the pace."""
    kept = pace(400, 600, 1.0, share)
    for tier, rate_and_burst in (("copper", sizes), ("elite", (400, 600)), ("copper", sizes), ("nonsense", sizes)):
        kept.hear(Answer("accepted", tier=tier), T0)
        assert (kept.bucket.rate, kept.bucket.burst) == rate_and_burst
    assert kept.bucket.there(after(3_600)) == sizes[1]


def test_no_tier_widens_the_pace_beyond_the_settings() -> None:
    """They are caps; and in a fast rehearsal both grow alike."""
    slow = pace(RATE, BURST, 60.0, ORDERS)
    slow.hear(Answer("accepted", tier="elite"), T0)
    assert (slow.bucket.rate, slow.bucket.burst) == (RATE * 60, BURST * 60)
    fast = pace(600, 900, 60.0, ORDERS)
    fast.hear(Answer("accepted", tier="standard"), T0)
    assert (fast.bucket.rate, fast.bucket.burst) == (RATE * 60, BURST * 60)


@pytest.mark.parametrize("speed", [1.0, 1.02, 2.01, 60.0])
def test_a_pace_at_any_speed_is_no_wider_than_the_venues(speed: float) -> None:
    """Sizes are whole: what a rehearsal's speed makes of them is rounded down."""
    venue, slow, fast = Buckets(STANDARD, speed), pace(RATE, BURST, speed), pace(600, 900, speed)
    venue.orders("me", 1, T0)
    theirs = venue._buckets["me", "order"]
    fast.hear(Answer("accepted", tier="standard"), T0)
    for ours in (slow.bucket, fast.bucket):
        assert ours.rate <= theirs.rate < ours.rate + 1
        assert ours.burst <= theirs.burst < ours.burst + 1
