"""Discovery: which market a window of a slot has, on what terms, and who won it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from shared.messages import MEAN_OVER_S, Outcome, Rule, Terms
from shared.slots import Slot
from shared.units import MICRO, NotANumber, parse_exact
from supervisor.venue.frames import UNREADABLE, BadFrame

EXPONENT_MAX: Final = 4
"""Fees are rate x (p (1-p))^exponent; the venue's exponent is 1."""
TAKER_DELAY_MS: Final = 150
"""How long a marketable order waits on a market that says `itode`; the venue's changelog of 2026-09-04."""
_TOKEN: Final = re.compile(r"[0-9]{1,78}\Z")
_TWAP: Final = re.compile(r"twap-([0-9]{1,4})s")
_CONDITION: Final = re.compile(r"0x[0-9a-fA-F]{1,64}\Z")


class BadMarket(ValueError):
    """A market's own description contradicts what a slot's market must be: it is not traded."""


@dataclass(frozen=True, slots=True)
class Market:
    """One window's market. `tokens`: token ids of Up and Down. `neg_risk`, `version`: which exchange signs for it."""

    slot: Slot
    start_s: int
    tokens: tuple[str, str]
    version: Literal["v1", "v2"]
    neg_risk: bool
    terms: Terms


def slug(slot: Slot, start_s: int) -> str:
    """The venue's name for a window, computable without asking."""
    return f"{slot.asset.lower()}-updown-{slot.minutes}m-{start_s}"


class _FeeSchedule(msgspec.Struct):
    rate: float
    exponent: int


class _CryptoConfig(msgspec.Struct, rename="camel"):
    twap_enabled: bool | None = None
    twap_lookback_seconds: int = 0


class _GammaMarket(msgspec.Struct, rename="camel"):
    slug: str
    condition_id: str
    outcomes: str
    resolution_source: str = ""
    version: str = "v1"
    clob_token_ids: str | None = None
    position_ids: list[str] | None = None
    neg_risk: bool = False
    closed: bool = False
    accepting_orders: bool = False
    order_price_min_tick_size: float = 0.01
    order_min_size: float = 5
    fee_schedule: _FeeSchedule | None = None
    crypto_market_config: _CryptoConfig | None = None
    outcome_prices: str = "[]"
    events: list[_GammaEvent] = []


class _EventMetadata(msgspec.Struct, rename="camel"):
    price_to_beat: msgspec.Raw = msgspec.Raw()


class _GammaEvent(msgspec.Struct, rename="camel"):
    event_metadata: _EventMetadata | None = None


_gamma_markets: msgspec.json.Decoder[list[_GammaMarket]] = msgspec.json.Decoder(list[_GammaMarket])


@dataclass(frozen=True, slots=True)
class Listing:
    """What discovery says of a window: its market, whether it can be traded, its winner once it is resolved.

    `strike`: in 1e-18; the venue tells it only after the window, so while one runs it has to be seen on the price feed.
    """

    market: Market
    tradable: bool
    winner: Outcome | None
    strike: int | None


def parse_listing(body: bytes, slot: Slot, start_s: int) -> Listing | None:
    """Read the answer to a question for one window's market; None when the venue lists no such market.

    Raises: BadFrame: not of the documented shape. BadMarket: outcomes or tokens are not those of an up/down market.
    """
    try:
        found = [m for m in _gamma_markets.decode(body) if m.slug == slug(slot, start_s)]
    except UNREADABLE as error:
        raise BadFrame(f"market list: {error}") from error
    return _listing(found[0], slot, start_s) if found else None


def _listing(gamma: _GammaMarket, slot: Slot, start_s: int) -> Listing:
    if gamma.neg_risk:  # of several questions one may come true: an up/down market is a question alone
        raise BadMarket(f"{gamma.slug}: is a neg-risk market, which no up/down market is")
    order = _outcome_order(gamma)
    tokens = _tokens(gamma)
    market = Market(
        slot=slot,
        start_s=start_s,
        tokens=(tokens[order[0]], tokens[order[1]]),
        version="v2" if gamma.version == "v2" else "v1",
        neg_risk=gamma.neg_risk,
        terms=_terms(gamma),
    )
    tradable = gamma.accepting_orders and not gamma.closed
    return Listing(market, tradable, _winner(gamma, order), _strike(gamma))


def _outcome_order(gamma: _GammaMarket) -> tuple[int, int]:
    """Where Up and Down stand among the market's outcomes; they are found by name, never by place."""
    names = _json_list(gamma.outcomes, gamma.slug)
    if sorted(names) != ["Down", "Up"]:
        raise BadMarket(f"{gamma.slug}: outcomes are {str(names)[:120]}, not Up and Down")
    return names.index("Up"), names.index("Down")


def _tokens(gamma: _GammaMarket) -> list[str]:
    tokens = gamma.position_ids or _json_list(gamma.clob_token_ids or "[]", gamma.slug)
    if len(tokens) != 2 or tokens[0] == tokens[1] or not all(_TOKEN.match(token) for token in tokens):
        raise BadMarket(f"{gamma.slug}: token ids are {str(tokens)[:200]}, not two decimal numbers")
    return tokens


def _json_list(text: str, where: str) -> list[str]:
    """A list the venue sends as JSON inside a string."""
    try:
        return msgspec.json.decode(text, type=list[str])
    except UNREADABLE as error:
        raise BadMarket(f"{where}: {text[:120]!r}: {error}") from error


def _terms(gamma: _GammaMarket) -> Terms:
    fees = gamma.fee_schedule
    if fees is None:
        raise BadMarket(f"{gamma.slug}: names no fee schedule")
    if not _CONDITION.match(gamma.condition_id):
        raise BadMarket(f"{gamma.slug}: condition id is {gamma.condition_id[:80]!r}")
    if not (0 <= fees.rate <= 1 and 0 <= fees.exponent <= EXPONENT_MAX and 0 < gamma.order_min_size <= MICRO):
        raise BadMarket(f"{gamma.slug}: fee {fees.rate} with exponent {fees.exponent}, size {gamma.order_min_size}")
    return Terms(
        condition_id=gamma.condition_id,
        tick_micro=_tick(gamma.order_price_min_tick_size, gamma.slug),
        min_size_micro=round(gamma.order_min_size * MICRO),
        fee_rate_micro=round(fees.rate * MICRO),
        fee_exponent=fees.exponent,
        taker_delay_ms=TAKER_DELAY_MS,
        rule=_rule(gamma),
    )


def _tick(size: float, where: str) -> int:
    if not 1 / MICRO <= size < 1:
        raise BadMarket(f"{where}: price grid of {size}")
    return round(size * MICRO)


def _rule(gamma: _GammaMarket) -> Rule:
    """By which price the market says it resolves: its settings and its source must agree, or it is not traded."""
    config, averaged = gamma.crypto_market_config, _TWAP.search(gamma.resolution_source)
    named = int(averaged[1]) if averaged else 0
    lookback = config.twap_lookback_seconds if config is not None and config.twap_enabled else 0
    told = config is not None and config.twap_enabled is not None
    if told and gamma.resolution_source and lookback != named:
        source = gamma.resolution_source[:120]
        raise BadMarket(f"{gamma.slug}: averages {lookback} s, but its source {source} says {named} s")
    seconds = named or lookback
    rule = next((rule for rule, over_s in MEAN_OVER_S.items() if over_s == seconds), None)
    if rule is None:
        raise BadMarket(f"{gamma.slug}: averages {seconds} s, which no known rule does")
    return rule


def _winner(gamma: _GammaMarket, order: tuple[int, int]) -> Outcome | None:
    prices = _json_list(gamma.outcome_prices, gamma.slug)
    if not gamma.closed or sorted(prices) != ["0", "1"]:
        return None
    return "Up" if prices[order[0]] == "1" else "Down"


def _strike(gamma: _GammaMarket) -> int | None:
    for event in gamma.events:
        text = bytes(event.event_metadata.price_to_beat).decode().strip('"') if event.event_metadata else ""
        if text and text != "null":
            return _exact(text)
    return None


def _exact(text: str) -> int | None:
    """A price to beat; one that cannot be read to its last digit is not known, and the winner counts all the same."""
    try:
        return parse_exact(text)
    except NotANumber:
        return None


class _ClobToken(msgspec.Struct):
    t: str
    o: str


class _ClobMarket(msgspec.Struct):
    c: str
    t: list[_ClobToken]
    mts: float
    ao: bool = False
    itode: bool = False


_clob_market: msgspec.json.Decoder[_ClobMarket] = msgspec.json.Decoder(_ClobMarket)


def parse_accepting(body: bytes, market: Market) -> Market | None:
    """Hold a listed market against the order book's own description of it; None while that takes no orders.

    Raises: BadFrame: not of the documented shape. BadMarket: the two name different tokens for Up and Down.
    """
    try:
        clob = _clob_market.decode(body)
    except UNREADABLE as error:
        raise BadFrame(f"market {market.terms.condition_id}: {error}") from error
    by_outcome = {token.o: token.t for token in clob.t}
    if (by_outcome.get("Up"), by_outcome.get("Down")) != market.tokens:
        raise BadMarket(f"{market.slot.name}: the order book names other tokens for Up and Down than the listing")
    if not clob.ao:
        return None
    terms = msgspec.structs.replace(
        market.terms,
        tick_micro=_tick(clob.mts, market.slot.name),
        taker_delay_ms=TAKER_DELAY_MS if clob.itode else 0,
    )
    return Market(market.slot, market.start_s, market.tokens, market.version, market.neg_risk, terms)
