"""The chain's dialect, JSON-RPC: questions put together into one request, their answers, receipts and blocks.

What always holds: an answer is taken only whole, one for each question; what a node says against one of them is an
`RpcError` in its place. Numbers are blocks, nonces and millionths of shares. Source: the Ethereum JSON-RPC
specification; shares are ERC-1155 balances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from supervisor.venue.frames import SAID_MAX, UNREADABLE, BadFrame, sample

Question = tuple[str, list[Any]]
"""A method and its parameters."""
Fate = Literal["absent", "pending", "mined", "confirmed", "failed"]
"""What is known of one transaction; `confirmed`: mined so deep, with success, that it stays."""
GWEI: Final = 10**9
BASE_ROOM: Final = 2
"""How many times the base fee of the newest block an offer covers: it grows by an eighth a block at most."""
RAISE_EIGHTHS: Final = 9
"""A replacement offers nine eighths of both parts; nodes ask for a tenth more, some of them for an eighth."""
KNOWN_ALREADY: Final = ("already known", "already imported", "known transaction")
"""How nodes say that they have a transaction: it was taken, now or before."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of sending a transaction; `refused` is surely not taken. `transaction`: its id, or its hash."""

    event: Literal["accepted", "refused", "unanswered"]
    why: str = ""
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for each unit of gas, in wei: at most, and of that to whoever puts it into a block."""

    most_wei: int
    tip_wei: int


NOTHING: Final = Fees(0, 0)


class TooDear(Exception):
    """A transaction that is stuck could be outbid only beyond our bounds."""


@dataclass(frozen=True, slots=True)
class RpcError:
    """A node's no to one question."""

    code: int
    message: str


class _Error(msgspec.Struct):
    code: int
    message: str


class _Answer(msgspec.Struct):
    id: int | None
    result: Any = None
    error: _Error | None = None


def asked(questions: Sequence[Question]) -> bytes:
    """One request with all of them."""
    return msgspec.json.encode(
        [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(questions)
        ]
    )


def answered(http: int, body: bytes, count: int) -> list[Any]:
    """The answers in the order of the questions; an RpcError where the node said no. Raises: BadFrame."""
    try:
        found = {each.id: each for each in msgspec.json.decode(body, type=list[_Answer])} if http == 200 else {}
    except UNREADABLE:
        found = {}
    if len(found) != count or set(found) != set(range(count)):
        raise BadFrame(f"the node answers HTTP {http} {sample(body)}")
    return [_plain(found[number]) for number in range(count)]


def _plain(answer: _Answer) -> Any:
    error = answer.error
    return RpcError(error.code, error.message[:SAID_MAX]) if error is not None else answer.result


def number(value: object) -> int:
    """A quantity. Raises: BadFrame."""
    try:
        return int(str(value), 16)
    except ValueError:
        raise BadFrame(f"the node gives no number: {str(value)[:SAID_MAX]}") from None


def block(value: object) -> tuple[int, int]:
    """A block's number and its time, unix seconds. Raises: BadFrame."""
    if not isinstance(value, dict):
        raise BadFrame(f"the node gives no block: {str(value)[:SAID_MAX]}")
    return number(value.get("number")), number(value.get("timestamp"))


def fees(newest: object, tip: object, last: Fees, stuck: Sequence[object], bounds: Fees) -> Fees:
    """What to offer: room for the base fee to double and the tip that the node names, an eighth over what was offered.

    Args: newest: the newest block. last: our last offer under the same nonce, nothing for none: the node may have
    forgotten it, another may not. stuck: transactions under that nonce as the node has them; what waits in its pool has
    to be outbid in both parts, or the node keeps it. Raises: BadFrame; TooDear: that would be beyond the bounds.
    """
    base = number(newest.get("baseFeePerGas")) if isinstance(newest, dict) else number(None)
    tip_wei = min(max(number(tip), _over(last.tip_wei)), bounds.tip_wei)
    most_wei = min(max(BASE_ROOM * base + tip_wei, _over(last.most_wei)), bounds.most_wei)
    for old in stuck:
        if isinstance(old, dict) and old.get("blockNumber") is None:
            most_wei = max(most_wei, _over(_offered(old, "maxFeePerGas")))
            tip_wei = max(tip_wei, _over(_offered(old, "maxPriorityFeePerGas")))
    if most_wei > bounds.most_wei or tip_wei > bounds.tip_wei:
        offer = f"{most_wei / GWEI:g} gwei, {tip_wei / GWEI:g} of it as a tip"
        raise TooDear(f"to outbid the transaction that waits takes {offer}: beyond claims.gas_max_gwei or tip_max_gwei")
    return Fees(most_wei, min(tip_wei, most_wei))


def _offered(old: dict[str, Any], part: str) -> int:
    """One of the old kind has one price for both parts."""
    return number(old.get(part) or old.get("gasPrice"))


def _over(wei: int) -> int:
    """The least that replaces it."""
    return -(-wei * RAISE_EIGHTHS // 8)


def fate(receipt: object, deep: int) -> tuple[Fate, str]:
    """What a receipt says of its transaction; one that is not there yet is pending.

    Args: deep: the newest block that stays. What is mined above it may be taken back, also what failed there.
    """
    if not isinstance(receipt, dict):
        return "pending", ""
    if number(receipt.get("blockNumber")) > deep:
        return "mined", ""
    if number(receipt.get("status")) == 1:
        return "confirmed", ""
    return "failed", "the transaction was reverted"


def parse_sent(answer: object, transaction: str) -> Answered:
    """What a node said to a signed transaction, whose hash is known before. A nonce that is used is found out later."""
    if isinstance(answer, RpcError) and not any(text in answer.message.lower() for text in KNOWN_ALREADY):
        return Answered("refused", answer.message)
    return Answered("accepted", "", transaction)
