"""Transactions on their way: from sent to executed, mined and confirmed, or failed; one in flight for each wallet.

Both ways in meet here: the relayer's batches for smart wallets and raw transactions of plain accounts. Delays are
market time, drawn from the transaction's id: mined 2 to 5 s after it was sent, as facts 10 has it for trades; executed
before that and confirmed after it at moments that are made up, for no recording of them is at hand. Leaves what calls
do to `chain.py` and who may send them to `relayer.py` and `jsonrpc.py`. What always holds: a nonce is used once, at
mining; what failed changed nothing; CONFIRMED, FAILED and INVALID are final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Final

from deploy.rehearsal.abi import Call
from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.chain import Caller, Chain, Reverted
from deploy.rehearsal.keys import uuid_of
from deploy.rehearsal.outbox import Line, Outbox

EXECUTED_MS: Final = (300, 1_500)
MINED_MS: Final = (2_000, 5_000)
CONFIRMED_MS: Final = (6_000, 15_000)
KEPT_MAX: Final = 2_000
"""Final transactions that can still be asked for; the oldest is dropped first."""
FINAL: Final = frozenset({"STATE_CONFIRMED", "STATE_FAILED", "STATE_INVALID"})


@dataclass(slots=True)
class Transaction:
    """One transaction. via: relayer or rpc. created: a wallet is created, nothing is called. error: why it failed.

    spoilt: how it will come to nothing, if a fault has it so.
    """

    identity: str
    hash: str
    owner: str
    wallet: str
    nonce: int
    via: str
    calls: tuple[Call, ...] = ()
    state: str = "STATE_NEW"
    error: str = ""
    sent_ms: int = 0
    spoilt: str = ""

    @property
    def mined(self) -> bool:
        """Whether it is in a block, whatever became of it there."""
        return self.state in ("STATE_MINED", "STATE_CONFIRMED", "STATE_FAILED")

    @property
    def under_way(self) -> bool:
        """Whether it may still be mined."""
        return self.state in ("STATE_NEW", "STATE_EXECUTED")


@dataclass(slots=True)
class Transactions:
    """Every transaction of one chain. nonces: the next one, by lower-case wallet.

    spoils: how a transaction will come to nothing, by its id: reverted, invalid, or empty if it will not.
    """

    chain: Chain
    agenda: Agenda
    out: Outbox
    nonces: dict[str, int] = field(default_factory=dict)
    spoils: Callable[[str], str] = lambda identity: ""
    by_id: dict[str, Transaction] = field(default_factory=dict)
    by_hash: dict[str, Transaction] = field(default_factory=dict)

    def nonce(self, wallet: str) -> int:
        """The number the wallet's next transaction has to have."""
        return self.nonces.get(wallet.lower(), 0)

    def busy(self, wallet: str) -> bool:
        """Whether a transaction of the wallet is not mined yet."""
        name = wallet.lower()
        return any(each.wallet.lower() == name for each in self.by_id.values() if each.under_way)

    def send(self, caller: Caller, calls: tuple[Call, ...], via: str, hash_: str = "") -> Transaction:
        """Take a transaction that was found good. hash_: its own where it has one, else it is drawn."""
        nonce = self.nonce(caller.wallet)
        drawn = sha256(f"{via}/{caller.wallet}/{nonce}/{caller.now_ms}".encode()).digest()
        identity = uuid_of(drawn)
        hash_ = hash_ or "0x" + sha256(drawn).hexdigest()
        found = Transaction(identity, hash_, caller.owner, caller.wallet, nonce, via, calls, sent_ms=caller.now_ms)
        self._keep(found)
        self._tell(found, caller.now_ms)
        found.spoilt = self.spoils(identity)
        for at, (name, (low, high)) in enumerate(STEPS):
            due_ms = caller.now_ms + low + int.from_bytes(drawn[4 * at : 4 * at + 4]) % (high - low)
            self.agenda.add(due_ms, partial(self._step, found, name, due_ms))
        return found

    def _keep(self, transaction: Transaction) -> None:
        self.by_id[transaction.identity] = self.by_hash[transaction.hash] = transaction
        final = [each for each in self.by_id.values() if each.state in FINAL]
        for each in final[: max(0, len(self.by_id) - KEPT_MAX)]:
            del self.by_id[each.identity], self.by_hash[each.hash]

    def _step(self, transaction: Transaction, state: str, now_ms: int) -> None:
        if transaction.state in FINAL:
            return
        transaction.state = state
        if transaction.spoilt == "invalid":
            transaction.state, transaction.error = "STATE_INVALID", "dropped: the relayer did not send it"
        elif state == "STATE_MINED":
            self.nonces[transaction.wallet.lower()] = transaction.nonce + 1
            try:
                if transaction.spoilt:
                    raise Reverted("execution reverted")
                self.chain.run(transaction.calls, Caller(transaction.owner, transaction.wallet, now_ms))
            except Reverted as reverted:
                transaction.state, transaction.error = "STATE_FAILED", str(reverted)
        self._tell(transaction, now_ms)

    def _tell(self, transaction: Transaction, now_ms: int) -> None:
        fields = {
            "transaction_id": transaction.identity,
            "hash": transaction.hash,
            "owner": transaction.owner,
            "wallet": transaction.wallet,
            "nonce": transaction.nonce,
            "via": transaction.via,
            "state": transaction.state,
            "error": transaction.error,
        }
        self.out.put(Line(now_ms, "transaction", fields))

    def recall(self, told: Transaction) -> None:
        """Take over a transaction from the record; one that was on its way when the venue died is lost."""
        if told.state not in FINAL | {"STATE_MINED"}:
            told.state, told.error = "STATE_FAILED", "dropped: the relayer was started again"
        elif told.state == "STATE_MINED":
            told.state = "STATE_CONFIRMED"
        self._keep(told)


STEPS: Final = (
    ("STATE_EXECUTED", EXECUTED_MS),
    ("STATE_MINED", MINED_MS),
    ("STATE_CONFIRMED", CONFIRMED_MS),
)
