"""Lives of a desk that claims, on a made-up clock and chain: everything happens, then nothing bad any more.

What is lost, late, reverted or taken back is decided by a seed; the journal of a life is `still.journal`.
"""

from __future__ import annotations

import random
from typing import Any, Final

from kit.still_desk import BTC, CASH, START_S, StillDesk, a_trading_desk
from kit.toy_chain import Batch, ToyChain
from kit.trading import BY

from shared import entries as e
from shared.clock import NS
from shared.config import Claims
from shared.messages import OUTCOMES, Side
from supervisor import effects as fx
from supervisor.claims import OVER, Prepared

STEPS: Final = 400
CALM_STEPS: Final = 2_000
SETTINGS: Final = Claims(
    by="relayer", poll_s=1.0, retry_s=1.0, retry_max_s=8.0, resend_s=10.0, merge_min_usd=1.0, submits_per_minute=1_000
)
WISHES = fx.LookAtClaim | fx.PrepareClaim | fx.SubmitClaim


class Life:
    """One window's life of a desk that claims."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.chain = ToyChain(self.chance)
        self.chain.change(cash=CASH)
        self.still: StillDesk = a_trading_desk(claims=SETTINGS)
        self.trades = 0
        self.matched: list[e.Fill] = []
        self.told: list[e.FillStatus] = []
        self.deaths = 0

    def live(self) -> None:
        """Everything happens; then nothing bad any more, until nothing is owed."""
        for step in range(STEPS):
            if step == STEPS // 2:
                self.resolve()
            self.act()
        self.chain.troubled, self.still.slow_disk = False, False
        self.still.sync()
        self.tell()
        for _ in range(CALM_STEPS):
            self.pass_time()
            if not self.open() and not self.chain.pending and not self.chain.late:
                return self.check()
        raise AssertionError(f"never at rest: {self.open()}")

    def check(self) -> None:
        """Our cash is the chain's to the millionth, nothing is owed, and at no time the books were wrong."""
        books, block = self.still.accounts, self.chain.now
        assert (books.cash_micro, books.owed(), block.up) == (block.cash, 0, 0)
        assert "claim_differs" not in {alarm.name for alarm in self.still.said(e.Alarm)}

    def open(self) -> list[Any]:
        """Claims that are not over."""
        return [claim for claim in self.still.accounts.claims.values() if claim.state not in OVER]

    def act(self) -> None:
        """Time passes, and one thing may happen besides."""
        self.pass_time()
        roll = self.chance.random()
        if roll < 0.08 and not self.chain.now.resolved:
            self.trade(self.chance.choice(["pair", "pair", "Up", "sale"]))
        elif roll < 0.12:
            self.still.slow_disk = not self.still.slow_disk
            self.still.sync() if not self.still.slow_disk else None
        elif roll < 0.15:
            self.die()
        elif roll < 0.16:
            self.chain.redeem_by_itself()
        elif roll < 0.2:
            self.settle()
        elif roll < 0.3:
            self.tell()

    def pass_time(self) -> None:
        """A second of the desk's life, a little of the market's; what it asks for is answered, or lost."""
        still = self.still
        self.chain.step()
        still.mono_ns += NS
        still.at_ns += NS // 100
        still.desk.board.now(still.now())
        still.desk.claiming.pass_time()
        still.settle()
        while wanted := [want for want in still.wants if isinstance(want, WISHES)]:
            still.wants.remove(wanted[0])
            self.answer(wanted[0])

    def answer(self, effect: Any) -> None:
        """What relayer, chain and signer say."""
        claiming = self.still.desk.claiming
        if isinstance(effect, fx.LookAtClaim):
            claim = effect.claim
            known = claim.transactions if claim.state not in {"owed", "given_up"} else ()
            self.still.do(claiming.on_seen, claim.name, self.chain.look(known))
        elif isinstance(effect, fx.PrepareClaim):
            body = Batch(effect.nonce, effect.claim.kind, effect.amount_micro).body
            self.still.do(claiming.on_prepared, effect.claim.name, Prepared(effect.nonce, "", body))
        else:
            self.still.do(claiming.on_answer, effect.claim, self.chain.submit(effect.body))

    def die(self) -> None:
        """The supervisor is killed; what it was waiting for is never heard of."""
        self.deaths += 1
        self.still.wants.clear()
        self.still.restart(after_s=0.1)

    def trade(self, what: str) -> None:
        """Shares at a half each, settled now or later; a sale takes what is firm and nobody is merging."""
        size = self.chance.randrange(1, 20) * 1_000_000
        if what == "sale":
            position = self.still.accounts.positions.get((BTC, START_S, "Up"))
            size = min(size, position.size_micro - max(0, position.provisional_micro) if position is not None else 0)
        for outcome in (OUTCOMES if what == "pair" else ("Up",)) if size > 0 else ():
            self.trades += 1
            side: Side = "SELL" if what == "sale" else "BUY"
            ids = f"t{self.trades}", f"o{self.trades}"
            fill = e.Fill(*ids, BTC, START_S, outcome, side, 500_000, size, 0, True, "MATCHED", BY)
            self.still.desk.board.write(fill)
            self.matched.append(fill)
        if self.chance.random() < 0.5:
            self.settle()
        self.still.settle()

    def settle(self) -> None:
        """Every trade comes onto the chain, and the desk is told, of some a little later; a purchase may fail."""
        for fill in self.matched:
            failed = fill.side == "BUY" and self.chance.random() < 0.1
            sign = -1 if fill.side == "SELL" else 1
            if not failed:
                short = fill.side == "SELL" and min(block.up for block in self.chain.blocks) < fill.size_micro
                assert not short, "sold what is not there"
                by = {fill.outcome.lower(): sign * fill.size_micro}
                self.chain.change(cash=-sign * fill.size_micro // 2, **by)
            self.told.append(e.FillStatus(fill.trade_id, fill.order_id, "FAILED" if failed else "CONFIRMED"))
        self.matched.clear()

    def tell(self) -> None:
        """The desk hears how trades were settled."""
        for status in self.told:
            self.still.desk.board.write(status)
        self.told.clear()
        self.still.settle()

    def resolve(self) -> None:
        """Up has won, on the chain and for the desk; what was matched is settled with it."""
        self.settle()
        self.chain.change(resolved=True)
        position = self.still.accounts.positions.get((BTC, START_S, "Up"))
        held = position.size_micro if position is not None else 0
        self.still.desk.board.write(e.Resolved(BTC, START_S, "Up", held, True))
        self.still.settle()
