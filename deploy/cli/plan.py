"""How a deploy shall go: the options that say so, and the screen that shows what would happen before it does.

An option that is not given is left to the desk's settings (`[deploy]`). Leaves the deciding to the supervisor: what is
asked for here it may still refuse.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

import click
import msgspec

from deploy.cli.progress import some
from deploy.cli.show import counted, one_line, release_words, span, table
from deploy.ranges import DAY_S, MILLISECOND_S, Duration, stamp
from shared.outcomes import EXIT, MEANING
from shared.units import show_micro, show_usd

RINGS_MAX: Final = 32
PAIRS_MAX: Final = 100_000
WEEK_S: Final = 7 * DAY_S
WIDTH: Final = 80
FEW_WINDOWS: Final = 30
"""Windows below which what was measured of a release says next to nothing."""
_LABEL: Final = 11
_RINGS: Final = re.compile(r"all|[1-9]\d{0,2}(,[1-9]\d{0,2})*(,all)?", re.ASCII)
"""Rings of 1 to 999 slots, and the last of all that are left."""

Plan = dict[str, Any]


class Rings(click.ParamType[tuple[int, ...]]):
    """Sizes of the first rings, smallest part of the desk first: 1,4,all. Gives the sizes without the last ring."""

    name = "rings"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read ring sizes. Raises: click.BadParameter: they are none, or too many."""
        text = str(value)
        if not _RINGS.fullmatch(text):
            self.fail(f"{value!r} are no rings; write how many slots pass at a time, like 1,4,all.", param, ctx)
        sizes = tuple(int(size) for size in text.split(",") if size != "all")
        if len(sizes) >= RINGS_MAX:
            self.fail(f"{len(sizes)} rings and the last are over the bound of {RINGS_MAX}.", param, ctx)
        return sizes


_OPTIONS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "expect": (
        "--expect",
        {
            "type": click.Choice(["identical", "change", "any"]),
            "help": "Green's decisions beside blue's: the same; changed within the ceilings; whatever they are.",
        },
    ),
    "trial": (
        "--no-trial",
        {"flag_value": False, "default": None, "help": "Do not replay the recent tape through it first."},
    ),
    "shadow_pairs": (
        "--shadow",
        {
            "type": click.IntRange(0, PAIRS_MAX),
            "metavar": "PAIRS",
            "help": "Decisions to compare with blue's before the first slot passes; 0 for none.",
        },
    ),
    "bake_s": (
        "--bake",
        {
            "type": Duration(WEEK_S),
            "metavar": "TIME",
            "help": "How long each ring is watched, market time: 90s, 10m, 2h; 0 for not at all.",
        },
    ),
    "rings": (
        "--rings",
        {"type": Rings(), "metavar": "SIZES", "help": "How many slots pass at a time, the canary first: 1,4,all."},
    ),
    "hold_before": (
        "--hold-before",
        {"type": click.Choice(["shadow", "flip", "retire"]), "help": "Wait there for `foresightctl promote`."},
    ),
    "flip_policy": (
        "--flip-policy",
        {
            "type": click.Choice(["calm", "drain", "market-close", "any"]),
            "help": "When a slot may pass: outside its entry window; also without orders; nor a position; always.",
        },
    ),
    "boundary_s": (
        "--boundary-timeout",
        {
            "type": Duration(least_s=MILLISECOND_S),
            "metavar": "TIME",
            "help": "How long to look for a clean boundary of every slot of a ring; then 12, or put back.",
        },
    ),
    "take_back": (
        "--no-auto-rollback",
        {
            "flag_value": False,
            "default": None,
            "help": "Hold for a person when green fails in a bake or after it, instead of taking every slot back.",
        },
    ),
    "trail_s": (
        "--trail",
        {
            "type": Duration(WEEK_S),
            "metavar": "TIME",
            "help": "How long the retired release goes on deciding in the shadow; 0 for not at all.",
        },
    ),
}
"""By the plan's key, as the supervisor knows it: the flag and what click has to know of it."""


def plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a plan. The command gets them together as `plan`, without those that were not given."""

    @wraps(command)
    def run(*context: Any, **arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in _OPTIONS}
        command(*context, plan={name: value for name, value in given.items() if value is not None}, **arguments)

    for name, (flag, attributes) in reversed(_OPTIONS.items()):
        run = click.option(flag, name, **attributes)(run)
    return run


def plan_words(plan: Plan) -> str:
    """A plan as the desk resolved it, in a sentence; nothing for none."""
    words = [
        "replayed twice" if plan.get("trial") else "",
        f"shadow {plan['shadow_pairs']} pairs" if plan.get("shadow_pairs") else "no shadow" if plan else "",
        f"expect {plan['expect']}" if plan.get("expect") else "",
        _rings_words(plan) if plan else "",
        f"flips {plan['flip_policy']}" if plan.get("flip_policy") else "",
        f"within {span(plan['boundary_s'])}" if plan.get("boundary_s") else "",
        f"held before {plan['hold_before']}" if plan.get("hold_before") else "",
        "no taking back by itself" if plan.get("take_back") is False else "",
        f"trailing {span(plan['trail_s'])}" if plan.get("trail_s") else "",
    ]
    return ", ".join(filter(None, words))


def _rings_words(plan: Plan) -> str:
    baked = f"baked {span(plan['bake_s'])}" if plan.get("bake_s") else "no bake"
    sizes = plan.get("rings") or ()
    return f"rings of {', '.join(map(str, sizes))} and the rest, {baked}" if sizes else f"one ring, {baked}"


# --- what would happen ---


class Place(msgspec.Struct, frozen=True):
    """A slot of a ring. `waits`: why it would not pass at this moment; empty when it would."""

    slot: str
    exposure_micro: int
    closes_in_s: int
    waits: str = ""


class Measured(msgspec.Struct, frozen=True):
    """How much is known of the release that trades."""

    windows: int
    decisions: int
    since_ns: int


class Policy(msgspec.Struct, frozen=True):
    """A policy of the settings and what it says of this deploy."""

    name: str
    words: str
    refuses: bool


class Forecast(msgspec.Struct, frozen=True):
    """The answer to a dry run. `would`: the name of the exit code that a deploy would begin or be refused with."""

    green: dict[str, Any]
    blue: dict[str, Any]
    plan: Plan
    changed: list[str]
    positions: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    rings: list[list[Place]]
    measured: Measured
    policies: list[Policy]
    would: str


def forecast_screen(data: dict[str, Any]) -> str:
    """What a deploy would do, at most 80 columns wide."""
    forecast = msgspec.convert(data, Forecast)
    blue = release_words(forecast.blue) or "nothing"
    word = "it would start" if forecast.would == "OK" else f"{EXIT[forecast.would]}, {MEANING[forecast.would]}"
    lines = [
        *_told("would", f"deploy {release_words(forecast.green)} over {blue}: {word}"),
        *_told("changes", ", ".join(map(one_line, forecast.changed)) or "no file"),
        *_told("open", _open_words(forecast)),
        *_told("measured", _measured_words(forecast.measured, blue)),
        *_told("plan", plan_words(forecast.plan)),
        *(line for policy in forecast.policies for line in _told("policy", _policy_words(policy))),
        "",
        *(line[:WIDTH].rstrip() for line in table([_HEAD, *_ring_rows(forecast.rings)]).splitlines()),
    ]
    return "\n".join(lines)


_HEAD: Final = ("RING", "SLOT", "EXPOSURE", "CLOSES", "WOULD WAIT NOW FOR")


def _told(label: str, words: str) -> Iterator[str]:
    """A labelled fact, folded to the width of a screen."""
    lines = textwrap.wrap(words, WIDTH - _LABEL, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        yield f"{label if number == 0 else '':<{_LABEL}}{line}".rstrip()


def _open_words(forecast: Forecast) -> str:
    held = [f"{p['slot']} {p['outcome']} {show_micro(p['size_micro'])}" for p in forecast.positions]
    resting = [f"{o['slot']} {o['side']} {show_micro(o['open_micro'])}" for o in forecast.orders]
    told = [counted(len(held), "position") + _listed(held), counted(len(resting), "order") + _listed(resting)]
    return "; ".join(told)


def _listed(things: list[str]) -> str:
    return f" ({some(things)})" if things else ""


def _measured_words(measured: Measured, blue: str) -> str:
    few = " - too few to say what it is worth" if measured.windows < FEW_WINDOWS else ""
    since = f" since {stamp(measured.since_ns)}" if measured.since_ns else ""
    shown = f"{counted(measured.decisions, 'tick')}, {counted(measured.windows, 'window')} of it resolved"
    return f"{blue} decided {shown}{since}{few}"


def _policy_words(policy: Policy) -> str:
    refuses = "refuses: " if policy.refuses else "agrees: "
    return f"{policy.name} {refuses}{one_line(policy.words)}" + ("; --override WHY" if policy.refuses else "")


def _ring_rows(rings: list[list[Place]]) -> Iterator[tuple[str, ...]]:
    for number, ring in enumerate(rings, start=1):
        for place in ring:
            minutes, seconds = divmod(place.closes_in_s, 60)
            canary = " canary" if number == 1 and len(rings) > 1 else ""
            closes = f"{minutes}:{seconds:02d}"
            yield f"{number}{canary}", place.slot, show_usd(place.exposure_micro), closes, one_line(place.waits) or "-"
