"""The relayer: takes signed batches for smart wallets, sends them free of gas, and tells what became of them.

Leaves proofs to `envelopes.py` and their way to `transactions.py`. Texts of refusals are those the official client
looks for (`_internal/actions/relayer/submit.py` of polymarket-client 0.14.0); the rest of a body is not known. A
relayer key is made on the site in production; here the first one that is shown for an address is that address's. What
always holds: one transaction in flight for each wallet; a batch with a used nonce changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from deploy.rehearsal import refusals
from deploy.rehearsal.buckets import Bucket
from deploy.rehearsal.chain import Caller
from deploy.rehearsal.envelopes import RELAY_HUB, Envelope, opened
from deploy.rehearsal.keys import same
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.transactions import Transaction, Transactions

SUBMITS_PER_MINUTE: Final = 25
"""Source: facts 3.8."""
KEYS_MAX: Final = 10_000
RELAY: Final = RELAY_HUB
"""The address proxies sign for as their relay."""


@dataclass(slots=True)
class Relayer:
    """The relayer of one chain. keys: relayer keys by lower-case address."""

    transactions: Transactions
    keys: dict[str, str] = field(default_factory=dict)
    _bucket: Bucket | None = None

    def deployed(self, address: str) -> bool:
        """Every wallet exists: what the official client asks before it trades from one."""
        return bool(address)

    def known(self, key: str, address: str) -> str:
        """The address whose key this is, lower case. Raises: Refused: 401."""
        name = address.lower()
        room = name in self.keys or len(self.keys) < KEYS_MAX
        if not key or not name or not room or not same(self.keys.setdefault(name, key), key):
            raise Refused(401, "invalid authorization")
        return name

    def params(self, address: str, kind: str) -> Json:
        """The nonce of the wallet that signs next. address: of its owner; a proxy is told its relay instead."""
        wallet = self._wallet_of(address)
        return {"address": RELAY if kind == "PROXY" else address, "nonce": str(self.transactions.nonce(wallet))}

    def submit(self, body: object, address: str, now_ms: int) -> Json:
        """Take a batch. address: whose key sent it, blank for anybody's. Raises: Refused."""
        envelope = opened(body)
        if address and envelope.owner.lower() != address:
            raise Refused(401, "invalid authorization")
        accounts = self.transactions.chain.accounts
        wallet = envelope.wallet or self._wallet_of(envelope.owner)
        self._check(envelope, wallet, now_ms)
        if envelope.wallet and accounts.knows(envelope.owner):
            if not accounts.permits(envelope.owner, wallet):
                raise refusals.bad("wallet does not belong to the signer")
            accounts.bind(envelope.owner, wallet, envelope.signature_type)
        caller = Caller(envelope.owner, wallet, now_ms)
        return _submitted(self.transactions.send(caller, envelope.calls, "relayer"))

    def charge(self, now_ns: int, speed: float) -> None:
        """Count a submit against the minute's bound, in real time and wider in a faster rehearsal. Raises: Refused."""
        burst = SUBMITS_PER_MINUTE * max(1.0, speed)
        self._bucket = self._bucket or Bucket.full(burst / 60, burst, now_ns)
        if not self._bucket.take(1, now_ns):
            raise Refused(429, refusals.TOO_MANY, {"Retry-After": str(int(self._bucket.wait_s(1)) + 1)})

    def transaction(self, identity: str) -> Json:
        """What became of one. Raises: Refused: 404."""
        found = self.transactions.by_id.get(identity)
        if found is None or found.via != "relayer":
            raise Refused(404, "transaction not found")
        hash_ = "" if found.state == "STATE_NEW" else found.hash
        shown = {"transaction_id": identity, "state": found.state, "transaction_hash": hash_}
        return shown | {"nonce": str(found.nonce), "error_msg": found.error or None}

    def _check(self, envelope: Envelope, wallet: str, now_ms: int) -> None:
        expected = self.transactions.nonce(wallet)
        if self.transactions.busy(wallet):
            raise refusals.bad("wallet busy: it has an active action")
        if envelope.kind != "WALLET-CREATE" and envelope.nonce != expected:
            raise refusals.bad(f"batch nonce {envelope.nonce} does not match on-chain nonce {expected}")
        if envelope.deadline_s is not None and envelope.deadline_s * 1_000 < now_ms:
            raise refusals.bad("deadline expired")

    def _wallet_of(self, owner: str) -> str:
        accounts = self.transactions.chain.accounts
        known = [account for account in accounts.all() if account.owner.lower() == owner.lower()]
        return known[0].wallet if known and known[0].wallet else owner


def _submitted(transaction: Transaction) -> Json:
    """The answer to a batch that was taken; its hash comes later."""
    return {"transactionID": transaction.identity, "state": transaction.state, "transactionHash": ""}
