"""The CLOB's routes about an account: its keys, its balances, and lists that are always empty at this venue.

Keys are made and derived under a wallet's signature, all else under a key's (facts 3.2). Notifications, scoring,
rewards and orders of before CLOB V2 are answered as for an account that has none. Leaves orders to `server.py`. What
always holds: who proves nothing learns nothing.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from deploy.rehearsal import protocol, refusals
from deploy.rehearsal.keys import Key, asker
from deploy.rehearsal.posted import body_of
from deploy.rehearsal.quantities import is_count
from deploy.rehearsal.refusals import bad
from deploy.rehearsal.routing import VENUE, Answered, Keyed, Route, answered, keyed

DONE: Final = "OK"


async def _create_key(request: web.Request) -> Answered:
    venue = request.app[VENUE]
    return answered(protocol.credentials(venue.create_key(*asker(request.headers, venue.clocks_s()))))


async def _derive_key(request: web.Request) -> Answered:
    venue = request.app[VENUE]
    key = venue.exchange.keyring.derive(*asker(request.headers, venue.clocks_s()))
    return answered(protocol.credentials(key))


async def _list_keys(request: web.Request, key: Key, body: bytes) -> Answered:
    return answered({"apiKeys": request.app[VENUE].exchange.keyring.of(key.owner)})


async def _delete_key(request: web.Request, key: Key, body: bytes) -> Answered:
    """The very key that proves the request."""
    request.app[VENUE].delete_key(key)
    return answered(DONE)


async def _closed_only(request: web.Request, key: Key, body: bytes) -> Answered:
    return answered({"closed_only": request.app[VENUE].exchange.modes.is_closed_only(key.owner)})


async def _balance(request: web.Request, key: Key, body: bytes) -> Answered:
    """Dollars or shares of the key's owner, as the wallet of that signature type has them.

    Shares of Protocol V2 are an asset type of their own: asked for as the other, a wallet has none.
    """
    venue, asked = request.app[VENUE], request.query
    account = venue.exchange.accounts.get(key.owner)
    kind = asked.get("signature_type", "0")
    if not is_count(kind):
        raise bad("invalid signature type")
    asset, token = asked.get("asset_type", "COLLATERAL"), asked.get("token_id", "")
    fits = asset in ("COLLATERAL", venue.exchange.floor.asset_type(token))
    owned = account.cash_micro if asset == "COLLATERAL" else account.positions.get(token, 0)
    return answered(protocol.balance(owned if fits and account.shows_to(int(kind)) else 0))


# Keys beside the trading key.


async def _create_readonly(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    return answered({"apiKey": venue.side_keys.make_readonly(key.owner, venue.chance)})


async def _list_readonly(request: web.Request, key: Key, body: bytes) -> Answered:
    return answered(request.app[VENUE].side_keys.readonly.get(key.owner, []))


async def _delete_readonly(request: web.Request, key: Key, body: bytes) -> Answered:
    wanted = body_of(body)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("key"), str):
        raise bad(refusals.INVALID_PAYLOAD)
    return answered(request.app[VENUE].side_keys.drop_readonly(key.owner, wanted["key"]))


async def _validate_readonly(request: web.Request) -> Answered:
    known = request.app[VENUE].side_keys.reads_for(request.query.get("address", ""), request.query.get("key", ""))
    return answered(known)


async def _create_builder(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    made = venue.side_keys.make_builder(key.owner, venue.exchange.now_ms, venue.chance)
    return answered({"key": made.key, "secret": made.secret, "passphrase": made.passphrase})


async def _list_builders(request: web.Request, key: Key, body: bytes) -> Answered:
    mine = request.app[VENUE].side_keys.builders.get(key.owner, {})
    return answered([{"key": each.key, "createdAt": str(each.made_ms // 1_000)} for each in mine.values()])


async def _revoke_builder(request: web.Request) -> Answered:
    """The builder key that signed the request; under a trading key's signature, all of its owner's."""
    if "POLY_BUILDER_API_KEY" not in request.headers:
        return await _revoke_builders(request)
    venue = request.app[VENUE]
    owner, name = venue.side_keys.builder_of(request.headers, request.method, request.path, venue.clocks_s())
    venue.side_keys.revoke_builders(owner, name)
    return answered(DONE)


async def _revoke_own(request: web.Request, key: Key, body: bytes) -> Answered:
    request.app[VENUE].side_keys.revoke_builders(key.owner)
    return answered(DONE)


_revoke_builders = keyed(_revoke_own)


# What is not played here.


def _always(value: Any) -> Keyed:
    """A list that is empty, whoever asks."""

    async def handler(request: web.Request, key: Key, body: bytes) -> Answered:
        return answered(value)

    return handler


async def _scoring_many(request: web.Request, key: Key, body: bytes) -> Answered:
    """No order earns rewards here."""
    wanted = body_of(body)
    if not isinstance(wanted, list):
        raise bad(refusals.INVALID_PAYLOAD)
    return answered({str(name): False for name in wanted})


_EMPTY_PAGE: Final = protocol.page([], "")

ROUTES: Final[tuple[Route, ...]] = (
    ("POST", "/auth/api-key", _create_key),
    ("GET", "/auth/api-key", _derive_key),
    ("DELETE", "/auth/api-key", keyed(_delete_key)),
    ("GET", "/auth/derive-api-key", _derive_key),
    ("GET", "/auth/api-keys", keyed(_list_keys)),
    ("GET", "/auth/ban-status/closed-only", keyed(_closed_only)),
    ("POST", "/auth/readonly-api-key", keyed(_create_readonly)),
    ("GET", "/auth/readonly-api-keys", keyed(_list_readonly)),
    ("DELETE", "/auth/readonly-api-key", keyed(_delete_readonly)),
    ("GET", "/auth/validate-readonly-api-key", _validate_readonly),
    ("POST", "/auth/builder-api-key", keyed(_create_builder)),
    ("GET", "/auth/builder-api-key", keyed(_list_builders)),
    ("DELETE", "/auth/builder-api-key", _revoke_builder),
    ("GET", "/balance-allowance", keyed(_balance)),
    ("GET", "/balance-allowance/update", keyed(_balance)),
    ("GET", "/notifications", keyed(_always([]))),
    ("DELETE", "/notifications", keyed(_always(DONE))),
    ("GET", "/order-scoring", keyed(_always({"scoring": False}))),
    ("POST", "/orders-scoring", keyed(_scoring_many)),
    ("GET", "/data/pre-migration-orders", keyed(_always(_EMPTY_PAGE))),
    ("GET", "/rewards/user", keyed(_always(_EMPTY_PAGE))),
    ("GET", "/rewards/user/markets", keyed(_always(_EMPTY_PAGE))),
    ("GET", "/rewards/user/total", keyed(_always([]))),
    ("GET", "/rewards/user/percentages", keyed(_always({}))),
)
