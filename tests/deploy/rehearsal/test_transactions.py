"""Transactions on their way."""

from __future__ import annotations

from kit.days import START_S, a_day
from kit.venue import Trader, an_exchange, lines_of

from deploy.rehearsal.abi import Call
from deploy.rehearsal.chain import CTF, Caller
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.transactions import CONFIRMED_MS, KEPT_MAX, MINED_MS, Transaction

NOW_MS = (START_S + 20) * 1_000


def an_exchange_and_its_caller() -> tuple[Exchange, Caller]:
    exchange = an_exchange(a_day(), NOW_MS)
    owner = Trader().join(exchange).owner
    exchange.out.take()
    return exchange, Caller(owner, owner, NOW_MS)


def test_a_transaction_is_executed_mined_and_confirmed() -> None:
    """Each on the record, within its bounds, and its nonce used once."""
    exchange, caller = an_exchange_and_its_caller()
    sent = exchange.transactions.send(caller, (), "relayer")
    assert exchange.transactions.busy(caller.wallet)
    exchange.advance(NOW_MS + CONFIRMED_MS[1])
    lines = lines_of(exchange, "transaction")
    assert [line["state"] for line in lines] == ["STATE_NEW", "STATE_EXECUTED", "STATE_MINED", "STATE_CONFIRMED"]
    assert NOW_MS + MINED_MS[0] <= lines[2]["t_ms"] <= NOW_MS + MINED_MS[1]
    assert (sent.state, exchange.transactions.nonce(caller.wallet)) == ("STATE_CONFIRMED", 1)
    assert not exchange.transactions.busy(caller.wallet)


def test_a_reverted_one_fails_and_uses_its_nonce_all_the_same() -> None:
    """With the contract's reason."""
    exchange, caller = an_exchange_and_its_caller()
    sent = exchange.transactions.send(caller, (Call(CTF, 0, b"abcd"),), "rpc", "0x5")
    exchange.advance(NOW_MS + CONFIRMED_MS[1])
    assert (sent.state, sent.error) == ("STATE_FAILED", "execution reverted: no such function")
    assert (exchange.transactions.nonce(caller.wallet), exchange.transactions.by_hash["0x5"]) == (1, sent)


def test_the_record_brings_back_what_became_of_them() -> None:
    """Final ones as they were; one that was on its way when the venue died is lost, and its wallet free again."""
    exchange, caller = an_exchange_and_its_caller()
    first = exchange.transactions.send(caller, (), "relayer")
    exchange.advance(NOW_MS + CONFIRMED_MS[1])
    second = exchange.transactions.send(caller, (), "relayer")
    again = an_exchange(a_day(), exchange.now_ms, memory=Memory().fold(lines_as_written(exchange)))
    assert again.transactions.by_id[first.identity].state == "STATE_CONFIRMED"
    assert again.transactions.by_id[second.identity].error.startswith("dropped")
    assert (again.transactions.nonce(caller.wallet), again.transactions.busy(caller.wallet)) == (1, False)


def lines_as_written(exchange: Exchange) -> list[dict[str, object]]:
    return [line | {"kind": "transaction"} for line in lines_of(exchange, "transaction")]


def test_only_so_many_are_remembered() -> None:
    """The oldest final ones go first."""
    exchange, caller = an_exchange_and_its_caller()
    for number in range(KEPT_MAX + 5):
        told = Transaction(f"id{number}", f"0x{number:x}", caller.owner, caller.wallet, number, "rpc")
        told.state = "STATE_CONFIRMED"
        exchange.transactions.recall(told)
    assert len(exchange.transactions.by_id) <= KEPT_MAX + 1
    assert "id0" not in exchange.transactions.by_id and f"id{KEPT_MAX + 4}" in exchange.transactions.by_id
