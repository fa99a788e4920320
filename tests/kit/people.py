"""People at the control socket: they deploy, roll back, abort and pause, together, twice, and at the wrong moment.

Everything the simulation knows of operations passes through this room: it asks by the verbs that a person has, and
looks at `Operations` only for what is running.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kit.toy_workers import BAD, EDGE_MAX, GOOD

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Deploy
from supervisor import verbs

if TYPE_CHECKING:
    from kit.sim import Sim

CALLER: Final = verbs.Caller(1000, 77, "")
NOTHING_RUNS: Final = frozenset({"OK", "NOINPUT", "PRECONDITION"})
"""Codes that a wish may be answered with while nothing runs."""
SLACK_S: Final = 2.0
"""What a bound may be passed by: one look at the time, and a disk that takes its time."""


STEP_MAX_S: Final = 3.0
"""How far the market's clock may step, forth or back."""
SLEEP_MAX_S: Final = 1.5
"""How long the desk's process may be stopped; it hears of everything afterwards."""


@dataclass(frozen=True, slots=True)
class Running:
    """An operation that has not ended, and since when, monotonic."""

    op: str
    began_ns: int


class People:
    """`releases`: what there is to deploy, oldest first."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.releases = [a_release(1)]
        sim.workers.kinds[self.releases[0].release] = GOOD

    # --- what they do ---

    def act(self) -> None:
        """One of them wants something, once anything trades."""
        if not self.sim.audit.record.active:
            return
        running, chance = self.running(), self.sim.chance
        if running is not None and self.sim.desk.board.accounts.active is None:
            return  # nobody interferes with the first release of all: there is none to go back to
        if chance.random() < 0.05:
            verb = chance.choice(("pause", "resume", "resume"))
            self._ask(verb, {"reason": "felt like it"})
        elif running is not None and chance.random() < 0.3:
            verb = chance.choice(("abort", "promote", "promote"))
            self._ask(verb, {"op": chance.choice((running.op, "", "op-of-yesterday"))})
        elif chance.random() < 0.2:
            self._move("rollback", "")
        else:
            self._move("deploy", self._pick())

    def stop_trading(self) -> None:
        """Somebody halts the desk, or flattens a slot or all of them; most are calm again a little later."""
        sim, chance = self.sim, self.sim.chance
        verb, slot = chance.choice(("halt", "flatten", "flatten")), chance.choice(("all", *sim.desk.turns.slots))
        self._ask(verb, {"reason": "afraid", **({"slot": slot} if verb == "flatten" else {})}, f"op{sim.count}")
        if not sim.chancy(0.1):
            sim.later(chance.randrange(15 * NS), self._go_on)

    def tune(self) -> None:
        """Somebody sets a parameter, takes a version back, or only asks; not every value is one a release can use."""
        chance, op = self.sim.chance, f"op{self.sim.count}"
        if chance.random() < 0.3:
            self._ask("params_rollback", {"reason": "calmer"}, op)
        else:
            wish = {"values": {"edge": chance.randrange(EDGE_MAX + 20)}, "reason": "braver"}
            self._ask("params_set", wish | {"dry_run": chance.random() < 0.2}, op)

    def _go_on(self) -> None:
        if self.sim.alive:
            self._ask("resume", {"reason": "calm again"})
        else:
            self.sim.later(NS, self._go_on)

    def _plan(self) -> dict[str, Any]:
        """Mostly as usual; now and then somebody wants to be asked, or is in a hurry."""
        return self.sim.chance.choice(({}, {}, {}, {"hold_before": "flip"}, {"hold_before": "retire"}, {"rings": []}))

    def register(self) -> None:
        """Tell a new reign what is staged on the disk."""
        for release in self.releases:
            self.sim.desk.register(release)

    def stop(self) -> None:
        """Somebody stops the supervisor in an orderly way: it lets its workers go."""
        self.sim.desk.operations.close("the supervisor ends")
        self.sim.settle()

    # --- what they see ---

    def running(self) -> Running | None:
        """The operation that runs, if any."""
        current = self.sim.desk.operations.current
        return Running(current.op, current.began_ns) if current is not None else None

    def active_owner(self) -> str:
        """The worker that should own every slot when nothing runs."""
        return self.sim.desk.operations.blue

    def _pick(self) -> str:
        """Mostly a release that was deployed before, sometimes one that was just built."""
        if len(self.releases) < 4 or self.sim.chancy(0.1):
            release = a_release(len(self.releases) + 1)
            bad = self.sim.chancy(self.sim.weather.bad_release)
            self.sim.workers.kinds[release.release] = self.sim.chance.choice(BAD) if bad else GOOD
            self.releases.append(release)
            self.sim.desk.register(release)
            return release.release
        return self.sim.chance.choice(self.releases[-6:]).release

    def _move(self, verb: str, release: str) -> None:
        """Ask for a deploy or rollback; the desk does it, joins what runs, or says that something else does."""
        running, op = self.running(), f"op{self.sim.count}"
        plan = self._plan() if verb == "deploy" else {}
        reply = self._ask(verb, {"release": release, "reason": "a better idea", "plan": plan}, op)
        if reply.changed and reply.op == op:
            self.sim.audit.check("I14 one operation", running is None, f"{op} began while {running} ran")
        elif running is None:
            self.sim.audit.check("I14 one operation", reply.code in NOTHING_RUNS, f"nothing runs, and {reply.message}")
        if reply.changed and reply.op == op and self.sim.chancy(0.2):
            again = self._ask(verb, {"release": release}, op)
            self.sim.audit.check("I14 one operation", not again.changed, f"{op} was begun twice")

    def _ask(self, verb: str, args: dict[str, Any], op: str = "") -> m.Reply:
        sim = self.sim
        asked = verbs.Asked(sim.desk, sim.now(), 0, CALLER, m.Request(verb, args, op))
        reply = verbs.answer(asked)
        sim.settle()
        return reply


def longest_s(deploy: Deploy) -> float:
    """How long an operation may take when every phase of it takes as long as it may."""
    before = deploy.hello_s + deploy.warm_s + deploy.trial_s + deploy.shadow_s + 2 * deploy.hold_s
    ring = deploy.boundary_s + deploy.attest_s + deploy.bake_s + deploy.bake_grace_s + deploy.hold_s
    after = deploy.retire_s + deploy.boundary_s
    return before + (len(deploy.rings) + 1) * ring + after + 20 * SLACK_S


def a_release(number: int) -> e.Release:
    return e.Release(number, f"{number:012x}", "lock", {"worker/strategy.py": f"digest {number}"})
