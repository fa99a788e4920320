"""Settings as models: every number someone may want to change, with its unit, default, bounds and reason.

Layers, later over earlier: the defaults here, TOML files, environment variables (FORESIGHT__RISK__ORDER_MAX_USD=10).
An unknown key, a wrong type or a number out of bounds is a fault; all faults are reported together, each with its path
and its source. Secrets are not settings: `read_credentials` takes them from a file that only its owner can read.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec

from shared import clock as clocks
from shared.slots import Beat, Slot

ENV_PREFIX: Final = "FORESIGHT__"

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Usd = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
WARM_UP_S: Final = 1_800
"""Market seconds of the tape that a worker may read before the first frame that counts."""
Expect = Literal["identical", "change", "any"]
"""What the operator says of a change: nothing differs, decisions differ within limits, or anything may."""
FlipPolicy = Literal["calm", "drain", "market-close", "any"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
SignatureType = Literal["auto", 0, 1, 2, 3]
"""How the exchange checks an order's signature, by its own numbers; "auto": as the wallet wants it."""


class Faults(ValueError):
    """Settings or credentials that cannot be used; `faults` has a line for each, with its path and source."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Slots(_Section, frozen=True):
    """Which market lanes exist. A lane whose market the venue does not list says NO MARKET and costs nothing."""

    assets: tuple[str, ...] = ("BTC", "ETH", "SOL", "XRP", "DOGE", "AVAX", "LINK", "MATIC", "SPX")
    minutes: tuple[Literal[5, 15], ...] = (5, 15)


class Ticks(_Section, frozen=True):
    """How often a slot is evaluated, and how long an answer may take. The cadence itself, 5 s, is fixed."""

    snipe_5m_s: Annotated[int, msgspec.Meta(ge=0, le=300)] = 90
    """The last part of a 5-minute window, in which entries are allowed and the beat is faster."""
    snipe_15m_s: Annotated[int, msgspec.Meta(ge=0, le=900)] = 240
    fast_ms: Literal[250, 500, 1000, 2500, 5000] = 1000
    """The beat inside the snipe window."""
    event_spacing_ms: Annotated[int, msgspec.Meta(ge=50, le=5000)] = 500
    """Inside the snipe window a market event raises a tick as well, but no two ticks come closer than this."""
    deadline_s: Seconds = 1.5
    """Real seconds a worker may take to answer; then the tick is skipped."""
    strikes: Count = 2
    """Deadlines missed in a row after which the owner is fenced and replaced."""


class Venue(_Section, frozen=True):
    """Where the venue is. The defaults are production; a rehearsal brings its own."""

    clob: str = "https://clob.polymarket.com"
    gamma: str = "https://gamma-api.polymarket.com"
    market_ws: str = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    user_ws: str = "wss://ws-subscriptions-clob.polymarket.com/ws/user"
    price_ws: str = "wss://ws-live-v2.polymarket.com/ws"
    geoblock: str = "https://polymarket.com/api/geoblock"
    """Whether orders may be sent from where we are."""
    chain_id: Literal[137, 80002] = 137
    answer_s: Seconds = 5.0
    """Real seconds to wait for the answer to an order; then it is unknown, never failed."""
    unknown_horizon_s: Seconds = 30.0
    """Real seconds after which an order the venue cannot find by its id or its trades was never placed."""
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0.5, le=5)] = 3.0
    """Real seconds between two heartbeats; the venue cancels everything after 10 without one."""
    reconcile_s: Seconds = 30.0
    """Real seconds between two comparisons of our books with the venue's: orders, trades, collateral and shares."""
    blind_s: Seconds = 10.0
    """Real seconds in which the user channel has to say a word of an order that was taken; then entries stop."""
    standing_s: Seconds = 3_600.0
    """Real seconds between two questions whether we may trade, from here and with this account."""
    orders_per_s: Count = 40
    """Orders a second that the venue takes of our signer, real time: those of its Standard tier."""
    orders_burst: Count = 60
    """Orders it takes at once. What passes neither is denied, not sent."""
    cancels_per_s: Count = 80
    cancels_burst: Count = 120
    """The same for cancels; what does not pass waits its turn."""
    stale_s: Seconds = 30.0
    """Market seconds without a word from a feed after which it is stale and entries stop."""


class Exchange(_Section, frozen=True):
    """How orders are signed."""

    client: Literal["auto", "unified", "legacy-v1"] = "auto"
    """Whose orders: the unified client's, which "auto" is; or those of before CLOB V2, at a venue that takes them."""
    signature_type: SignatureType = "auto"
    """0 the key itself, 1 its proxy, 2 its Safe, 3 its deposit wallet; "auto": as the wallet named with the key is."""


class Risk(_Section, frozen=True):
    """What can never be exceeded, whatever a release wishes. In dollars of collateral, fees included."""

    order_max_usd: Usd = 25.0
    slot_max_usd: Usd = 50.0
    asset_max_usd: Usd = 100.0
    total_max_usd: Usd = 250.0
    day_loss_max_usd: Usd = 100.0
    side_max_usd: Usd = 200.0
    """All that is on one outcome, Up or Down, in every market: assets fall together."""
    orders_per_minute: Count = 120
    """Market time, all slots together."""
    cancels_per_minute: Count = 240
    """Cancels that releases wish, market time, all slots together; those of a halt or a flatten are not counted."""
    open_orders_max: Annotated[int, msgspec.Meta(ge=1, le=200)] = 64
    price_band_micro: Annotated[int, msgspec.Meta(ge=10_000, le=1_000_000)] = 200_000
    """How far beyond the best opposite price an order may reach, in millionths: a fat finger's bound."""


class Claims(_Section, frozen=True):
    """How winners become collateral again, and pairs before that. Real seconds where nothing else is said."""

    by: Literal["auto", "relayer", "rpc", "off"] = "off"
    """Through the venue's relayer, by our own transactions, as the wallet's kind allows, or not at all: then winners
    count as paid when resolved."""
    relayer: str = "https://relayer-v2.polymarket.com"
    rpc: str = "https://polygon.drpc.org"
    """A node of the chain: what it says of balances and receipts is the proof of a claim, whoever sent it."""
    answer_s: Seconds = 10.0
    poll_s: Seconds = 2.0
    """Between two looks at a claim on its way."""
    retry_s: Seconds = 2.0
    """Before a claim that was refused or failed is tried again; doubles each time."""
    retry_max_s: Seconds = 120.0
    resend_s: Seconds = 30.0
    """After which a transaction that nobody has seen is sent again, under the same nonce."""
    failures_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Failures on the chain after which a claim is left to a person."""
    confirmations: Annotated[int, msgspec.Meta(ge=0, le=128)] = 8
    """Blocks below the newest at which the chain's word is taken; nodes keep the state of the last 128."""
    submits_per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    """Market time; the relayer takes 25."""
    merge_min_usd: Usd = 5.0
    """The smallest pair of Up and Down that is worth a transaction before its window resolves; 0 merges none."""
    merge_before_s: Annotated[int, msgspec.Meta(ge=0, le=900)] = 60
    """Market seconds before a window's end from which pairs wait for its resolution instead."""
    gas_max_gwei: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_000
    """The most an own transaction offers for a unit of gas, also when it replaces one that is stuck; it pays the
    block's base fee and the tip."""
    tip_max_gwei: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 300
    """The most of that as a tip to whoever puts it into a block."""


class Deploy(_Section, frozen=True):
    """What a deploy does unless told otherwise, and how long each part may take; what is late goes to its default exit.

    Real seconds where nothing else is said.
    """

    hello_s: Seconds = 10.0
    warm_s: Seconds = 30.0
    trial_s: Seconds = 60.0
    """Until the recent tape was replayed through green twice."""
    trial_tape_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 300.0
    """How much of the tape that is, market seconds; 0 leaves the trial out."""
    shadow_pairs: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 20
    """Ticks that green must have decided in blue's shadow before the gate may pass; 0 leaves the shadow out."""
    shadow_s: Seconds = 180.0
    """Until they have come together; then a person is asked."""
    expect: Expect = "change"
    """How alike the decisions of both must be: all of them, within the ceilings of [gates], or not at all."""
    rings: tuple[Count, ...] = (1, 4)
    """How many slots the first rings have; the last one takes all that are left."""
    flip_policy: FlipPolicy = "calm"
    """Where a slot may change hands: outside its entry window, without resting orders, without a position, anywhere."""
    quiesce_s: Seconds = 3.0
    """How long a slot may hold its next tick back while it waits for its clean boundary."""
    settle_s: Annotated[float, msgspec.Meta(ge=0, le=300)] = 2.0
    """Market seconds after a window's start in which its slot does not change hands either."""
    boundary_s: Seconds = 600.0
    """How long to look for a clean boundary of every slot of a ring."""
    attest_s: Seconds = 8.0
    """Until it has said again what it runs and answered a tick as the owner; the slowest beat is a tick in 5 s."""
    bake_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 15.0
    """Market seconds for which each ring is watched before the next; 0 leaves the bakes out."""
    bake_grace_s: Seconds = 60.0
    """How much longer a bake may take to have seen enough; then the slots go back."""
    take_back: bool = True
    """Whether a breach in the bake, or in a hold after it, puts every slot back by itself, or waits for a person."""
    hold_s: Annotated[float, msgspec.Meta(gt=0, le=604_800)] = 3_600.0
    """How long a deploy waits for a person's word; then it is aborted."""
    retire_s: Seconds = 10.0
    trail_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 0.0
    """Market seconds for which a retired release's worker goes on deciding in the shadow, for comparison."""
    standby: bool = True
    """Whether a second worker of the active release follows, to take over at once when the owner dies."""
    beat_s: Seconds = 5.0
    """A worker whose deciding loop was not heard for this long is lost."""
    lag_max: Count = 200_000
    """Stream frames a worker may be behind before it is fenced: the feed never waits for it."""


class Policy(_Section, frozen=True):
    """Friction on purpose: what a deploy needs before it may begin. Each is overridden with a reason that is kept."""

    reason_required: bool = False
    cool_down_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 0.0
    """Market seconds between two deploys."""
    deploys_per_day: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    """At most so many on one day of the market; 0 for no bound."""
    windows_min: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Resolved windows the active release must have been measured on before it may be replaced."""


class Gates(_Section, frozen=True):
    """What a candidate may do while it is watched. A share is of paired decisions, 0 to 1, and one is never a share."""

    p99_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 150
    """99 of 100 decisions are made within this, as the worker measures them; a healthy one takes under 5."""
    late_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000
    """A decision that took longer, or came so long after the first word on its tick, is late: short of the deadline."""
    late_max: Share = 0.02
    missing_s: Seconds = 5.0
    """Real seconds after the first word on a tick in which the candidate's answer has to be there."""
    missing_max: Share = 0.02
    """Ticks the candidate did not answer, as a shadow or, by their deadline, as the owner."""
    input_max: Share = 0.05
    """Pairs that decided on different input: more, and the comparison proves nothing either way."""
    hold_to_order_max: Share = 0.10
    """Pairs in which the candidate orders where the release before holds."""
    notional_ratio_max: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 3.0
    """How many times what the release before wishes to trade the candidate may wish for."""
    side_max: Share = 0.10
    """Pairs in which both order, and not the same side of the same token."""
    orders_min: Count = 10
    """Orders from which a share of them, or their sum, says anything."""
    reject_share_max: Share = 0.5
    """Orders the venue refuses. Immediate ones that meet nobody are among them, hence so many."""
    rejects_min: Count = 20
    """Orders sent from which that share is judged."""
    denied_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10
    """Wishes that risk may deny because of what they are, not because of when they came."""
    holes_max: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 1
    """Holes in the stream the candidate may see; what it missed it reads from the tape."""
    rss_slope_kib_per_min: Annotated[int, msgspec.Meta(ge=1, le=1_048_576)] = 1024
    """How fast the candidate's memory may grow; this much is 1.4 GiB a day."""
    rss_max_mib: Annotated[int, msgspec.Meta(ge=16, le=65_536)] = 512
    """The most memory it may hold; a healthy worker has 25."""
    bake_ticks_min: Count = 3
    """Ticks the candidate has to answer as the owner before a bake can pass: 15 s of one slot at its slowest beat."""
    trial_memory_mib: Annotated[int, msgspec.Meta(ge=64, le=65_536)] = 1024
    """Address space of a replay."""
    trial_output_mib: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    """What a replay may write; ten minutes of tape give about two."""


class Records(_Section, frozen=True):
    """Journal and tape."""

    keyframe_s: Literal[15, 30, 60] = 60
    """Market seconds between two keyframes; a worker's warm-up starts at one."""
    segment_keyframes: Count = 10
    """Keyframes in one segment of the tape."""
    journal_segment_mib: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 8
    snapshot_s: Seconds = 30.0
    """Market seconds between two snapshots, in the journal and beside it."""


class Tape(_Section, frozen=True):
    """What becomes of the tape's complete segments. What a start, a warm-up or a trial reads is never touched."""

    plain_s: Seconds = 3_600.0
    """Market seconds of the tape that stay as they were written; what is older is packed, to an eighth."""
    keep_days: Annotated[float, msgspec.Meta(gt=0, le=3_650)] = 90.0
    """Market days after which a segment goes."""
    keep_mib: Annotated[int, msgspec.Meta(ge=1, le=16_777_216)] = 20_480
    """Bytes on the disk from which the oldest segments go; a busy desk writes 200 MiB a day, packed."""
    tend_s: Seconds = 60.0
    """Real seconds between two looks at whether there is something to do."""


class Clock(_Section, frozen=True):
    """A rehearsal's market time; see shared.clock. Refused in live mode."""

    market_ns: int = 0
    anchor_ns: int = 0
    speed: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1.0


class Settings(_Section, frozen=True):
    """Everything. `mode` is fixed for the life of the process."""

    mode: Literal["rehearsal", "live"] = "rehearsal"
    slots: Slots = Slots()
    ticks: Ticks = Ticks()
    venue: Venue = Venue()
    exchange: Exchange = Exchange()
    risk: Risk = Risk()
    claims: Claims = Claims()
    deploy: Deploy = Deploy()
    policy: Policy = Policy()
    gates: Gates = Gates()
    records: Records = Records()
    tape: Tape = Tape()
    clock: Clock | None = None
    strategy: dict[str, int | float | str | bool] = {}
    """Parameters for the release that trades; the release itself knows their names and bounds."""

    def lanes(self) -> tuple[Slot, ...]:
        """Every configured slot, in a fixed order."""
        return tuple(Slot(asset, minutes) for asset in self.slots.assets for minutes in sorted(self.slots.minutes))

    def beat(self, slot: Slot) -> Beat:
        """How often a slot is evaluated."""
        return Beat(self.ticks.snipe_5m_s if slot.minutes == 5 else self.ticks.snipe_15m_s, self.ticks.fast_ms)


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What signs orders. `wallet` holds the money; empty means the deposit wallet that belongs to the key."""

    private_key: str
    wallet: str = ""
    relayer_key: str = ""
    """Made on the venue's site; lets the relayer take our claims."""

    def __repr__(self) -> str:
        return "Credentials(***)"


def digest(values: object) -> str:
    """The name of a set of values: 12 hex digits that change when any of them does."""
    return blake2b(msgspec.json.encode(values, order="sorted"), digest_size=6).hexdigest()


def load(files: Iterable[Path] = (), environ: Mapping[str, str] | None = None) -> Settings:
    """Read the layers.

    Raises: Faults: all of them at once.
    """
    faults: list[str] = []
    merged: dict[str, Any] = {}
    for path in files:
        _merge(merged, _read_toml(path, faults), str(path), faults)
    for layer in _from_environ(os.environ if environ is None else environ):
        _merge(merged, layer, "environment", faults)
    values = _checked(Settings, merged, "", faults)
    settings = None if faults else msgspec.convert(values, Settings)
    if settings is not None:
        faults.extend(_contradictions(settings))
    if faults or settings is None:
        raise Faults(faults)
    return settings


def clock_of(settings: Settings) -> clocks.Clock:
    """The clock a desk of these settings lives by."""
    if settings.clock is None:
        return clocks.SystemClock()
    return clocks.RehearsalClock(settings.clock.market_ns, settings.clock.anchor_ns, settings.clock.speed)


def read_credentials(path: Path) -> Credentials:
    """Read the file that holds the signing key, JSON, mode 0600.

    Raises: Faults: missing, readable by others, or not of this shape; what it holds is never part of the message.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Faults([f"credentials {path}: {error.strerror}"]) from error
    with os.fdopen(fd, "rb") as file:
        facts = os.fstat(fd)
        mode = facts.st_mode
        if facts.st_uid not in {0, os.getuid()}:
            raise Faults([f"credentials {path}: uid {facts.st_uid} owns it; type: chown {os.getuid()} {path}"])
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            others = f"mode {stat.S_IMODE(mode):04o} lets others read it; type: chmod 600 {path}"
            raise Faults([f"credentials {path}: {others}"])
        try:
            return msgspec.json.decode(file.read(65_536), type=Credentials)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Faults([f"credentials {path}: not JSON with private_key and, if you like, wallet"]) from None


def _read_toml(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        faults.append(f"{path}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{path}: {error}")
    return {}


def _from_environ(environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """FORESIGHT__A__B=x becomes {"a": {"b": x}}, a layer of its own; x is read as TOML where it is TOML, else as text.

    In the order of the names, so that of two that contradict each other the same one is always named.
    """
    for name, text in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX):
            continue
        try:
            value = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            value = text
        *parents, leaf = name.removeprefix(ENV_PREFIX).lower().split("__")
        for parent in reversed(parents):
            leaf, value = parent, {leaf: value}
        yield {leaf: value}


class _Sourced:
    """A value and where it came from."""

    def __init__(self, value: Any, source: str) -> None:
        self.value, self.source = value, source


def _merge(into: dict[str, Any], layer: dict[str, Any], source: str, faults: list[str], path: str = "") -> None:
    """Lay a layer over those before it; a table over a plain value is a fault, because one would hide the other."""
    for key, value in layer.items():
        known = into.setdefault(key, {}) if isinstance(value, dict) else None
        if isinstance(known, dict):
            _merge(known, value, source, faults, f"{path}{key}.")
        elif isinstance(known, _Sourced):
            faults.append(f"{source}: {path}{key} is a table here and {known.value!r} in {known.source}")
        else:
            into[key] = _Sourced(value, source)


def _checked(model: type[msgspec.Struct], tree: dict[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    """Check leaf by leaf, so that every fault is found and not only the first."""
    hints = get_type_hints(model, include_extras=True)
    values: dict[str, Any] = {}
    for key, node in tree.items():
        where = f"{path}{key}"
        kind = _section_of(hints.get(key))
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            faults.append(
                f"{_source(node)}: unknown setting {where}" + (f"; did you mean {path}{near[0]}?" if near else "")
            )
        elif kind is not None and isinstance(node, dict):
            values[key] = _checked(kind, node, f"{where}.", faults)
        else:
            values[key] = _leaf(hints[key], node, where, faults)
    return values


def _leaf(hint: Any, node: Any, where: str, faults: list[str]) -> Any:
    value = _plain(node)
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        faults.append(f"{_source(node)}: {where} = {value!r}: {error}")
    return value


def _plain(node: Any) -> Any:
    if isinstance(node, _Sourced):
        return node.value
    return {key: _plain(value) for key, value in node.items()}


def _source(node: Any) -> str:
    """Where a value came from; of a table the first of its values; "settings" where it has none."""
    if isinstance(node, _Sourced):
        return node.source
    return next(map(_source, node.values()), "settings")


def _section_of(hint: Any) -> type[_Section] | None:
    for candidate in (hint, *getattr(hint, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, _Section):
            return candidate
    return None


def _contradictions(settings: Settings) -> Iterable[str]:
    if settings.mode == "live" and settings.clock is not None:
        yield "clock: market time cannot be made up in live mode"
    if len(settings.lanes()) != len(set(settings.lanes())) or not settings.lanes():
        yield "slots: name each asset and timeframe once, and at least one of each"
    for asset in settings.slots.assets:
        if not (asset.isalnum() and asset.isupper() and len(asset) <= 8):
            yield f"slots.assets: {asset!r} is no asset; write it like BTC, at most 8 letters"
    if settings.tape.plain_s < settings.deploy.trial_tape_s + WARM_UP_S:
        needed = settings.deploy.trial_tape_s + WARM_UP_S
        yield f"tape.plain_s: a trial and the warm-up before it read {needed:g} s of the tape; let it be that much"
    if settings.gates.missing_s <= settings.ticks.deadline_s:
        yield "gates.missing_s: an answer that still counts must not be missing; let it be over ticks.deadline_s"
