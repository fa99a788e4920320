"""The life of a claim, as a table: shares that are worth collateral, until the chain says that we have it.

A claim redeems the winners of a resolved window, or merges complete pairs of a running one. It is paid only when the
chain shows it, whoever sent the transaction: an empty balance is paid, not failed. No answer is not failed either:
until the wallet's nonce is used up, an attempt in doubt is repeated under that very nonce or not at all, and of two
transactions with one nonce the chain takes one. Leaves questions and signatures to `claimer.py`, moments to
`claiming.py`. Amounts are millionths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from shared.entries import ClaimEvent, Claiming, ClaimKind, ClaimMoved, Opened
from shared.messages import OUTCOMES, Outcome
from supervisor.venue.chain import Fate

State = Literal["owed", "leaving", "unknown", "sent", "mined", "paid", "dropped", "given_up"]
IN_FLIGHT: Final = frozenset({"leaving", "unknown", "sent", "mined"})
OVER: Final = frozenset({"paid", "dropped"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What is owed to us. `outcome`: the token that pays; a merge takes both.

    `nonce`: of the attempt that is in flight or was the last; -1 before the first. `transactions`: those sent under it
    that have a name, oldest first. `doubtful`: under that nonce more than one attempt left, so that one which is
    refused says nothing of the others. `failures`: on the chain. `costs`: what the shares of a merge had cost, Up
    first, and `releases` who had bought them.
    """

    name: str
    kind: ClaimKind
    slot: str
    start_s: int
    market: Opened
    amount_micro: int
    outcome: Outcome = "Up"
    state: State = "owed"
    nonce: int = -1
    transactions: tuple[str, ...] = ()
    doubtful: bool = False
    failures: int = 0
    costs: tuple[int, int] = (0, 0)
    releases: tuple[str, str] = ("", "")
    detail: str = ""


class ImpossibleClaim(ValueError):
    """An event that the table has no row for, or another nonce while the last may still be used."""


NEXT: Final[dict[tuple[State, ClaimEvent | Literal["leaves"]], State]] = {
    ("owed", "leaves"): "leaving",
    ("owed", "paid"): "paid",
    ("owed", "gave_up"): "given_up",
    ("leaving", "accepted"): "sent",
    ("leaving", "refused"): "owed",
    ("leaving", "unanswered"): "unknown",
    ("unknown", "leaves"): "leaving",
    ("unknown", "mined"): "mined",
    ("unknown", "paid"): "paid",
    ("unknown", "failed"): "owed",
    ("sent", "leaves"): "leaving",
    ("sent", "unanswered"): "unknown",
    ("sent", "mined"): "mined",
    ("sent", "paid"): "paid",
    ("sent", "failed"): "owed",
    ("mined", "unmined"): "sent",
    ("mined", "paid"): "paid",
    ("mined", "failed"): "owed",
    ("given_up", "paid"): "paid",
    ("given_up", "taken_up"): "owed",
}
"""A pair missing here is refused, and nothing changes."""


def leave(claim: Claim, entry: Claiming) -> Claim:
    """A transaction of the claim leaves. Raises: ImpossibleClaim."""
    state, again = _next(claim, "leaves"), claim.state in IN_FLIGHT
    if again and entry.nonce != claim.nonce:
        raise ImpossibleClaim(f"{claim.name} is {claim.state} under nonce {claim.nonce}, not {entry.nonce}")
    names = _named(claim.transactions if again else (), entry.transaction)
    return replace(claim, state=state, nonce=entry.nonce, transactions=names, doubtful=again)


def move(claim: Claim, entry: ClaimMoved) -> Claim:
    """Something became of the claim. Raises: ImpossibleClaim.

    A merge that did not come about is dropped: whether it is still worth it is asked anew.
    """
    state = _next(claim, entry.event)
    if entry.event == "refused" and claim.doubtful:
        state = "unknown"
    elif state == "owed" and claim.kind == "merge":
        state = "dropped"
    failures = 0 if entry.event == "taken_up" else claim.failures + (entry.event == "failed")
    names = _named(claim.transactions, entry.transaction)
    return replace(claim, state=state, transactions=names, failures=failures, detail=entry.detail)


def _next(claim: Claim, event: ClaimEvent | Literal["leaves"]) -> State:
    state = NEXT.get((claim.state, event))
    if state is None:
        raise ImpossibleClaim(f"{event} while {claim.name} is {claim.state}")
    return state


def _named(known: tuple[str, ...], transaction: str) -> tuple[str, ...]:
    return known if not transaction or transaction in known else (*known, transaction)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the chain and, where it knows of our transactions, at the relayer.

    `nonce`: the wallet's next one; `held`: shares of Up and Down; both are the newest block's, `deep_nonce` and
    `deep_held` those of a block that stays. `fates`: of the claim's transactions, with the reason where one failed.
    """

    nonce: int
    deep_nonce: int
    held: tuple[int, int]
    deep_held: tuple[int, int]
    fates: tuple[tuple[Fate, str], ...] = ()

    @property
    def failed(self) -> str:
        """Why a transaction failed; empty when none is known to have."""
        return next((why or "the transaction failed" for fate, why in self.fates if fate == "failed"), "")

    def shows(self, fate: Fate) -> bool:
        """Whether a transaction has come to this."""
        return any(found == fate for found, _ in self.fates)


Bound = int | None
"""Shares of a token; None of one that has lost, of which the books keep nothing."""


@dataclass(frozen=True, slots=True)
class Books:
    """What our own books say of the claim's window, shares that are being merged among them.

    The chain has at least `least` and at most `most` of Up and Down: a trade that is not settled may be on it or not.
    `settled`: there is none.
    """

    least: tuple[Bound, Bound]
    most: tuple[Bound, Bound]
    settled: bool

    def allow(self, held: tuple[int, int], less: int = 0) -> bool:
        """Whether the chain may have that, after so much less of either was taken away."""
        bounds = zip(self.least, held, self.most, strict=True)
        return all(low is None or high is None or low - less <= has <= high - less for low, has, high in bounds)

    def merged(self, held: tuple[int, int], amount_micro: int) -> bool | None:
        """Whether pairs were merged, by what is held; None where it could be either, or neither."""
        gone, whole = self.allow(held, amount_micro), self.allow(held)
        return gone if gone != whole else None

    def winners(self, held: tuple[int, int]) -> int:
        """Shares of the token that has won, where one has; of both before."""
        return sum(has for low, has in zip(self.least, held, strict=True) if low is not None)

    @property
    def resolved(self) -> bool:
        """Whether one of the tokens has lost."""
        return None in self.least


Verdict = Literal["paid", "failed", "mined", "unmined", "send", "wait"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a look means for a claim, and why."""

    verdict: Verdict
    why: str = ""


def judge(claim: Claim, seen: Seen, books: Books, *, may_send: bool) -> Judged:
    """What to make of a look. `may_send`: whether the claim may leave now, or leave again, if the look says so."""
    paid = _paid(claim, seen, books)
    if paid:
        return Judged("paid", paid)
    if claim.state in IN_FLIGHT:
        return _on_its_way(claim, seen, books, may_send)
    held = worth(claim, seen.held)
    enough = held >= claim.amount_micro or (held and claim.kind == "redeem" and books.settled)
    return Judged("send" if may_send and enough and claim.state == "owed" else "wait")


def _paid(claim: Claim, seen: Seen, books: Books) -> str:
    """How the chain shows that a claim is paid; empty while it does not. Shares that have not come in are no proof."""
    if claim.kind == "merge":
        return _merged(claim, seen, books)
    left = worth(claim, seen.deep_held)
    if seen.shows("confirmed") and left < claim.amount_micro:
        return "redeemed"
    if left or worth(claim, seen.held) or not books.settled or seen.shows("mined"):
        return ""
    return "redeemed" if claim.state in IN_FLIGHT else "nothing is left to redeem"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed transaction. `transaction`: its hash, where it is known before it leaves. `body`: the exact bytes."""

    nonce: int
    transaction: str
    body: bytes
    via: Literal["relayer", "rpc"] = "relayer"


def _merged(claim: Claim, seen: Seen, books: Books) -> str:
    """How the chain shows that pairs were merged. What the nonce was used for is settled once that stays."""
    if seen.shows("confirmed"):
        return "merged"
    if claim.state not in IN_FLIGHT:
        return ""
    if seen.deep_nonce > claim.nonce and books.merged(seen.held, claim.amount_micro):
        return "the pairs are gone"
    left = books.winners(seen.held) + books.winners(seen.deep_held)
    swept = books.resolved and books.settled and not left
    return "its pairs were merged, or redeemed with the winners" if swept else ""


def _on_its_way(claim: Claim, seen: Seen, books: Books, may_send: bool) -> Judged:
    if seen.failed and not claim.doubtful:
        return Judged("failed", seen.failed)
    mined = seen.shows("mined") or seen.shows("confirmed")
    if seen.deep_nonce > claim.nonce and not mined:
        return _used_in_vain(claim, seen, books)
    if mined != (claim.state == "mined"):
        return Judged("mined" if mined else "unmined", "" if mined else "its block was taken back")
    return Judged("send" if may_send and seen.nonce == claim.nonce and not mined else "wait")


def worth(claim: Claim, held: tuple[int, int]) -> int:
    """How much of what is held the claim would turn into collateral."""
    return min(held) if claim.kind == "merge" else held[OUTCOMES.index(claim.outcome)]


def _used_in_vain(claim: Claim, seen: Seen, books: Books) -> Judged:
    """The nonce was used, and nobody knows what for: whether the shares are still there tells."""
    if claim.kind == "merge":
        still = books.merged(seen.held, claim.amount_micro) is False
    else:
        still = books.settled and worth(claim, seen.held) >= claim.amount_micro
    return Judged("failed", "its nonce was used, and the shares are still there") if still else Judged("wait")
