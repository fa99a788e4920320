"""One slot and the right to decide for it, as a model: two workers, a supervisor that forgets, a disk, a venue.

What the supervisor does with its slot is the code's own: `slotstate.step` and `admits`, `handover.may_cross` and
`orders.step`; and when it begins again it makes of its journal what `turns` and `executions` make of it. Around them
is a world that is worse than the real one:

* a worker that comes back has the name it had, so that no fence can depend on names that are never used twice;
* what a worker said before it, or the supervisor, died is heard all the same, however late;
* a boundary that is clean may be used or not, a candidate may be turned back, the disk may take its time;
* of what was written and is not known to be durable any part may be gone after a crash, and nothing that waited for it
  was done.

Ticks are shown as frames. Those that everybody has read and was heard on are forgotten: numbers of frames count from
the oldest one that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final, Literal, NamedTuple

from models.explorer import Broken, Move

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Settings, Slots
from shared.messages import OrderState
from supervisor import handover, orders, slotstate
from supervisor.accounts import Accounts
from supervisor.board import NO_DECISION, Board
from supervisor.crew import Member
from supervisor.dispatch import Dispatch
from supervisor.effects import Moment, Write
from supervisor.executions import Executions
from supervisor.lookups import Lookups
from supervisor.slotstate import SlotState
from supervisor.turns import Turns

NAMES: Final = ("blue", "green")
SLOT: Final = "BTC/5m"
START_S: Final = 1_784_851_200
"""When the window began in which the model's first tick fell; the next ones came every five seconds."""
SETTINGS: Final = Settings(slots=Slots(assets=("BTC",), minutes=(5,)))


class Worker(NamedTuple):
    """Frames a worker has read, and was heard on. `gap`: one that it never got, 0 for none."""

    alive: bool = True
    read: int = 0
    heard: int = 0
    gap: int = 0

    @property
    def contiguous(self) -> int:
        """How far it has read and misses nothing."""
        return self.gap - 1 if self.gap else self.read


DEAD: Final = Worker(False)


class Frame(NamedTuple):
    """A tick as it was shown."""

    tick: int
    owner: str
    epoch: int


class Answer(NamedTuple):
    """What a worker says to a frame. `holey`: it decided without having seen all that was shown before."""

    uid: str
    tick: int
    epoch: int
    holey: bool = False


class Granted(NamedTuple):
    """An entry: the slot passed to a worker."""

    epoch: int
    uid: str


class Outcome(NamedTuple):
    """An entry: what became of a tick. `sends`: its order leaves when this is durable."""

    tick: int
    sends: bool = False


class Intent(NamedTuple):
    """An entry: an order of this tick is about to leave."""

    tick: int


class Closed(NamedTuple):
    """An entry: all is known of this tick's order."""

    tick: int


Entry = Granted | Outcome | Intent | Closed
Orders = tuple[OrderState | None, ...]
"""For each tick the state of its order, None if it has none."""


class Disk(NamedTuple):
    """What is durable, folded: the last grant, the ticks that have an outcome, the orders."""

    epoch: int
    owner: str
    done: frozenset[int]
    orders: Orders


class Luck(NamedTuple):
    """How often each fault may still happen, and how many may in all."""

    crash: int = 1
    death: int = 1
    stall: int = 1
    silence: int = 1
    loss: int = 1
    all: int = 2


class World(NamedTuple):
    """Everything. `slot` and `orders` are what the supervisor remembers; `queue` is written, not known to be durable.

    `late`: what workers said that are gone. `killed`: how many owners died of each tick. `sent`: orders of each tick at
    the venue; `replies`: ticks whose order it has answered, unheard. `suffered`: faults that happened. `wishes`: how
    often somebody may still want the other worker.
    """

    slot: SlotState
    orders: Orders
    frames: tuple[Frame, ...]
    workers: tuple[Worker, ...]
    late: frozenset[Answer]
    disk: Disk
    queue: tuple[Entry, ...]
    killed: tuple[int, ...]
    sent: tuple[int, ...]
    replies: frozenset[int]
    luck: Luck
    suffered: frozenset[str]
    wishes: int


class Resumed(NamedTuple):
    """What a supervisor knows when it has begun, and the ticks that it gives the outcome they never got."""

    slot: SlotState
    orders: Orders
    owed: tuple[int, ...]


@cache
def resumed(disk: Disk, due: int) -> Resumed:
    """Let the code itself begin on what is durable, so many ticks after the slot was first granted."""
    by = e.By("", "", disk.epoch, disk.owner)
    accounts = Accounts()
    terms = m.Terms("0x1", 10_000, 5_000_000, 0, 0, 0, "spot")
    accounts.apply(e.Opened(SLOT, START_S, ("up", "down"), "v1", False, terms), START_S * NS)
    accounts.apply(e.Grant(SLOT, disk.epoch, disk.owner, "", "", ""), START_S * NS)
    for tick in sorted(disk.done):
        accounts.apply(e.OutcomeOf(SLOT, _at_ms(tick), "HOLD", "", by, 0, 0, NO_DECISION), START_S * NS)
    for tick, state in enumerate(disk.orders, 1):
        if state is not None:
            accounts.orders[str(tick)] = replace(_order(state), order_id=str(tick), slot=SLOT, start_s=START_S, by=by)
    board = Board(SETTINGS, accounts, seq=0, pid=0, code="")
    board.now(Moment(_at_ms(due) * 1_000_000, 0))
    turns = Turns(board)
    turns.begin({})
    lookups = Lookups(board)
    Executions(board, lookups, Dispatch(board, turns, lookups)).begin()
    known = tuple(order.state if (order := accounts.orders.get(str(tick))) else None for tick in _numbers(disk.orders))
    written = [effect.entry for effect in board.effects if isinstance(effect, Write)]
    owed = (entry.tick for entry in written if isinstance(entry, e.OutcomeOf))
    return Resumed(replace(turns.slots[SLOT], last_tick=due), known, tuple(map(_number, owed)))


Stepped = tuple[SlotState, tuple[slotstate.SlotCommand, ...]]


@dataclass(frozen=True)
class Rules:
    """What keeps the promises. The defaults are the code's own; a mutant is this with one of them broken.

    `watermark`: how far a worker says that it has read. `mends`: it reads from the tape what it never got, before it
    goes on. `resume`: what a supervisor makes of the disk when it begins. `grant_first`, `intent_first`: durable, then
    told to the slot, or sent. `unanswered`: what an order is whose answer was lost.
    """

    step: Callable[[SlotState, slotstate.SlotEvent], Stepped] = slotstate.step
    admits: Callable[[SlotState, str, int, int], str] = slotstate.admits
    may_cross: Callable[[SlotState, Member | None, int], bool] = handover.may_cross
    watermark: Callable[[Worker], int] = lambda worker: worker.contiguous
    mends: bool = True
    resume: Callable[[Disk, int], Resumed] = resumed
    grant_first: bool = True
    intent_first: bool = True
    unanswered: Literal["unknown", "failed", "sent again", "made anew"] = "unknown"


OURS: Final = Rules()

_EXCUSES: Final = {
    "outage": {"crash"},
    "deadline": {"stall"},
    "no_owner": {"stall"},
    "owner_dead": {"death"},
    "unknown_order": {"silence", "crash"},
}
"""Why a tick may be skipped, and the faults of which one has to have happened before."""


class SlotFlip:
    """The model. Args: ticks, of which so many are answered by an order; wishes of people; faults."""

    def __init__(self, luck: Luck, ticks: int = 2, sends: int = 1, wishes: int = 2, rules: Rules = OURS) -> None:
        self.ticks, self.sends, self.wishes, self.luck, self.rules = ticks, sends, wishes, luck, rules
        self._step = cache(rules.step)

    def first(self) -> Iterator[World]:
        """Blue owns the slot, green is warm beside it, nothing was shown."""
        none, zeros = (None,) * self.ticks, (0,) * self.ticks
        yield World(
            slot=SlotState("owned", epoch=1, owner="blue"),
            orders=none,
            frames=(),
            workers=(Worker(), Worker()),
            late=frozenset(),
            disk=Disk(1, "blue", frozenset(), none),
            queue=(),
            killed=zeros,
            sent=zeros,
            replies=frozenset(),
            luck=self.luck,
            suffered=frozenset(),
            wishes=self.wishes,
        )

    def moves(self, world: World) -> Iterator[Move[World]]:
        """All that may happen next."""
        yield from self._time(world)
        yield from self._handover(world)
        for number in range(len(NAMES)):
            yield from self._worker(world, number)
        for answer in world.late:
            yield from self._heard(world._replace(late=world.late - {answer}), answer)
        yield from self._disk(world)
        yield from self._venue(world)

    # --- what always holds, besides what is said where it is done ---

    def check(self, world: World) -> None:
        """What leaves: one order for a tick, and its intent is durable first."""
        for tick, sent in enumerate(world.sent, 1):
            if sent and world.disk.orders[tick - 1] is None:
                raise Broken(f"an intent is durable before its order leaves: that of tick {tick} is not")
            if sent > 1:
                raise Broken(f"one order for a tick: there are {sent} for tick {tick}")

    def check_rest(self, world: World) -> None:
        """When nothing is left to happen every tick has its outcome, of every order all is known, somebody decides."""
        for tick in range(1, self.ticks + 1):
            if tick not in world.disk.done:
                raise Broken(f"every tick has its outcome: tick {tick} has none")
            if world.disk.orders[tick - 1] not in {None, "closed"}:
                raise Broken(f"of every order all is known: that of tick {tick} is {world.disk.orders[tick - 1]}")
        if world.slot.phase != "owned":
            raise Broken(f"somebody owns the slot: it is {world.slot.phase}")

    # --- ticks ---

    def _time(self, world: World) -> Iterator[Move[World]]:
        slot = world.slot
        if slot.last_tick < self.ticks:
            tick = slot.last_tick + 1
            yield Move(f"tick {tick} comes due", partial(self._tell, world, slotstate.Due(tick)))
        if (slot.outstanding or (slot.held and not slot.owner)) and _may(world, "stall"):
            stalled = partial(self._tell, _suffer(world, "stall"), slotstate.Expired())
            yield Move("what waits has waited too long", stalled, free=True)

    def _tell(self, world: World, event: slotstate.SlotEvent) -> World:
        """Advance the slot, and do what its table says."""
        slot, commands = self._step(world.slot, event)
        world = world._replace(slot=slot)
        for command in commands:
            if isinstance(command, slotstate.Show):
                world = self._show(world, command.tick)
            elif isinstance(command, slotstate.Skip):
                world = self._skip(world, command)
            else:
                world = self._grant(world, command)
        return world

    def _show(self, world: World, tick: int) -> World:
        slot = world.slot
        if (world.disk.epoch, world.disk.owner) != (slot.epoch, slot.owner):
            raise Broken(f"a grant is durable before its first tick: {slot.owner}'s of epoch {slot.epoch} is not")
        if "unknown" in world.orders:
            raise Broken(f"nothing is asked while an order is unknown: tick {tick} is shown")
        if world.killed[tick - 1] > 1:
            raise Broken(f"a tick that two owners died of is shown to no third: tick {tick} is")
        return world._replace(frames=(*world.frames, Frame(tick, slot.owner, slot.epoch)))

    def _skip(self, world: World, skip: slotstate.Skip) -> World:
        if not _EXCUSES[skip.reason] & world.suffered:
            raise Broken(f"no tick is skipped without a fault: tick {skip.tick} is, for {skip.reason}")
        return _conclude(world, Outcome(skip.tick))

    # --- who owns the slot ---

    def _handover(self, world: World) -> Iterator[Move[World]]:
        slot = world.slot
        for name, worker in zip(NAMES, world.workers, strict=True):
            if worker.alive and slot.phase == "orphan":
                yield Move(f"{name} is armed", partial(self._tell, world, slotstate.Arm(name)))
            elif worker.alive and slot.phase == "owned" and name != slot.owner and world.wishes:
                wished = world._replace(wishes=world.wishes - 1)
                yield Move(f"somebody wants {name}", partial(self._tell, wished, slotstate.Arm(name)), free=True)
        if slot.phase == "quiescing":
            turned = partial(self._tell, world, slotstate.Disarm())
            yield Move(f"{slot.candidate} is turned back", turned, free=True)
            if self.rules.may_cross(slot, self._heir(world), len(world.frames)):
                yield Move(f"the slot passes to {slot.candidate}", partial(self._cross, world))

    def _heir(self, world: World) -> Member | None:
        """The candidate as the supervisor knows it, at best: its beats come late, and that only lets it wait."""
        worker = world.workers[NAMES.index(world.slot.candidate)]
        return _member(world.slot.candidate, self.rules.watermark(worker)) if worker.alive else None

    def _cross(self, world: World) -> World:
        if world.workers[NAMES.index(world.slot.candidate)].contiguous < len(world.frames):
            raise Broken(f"a slot passes only to a worker that misses nothing: {world.slot.candidate} does")
        return self._tell(world, slotstate.Commit())

    def _grant(self, world: World, command: slotstate.WriteGrant) -> World:
        world = world._replace(queue=(*world.queue, Granted(command.epoch, command.uid)))
        return world if self.rules.grant_first else self._tell(world, slotstate.Granted())

    # --- workers ---

    def _worker(self, world: World, number: int) -> Iterator[Move[World]]:
        worker, name, head = world.workers[number], NAMES[number], len(world.frames)
        if not worker.alive:
            yield Move(f"{name} is back", partial(_change, world, number, Worker(True, head, head)))
            return
        if worker.gap and self.rules.mends:
            yield Move(f"{name} mends its hole", partial(_change, world, number, worker._replace(gap=0)))
        elif worker.read < head:
            tick, read = world.frames[worker.read].tick, worker._replace(read=worker.read + 1)
            yield Move(f"{name} reads tick {tick}", partial(_change, world, number, read))
            if _may(world, "loss") and not worker.gap:
                lost = partial(_change, _suffer(world, "loss"), number, read._replace(gap=read.read))
                yield Move(f"tick {tick} is lost to {name}", lost, free=True)
        if worker.heard < (worker.contiguous if self.rules.mends else worker.read):
            yield from self._next_answer(world, number)
        if _may(world, "death"):
            yield Move(f"{name} dies", partial(self._die, world, number), free=True)

    def _next_answer(self, world: World, number: int) -> Iterator[Move[World]]:
        """What a worker said comes in the order in which it read; to what it never got it says nothing."""
        worker, frame = world.workers[number], world.frames[world.workers[number].heard]
        heard = _change(world, number, worker._replace(heard=worker.heard + 1))
        if worker.gap == worker.heard + 1:
            yield Move(f"{NAMES[number]} knows nothing of tick {frame.tick}", lambda: heard)
        else:
            yield from self._heard(heard, _answer(worker, number, frame, worker.heard + 1))

    def _heard(self, world: World, answer: Answer) -> Iterator[Move[World]]:
        """An answer arrives. What it decides matters only if it counts."""
        said = f"{answer.uid} answers tick {answer.tick} of epoch {answer.epoch}"
        refusal = self.rules.admits(world.slot, answer.uid, answer.epoch, answer.tick)
        if refusal:
            yield Move(f"{said}: {refusal}", lambda: world)
            return
        yield Move(f"{said}: hold", partial(self._admit, world, answer, False))
        if sum(order is not None for order in world.orders) < self.sends:
            yield Move(f"{said}: order", partial(self._admit, world, answer, True))

    def _admit(self, world: World, answer: Answer, sends: bool) -> World:
        if (world.disk.epoch, world.disk.owner) != (answer.epoch, answer.uid):
            raise Broken(f"what counts was decided under the grant in force: it is epoch {world.disk.epoch}")
        if answer.holey:
            raise Broken(f"nothing counts of a worker that misses something: {answer.uid} does")
        if "unknown" in world.orders:
            raise Broken(f"nothing counts while an order is unknown: tick {answer.tick} does")
        if sends:
            world = world._replace(
                orders=_put(world.orders, answer.tick, "pending"), queue=(*world.queue, Intent(answer.tick))
            )
        world = _conclude(world, Outcome(answer.tick, sends))
        if sends and not self.rules.intent_first:
            world = _post(world, answer.tick)
        return self._tell(self._refresh(world), slotstate.Done())

    def _refresh(self, world: World) -> World:
        """Tell the slot what of it is in flight, as `turns` does."""
        in_flight, unknown = _flight(world.orders)
        if (world.slot.in_flight, world.slot.blocked) == (in_flight, unknown):
            return world
        return self._tell(world, slotstate.Flight(in_flight, unknown))

    def _die(self, world: World, number: int) -> World:
        slot, name = world.slot, NAMES[number]
        if slot.owner == name and slot.outstanding:
            world = world._replace(killed=_put(world.killed, slot.outstanding, world.killed[slot.outstanding - 1] + 1))
        return self._tell(_bury(_suffer(world, "death"), number), slotstate.Lost(name))

    # --- the disk, and a supervisor that begins again with what is on it ---

    def _disk(self, world: World) -> Iterator[Move[World]]:
        if world.queue:
            yield Move("all that was written is durable", partial(self._sync, world))
        if _may(world, "crash"):
            for kept in range(len(world.queue) + 1):
                label = f"the supervisor dies; of {len(world.queue)} entries {kept} are durable"
                yield Move(label, partial(self._crash, world, kept), free=True)

    def _sync(self, world: World) -> World:
        written = world.queue
        world = world._replace(disk=_fold(world.disk, written), queue=())
        for entry in written:
            if isinstance(entry, Granted) and self.rules.grant_first:
                world = self._tell(world, slotstate.Granted())
            elif isinstance(entry, Outcome) and entry.sends and self.rules.intent_first:
                world = _post(world, entry.tick)
        return world

    def _crash(self, world: World, kept: int) -> World:
        """Everything the supervisor remembered is gone, and with it its workers and what the venue was about to say."""
        for number in range(len(NAMES)):
            world = _bury(world, number)
        disk, due = _fold(world.disk, world.queue[:kept]), world.slot.last_tick
        slot, known, owed = self.rules.resume(disk, due)
        world = _suffer(world, "crash")._replace(slot=slot, orders=known, disk=disk, queue=(), replies=frozenset())
        for tick in owed:
            world = self._skip(world, slotstate.Skip(tick, "outage"))
        return world

    # --- the venue ---

    def _venue(self, world: World) -> Iterator[Move[World]]:
        for tick in world.replies:
            known = world._replace(replies=world.replies - {tick})
            closed = partial(self._learn, known, tick, orders.Matched())
            yield Move(f"the venue answers for the order of tick {tick}", closed)
            if _may(world, "silence"):
                lost = partial(self._lose_reply, _suffer(known, "silence"), tick)
                yield Move(f"its answer for the order of tick {tick} is lost", lost, free=True)
        for tick, state in enumerate(world.orders, 1):
            if state == "unknown":
                found = orders.Matched() if world.sent[tick - 1] else orders.Gone("the venue never knew it")
                yield Move(f"the order of tick {tick} is looked up", partial(self._learn, world, tick, found))

    def _learn(self, world: World, tick: int, said: orders.OrderEvent) -> World:
        if isinstance(said, orders.Gone) and world.sent[tick - 1]:
            raise Broken(f"no order is given up that the venue has: that of tick {tick} is")
        moved = _put(world.orders, tick, _after(world.orders[tick - 1], said))
        if moved[tick - 1] == "closed":
            world = world._replace(queue=(*world.queue, Closed(tick)))
        return self._refresh(world._replace(orders=moved))

    def _lose_reply(self, world: World, tick: int) -> World:
        """Bytes that are sent again are the same order, and the venue takes that once; made anew they are another."""
        if self.rules.unanswered == "made anew":
            return _post(world, tick)
        if self.rules.unanswered == "sent again":
            return world._replace(replies=world.replies | {tick})
        failed = self.rules.unanswered == "failed"
        return self._learn(world, tick, orders.Gone("failed") if failed else orders.Unanswered("no answer"))


# --- small things -----------------------------------------------------------------------------------------------------


def _at_ms(number: int) -> int:
    """A tick's real number."""
    return 1_000 * (START_S + 5 * number)


def _number(tick: int) -> int:
    return (tick // 1_000 - START_S) // 5


def _numbers(orders: Orders) -> range:
    return range(1, len(orders) + 1)


def _put(values: tuple, tick: int, value: object) -> tuple:  # type: ignore[type-arg]
    """The values with that of one tick replaced."""
    return (*values[: tick - 1], value, *values[tick:])


def _may(world: World, fault: str) -> bool:
    return bool(world.luck.all and getattr(world.luck, fault))


def _suffer(world: World, fault: str) -> World:
    luck = world.luck._replace(all=world.luck.all - 1, **{fault: getattr(world.luck, fault) - 1})
    return world._replace(luck=luck, suffered=world.suffered | {fault})


def _answer(worker: Worker, number: int, frame: Frame, position: int) -> Answer:
    return Answer(NAMES[number], frame.tick, frame.epoch, holey=0 < worker.gap < position)


def _change(world: World, number: int, worker: Worker) -> World:
    """A worker moved on; frames that nobody needs any more are forgotten."""
    workers = (*world.workers[:number], worker, *world.workers[number + 1 :])
    past = min((min(w.heard, w.contiguous) for w in workers if w.alive), default=len(world.frames))
    if past:
        workers = tuple(
            w._replace(read=w.read - past, heard=w.heard - past, gap=w.gap - past if w.gap else 0) if w.alive else w
            for w in workers
        )
    return world._replace(workers=workers, frames=world.frames[past:])


def _bury(world: World, number: int) -> World:
    """A worker is gone; what it had said stays on its way."""
    worker = world.workers[number]
    said = [
        _answer(worker, number, frame, position)
        for position, frame in enumerate(world.frames[: worker.read], 1)
        if position > worker.heard and position != worker.gap
    ]
    return _change(world._replace(late=world.late.union(said)), number, DEAD)


def _conclude(world: World, outcome: Outcome) -> World:
    """A tick has its outcome."""
    again = any(isinstance(entry, Outcome) and entry.tick == outcome.tick for entry in world.queue)
    if again or outcome.tick in world.disk.done:
        raise Broken(f"a tick has one outcome: tick {outcome.tick} has a second")
    return world._replace(queue=(*world.queue, outcome))


def _post(world: World, tick: int) -> World:
    return world._replace(sent=_put(world.sent, tick, world.sent[tick - 1] + 1), replies=world.replies | {tick})


def _fold(disk: Disk, entries: tuple[Entry, ...]) -> Disk:
    """The disk with entries added."""
    for entry in entries:
        if isinstance(entry, Granted):
            if entry.epoch <= disk.epoch:
                raise Broken(f"epochs only grow: {entry.epoch} is granted after {disk.epoch}")
            disk = disk._replace(epoch=entry.epoch, owner=entry.uid)
        elif isinstance(entry, Outcome):
            disk = disk._replace(done=disk.done | {entry.tick})
        else:
            state: OrderState = "pending" if isinstance(entry, Intent) else "closed"
            disk = disk._replace(orders=_put(disk.orders, entry.tick, state))
    return disk


@cache
def _member(uid: str, read_seq: int) -> Member:
    return Member(uid, "", 0, 0, stage="ready", whole=True, read_seq=read_seq)


@cache
def _order(state: OrderState) -> orders.Order:
    return orders.Order("", "", 0, "", "Up", "BUY", 1, 1, "FOK", e.By("", "", 0, ""), state=state)


@cache
def _after(state: OrderState | None, event: orders.OrderEvent) -> OrderState | None:
    return orders.step(_order(state), event).state if state is not None else None


@cache
def _flight(states: Orders) -> tuple[int, bool]:
    known = [_order(state) for state in states if state is not None]
    return sum(order.in_flight for order in known), any(order.state == "unknown" for order in known)
