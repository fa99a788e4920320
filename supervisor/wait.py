"""What the phase that runs waits for: whether it is there, in words why not, and how long that may take.

Leaves to `judgement` what gates say, and to `operations` what follows. What always holds: nothing is changed here, and
every phase has a limit.
"""

from __future__ import annotations

from supervisor.board import Board
from supervisor.crew import Member
from supervisor.handover import Handover
from supervisor.judgement import Judgement
from supervisor.plan import Plan
from supervisor.rollout import Phase, Rollout
from supervisor.staff import Staff
from supervisor.turns import Turns


class Wait:
    """Looks at everything a walk is about."""

    def __init__(self, board: Board, turns: Turns, handover: Handover, staff: Staff, judgement: Judgement) -> None:
        self.board, self.turns, self.handover, self.staff, self.judgement = board, turns, handover, staff, judgement

    def missing(self, walk: Rollout) -> str:
        """What green has not shown yet in the phase, warming or attesting; empty when it has."""
        member = self.board.crew.members[self.staff.green]
        said, decided, owner = member.attested, member.answered, self.staff.green
        if walk.phase == "warming":
            said, decided, owner = member.stage == "ready", member.shadowed, self.staff.blue
        if not said:
            return "its worker did not answer"
        if walk.phase == "warming" and not self._uses_what_is_in_force(member):
            return "it has not read, or cannot use, the parameters in force"
        tried = decided or walk.verb == "rollback" or not self._ticks_come_to(owner)
        return "" if tried else "it decided on no live tick"

    def restored(self, walk: Rollout) -> bool:
        """Whether every slot is back with the active release. A first release that failed leaves none.

        Then it is enough that no grant to it is on its way any more: a slot that crosses later would not be counted.
        """
        if walk.blue:
            return bool(self.staff.blue) and self.handover.held_by(self.staff.blue, self.turns.slots)
        return not any(state.phase == "granting" for state in self.turns.slots.values())

    def why(self, walk: Rollout) -> dict[str, str]:
        """What the phase waits for: by slot, by gate, or in a word."""
        if walk.phase in {"flipping", "restoring"}:
            return self.handover.waiting()
        if walk.phase in {"trial", "shadow", "baking"}:
            return self.judgement.saying("INCONCLUSIVE")
        if walk.phase == "held":
            return {"a person": walk.held_for}
        return {"green": self.missing(walk)} if self.staff.green else {"blue": "its worker did not go"}

    def most_s(self, phase: Phase, plan: Plan) -> float:
        """How long a phase may take, real seconds."""
        deploy, clock = self.board.settings.deploy, self.board.settings.clock
        limits = {
            "spawning": deploy.hello_s + 1,
            "warming": deploy.warm_s + 1,
            "trial": deploy.trial_s + 1,
            "shadow": deploy.shadow_s,
            "held": deploy.hold_s,
            "flipping": plan.boundary_s,
            "attesting": deploy.attest_s,
            "baking": plan.bake_s / (clock.speed if clock is not None else 1.0) + deploy.bake_grace_s,
            "retiring": deploy.retire_s + 1,
            "restoring": deploy.boundary_s,
        }
        return limits[phase]

    def _uses_what_is_in_force(self, member: Member) -> bool:
        """Whether a worker has the set in force and can use it; one of an older release does not say."""
        return member.parameters in {"", self.board.parameters} and not member.unfit

    def _ticks_come_to(self, uid: str) -> bool:
        """Whether this worker owns a slot in which a tick will come, or waits for its answer."""
        window, lane_of = self.board.lanes.window, self.board.lane_of
        owned = [name for name, state in self.turns.slots.items() if state.owner == uid and not state.blocked]
        return bool(uid) and any(window(lane_of[name]) for name in owned)
