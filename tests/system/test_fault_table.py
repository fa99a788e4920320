"""The fault table, cell by cell: each fault in each phase of a deploy, on real processes, judged by the verifier.

Rows are the phases of `supervisor.rollout`, so that a new one is missed by name; columns are what can happen to the
supervisor, to either worker, to the command, to the venue's answers and feeds, and to the disk. What has to come of a
cell is never what came of it before: it follows from where its phase stands to the first boundary, and from whom the
fault takes. A pipeline looks at a few, drawn from a seed that is always the same and from one that nobody has chosen
and that is told; the night looks at all of them. With --fault-cell PHASE:FAULT a person goes back to one.

A machine that is busy with other things costs ticks as well. Whether that was so is read from the desk's own pulse.
"""

from __future__ import annotations

import random
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Any, Final, Literal

import psutil
import pytest
from kit.aftermath import posted_once
from kit.desks import AWAY_S, STOOD_STILL, TWO_ASSETS, Desk, a_desk, eventually, stopped
from kit.disks import full
from kit.misbehaving import steer
from kit.releases import RESTLESS

from shared import entries as e
from supervisor.rollout import PHASES

pytestmark = pytest.mark.system
SETTINGS: Final = f"""{TWO_ASSETS}
[ticks]
fast_ms = 5000
event_spacing_ms = 5000
deadline_s = 4
[deploy]
standby = true
trial_tape_s = 30
hello_s = 30
attest_s = 30
retire_s = 20
[venue]
answer_s = 10
"""
"""The walk itself, with a standby; an even beat, so that every moment is as good as any other.

A phase lasts longer than the longest fault in it: what a cell is about is the fault, and not how soon it was over. A
worker or a venue that a busy machine keeps waiting is given up a little later than by itself.
"""
SPEED: Final = 10.0
"""Half of what other desks have: with two releases, a standby and a fault there is more to do for the same machine."""
STALL_S: Final = 5.5
"""How long a supervisor stands still: longer than a worker may be silent, not so long that the venue gives us up."""
TAPE_MIB: Final = 64
REST_S: Final = 120.0
"""How long a desk may take to have everybody back on a machine that is busy with other things."""
DAILY: Final = 3
"""Cells of each seed that a pipeline looks at."""
DAILY_SEED: Final = 1
Record = Callable[[str, object], None]

Stand = Literal["before", "after", "past", "back"]
"""Where a phase stands: no slot has moved; green has slots, blue is warm; green is active; slots go back."""
Lost = Literal["nobody", "blue", "green", "supervisor", "tape"]
"""Whom a fault takes from the walk, or what from green."""

PROMISES: Final[dict[Lost, dict[Stand, set[str]]]] = {
    "nobody": {"before": {"OK"}, "after": {"OK"}, "past": {"OK"}, "back": {"ROLLED_BACK"}},
    "blue": {"before": {"OK"}, "after": {"OK"}, "past": {"OK"}, "back": {"ROLLED_BACK"}},
    "green": {"before": {"GATE_FAILED"}, "after": {"ROLLED_BACK"}, "past": {"OK"}, "back": {"ROLLED_BACK"}},
    "supervisor": {"before": {"GATE_FAILED"}, "after": {"ROLLED_BACK"}, "past": {"OK"}, "back": {"ROLLED_BACK"}},
    "tape": {"before": {"OK", "GATE_FAILED"}, "after": {"OK"}, "past": {"OK"}, "back": {"ROLLED_BACK"}},
}
"""How a walk ends, by what it lost and where it stood.

Blue's slots are looked after whoever dies, so the walk goes on without it. Without green it cannot, and everything goes
back to blue, which never stopped or is warm. What the supervisor had not promoted when it died is put back. Who trades
needs no tape, but whoever begins does: with that disk full, green may never come to be ready.
"""
OWNERS: Final[dict[Stand, set[Lost]]] = {
    "before": {"blue"},
    "after": {"green"},
    "past": {"green"},
    "back": {"blue", "green"},
}
"""Whose loss can cost ticks."""
NO_TRIAL: Final = "--no-trial"


BLUE: Final = "waits_while_restoring(); waits_while_retiring()"
"""How every release behaves once it trades: it does not take slots back, and does not go, before it may go on."""


@dataclass(frozen=True)
class Way:
    """How a deploy is brought into a phase and kept there. `green`: how that one behaves until it may go on.

    `aborted`: the phase is entered by hand, once green has every slot.
    """

    stand: Stand
    green: str = "takes_its_time()"
    options: tuple[str, ...] = (NO_TRIAL,)
    aborted: bool = False


WAYS: Final = {
    "spawning": Way("before", "waits_while_importing()"),
    "warming": Way("before", "waits_while_warming()"),
    "trial": Way("before", "waits_while_tried()", ()),
    "shadow": Way("before", "waits_while_watched()", (NO_TRIAL, "--shadow", "5", "--expect", "any")),
    "held": Way("before", options=(NO_TRIAL, "--hold-before", "flip")),
    "held at last": Way("after", options=(NO_TRIAL, "--hold-before", "retire")),
    "flipping": Way("before", "waits_while_flipping()"),
    "attesting": Way("after", "waits_while_attesting()"),
    "baking": Way("after", "waits_while_watched()", (NO_TRIAL, "--bake", "5s", "--expect", "any")),
    "retiring": Way("past"),
    "restoring": Way("back", "waits_while_attesting()", aborted=True),
}
"""Rows, by a name that begins with the phase's own."""


@dataclass(frozen=True)
class Scene:
    """A desk on which an operation waits in a phase, the command that began it, and who is who."""

    desk: Desk
    stand: Stand
    op: str
    command: subprocess.Popen[bytes]
    blue: str
    green: str
    since: int
    """The newest journal line before it began."""

    def uid(self, side: str) -> str:
        """The worker of a side; when green is the active release, blue is on its way out."""
        part = {"blue": "old", "green": "blue"}[side] if self.stand == "past" else side
        workers = self.desk.ask("status").data["workers"]
        return str(next(worker["uid"] for worker in workers if worker["part"] == part))

    def process(self, uid: str) -> psutil.Process:
        """A worker's process, which may not have greeted yet."""
        process: psutil.Process = eventually(lambda: self.desk.process(uid), f"a process of {uid}")
        return process

    def until_gone(self, uid: str) -> None:
        """Wait until the desk knows that a worker is gone."""
        self.desk.until(lambda s: uid not in {worker["uid"] for worker in s["workers"]}, f"the end of {uid}")


# --- what happens ---


def supervisor_killed(scene: Scene) -> None:
    """It dies at once, and is started again."""
    scene.desk.supervisor.kill()
    scene.desk.until_dead()
    scene.desk.start_again()


def supervisor_stalls(scene: Scene) -> None:
    """It stands still for a while, and all that arrives waits."""
    with stopped(scene.desk.supervisor):
        sleep(STALL_S)  # not a wait for anything: how long it lasts is the point


def worker_killed(side: str) -> Callable[[Scene], None]:
    """One of the two dies at once."""

    def strike(scene: Scene) -> None:
        uid = scene.uid(side)
        scene.process(uid).kill()
        scene.until_gone(uid)

    return strike


def worker_stalls(side: str) -> Callable[[Scene], None]:
    """One of the two stands still until the desk has had enough of it."""

    def strike(scene: Scene) -> None:
        uid = scene.uid(side)
        with stopped(scene.process(uid)):
            scene.until_gone(uid)

    return strike


def command_killed(scene: Scene) -> None:
    """The command that began it dies; the operation is not its own."""
    scene.command.kill()
    scene.command.wait()


def reply_lost(scene: Scene) -> None:
    """The venue takes an order and the answer never comes."""
    venue_fault(scene.desk, "drop_answer", count=1)


def feed_gap(scene: Scene) -> None:
    """Every channel of the venue is cut, and comes back."""
    gaps = len(scene.desk.said_by(e.Gap))
    venue_fault(scene.desk, "close", channel="all", code=0)
    eventually(lambda: len(scene.desk.said_by(e.Gap)) > gaps, "the end of the gap")
    scene.desk.until(lambda s: not any(s["feeds"].values()), "every channel")


def tape_full(scene: Scene) -> None:
    """The disk of the tape has no room for a while."""
    with full(scene.desk.state.tape):
        scene.desk.until(lambda s: s["tape"] != "ok", "word of the full disk")
    scene.desk.until(lambda s: s["tape"] == "ok", "the end of the fault")


def journal_full(scene: Scene) -> None:
    """Nothing can be written any more: the supervisor may not go on; there is room again when it is started again."""
    pid = scene.desk.supervisor_pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    scene.desk.until_dead()
    scene.desk.start_again()


@dataclass(frozen=True)
class Fault:
    """What happens. `takes`: what the walk loses by it. `costs`: why ticks may be skipped for it."""

    strike: Callable[[Scene], None]
    takes: Lost
    costs: frozenset[str] = frozenset()


OUTAGE: Final = frozenset({"outage", "no_owner", "unknown_order"})
DEATH: Final = frozenset({"owner_dead", "no_owner", "late"})
UNKNOWN: Final = frozenset({"unknown_order"})
FAULTS: Final = {
    "supervisor killed": Fault(supervisor_killed, "supervisor", OUTAGE),
    "supervisor stalls": Fault(supervisor_stalls, "nobody", STOOD_STILL),
    "blue killed": Fault(worker_killed("blue"), "blue", DEATH),
    "blue stalls": Fault(worker_stalls("blue"), "blue", DEATH | {"deadline"}),
    "green killed": Fault(worker_killed("green"), "green", DEATH),
    "green stalls": Fault(worker_stalls("green"), "green", DEATH | {"deadline"}),
    "command killed": Fault(command_killed, "nobody"),
    "reply lost": Fault(reply_lost, "nobody", UNKNOWN),
    "feed gap": Fault(feed_gap, "nobody", UNKNOWN),
    "tape full": Fault(tape_full, "tape", DEATH),
    "journal full": Fault(journal_full, "supervisor", OUTAGE),
}
"""Columns."""


@dataclass(frozen=True)
class Cell:
    """One fault in one phase."""

    way: str
    fault: str

    def __str__(self) -> str:
        return f"{self.way}:{self.fault}"

    @property
    def results(self) -> set[str]:
        """How its walk may end."""
        return PROMISES[FAULTS[self.fault].takes][WAYS[self.way].stand]

    @property
    def costs(self) -> frozenset[str]:
        """Why ticks may be skipped; a worker that owns nothing costs none."""
        fault = FAULTS[self.fault]
        spared = fault.takes in {"blue", "green"} and fault.takes not in OWNERS[WAYS[self.way].stand]
        return frozenset() if spared else fault.costs


# --- the table ---


def test_every_phase_has_a_row() -> None:
    """A phase that is new needs a way into it, and a word on where it stands."""
    assert {name.partition(" ")[0] for name in WAYS} == set(PHASES) - {"idle"}


def test_a_fault_in_a_phase_ends_as_promised(request: pytest.FixtureRequest, record_property: Record) -> None:
    """Some cells that are looked at every day and some that nobody has chosen; each can be gone back to."""
    named, seed = request.config.getoption("--fault-cell"), request.config.getoption("--fault-seed")
    seeds = [DAILY_SEED, random.randrange(1 << 32)] if seed is None else [seed]
    cells = [Cell(*text.split(":")) for text in named] or [cell for seed in seeds for cell in drawn(seed, DAILY)]
    record_property("fault", f"{len(cells)} cells" + "".join(f", --fault-seed {seed}" for seed in seeds if not named))
    survive(cells, record_property)


@pytest.mark.nightly
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_as_promised_in_every_phase(fault: str, record_property: Record) -> None:
    """A whole column."""
    survive([Cell(way, fault) for way in WAYS], record_property)


def drawn(seed: int, most: int) -> list[Cell]:
    """Cells of phases and faults that differ, as long as there are some that were not seen."""
    ways, faults, chance = list(WAYS), list(FAULTS), random.Random(seed)
    chance.shuffle(ways)
    chance.shuffle(faults)
    return [Cell(way, fault) for way, fault in zip(ways, faults, strict=True)][:most]


def survive(cells: Sequence[Cell], record_property: Record) -> None:
    """Play cells one after the other on one desk, tell how each ended, and judge the desk."""
    with a_desk(BLUE, settings=SETTINGS, speed=SPEED, strategy=RESTLESS, tape_mib=TAPE_MIB) as desk:
        for number, cell in enumerate(cells):
            record_property("fault", f"{cell}: {play(desk, cell, number)}")
        desk.judged(lapsed=True)
        assert posted_once(desk)


def play(desk: Desk, cell: Cell, number: int) -> str:
    """Bring a deploy into the phase, let the fault happen, let everybody go on, and see how it ends; the result."""
    with brought(desk, WAYS[cell.way], cell.way.partition(" ")[0], number) as scene:
        FAULTS[cell.fault].strike(scene)
        go_on(scene)
        _, ended = desk.result(scene.op)
    print(f"{cell}: {ended['code']}, {ended['message']}")
    assert ended["code"] in cell.results, (str(cell), ended)
    rest(desk, scene.green if ended["code"] == "OK" else scene.blue)
    lost = skipped(desk, scene.since)
    unpaid = lost.keys() - cell.costs
    stood_s = max(desk.stood_still_s(scene.since), desk.venue_stood_still_s(scene.since)) if unpaid else 0
    assert not unpaid or (unpaid <= STOOD_STILL and stood_s > AWAY_S), (str(cell), unpaid, lost)
    return str(ended["code"])


@contextmanager
def brought(desk: Desk, way: Way, phase: str, number: int) -> Iterator[Scene]:
    """A deploy of a release that is new, waiting in a phase."""
    blue, since = desk.ask("status").data["release"]["hash"], desk.lines()[-1].n
    folder = desk.release(f"{BLUE}; {way.green}  # {number}", RESTLESS)
    hold(desk)
    with desk.begun("deploy", "--green", str(folder), *way.options) as command:
        operation = desk.until_phase("attesting" if way.aborted else phase)["operation"]
        if way.aborted:
            desk.until_decided(2 * len(desk.ask("slots").data))  # so that blue has seen that it lost them
            assert desk.ask("abort").ok
            desk.until_phase(phase)
        yield Scene(desk, way.stand, operation["op"], command, blue, operation["green"], since)


def hold(desk: Desk) -> None:
    """Let nobody go on who waits."""
    (desk.state.tape / "go").unlink(missing_ok=True)


def go_on(scene: Scene) -> None:
    """Let everybody go on who waits, green for good, and the operation as well if it waits for a person."""
    for name in ("go", f"go-{scene.green}"):
        (scene.desk.state.tape / name).touch()
    scene.desk.ask("promote")


def rest(desk: Desk, owner: str) -> None:
    """Wait until a release owns every slot, decides, and has its standby again."""

    def at_rest(status: dict[str, Any]) -> bool:
        parts = {worker["part"]: worker for worker in status["workers"]}
        ready = parts.keys() == {"blue", "standby"} and {worker["stage"] for worker in parts.values()} == {"ready"}
        return ready and {slot["release"] for slot in desk.ask("slots").data if slot["owner"]} == {owner}

    desk.until(at_rest, f"{owner} with every slot and its standby", REST_S)
    desk.until_decided(5)
    slots = len(desk.ask("slots").data)
    desk.until(lambda status: status["slots"]["owned"] == slots, "every slot with its owner and its market")
    assert desk.said_by(e.Active)[-1].release == owner


def skipped(desk: Desk, since: int) -> dict[str, list[tuple[str, int]]]:
    """The ticks that were skipped after a line of the journal, by reason."""
    found: dict[str, list[tuple[str, int]]] = {}
    for line in desk.lines(e.OutcomeOf):
        if line.n > since and isinstance(line.entry, e.OutcomeOf) and line.entry.kind == "SKIP":
            found.setdefault(line.entry.reason, []).append((line.entry.slot, line.entry.tick))
    return found


def venue_fault(desk: Desk, kind: str, **arguments: Any) -> None:
    """Let the venue do something wrong, and see that it was done."""
    number = steer(desk.where, "POST", body={"kind": kind, **arguments})["fault"]["number"]

    def done() -> bool:
        faults = steer(desk.where, "GET")["faults"]
        return any(fault["number"] == number and (fault["hits"] or fault["over"]) for fault in faults)

    eventually(done, kind)
