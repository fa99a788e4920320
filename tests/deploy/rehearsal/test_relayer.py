"""The relayer's rules."""

from __future__ import annotations

from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.envelopes import ACCOUNT, WALLET, a_batch, a_proxy, a_safe
from kit.venue import Trader, an_exchange
from polymarket._internal.actions.relayer.submit import is_retryable_submit_error
from polymarket.errors import RequestRejectedError
from polymarket.models.clob.relayer import GaslessTransaction, RelayerExecuteParams, RelayerExecuteResponse

from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.relayer import SUBMITS_PER_MINUTE, Relayer

NOW_MS = (START_S + 20) * 1_000
OWNER = ACCOUNT.address.lower()


def a_relayer() -> tuple[Relayer, Exchange]:
    exchange = an_exchange(a_day(), NOW_MS)
    Trader().join(exchange)
    return Relayer(exchange.transactions), exchange


def refused(relayer: Relayer, body: Any, now_ms: int = NOW_MS, address: str = OWNER) -> Refused:
    with pytest.raises(Refused) as error:
        relayer.submit(body, address, now_ms)
    return error.value


@pytest.mark.parametrize("make", [a_batch, a_safe, a_proxy])
def test_a_batch_goes_through_and_is_told_at_every_state(make: Any) -> None:
    """In shapes the official client reads; its wallet is its owner's from then on."""
    relayer, exchange = a_relayer()
    answer = RelayerExecuteResponse.parse_response(relayer.submit(make([call()]), OWNER, NOW_MS))
    states = []
    for second in range(16):
        exchange.advance(NOW_MS + second * 1_000)
        states.append(GaslessTransaction.parse_response(relayer.transaction(answer.transaction_id)).state.value)
    assert list(dict.fromkeys(states)) == ["STATE_NEW", "STATE_EXECUTED", "STATE_FAILED"]
    assert "no such function" in relayer.transaction(answer.transaction_id)["error_msg"]
    assert exchange.accounts.owner_of(WALLET) == ACCOUNT.address


def call() -> Any:
    from deploy.rehearsal.abi import Call

    return Call("0x" + "12" * 20, 0, b"abcd")


def test_one_batch_of_a_wallet_is_on_its_way_and_nonces_are_used_once() -> None:
    """The official client tries again after the one, and with the right number after the other."""
    relayer, exchange = a_relayer()
    relayer.submit(a_batch([]), OWNER, NOW_MS)
    busy = refused(relayer, a_batch([], nonce=1))
    assert is_retryable_submit_error(RequestRejectedError(busy.reason, status=busy.status))
    exchange.advance(NOW_MS + 20_000)
    stale = refused(relayer, a_batch([], nonce=0))
    assert stale.reason == "batch nonce 0 does not match on-chain nonce 1"
    assert is_retryable_submit_error(RequestRejectedError(stale.reason, status=stale.status))
    params = RelayerExecuteParams.parse_response(relayer.params(ACCOUNT.address, "WALLET"))
    assert params.nonce == "1"
    relayer.submit(a_batch([], nonce=1), OWNER, exchange.now_ms)


def test_who_may_not_is_refused() -> None:
    """Too late, with another's key, for another's wallet."""
    relayer, exchange = a_relayer()
    assert refused(relayer, a_batch([], deadline_s=START_S)).reason == "deadline expired"
    assert refused(relayer, a_batch([]), address="0x" + "5" * 40).status == 401
    stranger = Trader(2).join(exchange)
    exchange.accounts.bind(stranger.owner, WALLET, 3)
    assert "does not belong" in refused(relayer, a_batch([])).reason


def test_a_relayer_key_is_its_addresss() -> None:
    """The first one that is shown; another one is refused."""
    relayer, _ = a_relayer()
    assert relayer.known("one", ACCOUNT.address) == OWNER
    assert relayer.known("one", OWNER) == OWNER
    for key, address in (("two", OWNER), ("", OWNER), ("one", "")):
        with pytest.raises(Refused) as error:
            relayer.known(key, address)
        assert error.value.status == 401


def test_a_minute_has_a_bound_on_submits() -> None:
    """Twenty-five, then come back later; in a faster rehearsal as many more."""
    relayer, _ = a_relayer()
    for _ in range(SUBMITS_PER_MINUTE):
        relayer.charge(0, 1.0)
    with pytest.raises(Refused) as error:
        relayer.charge(0, 1.0)
    assert (error.value.status, error.value.headers["Retry-After"]) == (429, "3")
    relayer.charge(3 * 10**9, 1.0)
    fast, _ = a_relayer()
    for _ in range(SUBMITS_PER_MINUTE * 10):
        fast.charge(0, 10.0)


def test_what_was_never_sent_is_not_found() -> None:
    """And a created wallet is a transaction too."""
    relayer, _ = a_relayer()
    with pytest.raises(Refused) as error:
        relayer.transaction("x")
    assert error.value.status == 404
    created = relayer.submit({"type": "WALLET-CREATE", "from": ACCOUNT.address}, OWNER, NOW_MS)
    assert relayer.transaction(created["transactionID"])["state"] == "STATE_NEW"
    assert relayer.deployed(WALLET) and not relayer.deployed("")
    assert relayer.params(ACCOUNT.address, "PROXY")["address"].startswith("0xD216")
