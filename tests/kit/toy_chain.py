"""A toy chain with a toy relayer: one wallet, one window, blocks that may be taken back, words that are lost or late.

It keeps the truth that our books are held against. A nonce is used once; a merge without its pairs and a redemption
before the result are mined and change nothing; nobody but the wallet's own transactions moves what it holds, save for
trades and, if told so, the auto-redeemer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Final

from supervisor.claims import Seen
from supervisor.venue.chain import Answered, Fate

DEEP: Final = 3
BLOCKS_KEPT: Final = 16


@dataclass(frozen=True)
class Batch:
    """A signed transaction: the bytes that leave say all of this."""

    nonce: int
    kind: str
    amount: int

    @property
    def body(self) -> bytes:
        """As it leaves."""
        return f"{self.nonce} {self.kind} {self.amount}".encode()


@dataclass(frozen=True)
class Block:
    """The wallet after a block. `done`: transactions in it and before, and whether they did what they should."""

    nonce: int = 0
    cash: int = 0
    up: int = 0
    down: int = 0
    resolved: bool = False
    done: tuple[tuple[str, bool], ...] = ()
    merges: int = 0
    redeemed: int = 0


@dataclass
class ToyChain:
    """Args: chance: of everything. troubled: whether anything goes wrong at all. sends: late ones, on their way."""

    chance: random.Random
    troubled: bool = True
    blocks: list[Block] = field(default_factory=lambda: [Block()])
    batches: dict[str, Batch] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    late: list[bytes] = field(default_factory=list)
    reverts: set[str] = field(default_factory=set)
    ids: int = 0

    @property
    def now(self) -> Block:
        """The newest block."""
        return self.blocks[-1]

    def change(self, **fields: int | bool) -> None:
        """Something that stays happens in the newest block, and in all that could come back."""
        self.blocks = [replace(block, **{k: _moved(block, k, v) for k, v in fields.items()}) for block in self.blocks]

    def step(self) -> None:
        """A block comes, or some are taken back; late requests arrive."""
        if self.late and self._unlucky(0.5):
            self.submit(self.late.pop(), arrives=True)
        if self._unlucky(0.05):
            self._reorganise(self.chance.randint(1, DEEP - 1))
        block = self.now
        if self.pending and self.chance.random() < 0.6:
            name = self.chance.choice(sorted(self.pending))
            self.pending.discard(name)
            block = self._mined(block, name, self.batches[name])
        self.blocks = [*self.blocks[-BLOCKS_KEPT:], block]

    def submit(self, body: bytes, *, arrives: bool = False) -> Answered:
        """The relayer is asked to send a transaction; what the asker hears of it."""
        if not arrives and self._unlucky(0.15):
            if self.chance.random() < 0.5:
                self.late.append(body)
            return Answered("unanswered", "no answer")
        nonce, kind, amount = body.decode().split()
        batch = Batch(int(nonce), kind, int(amount))
        if self.pending or self._unlucky(0.1):
            return Answered("refused", "wallet busy")
        if batch.nonce != self.now.nonce:
            return Answered("refused", f"batch nonce {nonce} does not match")
        self.ids += 1
        name = f"id-{self.ids}"
        self.batches[name] = batch
        if self._unlucky(0.1):
            self.lost.add(name)
        else:
            self.pending.add(name)
        if self._unlucky(0.1):
            self.reverts.add(name)
        return Answered("unanswered", "the answer was lost") if self._unlucky(0.15) else Answered("accepted", "", name)

    def look(self, transactions: tuple[str, ...]) -> Seen | None:
        """What a look shows; nothing when nobody answers."""
        if self._unlucky(0.1):
            return None
        deep = self.blocks[max(0, len(self.blocks) - 1 - DEEP)]
        new, fates = self.now, tuple(self._fate(name, deep) for name in transactions)
        return Seen(new.nonce, deep.nonce, (new.up, new.down), (deep.up, deep.down), fates)

    def redeem_by_itself(self) -> None:
        """The auto-redeemer was quicker."""
        block = self.now
        if block.resolved:
            self.blocks[-1] = _redeemed(block)

    def _fate(self, name: str, deep: Block) -> tuple[Fate, str]:
        if name in self.lost:
            return "failed", "never sent"
        if name in dict(deep.done):
            return ("confirmed", "") if dict(deep.done)[name] else ("failed", "reverted")
        return ("mined" if name in dict(self.now.done) else "pending"), ""

    def _mined(self, block: Block, name: str, batch: Batch) -> Block:
        """One that was overtaken by another of its nonce is dropped without a word."""
        if batch.nonce != block.nonce:
            return block
        merge = batch.kind == "merge"
        good = name not in self.reverts and (min(block.up, block.down) >= batch.amount if merge else block.resolved)
        block = replace(block, nonce=block.nonce + 1, done=(*block.done, (name, good)))
        if not good:
            return block
        if merge:
            left = {"up": block.up - batch.amount, "down": block.down - batch.amount}
            return replace(block, cash=block.cash + batch.amount, merges=block.merges + batch.amount, **left)
        return _redeemed(block)

    def _reorganise(self, depth: int) -> None:
        """Blocks are taken back; their transactions wait to be mined once more, or are forgotten."""
        before = {name for name, _ in self.now.done}
        self.blocks = self.blocks[: max(1, len(self.blocks) - depth)]
        undone = before - {name for name, _ in self.now.done}
        self.pending |= {name for name in undone if self.chance.random() < 0.7}

    def _unlucky(self, share: float) -> bool:
        return self.troubled and self.chance.random() < share


def _redeemed(block: Block) -> Block:
    """Up has won."""
    return replace(block, cash=block.cash + block.up, redeemed=block.redeemed + block.up, up=0, down=0)


def _moved(block: Block, name: str, by: int | bool) -> int | bool:
    return by if isinstance(by, bool) else getattr(block, name) + by
