"""Keys, balances and empty lists over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account
from kit.venue import Trader
from kit.venue_http import Desk, play
from polymarket._internal.l1_auth import build_api_key_auth_typed_data

from deploy.rehearsal import refusals
from deploy.rehearsal.modes import Standing
from deploy.rehearsal.record import read_keys
from shared.clock import SystemClock

PRIVATE = "0x" + "11" * 32


def key_request(nonce: int = 0, timestamp: int | None = None) -> dict[str, str]:
    account = Account.from_key(PRIVATE)
    stamp = SystemClock().wall_ns() // 10**9 if timestamp is None else timestamp
    typed = build_api_key_auth_typed_data(address=account.address, chain_id=137, timestamp=stamp, nonce=nonce)
    signature = account.sign_typed_data(full_message=typed).signature.hex()
    return {
        "POLY_ADDRESS": account.address,
        "POLY_SIGNATURE": "0x" + signature,
        "POLY_TIMESTAMP": str(stamp),
        "POLY_NONCE": str(nonce),
    }


def test_a_key_is_made_once_and_derived_ever_after(tmp_path: Path) -> None:
    """One per address and nonce; who made none derives none."""

    async def scenario(desk: Desk) -> None:
        refused = await desk.ask("GET", "/auth/derive-api-key", headers=key_request())
        assert refused == (400, {"error": refusals.NO_SUCH_KEY})
        first = await desk.ask("POST", "/auth/api-key", headers=key_request())
        assert await desk.ask("POST", "/auth/api-key", headers=key_request()) == first
        assert await desk.ask("GET", "/auth/derive-api-key", headers=key_request()) == first
        assert (await desk.ask("POST", "/auth/api-key", headers=key_request(1)))[1] != first[1]
        assert (await desk.ask("POST", "/auth/api-key", headers=key_request(0, 5)))[0] == 401
        assert [line["grant_micro"] for line in desk.running.record("key")] == [10**9, 0]
        assert first[1]["secret"] not in (tmp_path / "record.jsonl").read_text()

    play(tmp_path, scenario)


def test_keyed_reads_need_a_proof(tmp_path: Path) -> None:
    """401 in one voice without it."""

    async def scenario(desk: Desk) -> None:
        for path in ("/auth/api-keys", "/balance-allowance", "/data/orders", "/data/trades", "/data/order/0x"):
            assert await desk.get(path) == (401, {"error": refusals.UNAUTHORIZED})
        key = desk.join()
        assert (await desk.keyed("GET", "/auth/api-keys"))[1] == {"apiKeys": [key.api_key]}
        assert (await desk.keyed("GET", "/auth/ban-status/closed-only"))[1] == {"closed_only": False}
        _status, balance = await desk.keyed("GET", "/balance-allowance?asset_type=COLLATERAL&signature_type=3")
        assert balance["balance"] == "1000000000"

    play(tmp_path, scenario)


def test_the_wrong_signature_type_sees_an_empty_wallet(tmp_path: Path) -> None:
    """Once the wallet is known; the right one sees its dollars and shares."""

    async def scenario(desk: Desk) -> None:
        await desk.keyed("POST", "/order", desk.order())
        path = "/balance-allowance?asset_type=COLLATERAL&signature_type="
        balances = [(await desk.keyed("GET", path + kind))[1]["balance"] for kind in ("0", "3")]
        assert balances == ["1000000000", "0"]
        shares = f"/balance-allowance/update?asset_type=CONDITIONAL&token_id={desk.market.listing.up_token}"
        assert (await desk.keyed("GET", shares))[1]["balance"] == "0"
        assert (await desk.keyed("GET", path + "x"))[0] == 400

    play(tmp_path, scenario)


def test_closed_only_is_asked_and_told(tmp_path: Path) -> None:
    """By the address of the key."""

    async def scenario(desk: Desk) -> None:
        key = desk.join()
        desk.running.exchange.modes.set_standing(key.owner, Standing.CLOSED_ONLY)
        assert (await desk.keyed("GET", "/auth/ban-status/closed-only"))[1] == {"closed_only": True}
        status, body = await desk.keyed("POST", "/order", desk.order())
        assert (status, body) == (400, {"error": f"'{key.owner}' address in closed only mode"})

    play(tmp_path, scenario)


def test_a_deleted_key_is_gone_from_disk(tmp_path: Path) -> None:
    """Its orders stay; its owner may make another."""

    async def scenario(desk: Desk) -> None:
        await desk.keyed("POST", "/order", desk.order())
        assert await desk.keyed("DELETE", "/auth/api-key") == (200, "OK")
        assert (await desk.keyed("GET", "/auth/api-keys"))[0] == 401
        assert read_keys(tmp_path) == []
        another = desk.join()
        assert len((await desk.keyed("GET", "/data/orders", key=another))[1]["data"]) == 1

    play(tmp_path, scenario)


def test_shares_are_asked_for_by_their_asset_type(tmp_path: Path) -> None:
    """A CTF token has nothing under Protocol V2's name."""

    async def scenario(desk: Desk) -> None:
        key, token = desk.join(), desk.market.listing.up_token
        desk.running.exchange.accounts.get(key.owner).positions[token] = 7_000_000
        path = f"/balance-allowance?token_id={token}&asset_type="
        shown = [(await desk.keyed("GET", path + kind))[1]["balance"] for kind in ("CONDITIONAL", "CONDITIONAL-V2")]
        assert shown == ["7000000", "0"]

    play(tmp_path, scenario)


def test_readonly_keys_belong_to_their_owner(tmp_path: Path) -> None:
    """Anybody may ask whether one is somebody's."""

    async def scenario(desk: Desk) -> None:
        mine = desk.join()
        other = desk.running.venue.create_key(Trader(2).address, 0)
        made = (await desk.keyed("POST", "/auth/readonly-api-key"))[1]["apiKey"]
        path = f"/auth/validate-readonly-api-key?address={mine.owner}&key="
        assert [(await desk.get(path + key))[1] for key in (made, "another")] == [True, False]
        assert (await desk.keyed("DELETE", "/auth/readonly-api-key", {"key": made}, other))[1] is False
        assert (await desk.keyed("DELETE", "/auth/readonly-api-key", {"key": made}))[1] is True
        assert (await desk.keyed("DELETE", "/auth/readonly-api-key", {}))[0] == 400

    play(tmp_path, scenario)


@pytest.mark.parametrize("path", ["/notifications", "/order-scoring", "/data/pre-migration-orders", "/rewards/user"])
def test_empty_lists_need_a_proof_as_well(tmp_path: Path, path: str) -> None:
    """Who proves nothing learns nothing."""

    async def scenario(desk: Desk) -> None:
        assert await desk.get(path) == (401, {"error": refusals.UNAUTHORIZED})
        assert (await desk.keyed("GET", path))[0] == 200

    play(tmp_path, scenario)
