"""The chain's own door."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from kit.days import START_S, a_day
from kit.venue import Trader, an_exchange

from deploy.rehearsal.chain import CTF
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.jsonrpc import BATCH_MAX, Node

NOW_MS = (START_S + 20) * 1_000
KEY = (1).to_bytes(32)
ADDRESS = Trader().address


def a_node() -> tuple[Node, Exchange]:
    exchange = an_exchange(a_day(), NOW_MS)
    Trader().join(exchange)
    return Node(exchange.transactions), exchange


def ask(node: Node, method: str, *params: Any, now_ms: int = NOW_MS) -> Any:
    answer = node.answer({"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}, now_ms)
    assert isinstance(answer, dict) and answer["id"] == 7
    return answer["error"] if "error" in answer else answer["result"]


def a_raw(nonce: int = 0, data: str = "0x12345678") -> str:
    fields = {"to": CTF_TEXT, "value": 0, "data": data, "gas": 5, "gasPrice": 6, "nonce": nonce, "chainId": 137}
    return "0x" + Account.sign_transaction(fields, KEY).raw_transaction.hex()


CTF_TEXT = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"


def test_a_node_says_where_and_when_it_is() -> None:
    """Polygon, a block every two seconds, gas that costs nothing."""
    node, _ = a_node()
    assert (ask(node, "eth_chainId"), ask(node, "net_version")) == ("0x89", "137")
    block = ask(node, "eth_getBlockByNumber", "latest", False)
    assert int(block["timestamp"], 16) == START_S + 20 and block["number"] == ask(node, "eth_blockNumber")
    assert int(block["baseFeePerGas"], 16) > 0
    for method in ("eth_gasPrice", "eth_estimateGas", "eth_getBalance", "eth_maxPriorityFeePerGas"):
        assert int(ask(node, method, {}), 16) > 0
    assert (ask(node, "eth_getCode", CTF, "latest") == "0x", ask(node, "eth_getCode", ADDRESS)) == (False, "0x")


def test_a_raw_transaction_has_a_receipt_once_it_is_mined() -> None:
    """None before; then that it failed, for no contract knows the call."""
    node, exchange = a_node()
    hash_ = ask(node, "eth_sendRawTransaction", a_raw())
    assert ask(node, "eth_getTransactionReceipt", hash_) is None
    assert ask(node, "eth_getTransactionByHash", hash_)["blockNumber"] is None
    assert ask(node, "eth_getTransactionByHash", "0x" + "9" * 64) is None
    exchange.advance(NOW_MS + 6_000)
    told = ask(node, "eth_getTransactionByHash", hash_)
    assert (told["nonce"], int(told["blockNumber"], 16) > 0, int(told["maxFeePerGas"], 16) > 0) == ("0x0", True, True)
    receipt = ask(node, "eth_getTransactionReceipt", hash_)
    assert (receipt["status"], receipt["from"], receipt["to"]) == ("0x0", ADDRESS.lower(), CTF)
    assert ask(node, "eth_getTransactionCount", ADDRESS, "pending") == "0x1"


def test_nonces_are_used_in_order_and_once() -> None:
    """A copy is known already, another number is refused, and so is a second one beside the first."""
    node, exchange = a_node()
    assert ask(node, "eth_sendRawTransaction", a_raw(3))["message"].startswith("nonce too high")
    ask(node, "eth_sendRawTransaction", a_raw())
    assert ask(node, "eth_sendRawTransaction", a_raw())["message"] == "already known"
    assert "underpriced" in ask(node, "eth_sendRawTransaction", a_raw(data="0x12"))["message"]
    exchange.advance(NOW_MS + 20_000)
    assert ask(node, "eth_sendRawTransaction", a_raw(data="0x12"))["message"].startswith("nonce too low")


def test_a_reverted_read_says_so() -> None:
    """With the number clients know it by."""
    node, _ = a_node()
    error = ask(node, "eth_call", {"to": CTF, "data": "0x12345678"}, "latest")
    assert (error["code"], error["message"]) == (3, "execution reverted: no such function")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("eth_dance", [], -32601),
        ("eth_call", [], -32602),
        ("eth_call", [{"to": CTF, "data": "0xzz"}], -32602),
        ("eth_sendRawTransaction", ["0x1234"], -32602),
        ("eth_getCode", [5], -32602),
    ],
)
def test_nonsense_is_named(method: str, params: list[Any], code: int) -> None:
    """By JSON-RPC's own numbers."""
    node, _ = a_node()
    assert ask(node, method, *params)["code"] == code


def test_a_batch_is_answered_in_its_order() -> None:
    """Within a bound; what is no request is told so."""
    node, _ = a_node()
    batch = [{"id": number, "method": "eth_chainId"} for number in (2, 1)]
    answers = node.answer([*batch, 5], NOW_MS)
    assert isinstance(answers, list)
    assert [answer["id"] for answer in answers] == [2, 1, None]
    assert answers[2]["error"]["code"] == -32600
    for size in (0, BATCH_MAX + 1):
        refused = node.answer(batch[:1] * size, NOW_MS)
        assert isinstance(refused, dict) and refused["error"]["code"] == -32600
