"""What the pure desk wants done in the world, as values; `app` carries them out in this order and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.entries import Entry
from shared.messages import Streamed, ToWorker
from shared.slots import Slot
from supervisor.claims import Claim
from supervisor.venue.discovery import Market
from supervisor.venue.requests import Token


@dataclass(frozen=True, slots=True)
class Publish:
    """Put a frame on the stream and on the tape. `new_segment`: the tape begins another segment with it."""

    frame: Streamed
    new_segment: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """Append to the journal; durable some time soon."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class WriteFirst:
    """Append to the journal, and do the rest only when that is on the disk."""

    entries: tuple[Entry, ...]
    then: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """The grant of a slot is durable: tell the desk."""

    slot: str


@dataclass(frozen=True, slots=True)
class Submit:
    """Send a signed order. `body`: the exact bytes."""

    order_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Send a cancel."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Several orders, or several cancels, that leave as one request."""

    legs: tuple[Submit, ...] | tuple[CancelOrder, ...]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the venue for an order and for its trades."""

    order_id: str


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Ask the venue for every trade of ours since a moment, unix seconds, and for the orders that rest."""

    since_s: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Ask the venue for all our books are held against: trades since a moment, unix seconds, these tokens."""

    since_s: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a message to a worker."""

    uid: str
    message: ToWorker


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a worker process of a release."""

    uid: str
    release: str


@dataclass(frozen=True, slots=True)
class Try:
    """Replay a stretch of the tape through a release twice, for an operation; frames from_seq to to_seq."""

    op: str
    release: str
    from_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class EndTrial:
    """The operation waits for its replays no more: end what still runs of them."""

    op: str


@dataclass(frozen=True, slots=True)
class AskRelease:
    """Ask a release whether it can use a set of parameters, for a change of them."""

    op: str
    release: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Enacted:
    """A change of the parameters is durable: tell the desk."""

    op: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker process at once."""

    uid: str


@dataclass(frozen=True, slots=True)
class AskListing:
    """Ask the venue for a window's market, or for its winner."""

    slot: Slot
    start_s: int
    known: Market | None = None


@dataclass(frozen=True, slots=True)
class AskStanding:
    """Ask the venue whether we may trade, from here and with this account."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The user channel is there and tells nothing: connect it anew. `why`: how that showed."""

    why: str


@dataclass(frozen=True, slots=True)
class Watch:
    """The tokens whose books shall be followed, all of them."""

    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refetch:
    """The book of a token cannot be believed: ask for a whole one."""

    token: str


@dataclass(frozen=True, slots=True)
class LookAtClaim:
    """Ask the chain, and whoever knows of its transactions, how a claim stands."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class PrepareClaim:
    """Sign a claim's transaction under a nonce; nothing leaves yet. `amount_micro`: of shares."""

    claim: Claim
    nonce: int
    amount_micro: int


@dataclass(frozen=True, slots=True)
class SubmitClaim:
    """Send a claim's signed transaction. `body`: the exact bytes."""

    claim: str
    body: bytes


Effect = (
    Publish
    | Write
    | WriteFirst
    | Grant
    | Submit
    | CancelOrder
    | Batch
    | LookUp
    | CatchUp
    | Reconcile
    | Tell
    | Spawn
    | Try
    | EndTrial
    | AskRelease
    | Enacted
    | Kill
    | AskListing
    | AskStanding
    | Reconnect
    | Watch
    | Refetch
    | LookAtClaim
    | PrepareClaim
    | SubmitClaim
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something arrives. `at_ns`: the market's time. `mono_ns`: for durations and deadlines; real time."""

    at_ns: int
    mono_ns: int
