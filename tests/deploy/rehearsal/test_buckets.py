"""How often a signer may ask."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.rehearsal.buckets import STANDARD, TIERS, Bucket, Buckets
from deploy.rehearsal.refusals import Refused

SECOND_NS = 10**9


def test_a_bucket_gives_all_or_nothing() -> None:
    """And fills at its rate up to its burst."""
    bucket = Bucket(40.0, 60.0, 60 * SECOND_NS, 0)
    assert [bucket.take(15, 0) for _ in range(5)] == [True] * 4 + [False]
    assert bucket.wait_s(15) == pytest.approx(0.375)
    assert not bucket.take(15, SECOND_NS * 37 // 100)
    assert bucket.take(15, SECOND_NS * 38 // 100)
    assert bucket.take(60, 100 * SECOND_NS) and not bucket.take(1, 100 * SECOND_NS)


def test_a_token_is_there_as_soon_as_its_time_has_passed() -> None:
    """To the nanosecond, however the time was cut: two and twenty-three milliseconds are one of 25."""
    bucket = Bucket(40.0, 60.0, 0, 0)
    assert not bucket.take(1, 2 * SECOND_NS // 1_000)
    assert bucket.take(1, 25 * SECOND_NS // 1_000)
    assert bucket.left_nano == 0


def test_the_standard_tier_is_sixty_orders_at_once() -> None:
    """The sixty-first is refused with the headers a client waits by."""
    buckets = Buckets(STANDARD, speed=1.0)
    headers = [buckets.orders("0xme", 1, 0) for _ in range(60)]
    assert headers[0]["Poly-RateLimit-Remaining"] == "59"
    with pytest.raises(Refused) as refused:
        buckets.orders("0xme", 1, 0)
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "1"
    assert refused.value.headers["Poly-RateLimit-Tier"] == "standard"


def test_buckets_are_each_signers_own_and_each_kinds_own() -> None:
    """One client's rush costs nobody else, and cancels are counted apart."""
    buckets = Buckets(STANDARD, speed=1.0)
    buckets.orders("0xme", 60, 0)
    assert buckets.orders("0xyou", 60, 0) and buckets.cancels("0xme", 120, 0)


def test_a_faster_rehearsal_has_larger_buckets() -> None:
    """Sixty times the market brings sixty times the orders."""
    many: Any = Buckets(STANDARD, speed=60.0).orders("0xme", 3_600, 0)
    assert many["Poly-RateLimit-Remaining"] == "0"


def test_a_higher_tier_gives_more() -> None:
    """As facts 3.8 list them; cancels twice as many."""
    buckets = Buckets(TIERS["silver"], speed=1.0)
    assert buckets.orders("0xme", 300, 0)["Poly-RateLimit-Tier"] == "silver"
    assert buckets.cancels("0xme", 600, 0)["Poly-RateLimit-Remaining"] == "0"


def test_a_cost_above_the_burst_never_passes() -> None:
    """However long one waits."""
    buckets = Buckets(STANDARD, speed=1.0)
    for now_ns in (0, 10**6 * SECOND_NS):
        with pytest.raises(Refused):
            buckets.orders("0xme", 61, now_ns)


def test_a_drained_signer_waits_until_his_bucket_fills() -> None:
    """Forty orders a second."""
    buckets = Buckets(STANDARD, speed=1.0)
    buckets.drain("0xme", 0)
    with pytest.raises(Refused):
        buckets.orders("0xme", 1, 0)
    assert buckets.orders("0xme", 40, SECOND_NS)["Poly-RateLimit-Remaining"] == "0"
