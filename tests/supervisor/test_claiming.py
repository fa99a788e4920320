"""Whose turn it is, what leaves and when, and what is told: claims on a desk whose clock stands still."""

from __future__ import annotations

from typing import Any

import pytest
from kit.still_desk import BTC, ETH, START_S, StillDesk, a_trading_desk, tokens
from kit.trading import BY

from shared import entries as e
from shared.config import Claims
from shared.messages import Outcome
from supervisor import effects as fx
from supervisor.accounts import rebuild
from supervisor.claims import Prepared, Seen
from supervisor.venue.chain import Answered
from supervisor.venue.market import MarketResolved

SIZE = 10_000_000
REDEEM = f"{BTC} {START_S} redeem"
WISHES = fx.LookAtClaim | fx.PrepareClaim | fx.SubmitClaim


def a_desk(*assets: str, **claims: Any) -> StillDesk:
    """A desk that claims through the relayer, and merges nothing unless told to."""
    return a_trading_desk(*assets, claims=Claims(**({"by": "relayer", "merge_min_usd": 0.0} | claims)))


def held(still: StillDesk, *outcomes: Outcome, slot: str = BTC, status: e.Settlement = "CONFIRMED", n: int = 0) -> None:
    """Ten shares of each outcome, bought at a half."""
    for outcome in outcomes:
        ids = f"t{n} {slot} {outcome}", f"o{n} {slot} {outcome}"
        fill = e.Fill(*ids, slot, START_S, outcome, "BUY", 500_000, SIZE, 0, True, status, BY)
        still.desk.board.write(fill)
    still.settle()


def resolved(still: StillDesk, slot: str = BTC) -> None:
    """Up has won, and ours are owed."""
    position = still.accounts.positions.get((slot, START_S, "Up"))
    still.desk.board.write(e.Resolved(slot, START_S, "Up", position.size_micro if position else 0, True))
    still.settle()


def owing(*slots: str, **claims: Any) -> StillDesk:
    """A desk that is owed ten dollars in each slot."""
    still = a_desk(*(slot.partition("/")[0] for slot in slots or (BTC,)), **claims)
    for slot in slots or (BTC,):
        held(still, "Up", slot=slot)
        resolved(still, slot)
    return still


def turn(still: StillDesk, seconds: float = 0.0) -> Any:
    """Let time pass; what the desk wants of claims now, if anything."""
    still.mono_ns += round(seconds * 10**9)
    still.at_ns += round(seconds * 10**9)
    still.desk.board.now(still.now())
    still.desk.claiming.pass_time()
    still.settle()
    return wanted(still)


def wanted(still: StillDesk) -> Any:
    """The one thing that is wanted of claims, taken from the list."""
    found = [want for want in still.wants if isinstance(want, WISHES)]
    for want in found:
        still.wants.remove(want)
    assert len(found) <= 1
    return found[0] if found else None


def see(still: StillDesk, name: str = REDEEM, seen: Seen | None = None, **changes: Any) -> Any:
    """The chain answers a look: ten of either token, nothing sent yet; what is wanted then."""
    usual: dict[str, Any] = {"nonce": 3, "deep_nonce": 3, "held": (SIZE, SIZE), "deep_held": (SIZE, SIZE)}
    still.do(still.desk.claiming.on_seen, name, seen or Seen(**(usual | changes)))
    return wanted(still)


def prepare(still: StillDesk, name: str = REDEEM, nonce: int = 3) -> Any:
    """The transaction is signed; what is wanted then."""
    still.do(still.desk.claiming.on_prepared, name, Prepared(nonce, "", b"signed"))
    return wanted(still)


def answer(still: StillDesk, event: Any, name: str = REDEEM, transaction: str = "") -> None:
    """The relayer answers, or does not."""
    still.do(still.desk.claiming.on_answer, name, Answered(event, "so it said", transaction))


def sent(still: StillDesk, name: str = REDEEM) -> None:
    """The claim leaves and is taken."""
    assert isinstance(turn(still), fx.LookAtClaim)
    assert isinstance(see(still, name), fx.PrepareClaim)
    assert isinstance(prepare(still, name), fx.SubmitClaim)
    answer(still, "accepted", name, "id-1")


EMPTY: dict[str, Any] = {"held": (0, 0), "deep_held": (0, 0)}


def test_what_is_owed_is_no_cash_before_the_chain_shows_it() -> None:
    """The day's profit is booked when the window resolves, the cash when the winners were redeemed."""
    still = owing()
    cash = still.accounts.cash_micro
    assert (still.accounts.owed(), still.accounts.day_realized_micro) == (SIZE, SIZE // 2)
    sent(still)
    assert (still.accounts.cash_micro, still.accounts.owed()) == (cash, SIZE)
    turn(still, 3)
    see(still, nonce=4, fates=(("confirmed", ""),), **EMPTY)
    assert (still.accounts.cash_micro, still.accounts.owed()) == (cash + SIZE, 0)
    assert still.accounts.claimed_micro == SIZE and still.accounts.day_realized_micro == SIZE // 2


def test_off_means_that_a_resolved_window_is_paid() -> None:
    """By the venue itself; nothing is asked."""
    still = a_trading_desk()
    held(still, "Up")
    cash = still.accounts.cash_micro
    still.to_s(301)
    still.caught_up()
    still.do(still.desk.markets.on_market, [MarketResolved("0x", tokens(BTC)[0])])
    assert (still.accounts.cash_micro, still.accounts.claims) == (cash + SIZE, {})
    assert turn(still, 10) is None


def test_a_window_that_resolves_is_owed_from_then_on() -> None:
    """As the market channel tells of it."""
    still = a_desk()
    held(still, "Up")
    still.to_s(301)
    still.caught_up()
    still.do(still.desk.markets.on_market, [MarketResolved("0x", tokens(BTC)[0])])
    assert still.accounts.owed() == SIZE
    assert still.accounts.claims[REDEEM].market.tokens == tokens(BTC)


def test_a_winner_that_is_named_after_the_next_windows_is_claimed() -> None:
    """Until then the window is ours to ask about, and its claim leaves like every other."""
    still = a_desk()
    held(still, "Up")
    still.desk.board.write(e.Resolved(BTC, START_S + 300, "Up", 0, True))
    resolved(still)
    assert still.accounts.owed() == SIZE
    assert turn(still) == fx.LookAtClaim(still.accounts.claims[REDEEM])


def test_nothing_leaves_before_it_is_on_the_disk() -> None:
    """The journal has it first, with the nonce it leaves under."""
    still = owing()
    turn(still)
    see(still)
    still.slow_disk = True
    assert prepare(still) is None
    assert still.said(e.Claiming)[-1].nonce == 3 and still.accounts.claims[REDEEM].state == "leaving"
    still.sync()
    assert wanted(still) == fx.SubmitClaim(REDEEM, b"signed")


def test_one_transaction_of_the_wallet_is_in_flight() -> None:
    """The next claim is not even looked at before the first has come to its end."""
    still = owing(BTC, ETH)
    sent(still)
    for _ in range(5):
        assert turn(still, 3).claim.name == REDEEM
        see(still)
    turn(still, 3)
    see(still, nonce=4, fates=(("confirmed", ""),), **EMPTY)
    assert turn(still).claim.name == f"{ETH} {START_S} redeem"


def test_one_question_is_open_at_a_time() -> None:
    """However often the desk looks at the clock."""
    still = owing()
    assert turn(still) is not None
    assert [turn(still, 60) for _ in range(3)] == [None] * 3


def test_an_answer_that_is_missing_is_looked_up_before_anything_is_sent_again() -> None:
    """And then under the same nonce."""
    still = owing(resend_s=30.0)
    turn(still)
    see(still)
    prepare(still)
    answer(still, "unanswered")
    assert isinstance(turn(still, 3), fx.LookAtClaim)
    assert see(still) is None
    assert isinstance(turn(still, 30), fx.LookAtClaim)
    again = see(still)
    assert isinstance(again, fx.PrepareClaim) and again.nonce == 3


def test_a_refusal_is_tried_again_later_each_time() -> None:
    """Two seconds, four, eight: whoever says no is not asked at once."""
    still = owing(retry_s=2.0)
    for pause_s in (2, 4, 8):
        assert isinstance(turn(still), fx.LookAtClaim)
        see(still)
        prepare(still)
        answer(still, "refused")
        assert turn(still, pause_s - 0.1) is None
        still.mono_ns += 10**8
    assert still.accounts.claims[REDEEM].failures == 0


def test_somebody_hears_of_what_does_not_get_on() -> None:
    """After some attempts that came to nothing, aloud; it goes on."""
    still = owing(retry_max_s=1.0)
    for _ in range(8):
        turn(still, 2)
        still.do(still.desk.claiming.on_seen, REDEEM, None)
    assert [alarm.name for alarm in still.said(e.Alarm)] == ["claim_stalled"]
    assert isinstance(turn(still, 2), fx.LookAtClaim)


def test_what_fails_on_the_chain_too_often_is_left_to_a_person() -> None:
    """It stays owed, is looked at now and then, and is taken up again by the next reign."""
    still = owing(failures_max=2, retry_max_s=1.0)
    for nonce in (3, 4):
        turn(still, 2)
        see(still, nonce=nonce)
        prepare(still, nonce=nonce)
        answer(still, "accepted", transaction=f"id-{nonce}")
        turn(still, 3)
        see(still, nonce=nonce + 1, fates=(("failed", "reverted"),))
    claim = still.accounts.claims[REDEEM]
    assert (claim.state, claim.failures, still.accounts.owed()) == ("given_up", 2, SIZE)
    assert {"claim_failed", "claim_given_up"} <= {alarm.name for alarm in still.said(e.Alarm)}
    assert isinstance(turn(still, 2), fx.LookAtClaim)
    assert see(still) is None
    assert turn(still, 200) is None
    assert isinstance(turn(still, 101), fx.LookAtClaim)
    still.restart()
    assert still.accounts.claims[REDEEM].state == "owed"


def test_no_more_leave_in_a_minute_than_the_relayer_takes() -> None:
    """Market time; the bound has room for other users of the key."""
    still = owing(submits_per_minute=1, retry_s=1.0, retry_max_s=1.0)
    turn(still)
    see(still)
    prepare(still)
    answer(still, "refused")
    turn(still, 2)
    assert see(still) is None
    turn(still, 60)
    assert isinstance(see(still), fx.PrepareClaim)


def test_a_reign_that_ended_before_the_answer_is_in_doubt() -> None:
    """What was leaving may have left."""
    still = owing()
    turn(still)
    see(still)
    prepare(still)
    still.restart()
    claim = still.accounts.claims[REDEEM]
    assert (claim.state, claim.nonce) == ("unknown", 3)
    turn(still)
    see(still, nonce=4, deep_nonce=4, **EMPTY)
    assert still.accounts.claims[REDEEM].state == "paid"


def test_a_fill_that_is_told_late_is_owed_too() -> None:
    """Also when the claim was paid already; one that failed is not."""
    still = owing()
    cash = still.accounts.cash_micro
    held(still, "Up", n=1)
    assert (still.accounts.owed(), still.accounts.cash_micro) == (2 * SIZE, cash - SIZE // 2)
    still.desk.board.write(e.FillStatus("t1 BTC/5m Up", "o1 BTC/5m Up", "CONFIRMED"))
    turn(still)
    see(still, **EMPTY)
    assert (still.accounts.owed(), still.accounts.cash_micro) == (0, cash - SIZE // 2 + 2 * SIZE)
    held(still, "Up", n=2)
    assert (still.accounts.owed(), still.accounts.claims[REDEEM].state) == (SIZE, "owed")


def test_nothing_leaves_a_halted_desk() -> None:
    """Not even what was signed already; it goes on when somebody resumes."""
    still = owing()
    turn(still)
    see(still)
    still.accounts.halted = "op1"
    assert prepare(still) is None and still.said(e.Claiming) == []
    assert isinstance(turn(still, 3), fx.LookAtClaim)
    assert see(still) is None
    still.accounts.halted = ""
    turn(still, 3)
    assert isinstance(see(still), fx.PrepareClaim)


def test_a_balance_that_is_not_ours_is_told() -> None:
    """What is there is redeemed; what our trades left is booked, and somebody hears that it differs."""
    still = owing()
    turn(still)
    assert see(still, held=(SIZE - 1, 0)).amount_micro == SIZE - 1
    assert still.said(e.Alarm)[-1].name == "claim_differs"


# --- merges ---


def merging(**claims: Any) -> StillDesk:
    """A desk with ten firm pairs, that merges from five dollars on."""
    still = a_desk(**({"merge_min_usd": 5.0} | claims))
    held(still, "Up", "Down")
    return still


MERGE = f"{BTC} {START_S} merge 1"


def test_pairs_are_set_aside_when_they_leave_and_cash_when_they_are_merged() -> None:
    """What is on its way can no longer be sold; the profit is what a pair is worth more than it had cost."""
    still = merging()
    cash, version = still.accounts.cash_micro, still.accounts.version
    sent(still, MERGE)
    assert still.accounts.holdings() == () and still.accounts.owed() == SIZE and still.accounts.version > version
    turn(still, 3)
    see(still, MERGE, nonce=4, fates=(("confirmed", ""),), **EMPTY)
    assert (still.accounts.cash_micro, still.accounts.owed()) == (cash + SIZE, 0)
    assert still.accounts.exposure() == 0 and still.accounts.day_realized_micro == 0


def test_a_merge_that_failed_gives_its_pairs_back() -> None:
    """At what they had cost; and may be tried under another name."""
    still = merging(retry_s=1.0)
    before = still.accounts.holdings()
    sent(still, MERGE)
    turn(still, 3)
    see(still, MERGE, nonce=4, fates=(("failed", "reverted"),))
    assert sorted(still.accounts.holdings(), key=str) == sorted(before, key=str)
    assert turn(still, 5).claim.name == f"{BTC} {START_S} merge 2"


def test_a_merge_that_failed_after_the_result_is_owed() -> None:
    """One of each pair has won."""
    still = merging()
    sent(still, MERGE)
    resolved(still)
    turn(still, 3)
    see(still, MERGE, nonce=4, fates=(("failed", "reverted"),))
    assert (still.accounts.owed(), still.accounts.claims[REDEEM].amount_micro) == (SIZE, SIZE)
    assert still.accounts.holdings() == ()


@pytest.mark.parametrize("why", ["small", "provisional", "offered", "late", "off", "single"])
def test_pairs_stay_where_they_are(why: str) -> None:
    """Too small, not on the chain yet, offered to somebody, soon to be resolved, not wished for, or no pairs."""
    still = a_desk(merge_min_usd={"small": 11.0, "off": 0.0}.get(why, 5.0))
    held(
        still,
        *(("Up",) if why == "single" else ("Up", "Down")),
        status="MATCHED" if why == "provisional" else "CONFIRMED",
    )
    if why == "offered":
        offer = ("0xs", BTC, 0, 0, START_S, "token", "Up", "SELL", 600_000, 5_000_000, "GTC", False, BY)
        still.desk.board.write(e.Placing(*offer))  # type: ignore[arg-type]
    assert turn(still, 240 if why == "late" else 1) is None


def test_pairs_that_were_sold_meanwhile_do_not_leave() -> None:
    """Between the look and the signature a worker may have sold them."""
    still = merging()
    turn(still)
    see(still, MERGE)
    sold = ("s1", "os", BTC, START_S, "Up", "SELL", 600_000, SIZE, 0, True, "CONFIRMED", BY)
    still.desk.board.write(e.Fill(*sold))  # type: ignore[arg-type]
    assert prepare(still, MERGE) is None
    assert still.said(e.Claiming) == []


def test_what_the_journal_adds_up_to_is_what_was_there() -> None:
    """Claims and all, whatever became of them."""
    still = merging()
    sent(still, MERGE)
    resolved(still)
    accounts = rebuild(still.journal)
    assert (accounts.claims, accounts.cash_micro, accounts.owing) == (
        still.accounts.claims,
        still.accounts.cash_micro,
        still.accounts.owing,
    )
