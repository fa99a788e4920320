"""The life of a claim: every state beside every event, and what each look at the chain means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.trading import an_opening

from shared import entries as e
from supervisor.claims import (
    IN_FLIGHT,
    NEXT,
    OVER,
    Books,
    Claim,
    ImpossibleClaim,
    Judged,
    Seen,
    State,
    judge,
    leave,
    move,
)

SIZE = 10_000_000
STATES = get_args(State)
EVENTS = get_args(e.ClaimEvent)


def a_claim(state: State = "owed", **changes: Any) -> Claim:
    """Ten winning shares of Up."""
    return replace(Claim("BTC/5m 300 redeem", "redeem", "BTC/5m", 300, an_opening(), SIZE, state=state), **changes)


def a_merge(state: State = "owed", **changes: Any) -> Claim:
    """Ten pairs."""
    return a_claim(state, name="BTC/5m 300 merge 1", kind="merge", **changes)


def leaving(nonce: int = 4, transaction: str = "") -> e.Claiming:
    """A transaction leaves."""
    return e.Claiming("BTC/5m 300 redeem", "redeem", "BTC/5m", 300, SIZE, nonce, "relayer", transaction)


def moved(event: e.ClaimEvent, transaction: str = "") -> e.ClaimMoved:
    """Something became of it."""
    return e.ClaimMoved("BTC/5m 300 redeem", event, "said so", transaction)


def seen(*fates: Any, nonce: int = 4, held: int = SIZE, deep_nonce: int | None = None, deep: int | None = None) -> Seen:
    """A look: as many of either token, and what became of transactions."""
    below = held if deep is None else deep
    return Seen(nonce, nonce if deep_nonce is None else deep_nonce, (held, held), (below, below), tuple(fates))


def books(held: int = 0, *, settled: bool = True, either: int = 0) -> Books:
    """As many of either token; `either` of them in trades that are not settled."""
    return Books((held - either,) * 2, (held, held), settled and not either)


def won(held: int) -> Books:
    """As many winners; what has lost is forgotten."""
    return Books((held, None), (held, None), True)


# --- the table ---


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair_of_state_and_event_was_thought_of(state: State, event: e.ClaimEvent) -> None:
    """It has a row, or is refused and changes nothing."""
    claim = a_claim(state)
    if (state, event) in NEXT:
        assert move(claim, moved(event)).state == NEXT[state, event]
    else:
        with pytest.raises(ImpossibleClaim, match=state):
            move(claim, moved(event))


def test_what_is_over_stays_over() -> None:
    """No event leads out of it, so nothing is paid twice."""
    assert not [row for row in NEXT if row[0] in OVER]


def test_an_attempt_in_doubt_is_repeated_under_its_own_nonce() -> None:
    """Of two transactions with one nonce the chain takes one; under another it could take both."""
    doubtful = move(leave(a_claim(), leaving(4, "0x1")), moved("unanswered"))
    again = leave(doubtful, leaving(4, "0x2"))
    assert (again.state, again.transactions, again.doubtful) == ("leaving", ("0x1", "0x2"), True)
    with pytest.raises(ImpossibleClaim, match="under nonce 4, not 5"):
        leave(doubtful, leaving(5))


def test_a_refusal_says_nothing_of_an_attempt_before_it() -> None:
    """That one may be what the relayer is busy with."""
    first = leave(a_claim(), leaving())
    assert move(first, moved("refused")).state == "owed"
    second = leave(move(first, moved("unanswered")), leaving())
    assert move(second, moved("refused")).state == "unknown"


def test_a_merge_that_came_to_nothing_is_dropped() -> None:
    """Whether it is still worth it is asked anew; a redemption stays owed."""
    assert move(leave(a_merge(), leaving()), moved("refused")).state == "dropped"
    assert move(a_merge("sent"), moved("failed")).state == "dropped"
    assert move(a_claim("sent"), moved("failed")).state == "owed"


def test_failures_are_counted_until_somebody_takes_it_up() -> None:
    """Refusals are not failures."""
    failed = move(a_claim("sent"), moved("failed"))
    refused = move(leave(failed, leaving()), moved("refused"))
    assert (failed.failures, refused.failures) == (1, 1)
    assert move(move(refused, moved("gave_up")), moved("taken_up")).failures == 0


# --- what a look means ---


@pytest.mark.parametrize(
    ("claim", "look", "ours", "verdict"),
    [
        pytest.param(a_claim(), seen(), books(), "send", id="owed and there"),
        pytest.param(a_claim(), seen(held=0), books(), "paid", id="redeemed already"),
        pytest.param(a_claim(), seen(held=0), books(settled=False), "wait", id="not come in yet"),
        pytest.param(a_claim(), seen(held=0, deep=SIZE), books(), "wait", id="redeemed in a block that may go"),
        pytest.param(a_claim(), seen(held=SIZE, deep=0), books(), "send", id="came in a moment ago"),
        pytest.param(a_claim(), seen(held=SIZE - 1), books(settled=False), "wait", id="a part is on its way"),
        pytest.param(a_claim(), seen(held=SIZE - 1), books(), "send", id="less than we thought"),
        pytest.param(a_claim("given_up"), seen(), books(), "wait", id="left to a person"),
        pytest.param(a_claim("given_up"), seen(held=0), books(), "paid", id="redeemed by hand"),
        pytest.param(a_claim("sent", nonce=4), seen(("pending", ""), nonce=4), books(), "send", id="stuck"),
        pytest.param(
            a_claim("sent", nonce=4), seen(("mined", ""), nonce=5, deep_nonce=4), books(), "mined", id="mined"
        ),
        pytest.param(a_claim("mined", nonce=4), seen(("pending", ""), nonce=4), books(), "unmined", id="reorganised"),
        pytest.param(a_claim("mined", nonce=4), seen(("confirmed", ""), nonce=5, held=0), books(), "paid", id="proved"),
        pytest.param(
            a_claim("mined", nonce=4), seen(("mined", ""), nonce=5, held=0, deep=SIZE), books(), "wait", id="shallow"
        ),
        pytest.param(
            a_claim("sent", nonce=4), seen(("mined", ""), nonce=5, held=0), books(), "mined", id="came and went"
        ),
        pytest.param(a_claim("sent", nonce=4), seen(("failed", "why"), nonce=5), books(), "failed", id="reverted"),
        pytest.param(a_claim("unknown", nonce=4), seen(nonce=5), books(), "failed", id="used, and nothing came of it"),
        pytest.param(a_claim("unknown", nonce=4), seen(nonce=5, deep_nonce=4), books(), "wait", id="used just now"),
        pytest.param(a_claim("unknown", nonce=4), seen(nonce=5, held=0), books(), "paid", id="it was taken"),
        pytest.param(a_claim("unknown", nonce=4), seen(nonce=4), books(), "send", id="it was lost"),
        pytest.param(
            a_merge("sent", nonce=4, doubtful=True), seen(("failed", "")), books(SIZE), "send", id="one of two failed"
        ),
        pytest.param(a_merge(), seen(), books(SIZE), "send", id="pairs are there"),
        pytest.param(a_merge(), seen(held=SIZE - 1), books(SIZE), "wait", id="not all pairs are there"),
        pytest.param(a_merge(), seen(held=0), books(SIZE), "wait", id="no pairs are no merge"),
        pytest.param(a_merge("mined", nonce=4), seen(("confirmed", ""), nonce=5), books(SIZE), "paid", id="merged"),
        pytest.param(a_merge("unknown", nonce=4), seen(nonce=5, held=0), books(SIZE), "paid", id="pairs are gone"),
        pytest.param(a_merge("unknown", nonce=4), seen(nonce=5), books(SIZE), "failed", id="pairs are still there"),
        pytest.param(a_merge("unknown", nonce=4), seen(nonce=5, held=3), books(SIZE), "wait", id="neither is so"),
        pytest.param(a_merge("unknown", nonce=4), seen(nonce=5, held=0), books(SIZE, either=SIZE), "wait", id="trades"),
    ],
)
def test_what_a_look_means(claim: Claim, look: Seen, ours: Books, verdict: str) -> None:
    """Only what stays proves anything, and only what cannot happen twice is sent again."""
    assert judge(claim, look, ours, may_send=True).verdict == verdict


LOOKS = st.builds(
    Seen,
    nonce=st.integers(0, 9),
    deep_nonce=st.integers(0, 9),
    held=st.tuples(*[st.integers(0, 2 * SIZE)] * 2),
    deep_held=st.tuples(*[st.integers(0, 2 * SIZE)] * 2),
    fates=st.lists(
        st.tuples(st.sampled_from(["absent", "pending", "mined", "confirmed", "failed"]), st.just("")), max_size=3
    ).map(tuple),
)


@given(
    state=st.sampled_from([state for state in STATES if state not in OVER | {"leaving"}]),
    kind=st.sampled_from(["redeem", "merge"]),
    look=LOOKS,
    least=st.tuples(*[st.none() | st.integers(0, 2 * SIZE)] * 2),
    settled=st.booleans(),
    may_send=st.booleans(),
)
def test_no_look_leads_to_what_the_table_refuses(
    state: Any, kind: Any, look: Seen, least: Any, settled: bool, may_send: bool
) -> None:
    """Whatever chain and relayer say, in whatever order; and nothing leaves while an attempt may still be taken."""
    claim = a_claim(state, kind=kind, nonce=4)
    fates = look.fates if state in IN_FLIGHT else ()
    judged = judge(claim, replace(look, fates=fates), Books(least, least, settled), may_send=may_send)
    if judged.verdict == "send":
        assert may_send and (state, "leaves") in NEXT
        assert state == "owed" or look.nonce == claim.nonce
    elif judged.verdict != "wait":
        assert (state, judged.verdict) in NEXT


def test_nothing_is_sent_before_its_time() -> None:
    """A look that is early changes nothing."""
    assert judge(a_claim(), seen(), books(), may_send=False) == Judged("wait")
