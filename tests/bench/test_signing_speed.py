"""What stands between an admitted order and its bytes: the prepared signer, beside the client it has to equal."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median, quantiles
from time import perf_counter_ns

import pytest
from kit.drafts import DOMAINS, a_draft_for, a_signatory

from shared.config import SignatureType
from supervisor.admission import Draft, Signed
from supervisor.prepared import PreparedSigner
from supervisor.signing import ClientSigner

ROUNDS = 60
ORDERS = 20
"""Orders of each signer in a round; they take turns, so that a busy moment of the machine meets both."""
RATIO_MIN = 10.0
"""Times as fast as the official client with the same curve library. Source: facts/performance 5, which found 15."""
TYPES: list[SignatureType] = [0, 3]


@pytest.mark.parametrize("signature_type", TYPES, ids=["plain", "nested"])
def test_an_order_is_signed_many_times_faster_than_by_the_client(
    signature_type: SignatureType, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one run, on the same orders of every exchange; the bytes are the same."""
    signatory = a_signatory(signature_type)
    prepared, client = PreparedSigner(signatory), ClientSigner(signatory)
    drafts = [a_draft_for(*exchange, identity=str(leg)) for leg in range(ORDERS) for exchange in DOMAINS]
    assert [prepared.sign(draft) for draft in drafts] == [client.sign(draft) for draft in drafts]
    ours_us, theirs_us = [], []
    for _ in range(ROUNDS):
        ours_us += timed_us(prepared.sign, drafts)
        theirs_us += timed_us(client.sign, drafts[:ORDERS])
    ratio = median(theirs_us) / median(ours_us)
    with capsys.disabled():
        times = f"prepared {shown(ours_us)}, client {shown(theirs_us)}"
        print(f"\nsign one order, type {signature_type}: {times}, {ratio:.1f} x")
    assert ratio > RATIO_MIN


def timed_us(sign: Callable[[Draft], Signed], drafts: list[Draft]) -> list[float]:
    """Microseconds that each order took."""
    times = []
    for draft in drafts:
        began = perf_counter_ns()
        sign(draft)
        times.append((perf_counter_ns() - began) / 1e3)
    return times


def shown(times_us: list[float]) -> str:
    """Median and 99th percentile."""
    return f"{median(times_us):.0f} us (p99 {quantiles(times_us, n=100)[98]:.0f})"
