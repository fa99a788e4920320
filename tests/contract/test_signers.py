"""Our own orders at a served rehearsal venue: every signature type and adapter, over real sockets.

The venue proves each order by its own reading of the facts; the gateway is the one that trades.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.drafts import ADDRESS, PRIVATE
from kit.official import environment
from kit.order_desk import Desk, play
from polymarket import AsyncSecureClient
from polymarket._internal.actions.orders import orders

from deploy.rehearsal import refusals
from deploy.rehearsal.floor import Rules
from supervisor.signatory import wallets_of


@pytest.mark.parametrize("wallet", wallets_of(ADDRESS))
@pytest.mark.parametrize("asset", ["btc", "eth"], ids=["ctf", "protocol-v2"])
def test_an_order_of_every_kind_of_wallet_rests_under_the_name_we_gave_it(
    wallet: str, asset: str, tmp_path: Path
) -> None:
    """Both exchanges of these markets; the wallet alone says how it signs. It is found and cancelled by that name."""

    async def scenario(desk: Desk) -> None:
        order_id, answer = await desk.place(desk.draft(asset))
        assert (answer.verdict, answer.status, answer.order_id) == ("accepted", "live", order_id)
        (order,) = await desk.gateway.open_orders()
        assert (order.order_id, order.token) == (order_id, desk.listing(asset).up_token)
        (wallets,) = {line["wallet"] for line in desk.running.record("wallet")}
        assert wallets == wallet
        assert (await desk.gateway.cancel(order_id)).verdict == "accepted"

    play(tmp_path, scenario, wallet=wallet)


@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
def test_immediate_orders_fill_for_every_signature_type(signature_type: Any, tmp_path: Path) -> None:
    """Bought and sold again, by both immediate kinds; the type is set instead of the wallet."""

    async def scenario(desk: Desk) -> None:
        for draft in (
            desk.draft(kind="FAK", price_micro=900_000),
            desk.draft(kind="FOK", price_micro=100_000, side="SELL"),
        ):
            order_id, answer = await desk.place(draft)
            assert (answer.verdict, answer.status, answer.order_id) == ("accepted", "matched", order_id), answer.reason

    play(tmp_path, scenario, signature_type=signature_type)


def test_the_same_leg_sent_again_is_no_second_order(tmp_path: Path) -> None:
    """A restart signs the same bytes; the venue knows them."""

    async def scenario(desk: Desk) -> None:
        draft = desk.draft()
        order_id, _ = await desk.place(draft)
        again, answer = await desk.place(draft)
        assert (again, answer.verdict) == (order_id, "rejected")
        assert "Duplicated" in answer.reason
        assert len(await desk.gateway.open_orders()) == 1

    play(tmp_path, scenario)


def test_a_venue_for_deposit_wallets_takes_no_other(tmp_path: Path) -> None:
    """As production is to new accounts: the default is what they have."""

    async def scenario(desk: Desk) -> None:
        _, answer = await desk.place(desk.draft())
        wanted = "rejected" if desk.adapter.signatory.signature_type == 0 else "accepted"
        assert answer.verdict == wanted
        assert answer.reason == (refusals.MAKER_NOT_ALLOWED if wanted == "rejected" else "")

    play(tmp_path / "usual", scenario, rules=Rules(deposit_wallets_only=True))
    play(tmp_path / "own", scenario, rules=Rules(deposit_wallets_only=True), signature_type=0)


@pytest.mark.parametrize("wallet", wallets_of(ADDRESS))
@pytest.mark.parametrize("asset", ["btc", "eth"], ids=["ctf", "protocol-v2"])
def test_the_official_clients_own_calls_send_the_same_bytes(
    wallet: str, asset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From price and size to the bytes on the wire, once its dice and its clock are ours; and the venue takes them."""
    sent = listened(monkeypatch)

    async def scenario(desk: Desk) -> None:
        token, where = desk.listing(asset).up_token, environment(desk.running.where)
        async with await AsyncSecureClient.create(private_key=PRIVATE, wallet=wallet, environment=where) as client:
            calls = {
                "GTC": lambda: client.place_limit_order(
                    asset_id=token, side="BUY", price="0.05", size=10, post_only=True
                ),
                "FAK": lambda: client.place_market_order(asset_id=token, side="BUY", amount=9, max_price="0.9"),
                "FOK": lambda: client.place_market_order(
                    asset_id=token, side="SELL", shares=10, min_price="0.1", order_type="FOK"
                ),
            }
            wishes = {"GTC": (50_000, "BUY"), "FAK": (900_000, "BUY"), "FOK": (100_000, "SELL")}
            for kind, call in calls.items():
                price_micro, side = wishes[kind]
                draft = desk.draft(asset, kind, price_micro, side)
                salt = desk.adapter.signatory.salt(draft.identity)
                monkeypatch.setattr(orders, "_generate_salt", lambda salt=salt: salt)
                monkeypatch.setattr(orders, "_current_timestamp_ms", lambda at=draft.timestamp_ms: at)
                answer = await call()
                mine = desk.adapter.sign(draft)
                assert (sent.pop(), sent) == (mine.body, [])
                assert answer.ok and answer.order_id == mine.order_id

    play(tmp_path, scenario, wallet=wallet)


def listened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the official client hands its HTTP library as the body of an order."""
    sent: list[bytes] = []
    request = httpx.AsyncClient.request

    async def heard(self: httpx.AsyncClient, method: str, url: str, **how: Any) -> httpx.Response:
        if (method, url) == ("POST", "/order"):
            sent.append(how["content"])
        return await request(self, method, url, **how)

    monkeypatch.setattr(httpx.AsyncClient, "request", heard)
    return sent


# --- the venue of before CLOB V2 ---


@pytest.mark.parametrize("signature_type", ["auto", 0, 1, 2])
def test_the_old_clients_orders_rest_and_fill_at_a_venue_of_their_time(signature_type: Any, tmp_path: Path) -> None:
    """Under the name we gave them, for every kind of wallet there was."""

    async def scenario(desk: Desk) -> None:
        order_id, answer = await desk.place(desk.draft())
        assert (answer.verdict, answer.status, answer.order_id) == ("accepted", "live", order_id), answer.reason
        assert (await desk.gateway.cancel(order_id)).verdict == "accepted"
        for draft in (
            desk.draft(kind="FAK", price_micro=900_000),
            desk.draft(kind="FOK", price_micro=100_000, side="SELL"),
        ):
            order_id, answer = await desk.place(draft)
            assert (answer.verdict, answer.status, answer.order_id) == ("accepted", "matched", order_id), answer.reason

    play(tmp_path, scenario, rules=Rules(clob_version=1), client="legacy-v1", signature_type=signature_type)


@pytest.mark.parametrize(("client", "clob_version"), [("legacy-v1", 2), ("unified", 1)])
def test_orders_of_another_version_are_refused_as_production_refuses_them(
    client: str, clob_version: int, tmp_path: Path
) -> None:
    """And they are rejected, not unknown: the venue says that they do not exist."""

    async def scenario(desk: Desk) -> None:
        _, answer = await desk.place(desk.draft())
        assert (answer.verdict, answer.reason) == ("rejected", refusals.VERSION_MISMATCH)

    play(tmp_path, scenario, rules=Rules(clob_version=clob_version), client=client)
