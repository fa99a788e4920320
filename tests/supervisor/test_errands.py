"""Errands towards the venue: what the desk is told of each, and what it is spared."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import aiohttp
import pytest
from kit.recordings import CONDITION, ORDER, START_S

from shared.clock import SystemClock
from shared.messages import Rule, Terms
from shared.slots import Slot
from supervisor import effects as fx
from supervisor import errands
from supervisor.effects import Moment
from supervisor.errands import Errands
from supervisor.feed import Discovery, PriceChannel
from supervisor.gates import Tried
from supervisor.gateway import Gateway, VenueRefused
from supervisor.venue.discovery import BadMarket, Listing, Market
from supervisor.venue.frames import BadFrame
from supervisor.venue.requests import Answer, Token, VenueOrder, Where

NOW = Moment(7, 8)
BTC = Slot("BTC", 5)


class Watch(SystemClock):
    """A clock on which three milliseconds pass between two looks."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic_ns(self) -> int:
        self.looks += 1
        return self.looks * 3_000_000


class Sent:
    """Errands of a desk that remembers what it was told, at a venue that answers as a test says."""

    def __init__(self) -> None:
        self.desk, self.turns, self.books = MagicMock(), 0, list[bytes]()
        self.gateway, self.discovery = AsyncMock(Gateway), AsyncMock(Discovery)
        self.gateway.key = MagicMock()
        heard = self.books.append
        self.replays, self.inquiry = AsyncMock(), AsyncMock()
        asked = self.gateway, self.discovery, heard, self.replays, self.inquiry
        self.errands = Errands(self.desk, self.turn, Watch(), *asked)

    @contextmanager
    def turn(self) -> Iterator[Moment]:
        self.turns += 1
        yield NOW

    def off(self, effect: fx.Effect) -> None:
        """Send an errand off and wait for it."""
        asyncio.run(errands.ERRANDS[type(effect)](self.errands, effect))


@pytest.mark.parametrize("verdict", ["accepted", "rejected", "unknown"])
def test_an_orders_answer_is_told_with_how_long_it_took(verdict: Any) -> None:
    """Whichever it is; the exact bytes were sent, once."""
    sent, answer = Sent(), Answer(verdict)
    sent.gateway.place.return_value = answer
    sent.off(fx.Submit(ORDER, b"body"))
    sent.gateway.place.assert_awaited_once_with(b"body")
    sent.desk.executions.on_answer.assert_called_once_with(NOW, ORDER, answer, 3_000)


def test_a_cancels_answer_is_told_with_how_long_it_took() -> None:
    """Of that order."""
    sent, answer = Sent(), Answer("accepted", order_id=ORDER)
    sent.gateway.cancel.return_value = answer
    sent.off(fx.CancelOrder(ORDER))
    sent.gateway.cancel.assert_awaited_once_with(ORDER)
    sent.desk.executions.on_cancel_answer.assert_called_once_with(NOW, ORDER, answer, 3_000)


@pytest.mark.parametrize("effect", [fx.Submit(ORDER, b"body"), fx.Batch((fx.Submit(ORDER, b"body"),))])
def test_an_order_was_sent_no_later_than_its_answer_says(effect: fx.Submit | fx.Batch) -> None:
    """However long this process stood still between answer and turn: a word that came in between is a word of it."""
    sent, clock = Sent(), Watch()
    sent.gateway.place.return_value, sent.gateway.place_batch.return_value = Answer("accepted"), [Answer("accepted")]

    @contextmanager
    def turn() -> Iterator[Moment]:
        yield Moment(7, clock.monotonic_ns())

    asked = sent.gateway, sent.discovery, sent.books.append, sent.replays, sent.inquiry
    asyncio.run(errands.ERRANDS[type(effect)](Errands(sent.desk, turn, clock, *asked), effect))
    (now, _, _, took_us), _ = sent.desk.executions.on_answer.call_args
    assert now.mono_ns - took_us * 1_000 <= 3_000_000, "the clock's first look, before it was sent"


def asking_about_an_order() -> Sent:
    """The desk knows the order and its window's market."""
    sent = Sent()
    accounts = sent.desk.board.accounts
    accounts.orders = {ORDER: MagicMock(slot="BTC/5m", start_s=START_S)}
    accounts.windows = {("BTC/5m", START_S): MagicMock(terms=MagicMock(condition_id=CONDITION))}
    return sent


def test_a_look_up_tells_what_was_found_of_order_and_trades() -> None:
    """Asked by the market that the order is of."""
    sent, leg = asking_about_an_order(), MagicMock()
    found = VenueOrder(ORDER, "1", "BUY", 1, 2, 3, True)
    sent.gateway.look_up.return_value = (found, [leg])
    sent.off(fx.LookUp(ORDER))
    sent.gateway.look_up.assert_awaited_once_with(ORDER, CONDITION)
    sent.desk.executions.on_lookup.assert_called_once_with(NOW, ORDER, found, [leg])


def test_a_look_up_that_failed_tells_nothing() -> None:
    """Not that the order is absent: the desk asks anew."""
    sent = asking_about_an_order()
    sent.gateway.look_up.side_effect = VenueRefused("HTTP 500")
    sent.off(fx.LookUp(ORDER))
    sent.desk.executions.on_lookup.assert_not_called()


def test_nothing_is_looked_up_without_a_key_or_a_market() -> None:
    """There is nobody to ask, or nothing to ask for."""
    keyless, orderless, windowless = (asking_about_an_order() for _ in range(3))
    keyless.gateway.key = None
    orderless.desk.board.accounts.orders = {}
    windowless.desk.board.accounts.windows = {}
    for sent in (keyless, orderless, windowless):
        sent.off(fx.LookUp(ORDER))
        sent.gateway.look_up.assert_not_called()
        assert sent.turns == 0


def test_catching_up_goes_on_until_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades and resting orders from one attempt that had both; what failed half way is asked again."""
    monkeypatch.setattr(errands, "RETRY_S", 0.0)
    sent = Sent()
    resting = VenueOrder(ORDER, "1", "BUY", 1, 2, 0, True)
    sent.gateway.trades.side_effect = [VenueRefused("HTTP 500"), ["old"], BadFrame("trade"), ["new"]]
    sent.gateway.open_orders.side_effect = [VenueRefused("HTTP 502"), [resting]]
    sent.off(fx.CatchUp(5))
    assert [call.args for call in sent.gateway.trades.await_args_list] == [("after=5",)] * 4
    sent.desk.catching_up.on_caught_up.assert_called_once_with(NOW, ["new"], {ORDER})


def test_catching_up_waits_for_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked before there is one."""
    monkeypatch.setattr(errands, "RETRY_S", 0.0)
    sent = Sent()
    key, sent.gateway.key = sent.gateway.key, None
    sent.gateway.trades.return_value = []
    sent.gateway.open_orders.return_value = []

    async def scenario() -> None:
        waiting = asyncio.create_task(sent.errands.catch_up(fx.CatchUp(5)))
        for _ in range(20):
            await asyncio.sleep(0)
        sent.gateway.trades.assert_not_called()
        sent.gateway.key = key
        async with asyncio.timeout(60):
            await waiting

    asyncio.run(scenario())
    sent.desk.catching_up.on_caught_up.assert_called_once_with(NOW, [], set())


def test_our_books_and_the_venues_are_asked_for_in_one_errand() -> None:
    """What came is told whole; that nothing came is told as well, and asked again by the desk."""
    sent, view = Sent(), MagicMock()
    sent.gateway.view.side_effect = [view, VenueRefused("HTTP 500"), BadFrame("balance")]
    effect = fx.Reconcile(5, (Token("1", "v1"),))
    for told in (view, None, None):
        sent.off(effect)
        sent.desk.reconciling.on_view.assert_called_with(NOW, told)
    assert [call.args for call in sent.gateway.view.await_args_list] == [(5, effect.tokens)] * 3
    sent.gateway.key = None
    sent.off(effect)
    assert (sent.gateway.view.await_count, sent.turns) == (3, 4)


def a_listing(rule: Rule = "twap60") -> Listing:
    """A market that settles by this rule."""
    terms = Terms(CONDITION, 10_000, 5_000_000, 70_000, 1, 150, rule)
    return Listing(Market(BTC, START_S, ("1", "2"), "v1", False, terms), True, None, None)


@pytest.mark.parametrize(("rule", "followed"), [("spot", []), ("twap60", []), ("twap30", [("BTC", 30)])])
def test_a_market_is_told_and_the_mean_it_settles_by_is_followed(rule: Rule, followed: list[tuple[str, int]]) -> None:
    """Those that come anyway are not asked for."""
    sent, found = Sent(), a_listing(rule)
    sent.errands.prices = AsyncMock(PriceChannel)
    sent.discovery.ask.return_value = (found, True)
    sent.off(fx.AskListing(BTC, START_S, None))
    sent.discovery.ask.assert_awaited_once_with(BTC, START_S, None)
    sent.desk.markets.on_listing.assert_called_once_with(NOW, BTC, START_S, found, True)
    assert [call.args for call in sent.errands.prices.follow.await_args_list] == followed


def test_a_market_is_told_also_before_the_prices_are_there() -> None:
    """The venue is not joined yet; the window does not wait for that."""
    sent = Sent()
    sent.discovery.ask.return_value = (a_listing("twap30"), False)
    sent.off(fx.AskListing(BTC, START_S))
    assert sent.desk.markets.on_listing.call_count == 1


@pytest.mark.parametrize(
    "fault", [None, aiohttp.ClientError("x"), TimeoutError(), OSError("x"), BadFrame("x"), BadMarket("x")], ids=str
)
def test_a_question_without_an_answer_tells_nothing(fault: Exception | None) -> None:
    """No market, or no answer, which is counted; the desk asks anew."""
    sent = Sent()
    sent.discovery.ask.side_effect = [fault or None]
    sent.off(fx.AskListing(BTC, START_S))
    sent.desk.markets.on_listing.assert_not_called()
    assert sent.desk.board.count.call_count == (fault is not None)


def test_a_fetched_book_is_heard_like_any_other() -> None:
    """One that could not be fetched is not heard at all."""
    sent = Sent()
    sent.discovery.book.side_effect = [b"book", BadFrame("book: HTTP 404"), TimeoutError()]
    for _ in range(3):
        sent.off(fx.Refetch("1"))
    assert sent.books == [b"book"]
    sent.discovery.book.assert_awaited_with("1")


def test_what_came_of_a_trial_is_told_to_the_operation_it_was_for() -> None:
    """Both replays, in their order."""
    sent, effect, tried = Sent(), fx.Try("op1", "9f31", 5, 9), (Tried(3, "a"), Tried(3, "b"))
    sent.replays.return_value = tried
    sent.off(effect)
    sent.replays.assert_awaited_once_with(effect)
    sent.desk.operations.on_trial.assert_called_once_with(NOW, "op1", *tried)


@pytest.mark.parametrize(("where", "closed"), [(True, True), (False, True), (True, False), (False, False)])
def test_what_we_may_do_is_told_as_far_as_it_is_known(where: bool, closed: bool) -> None:
    """Who does not answer does not hide the other's word."""
    sent = Sent()
    if where:
        sent.gateway.where.return_value = Where(False, "IE")
    else:
        sent.gateway.where.side_effect = VenueRefused("page away")
    if closed:
        sent.gateway.closed_only.return_value = True
    else:
        sent.gateway.closed_only.side_effect = BadFrame("no JSON")
    sent.off(fx.AskStanding())
    faults = [*([] if where else ["page away"]), *([] if closed else ["no JSON"])]
    told = (Where(False, "IE") if where else None, True if closed else None, "; ".join(faults))
    sent.desk.standing.on_told.assert_called_once_with(NOW, *told)
