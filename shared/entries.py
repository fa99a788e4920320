"""What the journal says: one frozen struct per kind of fact, and the line that carries it.

The supervisor writes these, recovery folds them back into orders, positions, epochs and releases, and the offline
checker judges them. An entry states what happened in the past tense and never changes. Whatever decided something is
named in it: release, parameters, epoch. Units as in `messages`. Fields are only appended.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from shared.messages import OUTCOMES, OrderKind, Outcome, Side, Terms, Whose

OutcomeKind = Literal["ORDER", "HOLD", "SKIP"]
Settlement = Literal["MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED"]
ClaimKind = Literal["redeem", "merge"]
ClaimEvent = Literal["accepted", "refused", "unanswered", "mined", "unmined", "paid", "failed", "gave_up", "taken_up"]


class _Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class By(_Entry, frozen=True):
    """Who decided: the release, its parameters, and the epoch under which it owned the slot."""

    release: str
    parameters: str
    epoch: int
    uid: str


NOBODY: Final = By("", "", 0, "")
"""No release decided it: a person's operation did, or there was no owner."""


class Term(_Entry, frozen=True, tag="TERM"):
    """A supervisor began its reign. `seq`: the last stream frame of the reign before."""

    term: int
    pid: int
    supervisor: str
    mode: str
    config: str
    seq: int


class Configuration(_Entry, frozen=True, tag="CONFIG"):
    """The settings in force from here on, whole; they hold no secret. `digest` names them in every Term."""

    digest: str
    values: dict[str, Any]


class Release(_Entry, frozen=True, tag="RELEASE"):
    """A release became known to the desk. `modules`: name and digest of each file."""

    seq: int
    release: str
    lock: str
    modules: dict[str, str]


class Parameters(_Entry, frozen=True, tag="PARAMETERS"):
    """A version of the parameters is in force from here on: only what differs from a release's own defaults.

    `digest`: the name of the values, in every decision that used them. `number`: which version, p1, p2 and so on; a set
    that comes back is another version of the same digest. 0 in journals of before versions. `actor`: who wanted it, as
    the kernel says, or "settings". `generation`: of the operator's wishes, as in Control; 0 when it is none of them.
    """

    digest: str
    values: dict[str, Any]
    number: int = 0
    actor: str = "settings"
    reason: str = ""
    op: str = ""
    generation: int = 0


class Grant(_Entry, frozen=True, tag="GRANT"):
    """The right to decide for a slot passed to a worker. Durable before its first tick."""

    slot: str
    epoch: int
    uid: str
    release: str
    parameters: str
    op: str


class Active(_Entry, frozen=True, tag="ACTIVE"):
    """A release owns every slot: what a restart brings back."""

    release: str
    op: str


class Step(_Entry, frozen=True, tag="STEP"):
    """An operation went from one phase to the next. `took_ms`: how long the phase that ended took."""

    op: str
    verb: str
    phase: str
    took_ms: int
    actor: str
    reason: str
    detail: dict[str, Any]


class Holding(_Entry, frozen=True):
    """An open position at a boundary."""

    slot: str
    start_s: int
    outcome: Outcome
    size_micro: int
    cost_micro: int
    release: str


class Resting(_Entry, frozen=True):
    """An open order at a boundary."""

    order_id: str
    slot: str
    start_s: int
    outcome: Outcome
    side: Side
    price_micro: int
    open_micro: int
    release: str


class Boundary(_Entry, frozen=True, tag="BOUNDARY"):
    """A slot changed hands, after `tick` and before the next. `steps_ms`: what took how long.

    `loaded`: digest and load time in microseconds of each changed module, as the new owner's process told them.
    `evidence`: what the gates said before it, in words. `ring`: which ring of the operation it belongs to, from 1.
    """

    slot: str
    op: str
    was: By
    now: By
    tick: int
    seconds_to_close: int
    positions: tuple[Holding, ...]
    orders: tuple[Resting, ...]
    cash_micro: int
    changed: tuple[str, ...]
    steps_ms: dict[str, int]
    actor: str
    reason: str
    loaded: dict[str, tuple[str, int]] = {}
    evidence: tuple[str, ...] = ()
    ring: int = 0


class Standpoint(_Entry, frozen=True):
    """A slot when the parameters changed under it.

    `shown`: its tick that has no answer yet, decided under the set before it; 0 for none. `last_tick`: the newest one
    that came due; every later one is decided under the new set.
    """

    slot: str
    phase: str
    owner: By
    shown: int
    last_tick: int
    seconds_to_close: int


class Retuned(_Entry, frozen=True, tag="PARAMS"):
    """The boundary between two versions of the parameters, in every slot at once; its PARAMETERS follows at once.

    `seq`: the stream's frame that says so: what is decided on a later one uses `now`, on an earlier one it used `was`.
    `changed`: the values that differ, before and after; None where there was none, or is none any more.
    """

    op: str
    number: int
    was: str
    now: str
    seq: int
    changed: dict[str, tuple[Any, Any]]
    slots: tuple[Standpoint, ...]
    positions: tuple[Holding, ...]
    orders: tuple[Resting, ...]
    cash_micro: int
    actor: str
    reason: str


class Placing(_Entry, frozen=True, tag="INTENT"):
    """An order is about to leave. Durable before the first byte does. `order_id` is its EIP-712 hash.

    `op`: the person's operation it belongs to, and `by` is nobody then; empty for a decision's.
    """

    order_id: str
    slot: str
    tick: int
    leg: int
    start_s: int
    token_id: str
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    kind: OrderKind
    post_only: bool
    by: By
    op: str = ""


class Cancelling(_Entry, frozen=True, tag="CANCEL"):
    """A cancel is about to leave: a decision wished it (`cause`: decision), a person did (halt, flatten) under an
    operation, or we may not trade as we did (standing).
    """

    order_id: str
    slot: str
    tick: int
    cause: str
    by: By
    op: str = ""


class Answered(_Entry, frozen=True, tag="ANSWER"):
    """What became of a request. `state`: the order's now; `raw` the venue's own words, or ours when it gave none.

    `request`: unsent is an order of which nothing ever left, so that it exists nowhere.
    """

    order_id: str
    request: Literal["place", "cancel", "lookup", "unsent"]
    state: str
    raw: str
    took_us: int
    trades: tuple[str, ...] = ()


class OrderReported(_Entry, frozen=True, tag="REPORT"):
    """The user channel told of one of our orders."""

    order_id: str
    state: str
    matched_micro: int
    reason: str


class Fill(_Entry, frozen=True, tag="FILL"):
    """A part of our order traded. One per (trade_id, order_id); its settlement follows in FILLSTATUS."""

    trade_id: str
    order_id: str
    slot: str
    start_s: int
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    fee_micro: int
    maker: bool
    status: Settlement
    by: By


class FillStatus(_Entry, frozen=True, tag="FILLSTATUS"):
    """The venue settled a fill further, or failed to: FAILED takes it back, once."""

    trade_id: str
    order_id: str
    status: Settlement


class OutcomeOf(_Entry, frozen=True, tag="OUTCOME"):
    """The one outcome of a tick. `decision` as the worker sent it; `denied` what risk refused of it and why."""

    slot: str
    tick: int
    kind: OutcomeKind
    reason: str
    by: By
    read_seq: int
    took_us: int
    decision: msgspec.Raw
    denied: tuple[str, ...] = ()


class Shadow(_Entry, frozen=True, tag="SHADOW"):
    """What a worker that did not own the slot would have decided at the same tick on the same input."""

    slot: str
    tick: int
    by: By
    read_seq: int
    took_us: int
    decision: msgspec.Raw


class Refused(_Entry, frozen=True, tag="REFUSED"):
    """A decision came that may not count: from a former owner, for another tick, out of order."""

    slot: str
    tick: int
    uid: str
    epoch: int
    reason: str


class Opened(_Entry, frozen=True, tag="WINDOW"):
    """A window's market, so that a restart goes on with it at once and the journal can be read without the venue.

    `tokens`: token ids of Up and Down.
    """

    slot: str
    start_s: int
    tokens: tuple[str, str]
    version: str
    neg_risk: bool
    terms: Terms

    def token_of(self, outcome: Outcome) -> str:
        """The token id of an outcome."""
        return self.tokens[OUTCOMES.index(outcome)]


class Strike(_Entry, frozen=True, tag="STRIKE"):
    """The reference price at a window's first second, in 1e-18."""

    slot: str
    start_s: int
    exact: str


class Settled(_Entry, frozen=True, tag="SETTLED"):
    """What the reference prices say of a window that ended; `winner` is empty where a boundary price is missing."""

    slot: str
    start_s: int
    strike: str
    close: str
    winner: str


class Resolved(_Entry, frozen=True, tag="RESOLVED"):
    """The venue named the winner; positions of the window are closed at 1 or 0. `payout_micro`: what ours are worth.

    `owed`: it is collateral only once the winners were redeemed; CLAIM and CLAIMED tell of that.
    """

    slot: str
    start_s: int
    winner: Outcome
    payout_micro: int
    owed: bool = False


class Claiming(_Entry, frozen=True, tag="CLAIM"):
    """A transaction that turns shares into collateral is about to leave. Durable before the first byte does.

    `nonce`: the wallet's number for it; while that is unused, an attempt is only ever repeated under the same one, so
    no two of them can both happen. `transaction`: its hash where it is known before it leaves. `amount_micro`: what is
    claimed; a merge takes as many shares of either token.
    """

    claim: str
    kind: ClaimKind
    slot: str
    start_s: int
    amount_micro: int
    nonce: int
    via: Literal["relayer", "rpc"]
    transaction: str = ""


class ClaimMoved(_Entry, frozen=True, tag="CLAIMED"):
    """What became of a claim, and how that is known. `transaction`: the relayer's id for it, or its hash."""

    claim: str
    event: ClaimEvent
    detail: str
    transaction: str = ""


class Balance(_Entry, frozen=True, tag="BALANCE"):
    """The venue's word on our collateral; `opening` makes it ours, afterwards it is only compared."""

    cash_micro: int
    opening: bool


class Transfer(_Entry, frozen=True, tag="TRANSFER"):
    """A person said that collateral came past the desk, or went if negative: a deposit or a withdrawal, ours from here.

    `venue_micro`: the venue's word on our collateral that this explains.
    """

    amount_micro: int
    venue_micro: int
    actor: str
    reason: str


class Control(_Entry, frozen=True, tag="CONTROL"):
    """An operator's wish took effect. `halted`: nothing leaves any more but cancels, whatever `paused` says.

    `op`: under which the desk does by itself what follows of it. `gives_back`: slots that were flattened belong to
    their releases again.
    """

    generation: int
    paused: bool
    actor: str
    reason: str
    halted: bool = False
    op: str = ""
    gives_back: bool = False


class Flatten(_Entry, frozen=True, tag="FLATTEN"):
    """A person told the desk to close what these slots hold; they belong to no release until somebody resumes."""

    op: str
    slots: tuple[str, ...]
    actor: str
    reason: str


class Flattened(_Entry, frozen=True, tag="FLATTENED"):
    """A slot holds nothing any more that can be closed. `left`: what it holds all the same, and why."""

    op: str
    slot: str
    left: str


class Standing(_Entry, frozen=True, tag="STANDING"):
    """What we may do, as the venue says: nothing from where we are (`blocked`), or only reduce what is held."""

    blocked: bool
    closed_only: bool
    place: str


class Worker(_Entry, frozen=True, tag="WORKER"):
    """The life of a worker process: spawned, ready, lost, fenced, retired."""

    uid: str
    release: str
    pid: int
    event: str
    detail: str


class Gap(_Entry, frozen=True, tag="GAP"):
    """Something was not seen, or not written: what, from when to when, why, through whom."""

    what: str
    from_ns: int
    to_ns: int
    cause: str
    whose: Whose = "unknown"


class TapePruned(_Entry, frozen=True, tag="TAPE_PRUNED"):
    """The oldest segments of the tape went, by the policy: frames, segments, bytes on the disk; what is kept."""

    from_seq: int
    to_seq: int
    segments: int
    size: int
    keep_s: int
    keep_mib: int


class Alarm(_Entry, frozen=True, tag="ALARM"):
    """A person should know."""

    name: str
    detail: str


class Repair(_Entry, frozen=True, tag="REPAIR"):
    """Reconciliation found a difference with the venue and mended our side."""

    order_id: str
    what: str
    detail: str


class Reconciled(_Entry, frozen=True, tag="RECONCILED"):
    """Our books were held against the venue's lists, for the `rounds`-th time in this reign.

    `differences`: how many were found in it so far; `differs`: what differs now, in words. `foreign`: orders of this
    key that are not ours and were not seen before.
    """

    rounds: int
    differences: int
    differs: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


class Snapshot(_Entry, frozen=True, tag="SNAPSHOT"):
    """Every position, open order and the cash at one moment: a check on the fold, and where a person starts reading."""

    cash_micro: int
    positions: tuple[Holding, ...]
    orders: tuple[Resting, ...]


Entry = (
    Term
    | Configuration
    | Release
    | Parameters
    | Grant
    | Active
    | Step
    | Boundary
    | Retuned
    | Placing
    | Cancelling
    | Answered
    | OrderReported
    | Fill
    | FillStatus
    | OutcomeOf
    | Shadow
    | Refused
    | Opened
    | Strike
    | Settled
    | Resolved
    | Claiming
    | ClaimMoved
    | Balance
    | Transfer
    | Control
    | Flatten
    | Flattened
    | Standing
    | Worker
    | Gap
    | TapePruned
    | Alarm
    | Repair
    | Reconciled
    | Snapshot
)


class Stamp(_Entry, frozen=True):
    """What every record begins with: its number in the journal, the market's time, the world's time, the reign."""

    n: int
    at_ns: int
    wall_ns: int
    term: int


class Line(Stamp, frozen=True):
    """One record: its stamp, and the fact."""

    entry: Entry


class UnknownEntry(ValueError):
    """A record is sound but says nothing this code understands: written by a newer release."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Line)
_stamps = msgspec.msgpack.Decoder(Stamp)


def encode_line(line: Line) -> bytes:
    """The record of a line."""
    return _encoder.encode(line)


def decode_line(record: bytes) -> Line:
    """The line of a record. Raises: UnknownEntry."""
    try:
        return _decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnknownEntry(f"journal record of {len(record)} bytes: {error}") from error


def decode_stamp(record: bytes) -> Stamp:
    """The stamp of a record, also of one whose fact only a newer release understands. Raises: UnknownEntry."""
    try:
        return _stamps.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnknownEntry(f"journal record of {len(record)} bytes has no stamp: {error}") from error
