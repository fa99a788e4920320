"""Rounds of comparing: their pace, what counts, whom it stops, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.still_desk import BTC, CASH, ETH, StillDesk, a_trading_desk, buy, tokens

from shared import entries as e
from supervisor import effects as fx
from supervisor import report
from supervisor.accounts import Paid
from supervisor.reconciling import AGAIN_S, FOREIGN_MAX, PERSISTS, TOKENS_MAX, Unexplained, missing_words
from supervisor.recovery import Range, View
from supervisor.venue.requests import Answer, Token, VenueOrder
from supervisor.venue.user import OrderReport, TradeLeg

PACE_S = 30.0
NOTHING = View((), (), CASH, {})


def rounds(still: StillDesk, view: View | None, times: int = 1) -> None:
    """The venue answers so many rounds, each asked for by the desk itself."""
    for _ in range(times):
        for _ in range(int(PACE_S) + 2):
            if still.wanted(fx.Reconcile):
                break
            still.jump(1)
            still.hold()
            hear(still)
        still.wants.remove(still.wanted(fx.Reconcile)[0])
        still.do(still.desk.reconciling.on_view, view)


def hear(still: StillDesk) -> None:
    """Prices, books and our trades are told, so that nothing else closes entries."""
    still.caught_up()
    for name in still.desk.turns.slots:
        still.price(asset=name.partition("/")[0])


def entries(still: StillDesk, name: str = BTC) -> str:
    """Why entries are closed."""
    return still.desk.board.entries_closed(still.desk.board.lane_of[name])


def told(still: StillDesk) -> e.Reconciled:
    """What the journal says of the last round."""
    return still.said(e.Reconciled)[-1]


def alarms(still: StillDesk) -> list[str]:
    """What people were told about the books."""
    return [alarm.detail for alarm in still.said(e.Alarm) if alarm.name in {"books_differ", "foreign_order"}]


def an_order(still: StillDesk) -> VenueOrder:
    """Ten shares of Up rest, on both sides."""
    still.jump(5)
    still.answer(buy(470_000))
    order_id = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order_id, Answer("accepted", "live", order_id), 900)
    still.desk.board.lifelines.hear(still.mono_ns)
    return VenueOrder(order_id, tokens(BTC)[0], "BUY", 470_000, 10_000_000, 0, True)


def test_nothing_is_asked_before_our_cash_is_known() -> None:
    """The first round comes with it, the next at the usual pace."""
    still = StillDesk()
    still.begin()
    still.jump(60)
    assert still.wanted(fx.Reconcile) == []
    still.do(still.desk.reconciling.on_balance, CASH)
    still.do(still.desk.on_time)
    assert len(still.wanted(fx.Reconcile)) == 1


def test_the_first_balance_is_taken_over_and_later_ones_are_not() -> None:
    """Our own sums stand."""
    still = a_trading_desk()
    assert still.accounts.cash_micro == CASH
    still.do(still.desk.reconciling.on_balance, CASH - 1)
    assert (still.accounts.cash_micro, len(still.said(e.Balance))) == (CASH, 1)


def test_rounds_come_at_their_pace_and_one_at_a_time() -> None:
    """The next is asked for only when there is an answer; that the venue gave none is an answer too."""
    still = a_trading_desk()
    still.do(still.desk.on_time)
    still.jump(3 * PACE_S)
    assert len(still.wanted(fx.Reconcile)) == 1
    rounds(still, None)
    assert (still.desk.reconciling.rounds, still.desk.board.counters["reconcile_failed"]) == (0, 1)
    still.jump(0.1)
    rounds(still, NOTHING)
    assert (still.desk.reconciling.rounds, told(still)) == (1, e.Reconciled(1, 0))
    still.jump(PACE_S - 1)
    assert still.wanted(fx.Reconcile) == []
    still.jump(1)
    assert len(still.wanted(fx.Reconcile)) == 1


def test_books_that_agree_make_no_noise() -> None:
    """A line in the journal and a counter in the status; nothing for people."""
    still = a_trading_desk()
    rounds(still, NOTHING, 5)
    assert (told(still), alarms(still), entries(still)) == (e.Reconciled(5, 0), [], "")
    status = report.status(still.desk, 0)["reconciled"]
    same = {"rounds": 5, "differences": 0, "at_ns": still.at_ns, "differs": [], "foreign": [], "missing_micro": []}
    assert status == same
    assert not any(isinstance(entry, e.Reconciled) for _, entry in still.desk.board.recent)


def test_a_difference_counts_when_it_persists_and_money_closes_every_slot() -> None:
    """Two rounds may be a word under way; the third names it, once, and entries stay closed until it is gone."""
    still = a_trading_desk("BTC", "ETH")
    short = replace(NOTHING, cash_micro=CASH - 5_000_000)
    rounds(still, short, PERSISTS - 1)
    assert (alarms(still), entries(still), told(still).differs) == ([], "", ())
    rounds(still, short, 2)
    text = "cash: 1000.00 by our books, 995.00 at the venue"
    assert alarms(still) == [text]
    assert told(still) == e.Reconciled(PERSISTS + 1, 1, (text,))
    assert (entries(still, BTC), entries(still, ETH)) == ("books_differ", "books_differ")
    assert report.state(still.desk) == "DEGRADED"
    rounds(still, NOTHING)
    assert report.state(still.desk) == "TRADING"
    assert (entries(still, BTC), told(still)) == ("", e.Reconciled(PERSISTS + 2, 1))
    rounds(still, short, PERSISTS)
    assert (len(alarms(still)), told(still).differences) == (2, 2)


@pytest.mark.parametrize("amount_micro", [50_000_000, -20_500_000])
def test_what_a_person_takes_over_is_ours_and_entries_open_again(amount_micro: int) -> None:
    """Who, why and what the venue said are in the journal; a new round is asked for at once, and agrees."""
    still = a_trading_desk()
    moved = replace(NOTHING, cash_micro=CASH + amount_micro)
    rounds(still, moved, PERSISTS)
    assert report.status(still.desk, 0)["reconciled"]["missing_micro"] == [amount_micro, amount_micro]
    still.do(still.desk.reconciling.take_over, amount_micro, "uid:0", "the rent")
    assert still.said(e.Transfer) == [e.Transfer(amount_micro, CASH + amount_micro, "uid:0", "the rent")]
    assert entries(still) == "books_differ"
    still.do(still.desk.on_time)
    assert len(still.wanted(fx.Reconcile)) == 1
    rounds(still, moved)
    assert (entries(still), told(still).differs, report.state(still.desk)) == ("", (), "TRADING")
    accounts = still.accounts
    assert (accounts.cash_micro, accounts.transferred_micro) == (CASH + amount_micro, amount_micro)
    assert accounts.day_realized_micro == 0


@pytest.mark.parametrize("amount_micro", [1, -50_000_000, 49_999_999, 50_000_001, 0])
def test_an_amount_that_is_not_what_differs_is_refused(amount_micro: int) -> None:
    """With what does differ; the books stay as they are, and so do the entries."""
    still = a_trading_desk()
    rounds(still, replace(NOTHING, cash_micro=CASH + 50_000_000), PERSISTS)
    with pytest.raises(Unexplained, match=r"is not what differs: the venue has 50 more than our books say"):
        still.do(still.desk.reconciling.take_over, amount_micro, "uid:0", "deposit")
    assert (still.said(e.Transfer), still.accounts.cash_micro, entries(still)) == ([], CASH, "books_differ")


def test_where_nothing_differs_nothing_is_taken_over() -> None:
    """Neither before a difference has lasted, nor after it is gone, nor the same one twice."""
    still = a_trading_desk()
    more = replace(NOTHING, cash_micro=CASH + 50_000_000)
    rounds(still, more)
    with pytest.raises(Unexplained, match="a difference counts when it lasts"):
        still.do(still.desk.reconciling.take_over, 50_000_000, "uid:0", "deposit")
    rounds(still, more, PERSISTS)
    still.do(still.desk.reconciling.take_over, 50_000_000, "uid:0", "deposit")
    with pytest.raises(Unexplained, match="nothing to take over"):
        still.do(still.desk.reconciling.take_over, 50_000_000, "uid:0", "deposit")
    rounds(still, more, 2)
    with pytest.raises(Unexplained, match=r"nothing to take over$"):
        still.do(still.desk.reconciling.take_over, 50_000_000, "uid:0", "deposit")
    assert (len(still.said(e.Transfer)), entries(still)) == (1, "")


def test_what_is_under_way_makes_the_amount_a_range() -> None:
    """A buy that is not settled may be in the venue's balance or not; a person names which amount it was."""
    still = a_trading_desk()
    order = an_order(still)
    leg = TradeLeg("t1", order.order_id, order.token, "BUY", 470_000, 4_000_000, True, "MATCHED")
    rounds(still, View((order,), (leg,), CASH + 10_000_000, {order.token: 4_000_000}), PERSISTS)
    missing = still.desk.reconciling.missing
    assert missing == Range(10_000_000, 11_880_000)
    assert missing_words(missing).startswith("the venue has +10 to +11.88 against our books")
    still.do(still.desk.reconciling.take_over, 11_000_000, "uid:0", "deposit")
    assert still.accounts.transferred_micro == 11_000_000


def test_a_difference_is_looked_at_again_soon() -> None:
    """Whether it persists is known in seconds, not in minutes."""
    still = a_trading_desk()
    rounds(still, replace(NOTHING, cash_micro=CASH - 1))
    still.jump(AGAIN_S - 0.5)
    assert still.wanted(fx.Reconcile) == []
    still.jump(0.5)
    assert len(still.wanted(fx.Reconcile)) == 1


def test_a_difference_in_one_slot_closes_entries_there_alone() -> None:
    """An order that rests in our books and not at the venue; it is followed up in every round."""
    still = a_trading_desk("BTC", "ETH")
    order = an_order(still)
    rounds(still, replace(NOTHING, resting=(order,)))
    assert still.wanted(fx.LookUp) == []
    rounds(still, NOTHING, PERSISTS)
    assert still.wanted(fx.LookUp)[-1] == fx.LookUp(order.order_id)
    assert (entries(still, BTC), entries(still, ETH)) == ("books_differ", "")
    assert alarms(still) == [f"order {order.order_id[:10]} of BTC/5m rests in our books and not at the venue"]


def test_a_wish_to_enter_is_denied_while_the_books_differ() -> None:
    """Risk says so by name; the way out stays open."""
    still = a_trading_desk()
    rounds(still, replace(NOTHING, cash_micro=0), PERSISTS)
    sent = len(still.wanted(fx.Submit))
    still.jump(5)
    still.answer(buy(470_000))
    assert len(still.wanted(fx.Submit)) == sent
    assert "books_differ" in still.said(e.OutcomeOf)[-1].denied[0]


def test_a_trade_that_nobody_told_is_counted_and_no_difference() -> None:
    """The round brings it in before it compares."""
    still = a_trading_desk()
    order = an_order(still)
    leg = TradeLeg("t1", order.order_id, order.token, "BUY", 470_000, 4_000_000, True, "CONFIRMED")
    view = View((order,), (leg,), CASH - 1_880_000, {order.token: 4_000_000})
    rounds(still, view, PERSISTS)
    assert still.accounts.cash_micro == CASH - 1_880_000
    assert (told(still), alarms(still)) == (e.Reconciled(PERSISTS, 0), [])


def test_an_order_that_outlived_our_books_is_taken_back() -> None:
    """It is ours, and closed in our books: the cancel is written down first, and what was done is told."""
    still = a_trading_desk()
    order = an_order(still)
    still.do(still.desk.executions.on_report, OrderReport(order.order_id, "closed", 0, "CANCELED"))
    kept = replace(NOTHING, resting=(order,))
    rounds(still, kept, PERSISTS - 1)
    assert still.wanted(fx.CancelOrder) == []
    still.slow_disk = True
    rounds(still, kept)
    assert (still.wanted(fx.CancelOrder), still.said(e.Cancelling)[-1].cause) == ([], "reconciliation")
    still.sync()
    assert still.wanted(fx.CancelOrder) == [fx.CancelOrder(order.order_id)]
    assert [repair.order_id for repair in still.said(e.Repair)] == [order.order_id]


def test_foreign_orders_are_told_once_each_and_never_touched() -> None:
    """Whoever else trades with this key: named, counted, left alone; no entry is closed for it."""
    still = a_trading_desk()
    stranger = VenueOrder(f"0x{'f' * 64}", tokens(BTC)[0], "BUY", 470_000, 10_000_000, 0, True)
    rounds(still, replace(NOTHING, resting=(stranger,)), PERSISTS + 1)
    assert [reconciled.foreign for reconciled in still.said(e.Reconciled)] == [(stranger.order_id,), (), (), ()]
    assert alarms(still) == [f"this key has orders that are not ours: {stranger.order_id}"]
    assert (still.wanted(fx.CancelOrder), still.wanted(fx.LookUp), entries(still)) == ([], [], "")
    assert report.status(still.desk, 0)["reconciled"]["foreign"] == [stranger.order_id]


def test_the_memory_of_foreign_orders_is_bounded() -> None:
    """Somebody who places thousands costs us no memory."""
    still = a_trading_desk()
    crowd = [VenueOrder(f"0x{n:064x}", "1", "BUY", 1, 1, 0, True) for n in range(FOREIGN_MAX + 50)]
    rounds(still, replace(NOTHING, resting=tuple(crowd)), 2)
    assert len(still.desk.reconciling.foreign) == FOREIGN_MAX


def test_more_tokens_than_a_round_asks_for_take_turns() -> None:
    """Each is asked for in the end."""
    still = a_trading_desk()
    known = {("BTC/5m", n): Paid(f"token {n}", "v1", 1) for n in range(TOKENS_MAX + 10)}
    still.accounts.payouts.update(known)
    asked = set[Token]()
    for _ in range(2):
        still.jump(PACE_S)
        (effect,) = still.wanted(fx.Reconcile)
        assert len(effect.tokens) == TOKENS_MAX
        asked |= set(effect.tokens)
        rounds(still, NOTHING)
    assert len(asked) == len(known)


def test_a_winner_that_was_paid_is_not_asked_for_again() -> None:
    """Its shares were seen to be gone; one that waits is asked for in every round."""
    still = a_trading_desk()
    paid, waits = Paid("paid", "v1", 1), Paid("waits", "v1", 2)
    still.accounts.payouts |= {(BTC, 0): paid, (BTC, 300): waits}
    asked = []
    for _ in range(3):
        still.jump(PACE_S)
        asked.append({token.token_id for token in still.wanted(fx.Reconcile)[0].tokens})
        rounds(still, replace(NOTHING, cash_micro=CASH - 2, shares={"paid": 0, "waits": 2}))
    assert asked == [{"paid", "waits"}, {"waits"}, {"waits"}]
    rounds(still, replace(NOTHING, cash_micro=CASH - 2, shares={"waits": 2}))
    assert (told(still).differs, alarms(still)) == ((), [])


def test_a_reign_that_begins_compares_anew() -> None:
    """What the reign before had counted is not known to the next, which finds it again by itself."""
    still = a_trading_desk()
    rounds(still, replace(NOTHING, cash_micro=1), PERSISTS)
    still.restart()
    assert (still.desk.reconciling.rounds, entries(still)) == (0, "market_feed_down")
    still.feeds()
    rounds(still, replace(NOTHING, cash_micro=1), PERSISTS)
    assert entries(still) == "books_differ"
