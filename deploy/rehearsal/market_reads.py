"""The CLOB's reads that need no key: books, prices, markets, and what traded.

A handler reads its request, looks it up, shapes the answer. Leaves shapes to `protocol.py` and `clob_markets.py`. What
always holds: a read changes nothing; a token that is not known is 404 where one is asked for, and left out where many
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from aiohttp import web

from deploy.rehearsal import clob_markets, gamma, protocol, refusals
from deploy.rehearsal.days import Outcome
from deploy.rehearsal.markets import Market
from deploy.rehearsal.posted import body_of
from deploy.rehearsal.protocol import BookView, Json
from deploy.rehearsal.quantities import MICRO, is_count, text_of
from deploy.rehearsal.refusals import Refused, bad
from deploy.rehearsal.routing import VENUE, Answered, Handler, Route, answered
from deploy.rehearsal.venue import Venue

TOKENS_MAX: Final = 500
"""Tokens one bulk read may name."""
ACTIVITY_MAX: Final = 50
INTERVALS_S: Final = {"1h": 3_600, "6h": 21_600, "1d": 86_400, "1w": 604_800, "max": 1 << 40}
"""The spans GET /prices-history may be asked for by name."""


async def _ok(request: web.Request) -> Answered:
    return answered("OK")


async def _time(request: web.Request) -> Answered:
    """The market's time: a client that signs with it is fresh."""
    return answered(request.app[VENUE].exchange.floor.stamp_ms // 1_000)


async def _version(request: web.Request) -> Answered:
    return answered({"version": request.app[VENUE].exchange.rules.clob_version})


async def _geoblock(request: web.Request) -> Answered:
    venue = request.app[VENUE]
    country = venue.exchange.floor.mischief.displaces()
    venue.carry()
    return answered({"blocked": bool(country), "ip": "127.0.0.1", "country": country or "IE", "region": "L"})


# One token.


def _found(venue: Venue, token_id: str) -> tuple[Market, Outcome] | None:
    """The market of a token, and which outcome it is; None while the exchange does not know it."""
    market = venue.exchange.floor.known(venue.exchange.floor.by_token.get(token_id))
    return (market, market.outcome_of(token_id)) if market else None


def _asked(request: web.Request) -> tuple[Market, Outcome]:
    found = _found(request.app[VENUE], request.query.get("token_id", ""))
    if found is None:
        raise Refused(404, refusals.NO_BOOK)
    return found


Read = Callable[[Market, Outcome, Any], Any]
"""What one token shows: (market, outcome, the row of the request) to a JSON value, None for nothing."""


def _view(market: Market, outcome: Outcome, at_ms: int) -> BookView:
    return market.view(outcome, at_ms)


def _middle(market: Market, outcome: Outcome, row: Any) -> str:
    bid, ask = market.best(outcome, "BUY"), market.best(outcome, "SELL")
    return text_of(((bid or 0) + (MICRO if ask is None else ask)) // 2)


def _price(market: Market, outcome: Outcome, row: Any) -> str:
    """BUY is the best bid and SELL the best ask, as production has it."""
    best = market.best(outcome, "BUY" if str(row.get("side", "")).upper() == "BUY" else "SELL")
    return "0" if best is None else text_of(best)


def _prices(market: Market, outcome: Outcome, row: Any) -> Json:
    side = str(row.get("side", "")).upper()
    return {each: _price(market, outcome, {"side": each}) for each in ([side] if side else ["BUY", "SELL"])}


def _spread(market: Market, outcome: Outcome, row: Any) -> str:
    bid, ask = market.best(outcome, "BUY"), market.best(outcome, "SELL")
    return text_of((MICRO if ask is None else ask) - (bid or 0))


def _one(name: str, read: Read) -> Handler:
    """A read of one token, answered under one name."""

    async def handler(request: web.Request) -> Answered:
        return answered({name: read(*_asked(request), request.query)})

    return handler


def _many(read: Read) -> Handler:
    """The same read of many tokens, by token id."""

    async def handler(request: web.Request) -> Answered:
        merged: dict[str, Any] = {}
        for token, found, row in await _rows(request):
            value = read(*found, row)
            both = isinstance(value, dict) and token in merged
            merged[token] = merged[token] | value if both else value
        return answered(merged)

    return handler


async def _rows(request: web.Request) -> list[tuple[str, tuple[Market, Outcome], Any]]:
    """The known tokens of a bulk read with their rows. Raises: Refused: not a list, or too long a one."""
    wanted = body_of(await request.read())
    if not isinstance(wanted, list) or len(wanted) > TOKENS_MAX:
        raise bad(refusals.INVALID_PAYLOAD)
    named = [(str(row.get("token_id", "")), row) for row in wanted if isinstance(row, dict)]
    looked = [(token, _found(request.app[VENUE], token), row) for token, row in named]
    return [(token, found, row) for token, found, row in looked if found]


async def _book(request: web.Request) -> Answered:
    return answered(protocol.book(_view(*_asked(request), request.app[VENUE].exchange.floor.stamp_ms)))


async def _books(request: web.Request) -> Answered:
    at_ms = request.app[VENUE].exchange.floor.stamp_ms
    return answered([protocol.book(_view(*found, at_ms)) for _, found, _ in await _rows(request)])


def _last(market: Market, outcome: Outcome, row: Any) -> Json | None:
    last = market.prints.last(outcome)
    return {"price": text_of(last[0]), "side": last[1]} if last else None


async def _last_price(request: web.Request) -> Answered:
    """Before the first trade a half of no side."""
    return answered(_last(*_asked(request), None) or {"price": "0.5", "side": ""})


async def _last_prices(request: web.Request) -> Answered:
    rows = [(token, _last(*found, row)) for token, found, row in await _rows(request)]
    return answered([last | {"token_id": token} for token, last in rows if last])


async def _history(request: web.Request) -> Answered:
    """GET /prices-history?market=<token>: by span or by bounds, one point for each step of `fidelity` minutes."""
    asked, venue = request.query, request.app[VENUE]
    found = _found(venue, asked.get("market", ""))
    if found is None:
        return answered({"history": []})
    now_s = venue.exchange.now_ms // 1_000
    span_s = INTERVALS_S.get(asked.get("interval", "max"), INTERVALS_S["max"])
    bounds = [_count(asked.get(name), usual) for name, usual in (("startTs", now_s - span_s), ("endTs", now_s))]
    step_s = max(1, _count(asked.get("fidelity"), 1)) * 60
    return answered({"history": found[0].prints.history(found[1], bounds[0], bounds[1], step_s)})


def _count(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not is_count(text):
        raise bad("invalid timestamp")
    return int(text)


# One market, many markets.


def _of_condition(request: web.Request) -> Market:
    floor = request.app[VENUE].exchange.floor
    market = floor.known(floor.by_condition.get(request.match_info["condition_id"]))
    if market is None:
        raise Refused(404, refusals.NO_MARKET)
    return market


def _since(venue: Venue, market: Market) -> str:
    return gamma.iso(market.listing.listed_ms + venue.exchange.rules.gamma_lead_s * 1_000)


async def _clob_market(request: web.Request) -> Answered:
    venue, market = request.app[VENUE], _of_condition(request)
    accepting = venue.exchange.floor.accepting(market)
    return answered(clob_markets.short(market.listing, market.tick_micro, accepting, _since(venue, market)))


async def _market_of_token(request: web.Request) -> Answered:
    found = _found(request.app[VENUE], request.match_info["token_id"])
    if found is None:
        raise Refused(404, refusals.NO_BOOK)
    return answered(clob_markets.of_token(found[0].listing))


def _long(venue: Venue, market: Market) -> Json:
    accepting = venue.exchange.floor.accepting(market)
    shown = gamma.market(market.listing, market.shown(venue.exchange.now_ms, accepting))
    return clob_markets.long(market, accepting, _since(venue, market), shown)


def _simplified(venue: Venue, market: Market) -> Json:
    return clob_markets.simplified(market, venue.exchange.floor.accepting(market))


async def _market(request: web.Request) -> Answered:
    return answered(_long(request.app[VENUE], _of_condition(request)))


def _listed(shape: Callable[[Venue, Market], Json], sampling: bool) -> Handler:
    """A page of markets. sampling: only those that take orders, which is where rewards would be sampled."""

    async def handler(request: web.Request) -> Answered:
        venue = request.app[VENUE]
        markets = [market for market in _known(venue) if not sampling or venue.exchange.floor.accepting(market)]
        page = protocol.page(markets, request.query.get("next_cursor", ""))
        return answered(page | {"data": [shape(venue, market) for market in page["data"]]})

    return handler


def _known(venue: Venue) -> Iterable[Market]:
    floor = venue.exchange.floor
    return [market for market in floor.by_condition.values() if floor.known(market)]


async def _activity(request: web.Request) -> Answered:
    venue, market = request.app[VENUE], _of_condition(request)
    shown = gamma.market(market.listing, market.shown(venue.exchange.now_ms, False))
    return answered([clob_markets.activity(market, shown, row) for row in market.prints.newest(ACTIVITY_MAX)])


# What is not played here: answered as for an account and a market that have none.


async def _nothing_yet(request: web.Request) -> Answered:
    return answered(protocol.page([], ""))


async def _no_rebates(request: web.Request) -> Answered:
    return answered([])


async def _builder_fees(request: web.Request) -> Answered:
    return answered({"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0})


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", "/", _ok),
    ("GET", "/ok", _ok),
    ("GET", "/time", _time),
    ("GET", "/version", _version),
    ("GET", "/api/geoblock", _geoblock),
    ("GET", "/book", _book),
    ("POST", "/books", _books),
    ("GET", "/tick-size", _one("minimum_tick_size", lambda market, outcome, row: market.tick_micro / MICRO)),
    ("GET", "/neg-risk", _one("neg_risk", lambda market, outcome, row: False)),
    ("GET", "/fee-rate", _one("base_fee", lambda market, outcome, row: protocol.BASE_FEE)),
    ("GET", "/midpoint", _one("mid", _middle)),
    ("POST", "/midpoints", _many(_middle)),
    ("GET", "/price", _one("price", _price)),
    ("POST", "/prices", _many(_prices)),
    ("GET", "/spread", _one("spread", _spread)),
    ("POST", "/spreads", _many(_spread)),
    ("GET", "/last-trade-price", _last_price),
    ("POST", "/last-trades-prices", _last_prices),
    ("GET", "/prices-history", _history),
    ("GET", "/clob-markets/{condition_id}", _clob_market),
    ("GET", "/markets-by-token/{token_id}", _market_of_token),
    ("GET", "/markets", _listed(_long, sampling=False)),
    ("GET", "/markets/{condition_id}", _market),
    ("GET", "/simplified-markets", _listed(_simplified, sampling=False)),
    ("GET", "/sampling-markets", _listed(_long, sampling=True)),
    ("GET", "/sampling-simplified-markets", _listed(_simplified, sampling=True)),
    ("GET", "/markets/live-activity/{condition_id}", _activity),
    ("GET", "/live-activity/events/{condition_id}", _activity),
    ("GET", "/rewards/markets/current", _nothing_yet),
    ("GET", "/rewards/markets/{condition_id}", _nothing_yet),
    ("GET", "/builder/trades", _nothing_yet),
    ("GET", "/rebates/current", _no_rebates),
    ("GET", "/fees/builder-fees/{code}", _builder_fees),
)
