"""The relayer's dialect: nonces, submissions, and what became of a transaction. It sends for smart wallets, gas-free.

Source: `_internal/actions/relayer` of polymarket-client 0.14.0 and the venue's API reference. What always holds: only a
clear no is a no; whatever else is not the wanted answer is no answer.
"""

from __future__ import annotations

from typing import Final

import msgspec

from supervisor.venue.chain import Answered, Fate
from supervisor.venue.frames import SAID_MAX, UNREADABLE, BadFrame, an_id, sample

FATES: Final[dict[str, Fate]] = {
    "STATE_NEW": "pending",
    "STATE_EXECUTED": "pending",
    "STATE_MINED": "mined",
    "STATE_CONFIRMED": "mined",  # how deep it is, the chain itself says
    "STATE_FAILED": "failed",
    "STATE_INVALID": "failed",
}


class _Params(msgspec.Struct):
    nonce: str | int
    address: str = ""


class _Submitted(msgspec.Struct, rename="camel"):
    transaction_id: str = msgspec.field(name="transactionID")


class _Transaction(msgspec.Struct):
    state: str
    transaction_hash: str | None = None
    error_msg: str | None = None


def parse_params(http: int, body: bytes) -> tuple[int, str]:
    """The wallet's next nonce, and the relay a proxy signs for. Raises: BadFrame."""
    try:
        found = msgspec.json.decode(body, type=_Params) if http == 200 else None
        if found is not None:
            return int(found.nonce), found.address
    except (*UNREADABLE, ValueError):
        pass
    raise BadFrame(f"relayer nonce: HTTP {http} {sample(body)}")


def parse_submitted(http: int, body: bytes) -> Answered:
    """What a submission came to. A server in trouble may have taken it; only a client's fault is a refusal."""
    if http == 200:
        try:
            return Answered("accepted", "", an_id(msgspec.json.decode(body, type=_Submitted).transaction_id))
        except UNREADABLE:
            return Answered("unanswered", f"its answer cannot be read: {sample(body)}")
    said = f"HTTP {http}: {body[:SAID_MAX].decode(errors='replace')}"
    return Answered("refused" if 400 <= http < 500 else "unanswered", said)


def parse_transaction(http: int, body: bytes) -> tuple[Fate, str, str]:
    """What became of a transaction, its hash where there is one, and why it failed. Raises: BadFrame."""
    if http == 404:
        return "absent", "", ""
    try:
        found = msgspec.json.decode(body, type=_Transaction) if http == 200 else None
        if found is not None and found.state in FATES:
            return FATES[found.state], found.transaction_hash or "", (found.error_msg or "")[:SAID_MAX]
    except UNREADABLE:
        pass
    raise BadFrame(f"relayer transaction: HTTP {http} {sample(body)}")
