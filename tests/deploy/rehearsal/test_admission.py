"""The door: what is looked at before an order touches a book, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.venue import Trader, an_exchange, lines_of

from deploy.rehearsal import refusals
from deploy.rehearsal.exchange import Exchange, Reply
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key
from deploy.rehearsal.migrated import MigratedDay
from deploy.rehearsal.modes import Mode, Standing
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import PROTOCOL_V2

NOW_MS = (START_S + 20) * 1_000
SLUG = f"btc-updown-5m-{START_S + 2_400}"
ME = Trader()


def a_venue(moved: bool = False, **rules: Any) -> tuple[Exchange, Key, str]:
    """An exchange, a key, and a token nobody quotes yet."""
    day = MigratedDay(a_day(), frozenset({"BTC"})) if moved else a_day()
    exchange = an_exchange(day, NOW_MS, Rules(**rules))
    return exchange, ME.join(exchange), exchange.floor.by_slug[SLUG].listing.up_token


def refusal(exchange: Exchange, key: Key, body: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        exchange.knock([body], key)
        exchange.place(body, key)
    return refused.value.status, refused.value.reason


def test_the_checks_come_in_the_order_of_the_facts() -> None:
    """An order that breaks every rule is refused for the first; mended one by one, for the next."""
    exchange, key, token = a_venue()
    exchange.modes.switch(Mode.DISABLED, NOW_MS)
    exchange.modes.set_standing(key.owner, Standing.BANNED)
    stranger = Trader(2)
    order = stranger.limit(key, "5", "BUY", 555_555, 4) | {"owner": "somebody"}
    assert refusal(exchange, key, order) == (400, refusals.OWNER_IS_NOT_KEY)
    order["owner"] = key.api_key
    assert refusal(exchange, key, order) == (503, refusals.TRADING_DISABLED)
    exchange.modes.switch(Mode.OPEN, NOW_MS)
    assert refusal(exchange, key, order) == (400, refusals.NOT_READY)
    order = ME.legacy(key, token, "BUY", (1, 1))
    assert refusal(exchange, key, order) == (400, refusals.VERSION_MISMATCH)
    assert refusal(exchange, key, stranger.limit(key, token, "BUY", 555_555, 4)) == (400, refusals.SIGNER_IS_NOT_KEY)
    order = ME.limit(key, token, "BUY", 555_555, 4)
    assert "address banned" in refusal(exchange, key, order)[1]
    exchange.modes.set_standing(key.owner, Standing.GOOD)
    assert "minimum tick size" in refusal(exchange, key, order)[1]
    assert "lower than the minimum" in refusal(exchange, key, ME.limit(key, token, "BUY", 550_000, 4))[1]
    dated = ME.limit(key, token, "BUY", 550_000, 10_000, expiration=5)
    assert refusal(exchange, key, dated) == (400, refusals.INVALID_EXPIRATION)
    assert refusal(exchange, key, ME.limit(key, token, "BUY", 550_000, 10_000)) == (400, refusals.NO_BALANCE)


def test_means_come_before_the_book_and_the_book_before_the_id() -> None:
    """Too dear, then crossing, then there already."""
    exchange, key, token = a_venue()
    other = Trader(2).join(exchange)
    down = exchange.floor.by_slug[SLUG].listing.down_token
    exchange.place(Trader(2).limit(other, down, "BUY", 500_000, 10), other)
    dear = ME.limit(key, token, "BUY", 500_000, 10_000, post_only=True)
    assert refusal(exchange, key, dear) == (400, refusals.NO_BALANCE)
    crossing = ME.limit(key, token, "BUY", 500_000, 10, post_only=True)
    assert refusal(exchange, key, crossing) == (400, refusals.POST_ONLY_CROSSES)
    resting = ME.limit(key, token, "BUY", 400_000, 10)
    assert isinstance(exchange.place(resting, key), Reply)
    assert "Duplicated" in refusal(exchange, key, resting)[1]


def test_a_refusal_changes_nothing_and_is_on_the_record() -> None:
    """With the id the order would have had under its market's own exchange."""
    exchange, key, token = a_venue(moved=True)
    body = ME.limit(key, token, "BUY", 500_000, 10_000, domain=PROTOCOL_V2)
    exchange.out.take()
    assert refusal(exchange, key, body) == (400, refusals.NO_BALANCE)
    (line,) = lines_of(exchange, "reject")
    assert (line["http"], line["reason"], line["owner"]) == (400, refusals.NO_BALANCE, ME.address)
    assert exchange.orders == {} and exchange.accounts.get(ME.address).holds == {}
    placed = exchange.place(ME.limit(key, token, "BUY", 500_000, 10, domain=PROTOCOL_V2), key)
    assert isinstance(placed, Reply) and placed.body["status"] == "live"
    assert len(line["order_id"]) == 66


def test_a_mode_refuses_a_whole_batch_on_the_record() -> None:
    """One leg that is not post-only spoils it."""
    exchange, key, token = a_venue()
    exchange.modes.switch(Mode.POST_ONLY, NOW_MS)
    legs = [ME.limit(key, token, "BUY", 50_000, 10, salt=salt, post_only=salt > 1) for salt in (1, 2)]
    with pytest.raises(Refused):
        exchange.knock(legs, key)
    assert [line["http"] for line in lines_of(exchange, "reject")] == [503, 503]
    exchange.knock(legs[1:], key)


def test_a_venue_of_the_time_before_takes_that_struct_alone() -> None:
    """The newer one is a mismatch there, and Protocol V2 has no exchange at all."""
    exchange, key, token = a_venue(clob_version=1)
    placed = exchange.place(ME.legacy(key, token, "BUY", (500_000, 10_000_000)), key)
    assert isinstance(placed, Reply) and placed.body["status"] == "live"
    assert refusal(exchange, key, ME.limit(key, token, "BUY", 50_000, 10)) == (400, refusals.VERSION_MISMATCH)
    exchange, key, token = a_venue(moved=True, clob_version=1)
    order = ME.legacy(key, token, "BUY", (500_000, 10_000_000))
    assert refusal(exchange, key, order) == (400, refusals.VERSION_MISMATCH)


def test_a_position_is_signed_for_its_own_exchange() -> None:
    """Domain 3; what was signed for CLOB V2 is a mismatch."""
    exchange, key, token = a_venue(moved=True)
    assert refusal(exchange, key, ME.limit(key, token, "BUY", 50_000, 10)) == (400, refusals.VERSION_MISMATCH)
    assert isinstance(exchange.place(ME.limit(key, token, "BUY", 50_000, 10, domain=PROTOCOL_V2), key), Reply)


def test_new_accounts_may_be_held_to_deposit_wallets() -> None:
    """As production holds them."""
    exchange, key, token = a_venue(deposit_wallets_only=True)
    assert refusal(exchange, key, ME.limit(key, token, "BUY", 50_000, 10)) == (400, refusals.MAKER_NOT_ALLOWED)


def test_a_closing_address_may_sell_what_it_has() -> None:
    """And buy nothing."""
    exchange, key, token = a_venue()
    exchange.accounts.get(key.owner).positions[token] = 10 * 10**6
    exchange.modes.set_standing(key.owner, Standing.CLOSED_ONLY)
    assert "closed only" in refusal(exchange, key, ME.limit(key, token, "BUY", 50_000, 10))[1]
    assert isinstance(exchange.place(ME.limit(key, token, "SELL", 950_000, 10), key), Reply)
