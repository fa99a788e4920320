"""What a deploy shall do: its settings for this once, its rings, and where a slot may change hands meanwhile.

Pure: wishes in, a plan out. What always holds: every configured slot stands in exactly one ring, and the same operation
on the same positions makes the same rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final

import msgspec

from shared.config import Count, Deploy, Expect, FlipPolicy, Seconds
from supervisor.rollout import Course, Hold

RINGS_MAX: Final = 32

_Market = Annotated[float, msgspec.Meta(ge=0, le=604_800)]


class BadPlan(ValueError):
    """What is wished for a deploy cannot be: unknown, out of bounds, or against itself."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one operation goes. Fields as in the settings [deploy]; `rings` are sizes, the last ring takes the rest."""

    expect: Expect = "any"
    trial: bool = False
    shadow_pairs: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    bake_s: _Market = 0.0
    rings: Annotated[tuple[Count, ...], msgspec.Meta(max_length=RINGS_MAX)] = ()
    hold_before: Hold = ""
    flip_policy: FlipPolicy = "any"
    boundary_s: Seconds = 600.0
    take_back: bool = True
    trail_s: _Market = 0.0

    def values(self) -> dict[str, Any]:
        """Its fields as plain values, as they are written down and told."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return {**values, "rings": list(self.rings)}

    def course(self, rings: int) -> Course:
        """The parts of its walk."""
        bake = self.bake_s > 0
        return Course(self.trial, self.shadow_pairs > 0, rings, bake, self.hold_before, self.take_back)


def planned(deploy: Deploy, verb: str, wishes: Mapping[str, Any]) -> Plan:
    """The plan of an operation: the settings, and what is wished differently this once.

    A rollback goes to what traded before and is in a hurry; a first start has nothing to be compared with. Both take
    every slot at its next boundary. Raises: BadPlan.
    """
    usual: dict[str, Any] = {"boundary_s": deploy.boundary_s}
    if verb == "deploy":
        same = ("expect", "shadow_pairs", "bake_s", "rings", "flip_policy", "take_back", "trail_s")
        usual |= {"trial": deploy.trial_tape_s > 0, **{name: getattr(deploy, name) for name in same}}
    try:
        return msgspec.convert(usual | dict(wishes), Plan)
    except msgspec.ValidationError as error:
        raise BadPlan(str(error)) from error


def alone(plan: Plan) -> Plan:
    """The plan where no release trades: nobody to be compared with, and no slot that could wait with somebody else."""
    return msgspec.structs.replace(plan, shadow_pairs=0, bake_s=0.0, rings=())


@dataclass(frozen=True, slots=True)
class SlotStanding:
    """How a slot stands when rings are made: what could be lost in it, how long its window still runs.

    `has_market`: whether there is anything to decide in it; a slot without a market proves nothing.
    """

    name: str
    exposure_micro: int
    closes_in_s: int
    has_market: bool = True


def make_rings(op: str, standings: Iterable[SlotStanding], sizes: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
    """Every slot in its ring: the first has what can lose least and resolves last; equals are told apart by the op.

    Slots without a market go with the last ring that has one with a market: no ring is baked on nothing.
    """
    order = sorted(standings, key=lambda slot: (slot.exposure_micro, -slot.closes_in_s, _lot(op, slot.name)))
    names, rings = [slot.name for slot in order if slot.has_market], []
    for size in sizes:
        rings.append(names[:size])
        names = names[size:]
    rings = [ring for ring in (*rings, names) if ring] or [[]]
    rings[-1] += [slot.name for slot in order if not slot.has_market]
    return tuple(tuple(ring) for ring in rings if ring)


def _lot(op: str, name: str) -> bytes:
    return blake2b(f"{op} {name}".encode(), digest_size=8).digest()
