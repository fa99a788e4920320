"""Every frame that crosses a process border, as frozen structs.

Three borders: the **stream** (supervisor to every worker, also the tape), the **channel** (one worker and the
supervisor) and the **control socket** (people and the supervisor). Stream and channel frames are MessagePack arrays
whose second element names the kind; what the bytes may look like is the business of `wire`.

Prices and sizes are millionths (`_micro`), market times unix nanoseconds (`_ns`) or seconds (`_s`), `exact` a reference
price in units of 1e-18 as decimal text, because it does not fit 64 bits. Fields are only ever appended; removing or
re-ordering one raises PROTOCOL_VERSION.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

PROTOCOL_VERSION: Final = 1
PROTOCOLS: Final = (1, 1)
"""The oldest and the newest protocol this code speaks; two processes talk when their ranges meet."""

Side = Literal["BUY", "SELL"]
Outcome = Literal["Up", "Down"]
OUTCOMES: Final[tuple[Outcome, Outcome]] = ("Up", "Down")
"""In the order in which a market's tokens are kept everywhere here."""
OrderKind = Literal["GTC", "FAK", "FOK"]
OrderState = Literal["pending", "open", "matched", "closed", "unknown"]
Whose = Literal["ours", "venue", "network", "unknown"]
"""Who is to blame that something could not be seen; "unknown" in what was written before this was said."""
Rule = Literal["spot", "twap30", "twap60"]
"""Which reference price decides a window: the instantaneous one, or its mean over the last 30 or 60 seconds."""
MEAN_OVER_S: Final[dict[Rule, int]] = {"spot": 0, "twap30": 30, "twap60": 60}
"""Over how many seconds each rule takes the mean; 0 is the instantaneous price."""


class _Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


# --- the stream: market ---


class Terms(_Frame, frozen=True):
    """What a window's market says of itself; read from the venue at discovery, never assumed."""

    condition_id: str
    tick_micro: int
    min_size_micro: int
    fee_rate_micro: int
    fee_exponent: int
    taker_delay_ms: int
    rule: Rule


class WindowOpened(_Frame, frozen=True, tag="window"):
    """A window has begun and its market is known."""

    slot: str
    start_s: int
    terms: Terms


class WindowClosed(_Frame, frozen=True, tag="closed"):
    """A window's time is over; its outcome is not known yet."""

    slot: str
    start_s: int


class WindowResolved(_Frame, frozen=True, tag="resolved"):
    """The venue has named the winner."""

    slot: str
    start_s: int
    winner: Outcome


class StrikeSet(_Frame, frozen=True, tag="strike"):
    """The reference price at a window's first second."""

    slot: str
    start_s: int
    exact: str


class TickSizeSet(_Frame, frozen=True, tag="ticksize"):
    """The venue changed a market's price grid."""

    slot: str
    start_s: int
    tick_micro: int


class Level(_Frame, frozen=True):
    """What rests at one price."""

    price_micro: int
    size_micro: int


class BookSeen(_Frame, frozen=True, tag="book"):
    """The best levels of one token, best first: the whole state, never a difference. `stale`: do not trade on it."""

    slot: str
    start_s: int
    outcome: Outcome
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    stale: bool


class TradeSeen(_Frame, frozen=True, tag="trade"):
    """A trade between others, as the venue reports it; `side` is the taker's and not always right."""

    slot: str
    start_s: int
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int


class PriceSeen(_Frame, frozen=True, tag="price"):
    """A reference price. `source_ms`: the second it is the price of, unix ms; it arrives a second or two later."""

    asset: str
    feed: Literal["spot", "twap"]
    source_ms: int
    exact: str


class FeedGap(_Frame, frozen=True, tag="gap"):
    """A hole in what could be seen: which feed, from when to when (0: still open), why, and through whom.

    `feed`: a channel ("market", "user", "prices"), the "tape", one "book SLOT OUTCOME", or "all" of them. One that is
    open is over with the next gap of the same feed, which begins where it did or at the end of the reign before.
    """

    feed: str
    from_ns: int
    to_ns: int
    cause: str
    whose: Whose = "unknown"


# --- the stream: ours ---


class TermBegan(_Frame, frozen=True, tag="term"):
    """A supervisor has begun its reign; what follows is stamped by it."""

    term: int
    mode: str
    supervisor: str


class ParametersSet(_Frame, frozen=True, tag="parameters"):
    """The strategy's parameters from here on. `digest` names the set in every decision that used it."""

    digest: str
    values: dict[str, Any]


class OrderMoved(_Frame, frozen=True, tag="order"):
    """One of our orders has a new state."""

    order_id: str
    slot: str
    start_s: int
    state: OrderState
    open_micro: int
    reason: str


class Filled(_Frame, frozen=True, tag="fill"):
    """A part of one of our orders traded; `status` as the venue settles it: MATCHED, MINED, CONFIRMED or FAILED."""

    trade_id: str
    order_id: str
    slot: str
    start_s: int
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    fee_micro: int
    status: str


class PositionView(_Frame, frozen=True):
    """What we hold of one token. `cost_micro` includes fees."""

    outcome: Outcome
    size_micro: int
    cost_micro: int


class OrderView(_Frame, frozen=True):
    """One of our open orders, as the ledger has it."""

    order_id: str
    outcome: Outcome
    side: Side
    price_micro: int
    open_micro: int
    state: OrderState


class Account(_Frame, frozen=True):
    """What a decision may know of the ledger: everything of its own slot, totals of the rest."""

    ledger_version: int
    cash_micro: int
    exposure_micro: int
    positions: tuple[PositionView, ...]
    orders: tuple[OrderView, ...]


class Tick(_Frame, frozen=True, tag="tick"):
    """Decide now. The answer of `owner` under `epoch` counts; everybody else's is a shadow decision.

    `entries`: empty when entries are allowed, else why not ("paused", "feed_stale", ...); exits and cancels still go.
    """

    slot: str
    tick: int
    start_s: int
    owner: str
    epoch: int
    parameters: str
    entries: str
    account: Account


class Pulse(_Frame, frozen=True, tag="pulse"):
    """The stream is alive although nothing happened."""


class Keyframe(_Frame, frozen=True, tag="keyframe"):
    """Everything a fold that starts here must know, as the events that would have told it. Others skip it."""

    events: tuple[Event, ...]


Event = (
    WindowOpened
    | WindowClosed
    | WindowResolved
    | StrikeSet
    | TickSizeSet
    | BookSeen
    | TradeSeen
    | PriceSeen
    | FeedGap
    | TermBegan
    | ParametersSet
    | OrderMoved
    | Filled
    | Tick
    | Pulse
    | Keyframe
)


class Streamed(_Frame, frozen=True):
    """One frame of the stream and of the tape. `seq` has no holes; `at_ns` is market time and never runs backwards."""

    seq: int
    at_ns: int
    event: Event


# --- the channel: worker to supervisor ---


class Loaded(_Frame, frozen=True):
    """A module as the worker loaded it: the digest of its source and how long its import took."""

    module: str
    digest: str
    load_us: int


class Hello(_Frame, frozen=True, tag="hello"):
    """The first word of a worker. `lookback_s`: how much of the past its state depends on, never more."""

    protocols: tuple[int, int]
    uid: str
    pid: int
    release: str
    lookback_s: int
    modules: tuple[Loaded, ...]


class Ready(_Frame, frozen=True, tag="ready"):
    """The worker has read the tape up to the live stream and misses nothing up to `read_seq`.

    `parameters`: digest of the set it decides with; `fault`: why it cannot use that set, and holds instead.
    """

    read_seq: int
    events: int
    took_us: int
    state: str
    parameters: str = ""
    fault: str = ""


class Place(_Frame, frozen=True, tag="place"):
    """A wish to trade. `size_micro` in shares, also for immediate orders; `post_only` only with GTC."""

    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    kind: OrderKind
    post_only: bool = False


class Cancel(_Frame, frozen=True, tag="cancel"):
    """A wish to take an open order back."""

    order_id: str


Intent = Place | Cancel


class Decision(_Frame, frozen=True):
    """What the strategy concluded: its wishes, none for a hold, and the numbers that led there."""

    intents: tuple[Intent, ...]
    reasons: dict[str, int | str]


class Decided(_Frame, frozen=True, tag="decided"):
    """The answer to a tick. `read_seq`: the last frame read before deciding, that is the tick's own."""

    slot: str
    tick: int
    epoch: int
    read_seq: int
    ledger_version: int
    parameters: str
    took_us: int
    decision: Decision


class Beating(_Frame, frozen=True, tag="beat"):
    """Proof that the deciding loop turned. `parameters`, `fault`: as in Ready."""

    read_seq: int
    decided: int
    rss_kib: int
    parameters: str = ""
    fault: str = ""


class Hole(_Frame, frozen=True, tag="hole"):
    """The worker saw the sequence jump; it owns nothing until it is whole again."""

    expected_seq: int
    got_seq: int


class Differs(_Frame, frozen=True, tag="differs"):
    """The account in a tick and the shared memory disagree although their versions agree: an alarm."""

    slot: str
    tick: int
    ledger_version: int
    detail: str


class Attested(_Frame, frozen=True, tag="attested"):
    """The answer to Attest: what is loaded now, digested again from the files it came from."""

    release: str
    modules: tuple[Loaded, ...]


class LastWords(_Frame, frozen=True, tag="last"):
    """Why a worker ends itself; nobody else can tell."""

    reason: str
    detail: str


FromWorker = Hello | Ready | Decided | Beating | Hole | Differs | Attested | LastWords

# --- the channel: supervisor to worker ---


class Welcome(_Frame, frozen=True, tag="welcome"):
    """Where everything is. `protocol` is the highest that both speak."""

    protocol: int
    stream: str
    tape: str
    ledger: str


class Attest(_Frame, frozen=True, tag="attest"):
    """Say again what you have loaded."""


class Retire(_Frame, frozen=True, tag="retire"):
    """You are no longer needed: finish the turn and end."""

    reason: str


ToWorker = Welcome | Attest | Retire

# --- the control socket ---

CONTROL_SCHEMA: Final = "foresight.ctl/1"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One verb in. `op` is made by the client and makes repeating harmless; `claimed` is who it says it acts for."""

    verb: str
    args: dict[str, Any] = {}
    op: str = ""
    claimed: str = ""


class Reply(msgspec.Struct, frozen=True, omit_defaults=False):
    """One answer out. `exit` is a code of `shared.outcomes`: it says first of all who is trading now."""

    ok: bool
    exit: int
    code: str
    message: str
    changed: bool
    trading: dict[str, Any]
    generation: int
    schema: str = CONTROL_SCHEMA
    op: str = ""
    hint: tuple[str, ...] = ()
    data: Any = None
