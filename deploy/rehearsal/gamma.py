"""The catalogue: one market's Gamma object and its event, as Gamma showed them at a moment.

A recorded object was captured after its market resolved, so it is rewound: what only the end knows is taken out, and
what changes with trading is taken from the rehearsal's own book. A seeded market's object is made from the template of
a captured one. Leaves listing and resolving to the exchange. What always holds: before a market is resolved nothing
here tells its outcome or its strike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from deploy.rehearsal.days import Listing, Settled
from deploy.rehearsal.protocol import BASE_FEE, Json, encode
from deploy.rehearsal.quantities import E18, MICRO, text_of

_END_ONLY: Final = ("closedTime", "umaEndDate", "umaResolutionStatus", "automaticallyResolved", "eventMetadata")
"""Fields that a market gets when it resolves."""
_STALE: Final = ("events", "competitive", "oneHourPriceChange", "oneDayPriceChange", "oneWeekPriceChange")
"""Fields that described the recording's own trading, which is not the rehearsal's."""
_TRADED: Final = ("lastTradePrice", "bestBid", "bestAsk", "spread")
_NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "XRP": "XRP", "DOGE": "Dogecoin"}
_SERIES: Final = {("BTC", 300): "10684", ("ETH", 300): "10683", ("BTC", 900): "10192", ("ETH", 900): "10191"}
_EVENT_VOLUMES: Final = ("volume", "volume24hr", "volume1wk", "volume1mo", "volume1yr")
_EVENT_LIQUIDITY: Final = ("liquidity", "liquidityClob")
_SERIES_BEGAN: Final = "2025-08-09T22:36:44Z"
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A market's state for the catalogue. Prices in Up terms, all in millionths; None where there is none yet."""

    at_ms: int
    accepting: bool
    tick_micro: int
    bid_micro: int | None
    ask_micro: int | None
    last_micro: int | None
    volume_micro: int
    liquidity_micro: int
    settled: Settled | None
    closed_ms: int | None

    @property
    def up_micro(self) -> int:
        """The price of Up: the middle of the book, a half without one, 1 or 0 once it is resolved."""
        if self.settled:
            return MICRO if self.settled.winner == "Up" else 0
        bid, ask = self.bid_micro or 0, MICRO if self.ask_micro is None else self.ask_micro
        return (bid + ask) // 2


def market(listing: Listing, shown: Shown) -> Json:
    """The Gamma market object at a moment."""
    raw = listing.raw if listing.raw is not None else _template(listing)
    kept = {name: value for name, value in raw.items() if name not in _STALE + _TRADED + _END_ONLY}
    ending = _ending(listing, raw, shown) if shown.settled else {}
    return {"version": listing.version, "negRisk": False} | kept | _state(shown) | _traded(shown, kept) | ending


def event(listing: Listing, shown: Shown) -> Json:
    """The Gamma event object that holds the one market."""
    inner = market(listing, shown)
    return _event_head(listing, inner) | {
        **dict.fromkeys(_EVENT_VOLUMES, shown.volume_micro / MICRO),
        **dict.fromkeys(_EVENT_LIQUIDITY, shown.liquidity_micro / MICRO),
        "updatedAt": inner["updatedAt"],
        "closed": inner["closed"],
        "series": [series_of(listing)],
        "markets": [inner],
        **({"eventMetadata": compared(shown.settled)} if shown.settled else {}),
    }


def _state(shown: Shown) -> Json:
    prices = [text_of(shown.up_micro), text_of(MICRO - shown.up_micro)]
    return {
        "closed": shown.settled is not None,
        "acceptingOrders": shown.accepting,
        "active": True,
        "outcomePrices": encode(prices).decode().replace(",", ", "),
        "orderPriceMinTickSize": shown.tick_micro / MICRO,
        "updatedAt": iso(shown.at_ms),
    }


def _traded(shown: Shown, kept: Mapping[str, Any]) -> Json:
    """Volume and liquidity in every spelling the object has, text where it was text; prices where there are any."""
    amounts = {"volume": shown.volume_micro, "liquidity": shown.liquidity_micro}
    found: Json = {}
    for name, value in kept.items():
        for stem, micro in amounts.items():
            if name.startswith(stem):
                found[name] = text_of(micro) if isinstance(value, str) else micro / MICRO
    prices = {"bestBid": shown.bid_micro, "bestAsk": shown.ask_micro, "lastTradePrice": shown.last_micro}
    found |= {name: micro / MICRO for name, micro in prices.items() if micro is not None}
    if shown.bid_micro is not None and shown.ask_micro is not None:
        found["spread"] = (shown.ask_micro - shown.bid_micro) / MICRO
    return found


def _ending(listing: Listing, raw: Mapping[str, Any], shown: Shown) -> Json:
    recorded = {name: raw[name] for name in _END_ONLY if name in raw}
    moment = datetime.fromtimestamp((shown.closed_ms or shown.at_ms) // 1_000, UTC)
    return {
        "closedTime": f"{moment:%Y-%m-%d %H:%M:%S}+00",
        "umaEndDate": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "umaResolutionStatus": "resolved",
        "automaticallyResolved": True,
    } | recorded


def compared(settled: Settled) -> Json:
    """The two compared values as the catalogue names them; one that nobody knows is left out."""
    values = {"priceToBeat": settled.strike_e18, "finalPrice": settled.close_e18}
    return {name: value / E18 for name, value in values.items() if value is not None}


def _event_head(listing: Listing, inner: Mapping[str, Any]) -> Json:
    same = ("startDate", "endDate", "createdAt", "description", "resolutionSource", "image", "icon", "restricted")
    return {name: inner[name] for name in same if name in inner} | {
        "id": number_of(listing, "event"),
        "ticker": listing.slug,
        "slug": listing.slug,
        "title": inner["question"],
        "creationDate": inner.get("createdAt", ""),
        "startTime": iso(listing.start_s * 1_000),
        "active": True,
        "archived": False,
        "new": False,
        "featured": False,
        "enableOrderBook": True,
        "negRisk": False,
        "seriesSlug": _series_slug(listing),
        "tags": [],
        "openInterest": 0,
        "commentCount": 0,
        "cyom": False,
        "showAllOutcomes": True,
        "showMarketImages": True,
        "enableNegRisk": False,
        "negRiskAugmented": False,
        "automaticallyActive": True,
        "pendingDeployment": False,
        "deploying": False,
        "version": listing.version,
    }


def _series_slug(listing: Listing) -> str:
    return f"{listing.asset.lower()}-up-or-down-{listing.interval_s // 60}m"


def series_of(listing: Listing) -> Json:
    """The series a market's event belongs to."""
    slug = _series_slug(listing)
    return {
        "id": _SERIES.get((listing.asset, listing.interval_s), str(20_000 + _digits(slug, 10_000))),
        "ticker": slug,
        "slug": slug,
        "title": f"{listing.asset} Up or Down {listing.interval_s // 60}m",
        "seriesType": "single",
        "createdAt": _SERIES_BEGAN,
        "updatedAt": _SERIES_BEGAN,
        "volume24hr": 0,
        "volume": 0,
        "liquidity": 0,
        "commentCount": 0,
        "recurrence": f"{listing.interval_s // 60}m",
        "active": True,
        "closed": False,
        "archived": False,
    }


_ALWAYS: Final[Json] = {
    "outcomes": '["Up", "Down"]',
    "marketMakerAddress": "",
    "new": False,
    "featured": False,
    "archived": False,
    "restricted": True,
    "groupItemThreshold": "0",
    "enableOrderBook": True,
    "liquidity": "0",
    "liquidityNum": 0,
    "liquidityClob": 0,
    "volume": "0",
    "volumeNum": 0,
    "volumeClob": 0,
    "makerBaseFee": BASE_FEE,
    "takerBaseFee": BASE_FEE,
    "negRisk": False,
    "approved": True,
    "rewardsMinSize": 50,
    "rewardsMaxSpread": 4.5,
    "automaticallyActive": True,
    "umaResolutionStatuses": "[]",
    "feeType": "crypto_fees_v2",
    "hasReviewedDates": True,
    "comboStatus": "disabled",
    "ready": False,
    "funded": False,
    "cyom": False,
    "clearBookOnStart": False,
    "showGmpSeries": False,
    "showGmpOutcome": False,
    "manualActivation": False,
    "negRiskOther": False,
    "pendingDeployment": False,
    "deploying": False,
    "rfqEnabled": False,
    "holdingRewardsEnabled": False,
    "makerRebatesFeeShareBps": 10_000,
    "volume24hr": 0,
    "volume1wk": 0,
    "volume1mo": 0,
    "volume1yr": 0,
    "volume24hrClob": 0,
    "volume1wkClob": 0,
    "volume1moClob": 0,
    "volume1yrClob": 0,
    "image": "",
    "icon": "",
    "version": "v1",
}
"""What every fresh market of these series says alike: the fields of a captured market of October 2026."""


def _template(listing: Listing) -> Json:
    """A fresh market's object."""
    listed, start, end = (iso(at) for at in (listing.listed_ms, listing.start_s * 1_000, listing.end_s * 1_000))
    return {
        "id": number_of(listing, "market"),
        "question": title(listing),
        "conditionId": listing.condition_id,
        "slug": listing.slug,
        "startDate": listed,
        "createdAt": listed,
        "startDateIso": listed[:10],
        "acceptingOrdersTimestamp": listed,
        "eventStartTime": start,
        "endDate": end,
        "endDateIso": end[:10],
        "description": f"Up if the {listing.asset} value at the window's end is at least that at its start.",
        "questionID": "0x" + sha256(f"question/{listing.condition_id}".encode()).hexdigest(),
        "orderMinSize": listing.min_size_micro // MICRO,
        **_ALWAYS,
        **_ids(listing),
        **_fees(listing),
        **_rule(listing),
    }


def _ids(listing: Listing) -> Json:
    """Token ids are text that holds JSON; position ids are a real array beside a null. Source: facts 2.2."""
    if listing.version == "v1":
        return {"clobTokenIds": f'["{listing.up_token}", "{listing.down_token}"]'}
    return {"clobTokenIds": None, "positionIds": [listing.up_token, listing.down_token], "version": "v2"}


def _fees(listing: Listing) -> Json:
    rate, exponent = listing.fee.rate_micro / MICRO, listing.fee.exponent
    schedule = {"exponent": exponent, "rate": rate, "takerOnly": True, "rebateRate": 0.2}
    return {"feesEnabled": bool(rate), "feeSchedule": schedule}


def _rule(listing: Listing) -> Json:
    """Which feed settles it, said twice as production does."""
    asset, minutes, lookback_s = listing.asset.lower(), listing.interval_s // 60, listing.lookback_s
    source = f"https://data.chain.link/streams/{asset}-usd"
    name = f"{asset}-{minutes}m-twap-{lookback_s}"
    config = {"id": name, "asset": asset, "duration": f"{minutes}m", "twapEnabled": bool(lookback_s)}
    return {
        "resolutionSource": f"{source}-twap-{lookback_s}s-streams" if lookback_s else source,
        "cryptoMarketConfigId": name,
        "cryptoMarketConfig": config | {"twapLookbackSeconds": lookback_s},
    }


def number_of(listing: Listing, what: str) -> str:
    """A catalogue number: the recorded one, else seven digits drawn from the market's name."""
    recorded = listing.raw.get("id") if listing.raw is not None and what == "market" else None
    return str(recorded or 1_000_000 + _digits(f"{what}/{listing.condition_id}", 9_000_000))


def _digits(text: str, below: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8]) % below


def iso(at_ms: int) -> str:
    """A moment as Gamma writes it: 2026-10-05T23:15:00Z."""
    return f"{datetime.fromtimestamp(at_ms // 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def title(listing: Listing) -> str:
    """The market's question: its window in US Eastern time, as ambiguous at clock changes as the real one."""
    start, end = (eastern(second) for second in (listing.start_s, listing.end_s))
    name = _NAMES.get(listing.asset, listing.asset)
    return f"{name} Up or Down - {start:%B} {start.day}, {_clock(start)}-{_clock(end)} ET"


def _clock(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment:%M%p}"


def eastern(second: int) -> datetime:
    """US Eastern wall time: four hours behind UTC from March's second Sunday to November's first, else five."""
    moment = datetime.fromtimestamp(second, UTC)
    summer = _sunday(moment.year, 3, 2, 7) <= moment < _sunday(moment.year, 11, 1, 6)
    return moment - (4 if summer else 5) * _HOUR


def _sunday(year: int, month: int, which: int, hour: int) -> datetime:
    first = date(year, month, 1)
    day = 1 + (6 - first.weekday()) % 7 + 7 * (which - 1)
    return datetime(year, month, day, hour, tzinfo=UTC)
