"""The chain's own door: JSON-RPC of a Polygon node, as far as a wallet of this venue needs it.

A block is two seconds of market time; gas costs nothing. Leaves contracts to `chain.py` and transactions to
`transactions.py`. What always holds: every request gets an answer with its id; what a contract refuses is an error
that says it reverted; an unknown method is an error and no guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.rehearsal.abi import Call, Unreadable, data_of, raw_transaction
from deploy.rehearsal.chain import Caller, Reverted
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.signatures import CHAIN_ID
from deploy.rehearsal.transactions import Transaction, Transactions

BLOCK_MS: Final = 2_000
BATCH_MAX: Final = 100
GAS: Final = 300_000
GAS_PRICE: Final = 30_000_000_000
COIN: Final = 10**18
REVERTED: Final = 3
INVALID: Final = -32602
NO_METHOD: Final = -32601
NO_REQUEST: Final = -32600
REFUSED: Final = -32000


class Rejected(Exception):
    """A request that cannot be answered. code: JSON-RPC's number for it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(slots=True)
class Node:
    """A node of the chain."""

    transactions: Transactions

    def answer(self, body: object, now_ms: int) -> Json | list[Json]:
        """Answer a request or a batch of them, in its order."""
        if not isinstance(body, list):
            return self._one(body, now_ms)
        if not 1 <= len(body) <= BATCH_MAX:
            return _error(None, NO_REQUEST, f"a batch has 1 to {BATCH_MAX} requests")
        return [self._one(item, now_ms) for item in body]

    def _one(self, request: object, now_ms: int) -> Json:
        if not isinstance(request, dict):
            return _error(None, NO_REQUEST, "a request is an object")
        identity, params = request.get("id"), request.get("params") or []
        method = METHODS.get(str(request.get("method")))
        if method is None:
            return _error(identity, NO_METHOD, f"the method {request.get('method')} does not exist")
        try:
            return {"jsonrpc": "2.0", "id": identity, "result": method(self, list(params), now_ms)}
        except Reverted as reverted:
            return _error(identity, REVERTED, str(reverted))
        except Rejected as rejected:
            return _error(identity, rejected.code, str(rejected))
        except (Unreadable, LookupError, TypeError, ValueError, AttributeError) as error:
            return _error(identity, INVALID, f"invalid params: {error}")

    def _call(self, params: list[Any], now_ms: int) -> str:
        return self.transactions.chain.look(_call_of(params[0]))

    def _code(self, params: list[Any], now_ms: int) -> str:
        return self.transactions.chain.code(params[0])

    def _count(self, params: list[Any], now_ms: int) -> str:
        return hex(self.transactions.nonce(params[0]))

    def _block(self, params: list[Any], now_ms: int) -> Json:
        number, at_s = now_ms // BLOCK_MS, now_ms // BLOCK_MS * BLOCK_MS // 1_000
        return {"number": hex(number), "timestamp": hex(at_s), "baseFeePerGas": hex(GAS_PRICE)}

    def _send(self, params: list[Any], now_ms: int) -> str:
        """Take a signed transaction. One with another nonce than the next, or beside another, is refused."""
        raw = raw_transaction(data_of(params[0]))
        if raw.hash in self.transactions.by_hash:
            raise Rejected(REFUSED, "already known")
        expected = self.transactions.nonce(raw.sender)
        if raw.nonce != expected:
            low = "too low" if raw.nonce < expected else "too high"
            raise Rejected(REFUSED, f"nonce {low}: next nonce {expected}, tx nonce {raw.nonce}")
        if self.transactions.busy(raw.sender):
            raise Rejected(REFUSED, "replacement transaction underpriced")
        caller = Caller(raw.sender, raw.sender, now_ms)
        return self.transactions.send(caller, (raw.call,), "rpc", raw.hash).hash

    def _transaction(self, params: list[Any], now_ms: int) -> Json | None:
        """A transaction; one that no block has yet has no number of one."""
        found = self.transactions.by_hash.get(str(params[0]).lower())
        return _told(found) if found else None

    def _receipt(self, params: list[Any], now_ms: int) -> Json | None:
        found = self.transactions.by_hash.get(str(params[0]).lower())
        return _receipt(found) if found and found.mined else None


def _told(found: Transaction) -> Json:
    offered = {"maxFeePerGas": hex(GAS_PRICE), "maxPriorityFeePerGas": hex(GAS_PRICE)}
    where = {"blockNumber": hex(found.sent_ms // BLOCK_MS + 1) if found.mined else None}
    return {"hash": found.hash, "from": found.wallet.lower(), "nonce": hex(found.nonce)} | offered | where


def _receipt(found: Transaction) -> Json:
    return {
        "transactionHash": found.hash,
        "status": "0x0" if found.state == "STATE_FAILED" else "0x1",
        "blockNumber": hex(found.sent_ms // BLOCK_MS + 1),
        "from": found.wallet.lower(),
        "to": found.calls[0].target if found.calls else None,
        "gasUsed": hex(GAS),
        "logs": [],
    }


def _call_of(shown: Json) -> Call:
    return Call(str(shown["to"]).lower(), 0, data_of(shown.get("data") or shown.get("input") or "0x"))


def _error(identity: object, code: int, message: str) -> Json:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}


Method = Callable[[Node, list[Any], int], Any]
METHODS: Final[dict[str, Method]] = {
    "eth_chainId": lambda node, params, now_ms: hex(CHAIN_ID),
    "net_version": lambda node, params, now_ms: str(CHAIN_ID),
    "eth_blockNumber": lambda node, params, now_ms: hex(now_ms // BLOCK_MS),
    "eth_gasPrice": lambda node, params, now_ms: hex(GAS_PRICE),
    "eth_maxPriorityFeePerGas": lambda node, params, now_ms: hex(GAS_PRICE),
    "eth_estimateGas": lambda node, params, now_ms: hex(GAS),
    "eth_getBalance": lambda node, params, now_ms: hex(COIN),
    "eth_call": Node._call,
    "eth_getCode": Node._code,
    "eth_getTransactionCount": Node._count,
    "eth_getBlockByNumber": Node._block,
    "eth_sendRawTransaction": Node._send,
    "eth_getTransactionReceipt": Node._receipt,
    "eth_getTransactionByHash": Node._transaction,
}
