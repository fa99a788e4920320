"""What is owed to us is claimed: which claim is next, what a look at the chain means for it, when it is tried again.

One transaction of the wallet is in flight at a time, and one question. Everything that leaves is durable before it
does. Leaves the states of a claim to `claims.py`, and the chain, the relayer and the signatures to `claimer.py`. Never
waits: a tick is not later because something is claimed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from shared import entries as e
from shared.clock import NS
from shared.messages import OUTCOMES, Outcome
from shared.slots import parse_slot
from shared.units import MICRO
from supervisor.accounts import claim_name
from supervisor.board import WORDS_MAX, Board
from supervisor.claims import IN_FLIGHT, OVER, Books, Claim, Judged, Prepared, Seen, judge, worth
from supervisor.effects import LookAtClaim, Moment, PrepareClaim, SubmitClaim
from supervisor.venue.chain import Answered

LEFT_S: Final = 300.0
"""Real seconds between two looks at a claim that was left to a person, who may have redeemed it by hand."""
REFUSALS_TOLD: Final = 8
"""Attempts in a row that came to nothing before somebody has to hear of it."""
MERGES: Final = "merge"
"""What all merges together are called where patience is kept."""
MINUTE_NS: Final = 60 * NS


class Claiming:
    """Claims in the hands of chain and relayer. All times are monotonic but those of `_left_at_ns`, market time.

    `_asking`: the claim about which something was asked, or that is leaving; whose answer is owed. `_merge`: a merge
    that is thought of and has not left yet. Merges share one patience, each redemption has its own.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self._asking = ""
        self._merge: Claim | None = None
        self._due_ns: dict[str, int] = {}
        self._left_ns: dict[str, int] = {}
        self._left_at_ns: deque[int] = deque(maxlen=board.settings.claims.submits_per_minute)
        self._attempts: dict[str, int] = {}

    def begin(self) -> None:
        """After a restart: what was leaving may have left. What was left to a person is tried once more."""
        for claim in list(self.board.accounts.claims.values()):
            if claim.state == "leaving":
                self._move(claim, "unanswered", "the supervisor ended before the answer came")
            elif claim.state == "given_up":
                self._move(claim, "taken_up", "the supervisor was started again")

    def pass_time(self) -> None:
        """Ask about the claim whose turn it is, one question at a time."""
        if self.board.settings.claims.by == "off" or self._asking:
            return
        claim = self._next()
        if claim is not None:
            self._asking = claim.name
            self.board.effects.append(LookAtClaim(claim))

    def on_seen(self, now: Moment, name: str, seen: Seen | None) -> None:
        """What a look at the chain showed; None when it could not be asked, which means nothing."""
        self.board.now(now)
        self._asking = ""
        claim = self._find(name)
        if claim is None:
            return
        if seen is None:
            self._come_to_nothing(claim, "neither chain nor relayer answers")
            return
        judged = judge(claim, seen, self._books(claim), may_send=self._may_leave(claim))
        if judged.verdict == "send":
            self._prepare(claim, seen)
        else:
            self._take(claim, judged)

    def on_prepared(self, now: Moment, name: str, prepared: Prepared | None) -> None:
        """A transaction is signed; None when it could not be: it leaves once the journal has it on the disk."""
        self.board.now(now)
        self._asking = ""
        claim = self._find(name)
        if claim is None or (claim is self._merge and not self._mergeable(claim)):
            self._merge = None
        elif self.board.accounts.halted:
            self._later(claim, self.board.settings.claims.poll_s)
        elif prepared is None:
            self._come_to_nothing(claim, "it could not be prepared")
        else:
            self._leave(claim, prepared)

    def on_answer(self, now: Moment, name: str, answer: Answered) -> None:
        """The relayer or the node took a transaction, refused it, or did not answer."""
        self.board.now(now)
        self._asking = ""
        claim = self.board.accounts.claims.get(name)
        if claim is None:  # the trade it came of failed meanwhile
            return
        self._move(claim, answer.event, answer.why, answer.transaction)
        if answer.event == "refused":
            self._come_to_nothing(self.board.accounts.claims[name], answer.why)
        else:
            self._later(claim, self.board.settings.claims.poll_s)

    # --- whose turn it is ---

    def _next(self) -> Claim | None:
        """The claim in flight while there is one; else what is owed the longest; else pairs worth merging."""
        claims = [claim for claim in self.board.accounts.claims.values() if claim.state not in OVER]
        flying = [claim for claim in claims if claim.state in IN_FLIGHT]
        due = (claim for claim in flying or claims if self.board.mono_ns >= self._due_ns.get(_key(claim), 0))
        return next(due, None) or (None if flying else self._pairs())

    def _pairs(self) -> Claim | None:
        """Complete pairs of a running window that are firm, not offered, and worth a transaction."""
        least = round(self.board.settings.claims.merge_min_usd * MICRO)
        if not least or self.board.mono_ns < self._due_ns.get(MERGES, 0):
            return None
        self._due_ns[MERGES] = self.board.mono_ns + round(self.board.settings.claims.poll_s * NS)
        for window in self.board.lanes.current.values():
            amount = self._firm(window.slot.name, window.start_s)
            opened = self.board.accounts.windows.get((window.slot.name, window.start_s))
            if opened is not None and amount >= least and self._in_time(window.slot.name, window.start_s):
                name = claim_name("merge", window.slot.name, window.start_s, self._number())
                self._merge = Claim(name, "merge", window.slot.name, window.start_s, opened, amount)
                return self._merge
        return None

    def _number(self) -> int:
        """Merges are numbered on from the newest that is known."""
        known = [claim.name for claim in self.board.accounts.claims.values() if claim.kind == "merge"]
        return max((int(name.rsplit(" ", 1)[1]) for name in known), default=0) + 1

    def _firm(self, slot: str, start_s: int) -> int:
        """Pairs of a window of which every share is on the chain and no sale is on its way."""
        accounts = self.board.accounts
        if any(o.side == "SELL" and o.start_s == start_s for o in accounts.open_orders(slot)):
            return 0
        held = [accounts.positions.get((slot, start_s, outcome)) for outcome in OUTCOMES]
        return min(p.size_micro - max(0, p.provisional_micro) if p is not None else 0 for p in held)

    def _in_time(self, slot: str, start_s: int) -> bool:
        left_s = start_s + parse_slot(slot).window_s - self.board.at_ns / NS
        return left_s > self.board.settings.claims.merge_before_s

    def _mergeable(self, claim: Claim) -> bool:
        return self._firm(claim.slot, claim.start_s) >= claim.amount_micro

    def _find(self, name: str) -> Claim | None:
        if self._merge is not None and self._merge.name == name:
            return self._merge
        return self.board.accounts.claims.get(name)

    def _books(self, claim: Claim) -> Books:
        """Our own shares in the claim's window, those that are being merged among them.

        In a resolved window they are what is owed; of the token that has lost nothing is kept.
        """
        accounts, window = self.board.accounts, (claim.slot, claim.start_s)
        aside = claim.amount_micro if claim.kind == "merge" and claim.state in IN_FLIGHT else 0
        won = accounts.winners.get(window)
        bounds = [
            self._bounds(window, outcome, aside) if won in {None, outcome} else (None, None) for outcome in OUTCOMES
        ]
        (least_up, most_up), (least_down, most_down) = bounds
        return Books((least_up, least_down), (most_up, most_down), accounts.settled_in(*window))

    def _bounds(self, window: tuple[str, int], outcome: Outcome, aside: int) -> tuple[int, int]:
        """The least and the most that the chain may have of a token: of trades not settled it has any or none."""
        accounts = self.board.accounts
        if window in accounts.winners:
            redeem = accounts.claims.get(claim_name("redeem", *window))
            ours = redeem.amount_micro if redeem is not None and redeem.state not in OVER else 0
        else:
            position = accounts.positions.get((*window, outcome))
            ours = position.size_micro if position is not None else 0
        bought, sold = accounts.unsettled(window, outcome)
        return aside + ours - bought, aside + ours + sold

    def _may_leave(self, claim: Claim) -> bool:
        """Whether it may leave, again if it is in flight: not too soon after the last time, nor too many a minute.

        Nothing leaves a halted desk; what is on its way is still looked at.
        """
        if claim.state == "given_up" or self.board.accounts.halted or not self._has_room():
            return False
        if claim.state not in IN_FLIGHT:
            return True
        left_ns = self._left_ns.setdefault(_key(claim), self.board.mono_ns)
        return self.board.since_s(left_ns) >= self.board.settings.claims.resend_s

    def _has_room(self) -> bool:
        full = len(self._left_at_ns) == self._left_at_ns.maxlen
        return not full or self.board.at_ns - self._left_at_ns[0] >= MINUTE_NS

    # --- what comes of it ---

    def _prepare(self, claim: Claim, seen: Seen) -> None:
        """An attempt that is in doubt is repeated under its own nonce."""
        again = claim.state in IN_FLIGHT
        amount = claim.amount_micro if again or claim.kind == "merge" else worth(claim, seen.held)
        if amount != claim.amount_micro:
            self.board.alarm("claim_differs", f"{claim.name}: the chain has {amount}, we {claim.amount_micro}")
        self._asking = claim.name
        self.board.effects.append(PrepareClaim(claim, claim.nonce if again else seen.nonce, amount))

    def _leave(self, claim: Claim, prepared: Prepared) -> None:
        entry = e.Claiming(
            claim=claim.name,
            kind=claim.kind,
            slot=claim.slot,
            start_s=claim.start_s,
            amount_micro=claim.amount_micro,
            nonce=prepared.nonce,
            via=prepared.via,
            transaction=prepared.transaction,
        )
        self._asking = claim.name
        self._left_ns[_key(claim)] = self.board.mono_ns
        self._left_at_ns.append(self.board.at_ns)
        self.board.apply(entry)
        self._merge = None
        self.board.write_first((entry,), (SubmitClaim(claim.name, prepared.body),))

    def _take(self, claim: Claim, judged: Judged) -> None:
        """What a look meant becomes true."""
        if judged.verdict == "wait" or claim is self._merge:
            self._later(claim, LEFT_S if claim.state == "given_up" else self.board.settings.claims.poll_s)
            return
        assert judged.verdict != "send"
        self._move(claim, judged.verdict, judged.why)
        if judged.verdict == "failed":
            self.board.alarm("claim_failed", f"{claim.name}: {judged.why}")
            self._come_to_nothing(self.board.accounts.claims[claim.name], judged.why)
        elif judged.verdict == "paid":
            self._forget(claim)
        else:
            self._later(claim, self.board.settings.claims.poll_s)

    def _come_to_nothing(self, claim: Claim, why: str) -> None:
        """It is tried again, later each time; one that failed on the chain too often is left to a person."""
        if claim.failures >= self.board.settings.claims.failures_max and claim.state == "owed":
            self._move(claim, "gave_up", f"{claim.failures} attempts failed, the last: {why}")
            self.board.alarm("claim_given_up", f"{claim.name} of {claim.amount_micro / MICRO:.2f}: {why}")
        attempts = self._attempts[_key(claim)] = self._attempts.get(_key(claim), 0) + 1
        if attempts % REFUSALS_TOLD == 0:
            self.board.alarm("claim_stalled", f"{claim.name} was tried {attempts} times, the last: {why}")
        settings = self.board.settings.claims
        self._later(claim, min(settings.retry_max_s, settings.retry_s * 2 ** min(attempts - 1, 20)))

    def _move(self, claim: Claim, event: e.ClaimEvent, why: str, transaction: str = "") -> None:
        self.board.write(e.ClaimMoved(claim.name, event, why[:WORDS_MAX], transaction))

    def _later(self, claim: Claim, seconds: float) -> None:
        self._due_ns[_key(claim)] = self.board.mono_ns + round(seconds * NS)

    def _forget(self, claim: Claim) -> None:
        for known in (self._due_ns, self._left_ns, self._attempts):
            known.pop(_key(claim), None)


def _key(claim: Claim) -> str:
    return MERGES if claim.kind == "merge" else claim.name
