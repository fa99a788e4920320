"""What a simulated run is like: how often what goes wrong, and how densely it ticks. Chance decides both, seeded.

Faults whose name says nothing else are chances per second of the run; the others are chances per answer, frame, order
or trade. A run in `any_weather` leaves some kinds out and has others often: what hides behind a frequent fault is seen
where that one is missing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Final

from msgspec import structs

from shared.config import Deploy, Records, Risk, Settings, Slots, Ticks, Venue, load


@dataclass(frozen=True)
class Weather:
    """How often what goes wrong. All zero: a fine day on which nobody deploys."""

    people_act: float = 0.0
    people_stop: float = 0.0
    """They halt the desk, or flatten what it holds."""
    bad_release: float = 0.0
    """Of the releases that people deploy: one that cannot do what a worker must."""
    worker_dies: float = 0.0
    worker_stalls: float = 0.0
    spawn_fails: float = 0.0
    frame_lost: float = 0.0
    answer_late: float = 0.0
    """An answer that comes whenever it comes: after its worker died, after its tick was answered or given up."""
    answer_twice: float = 0.0
    answer_forged: float = 0.0
    """A second answer under an epoch, or to a tick, that is not the worker's."""
    supervisor_killed: float = 0.0
    supervisor_stopped: float = 0.0
    power_fails: float = 0.0
    desk_sleeps: float = 0.0
    """Everything that arrives meanwhile is heard late, and all at once."""
    clock_steps: float = 0.0
    """Market time jumps, forth or back; durations do not."""
    sync_slow: float = 0.0
    tape_fills: float = 0.0
    feed_drops: float = 0.0
    order_refused: float = 0.0
    order_lost: float = 0.0
    order_late: float = 0.0
    order_delayed: float = 0.0
    """It waits in the venue's taker delay before it matches."""
    answer_lost: float = 0.0
    settlement_fails: float = 0.0
    told_twice: float = 0.0
    told_not: float = 0.0
    """The user channel is up and swallows a word."""
    people_tune: float = 0.0
    """They change the strategy's parameters."""


CALM: Final = Weather()
BUSY: Final = Weather(people_act=0.8)
ROUGH: Final = Weather(
    people_act=0.3,
    people_stop=0.008,
    bad_release=0.15,
    worker_dies=0.02,
    worker_stalls=0.02,
    spawn_fails=0.03,
    frame_lost=0.005,
    answer_late=0.01,
    answer_twice=0.01,
    answer_forged=0.01,
    supervisor_killed=0.008,
    supervisor_stopped=0.002,
    power_fails=0.004,
    desk_sleeps=0.01,
    clock_steps=0.01,
    sync_slow=0.01,
    tape_fills=0.006,
    feed_drops=0.01,
    order_refused=0.05,
    order_lost=0.02,
    order_late=0.03,
    order_delayed=0.05,
    answer_lost=0.05,
    settlement_fails=0.05,
    told_twice=0.2,
    told_not=0.02,
    people_tune=0.02,
)

WIDE: Final = Risk(
    order_max_usd=25,
    slot_max_usd=2_000,
    asset_max_usd=2_000,
    side_max_usd=5_000,
    total_max_usd=5_000,
    day_loss_max_usd=10_000,
)
"""Caps that are seldom met."""
_OFTEN: Final = (0.0, 0.3, 1.0, 1.0, 3.0)


def any_weather(chance: random.Random) -> Weather:
    """Rough, but each kind of fault left out, rarer or more frequent."""
    often = {field.name: min(0.9, getattr(ROUGH, field.name) * chance.choice(_OFTEN)) for field in fields(ROUGH)}
    return Weather(**{**often, "people_act": chance.choice((0.1, 0.4, 0.8))})


def any_settings(chance: random.Random) -> Settings:
    """Short waits and a fast beat, so that much happens in little time; caps so wide that they are seldom met.

    Waits that a tick must end are longer than the slowest beat.
    """
    assets = ("BTC", "ETH", "SOL", "XRP")[: chance.choice((1, 2, 4, 4))]
    return structs.replace(
        load(environ={}),
        slots=Slots(assets=assets, minutes=chance.choice(((5,), (5,), (5, 15)))),
        ticks=Ticks(
            snipe_5m_s=chance.choice((90, 300, 300, 300)),
            snipe_15m_s=chance.choice((240, 900)),
            fast_ms=chance.choice((250, 250, 250, 250, 1000)),
            event_spacing_ms=200,
            deadline_s=chance.choice((0.3, 0.7, 1.5)),
        ),
        venue=Venue(answer_s=1.0, unknown_horizon_s=6.0, reconcile_s=chance.choice((2.0, 10.0, 30.0))),
        risk=WIDE,
        deploy=Deploy(
            hello_s=2.0,
            warm_s=8.0,
            quiesce_s=chance.choice((0.5, 1.0, 3.0)),
            trial_tape_s=chance.choice((0.0, 30.0)),
            trial_s=3.0,
            expect="any",
            shadow_pairs=chance.choice((0, 2, 6)),
            shadow_s=8.0,
            rings=chance.choice(((), (), (1,), (1, 2))),
            flip_policy=chance.choice(("any", "any", "any", "calm", "drain")),
            boundary_s=20.0,
            bake_s=chance.choice((0.0, 0.0, 1.0, 3.0)),
            bake_grace_s=8.0,
            take_back=chance.choice((True, True, True, False)),
            hold_s=4.0,
            trail_s=chance.choice((0.0, 0.0, 15.0)),
            standby=chance.choice((True, True, False)),
            retire_s=2.0,
            beat_s=2.0,
        ),
        records=Records(snapshot_s=30.0),
    )
