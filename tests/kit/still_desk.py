"""A desk whose clock stands still until a test moves it: no chance, no waiting, and everything it wants is kept.

What it writes is in `journal`, what it streams in `frames`, what else it wants done in `wants`, the legs of a batch one
by one; kinds of effects it ever had are in `wished`, and how many legs each batch had in `batches`. The disk answers at
once unless it is `slow_disk`; venue and workers say only what the test lets them say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kit.deaths import GAVE_UP
from kit.signer import NamingSigner
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Deploy, Settings, Slots, load
from shared.messages import Level, Outcome
from shared.slots import parse_slot
from supervisor import effects as fx
from supervisor.accounts import Accounts, rebuild
from supervisor.death import Death
from supervisor.desk import Desk
from supervisor.effects import Moment
from supervisor.operation import Operation
from supervisor.plan import Plan
from supervisor.slotstate import HELD_MAX, SlotState
from supervisor.venue.discovery import Listing, Market
from supervisor.venue.market import Snapshot
from supervisor.venue.prices import Price
from supervisor.venue.requests import Where
from supervisor.venue.user import TradeLeg

START_S = 1_784_851_200
"""Midnight, the start of a window of every slot; a desk begins ten seconds later."""
CASH = 1_000_000_000
BTC, ETH = "BTC/5m", "ETH/5m"
STRAIGHT = Deploy(boundary_s=120, trial_tape_s=0, shadow_pairs=0, rings=(), bake_s=0, flip_policy="any", standby=False)
"""A deploy without trial, shadow, rings and bakes, and no standby: what is tested with it is the walk itself."""
T = TypeVar("T")


def a_release(number: int) -> e.Release:
    """A staged release; one of its two files differs from every other release's."""
    modules = {"worker/strategy.py": f"digest {number}", "shared/units.py": "digest 0"}
    return e.Release(number, f"{number}" * 12, "lock", modules)


R1, R2, R3 = a_release(1), a_release(2), a_release(3)


def loaded(release: e.Release) -> tuple[m.Loaded, ...]:
    """What a worker of a release says it has loaded."""
    names = [(path.removesuffix(".py").replace("/", "."), digest) for path, digest in release.modules.items()]
    return tuple(m.Loaded(name, digest, 900) for name, digest in names)


def tokens(name: str, start_s: int = START_S) -> tuple[str, str]:
    """The tokens of a window, Up first."""
    return f"{name} {start_s} Up", f"{name} {start_s} Down"


def a_market(name: str = BTC, start_s: int = START_S, **terms: Any) -> Market:
    """A window's market; `terms` replace single terms."""
    known = m.Terms(f"0x{start_s:x}", 10_000, 5_000_000, 70_000, 1, 150, "spot")
    return Market(parse_slot(name), start_s, tokens(name, start_s), "v1", False, structs.replace(known, **terms))


def a_listing(
    name: str = BTC, start_s: int = START_S, winner: Outcome | None = None, strike: int | None = None, **terms: Any
) -> Listing:
    """What discovery says of a window."""
    return Listing(a_market(name, start_s, **terms), winner is None, winner, strike)


def buy(price_micro: int = 500_000, shares: int = 10, outcome: Outcome = "Up", kind: m.OrderKind = "GTC") -> m.Place:
    """A wish to buy."""
    return m.Place(outcome, "BUY", price_micro, shares * 1_000_000, kind)


class StillDesk:
    """Args: assets: one five-minute slot each. settings: sections that replace the usual ones."""

    def __init__(self, *assets: str, **settings: Any) -> None:
        slots = Slots(assets=assets or ("BTC",), minutes=(5,))
        usual = {"slots": slots, "deploy": STRAIGHT}
        self.settings: Settings = structs.replace(load(environ={}), **{**usual, **settings})
        self.at_ns, self.mono_ns = (START_S + 10) * NS, 1_000 * NS
        self.journal: list[e.Line] = []
        self.frames: list[m.Streamed] = []
        self.wants: list[fx.Effect] = []
        self.wished: set[type] = set()
        self.batches: list[int] = []
        self.slow_disk = False
        self._not_durable: list[fx.Effect] = []
        self.desk = self._a_desk(Accounts(), 0)

    def _a_desk(self, accounts: Accounts, seq: int) -> Desk:
        taped_ns = self.frames[-1].at_ns if self.frames else 0
        return Desk(self.settings, accounts, NamingSigner(), seq=seq, at_ns=taped_ns, pid=7, code="code")

    # --- the world ---

    def now(self) -> Moment:
        """The moment it is."""
        return Moment(self.at_ns, self.mono_ns)

    def do(self, act: Callable[..., T], *arguments: Any) -> T:
        """Something arrives now; what the desk wants of it is carried out."""
        result = act(self.now(), *arguments)
        self.settle()
        return result

    def settle(self) -> None:
        """Carry out what the desk wants, as far as files and the stream go."""
        while effects := self.desk.take_effects():
            for effect in effects:
                self._carry_out(effect)

    def _carry_out(self, effect: fx.Effect) -> None:
        board = self.desk.board
        self.wished.add(type(effect))
        if isinstance(effect, fx.Publish):
            self.frames.append(effect.frame)
        elif isinstance(effect, fx.Write | fx.WriteFirst):
            for entry in (effect.entry,) if isinstance(effect, fx.Write) else effect.entries:
                line = e.Line(len(self.journal) + 1, board.at_ns, 0, board.accounts.term, entry)
                record = e.encode_line(line)
                assert e.encode_line(e.decode_line(record)) == record
                self.journal.append(line)
            then = effect.then if isinstance(effect, fx.WriteFirst) else ()
            (self._not_durable if self.slow_disk else board.effects).extend(then)
        elif isinstance(effect, fx.Batch):
            self.batches.append(len(effect.legs))
            for leg in effect.legs:
                self._carry_out(leg)
        elif isinstance(effect, fx.Grant):
            self.desk.handover.on_granted(self.now(), effect.slot)
        elif isinstance(effect, fx.Enacted):
            self.desk.tuning.on_durable(self.now(), effect.op)
        else:
            self.wants.append(effect)

    def sync(self) -> None:
        """The disk has everything it was given."""
        self.desk.board.effects.extend(self._not_durable)
        self._not_durable.clear()
        self.settle()

    def jump(self, seconds: float, *, beats: bool = True) -> None:
        """Let time pass at one stroke; every worker's loop is heard, if `beats`; the desk looks at the clock."""
        self.at_ns += round(seconds * NS)
        self.mono_ns += round(seconds * NS)
        for uid, member in list(self.desk.board.crew.members.items()):
            if beats and member.stage in {"greeted", "ready"}:
                self.beat(uid)
        self.do(self.desk.on_time)

    def to_s(self, second: float, *, hold: bool = True) -> None:
        """Let time pass in half seconds until a second of the day; ticks are held on as they come, if `hold`."""
        while self.at_ns < (START_S + second) * NS:
            self.jump(min(0.5, START_S + second - self.at_ns / NS))
            if hold:
                self.hold()

    def hold(self) -> None:
        """Let each slot's owner answer, with a hold, everything it is asked."""
        for _ in range(2 * HELD_MAX):
            states = self.desk.turns.slots.items()
            asked = [name for name, state in states if state.outstanding and self.alive(state.owner)]
            if not asked:
                return
            for name in asked:
                self.answer(name=name)
        raise AssertionError(f"{asked} are asked for ever")

    def restart(self, after_s: float = 1.0, first: e.Release | None = None, frames_lost: int = 0) -> None:
        """The supervisor is killed and comes back: what is in the journal and on the tape is all that is left.

        Args: frames_lost: that many frames at the end of the tape did not reach the disk.
        """
        self.settle()
        accounts = rebuild(e.decode_line(e.encode_line(line)) for line in self.journal)
        seq = self.desk.board.seq - frames_lost
        self.frames = [frame for frame in self.frames if frame.seq <= seq]
        self.wants.clear()
        self._not_durable.clear()
        self.at_ns, self.mono_ns = self.at_ns + round(after_s * NS), self.mono_ns + round(after_s * NS)
        self.desk = self._a_desk(accounts, seq)
        self.begin(first)

    def begin(self, first: e.Release | None = R1) -> None:
        """Begin a reign."""
        shown: dict[str, list[int]] = {}
        for tick in self.told(m.Tick):
            shown.setdefault(tick.slot, []).append(tick.tick)
        self.do(self.desk.begin, shown, first)

    # --- the venue ---

    def feeds(self, fault: str = "") -> None:
        """Every feed is there, or none is."""
        for feed in ("market", "user", "prices"):
            self.do(self.desk.markets.on_feed, feed, fault)

    def may_trade(self, *, blocked: bool = False, closed_only: bool = False) -> None:
        """The venue says what we may do, from where we are and with this account."""
        place = "US/CA" if blocked else "IE/L"
        self.do(self.desk.standing.on_told, Where(blocked, place), closed_only, "")

    def caught_up(self, *legs: TradeLeg) -> None:
        """The venue answers every question about our trades; nothing of ours rests."""
        for effect in [want for want in self.wants if isinstance(want, fx.CatchUp)]:
            self.wants.remove(effect)
            self.do(self.desk.catching_up.on_caught_up, list(legs), set())

    def open(self, name: str = BTC, start_s: int = START_S, **listing: Any) -> None:
        """The venue lists a window's market."""
        self.do(self.desk.markets.on_listing, parse_slot(name), start_s, a_listing(name, start_s, **listing), True)

    def price(self, exact: int = 64_000 * 10**18, asset: str = "BTC", window_s: int = 0, at_s: float = 0) -> None:
        """A reference price of a second of the day; of this very one when none is named."""
        source_ms = round((START_S + at_s) * 1_000) if at_s else self.at_ns // NS * 1_000
        self.do(self.desk.markets.on_prices, [Price(asset, window_s, source_ms, exact)])

    def book(self, bid: int, ask: int, *, name: str = BTC, outcome: Outcome = "Up", start_s: int = START_S) -> None:
        """A snapshot of one token's book, a hundred shares each side; a price of 0 is an empty side."""
        token = tokens(name, start_s)[outcome == "Down"]
        sides = [(Level(price, 100_000_000),) if price else () for price in (bid, ask)]
        self.do(self.desk.markets.on_market, [Snapshot(token, sides[0], sides[1], 10_000)])

    # --- workers ---

    def alive(self, uid: str) -> bool:
        """Whether a worker is on the crew."""
        return uid in self.desk.board.crew.members

    def hello(self, uid: str, modules: tuple[m.Loaded, ...] | None = None) -> str:
        """A worker greets; returns why it is refused."""
        release = self.desk.board.accounts.releases[self.desk.board.crew.members[uid].release]
        said = loaded(release) if modules is None else modules
        hello = m.Hello(m.PROTOCOLS, uid, 100, release.release, 900, said)
        return self.do(self.desk.operations.on_hello, uid, hello, 100)

    def ready(self, uid: str) -> None:
        """A worker has read everything, and decided on a live tick in the shadow."""
        if self.alive(uid):
            self.desk.board.crew.update(uid, shadowed=1)
        self.do(self.desk.operations.on_ready, uid, m.Ready(self.desk.board.seq, 10, 5_000, "state"))

    def beat(self, uid: str, read_seq: int | None = None) -> None:
        """A worker's loop turned; it has read everything unless told otherwise."""
        seq = self.desk.board.seq if read_seq is None else read_seq
        self.do(self.desk.operations.on_beat, uid, m.Beating(seq, 3, 50_000))

    def attest(self, uid: str, modules: tuple[m.Loaded, ...] | None = None) -> None:
        """A worker that has answered a tick says what it has loaded."""
        if self.alive(uid):
            self.desk.board.crew.update(uid, answered=1)
        release = self.desk.board.accounts.releases[self.desk.board.crew.members[uid].release]
        said = loaded(release) if modules is None else modules
        self.do(self.desk.operations.on_attested, uid, m.Attested(release.release, said))

    def lose(self, uid: str, death: Death = GAVE_UP) -> None:
        """A worker process is gone."""
        self.do(self.desk.operations.on_lost, uid, death)

    def employ(self, uid: str) -> None:
        """A worker greets and is ready at once."""
        assert not self.hello(uid)
        self.ready(uid)

    def answer(self, *intents: m.Intent, name: str = BTC, uid: str = "", **changes: Any) -> None:
        """A worker answers what its slot is asked: a hold without intents; `changes` falsify single fields."""
        state, asked = self.state(name), self.asked(name)
        decision = m.Decision(intents, {"edge": len(intents)})
        seq = self.desk.turns.tick_seq.get(name, 0)
        told = m.Decided(name, asked.tick, state.epoch, seq, 0, asked.parameters, 50, decision)
        self.do(self.desk.decisions.on_decided, uid or state.owner, structs.replace(told, **changes))

    # --- people ---

    def deploy(self, release: e.Release = R2, op: str = "op1", verb: str = "deploy", plan: Plan | None = None) -> str:
        """Let a release take over; returns its worker."""
        self.desk.register(release)
        begin = self.desk.operations.begin
        self.do(begin, op, verb, release.release, "uid:1000", "better", {"verify": 4}, plan)
        return self.desk.operations.green

    def operation(self) -> Operation:
        """The newest operation of this reign, running or ended."""
        return list(self.desk.operations.all.values())[-1]

    # --- what came of it ---

    @property
    def accounts(self) -> Accounts:
        """The desk's accounts."""
        return self.desk.board.accounts

    def state(self, name: str = BTC) -> SlotState:
        """A slot's state."""
        return self.desk.turns.slots[name]

    def owners(self) -> set[str]:
        """Everybody who owns a slot; the empty name for nobody."""
        return {state.owner for state in self.desk.turns.slots.values()}

    def asked(self, name: str = BTC) -> m.Tick:
        """The newest tick a slot was shown."""
        return [tick for tick in self.told(m.Tick) if tick.slot == name][-1]

    def told(self, kind: type[T]) -> list[T]:
        """Stream events of a kind, oldest first."""
        return [frame.event for frame in self.frames if isinstance(frame.event, kind)]

    def said(self, kind: type[T]) -> list[T]:
        """Journal entries of a kind, oldest first."""
        return [line.entry for line in self.journal if isinstance(line.entry, kind)]

    def wanted(self, kind: type[T]) -> list[T]:
        """Effects of a kind that were left to the world, oldest first."""
        return [effect for effect in self.wants if isinstance(effect, kind)]


def a_trading_desk(*assets: str, **settings: Any) -> StillDesk:
    """A desk that trades: r1 owns every slot, every window is open and its books are fresh, nothing is outstanding."""
    still = StillDesk(*assets, **settings)
    still.begin()
    still.feeds()
    still.caught_up()
    still.do(still.desk.reconciling.on_balance, CASH)
    still.may_trade()
    green = still.desk.operations.green
    still.employ(green)
    still.attest(green)
    for name in still.desk.turns.slots:
        still.open(name)
        still.price(asset=name.partition("/")[0])
        still.book(480_000, 500_000, name=name)
        still.book(500_000, 520_000, name=name, outcome="Down")
    still.hold()
    return still
