"""The numbers a person may change while the strategy runs: each with unit, default, bounds and reason.

Leaves to others where they come from: the stream brings a set as plain values and names it by its digest. What always
holds: a set that is accepted is whole and within bounds, the empty set is valid, and every refusal names its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from shared.units import MICRO

Mode = Literal["on", "exit-only", "off"]
IdeaMode = Literal["trade", "guard", "off"]
"""trade: makes bets of its own, and refuses others'. guard: only refuses. off: is not asked."""
Usd = Annotated[float, msgspec.Meta(ge=1, le=100)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=20)]
Bp = Annotated[float, msgspec.Meta(ge=0, le=5_000)]
Price = Annotated[float, msgspec.Meta(ge=0.001, le=0.999)]


class BadParameters(ValueError):
    """A set that this release cannot use; the text names the key, what it was and what it may be."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One set. A `bp` is a ten-thousandth: of a dollar where it measures an edge, of the price for volatility."""

    mode: Mode = "on"
    """on: trades. exit-only: opens nothing, what rests stays. off: opens nothing and takes every resting order back."""
    stake_usd: Usd = 5.0
    """The most that one window may cost, fees included: what a lost window loses."""
    kelly: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """0: every bet is the stake. Above: that fraction of what Kelly would bet of the free cash, the stake at most."""
    momentum: IdeaMode = "trade"
    """Bets with the move. guard: nothing is bet against one that is under way."""
    overreaction: IdeaMode = "guard"
    """trade: bets against a jump. guard: stays away from one. off: a jump is a move like any other."""
    patterns: IdeaMode = "guard"
    """trade: bets with a shape of the last minutes' candles. guard: nothing is bet against one."""
    snipe_5m_s: Annotated[int, msgspec.Meta(ge=10, le=300)] = 90
    """The last part of a 5-minute window, in which entries are made: before it the outcome is a coin."""
    snipe_15m_s: Annotated[int, msgspec.Meta(ge=10, le=900)] = 240
    last_s: Annotated[int, msgspec.Meta(ge=0, le=60)] = 4
    """No entry when less is left: the venue delays a taker, and a late quote is picked off."""
    min_edge_bp: Bp = 200.0
    """What taking an ask must be worth after the fee, per share: pays for the model's own error."""
    rest_edge_bp: Bp = 120.0
    """What a resting bid must be worth, per share: less, because it pays no fee."""
    keep_edge_bp: Bp = 40.0
    """A resting bid goes when it is worth less than this; below rest_edge_bp, so that noise costs no queue place."""
    min_volatility_bp: Annotated[float, msgspec.Meta(ge=0, le=500)] = 0.5
    """Per square root of a minute. A dead market gives no signal, only spread."""
    max_volatility_bp: Annotated[float, msgspec.Meta(ge=0.1, le=5_000)] = 60.0
    """Per square root of a minute. Beyond it the model's normal tails are a lie."""
    min_momentum: Ratio = 0.25
    """How far the averages must have parted in the direction of the bet, in standard deviations."""
    min_witnesses: Annotated[int, msgspec.Meta(ge=0, le=4)] = 0
    """How many of four other looks at the same candles must see the move as well before momentum bets with it."""
    max_jump: Annotated[float, msgspec.Meta(ge=1, le=50)] = 4.5
    """A move of the last seconds beyond so many standard deviations is a jump: an overreaction, not followed."""
    noise_bp: Annotated[float, msgspec.Meta(ge=0, le=50)] = 1.0
    """How far the price we see may be from the one that settles: keeps a near-tie from looking certain."""
    min_price: Price = 0.10
    """No entry below: cheap tickets are where the model is most wrong."""
    max_price: Price = 0.96
    """No entry above: the last cents do not pay for one ghost fill."""
    price_age_s: Annotated[float, msgspec.Meta(ge=1, le=120)] = 10.0
    """A reference price older than this is no price."""

    @property
    def stake_micro(self) -> int:
        """The stake in millionths of collateral."""
        return round(self.stake_usd * MICRO)

    def idea_mode(self, idea: str) -> IdeaMode:
        """The mode of an idea, by its name."""
        mode: IdeaMode = getattr(self, idea)
        return mode

    def snipe_s(self, minutes: int) -> int:
        """The snipe window of a timeframe."""
        return self.snipe_5m_s if minutes == 5 else self.snipe_15m_s


def read(values: Mapping[str, Any]) -> Parameters:
    """Read a set; what is not named has its default. Raises: BadParameters: an unknown key, a wrong type, a bound."""
    unknown = sorted(str(key) for key in values if key not in Parameters.__struct_fields__)
    if unknown:
        known = ", ".join(Parameters.__struct_fields__)
        raise BadParameters(f"{', '.join(unknown)}: this release has no such parameter; it has {known}")
    try:
        return msgspec.convert(dict(values), Parameters)
    except msgspec.ValidationError as error:
        what, _, key = str(error).rpartition(" - at `$.")
        key = key.rstrip("`")
        raise BadParameters(f"{key} = {values[key]!r}: {what.replace('`', '')}") from error


def read_json(text: str) -> Parameters:
    """Read a set written as a JSON object. Raises: BadParameters."""
    try:
        return read(msgspec.json.decode(text, type=dict[str, Any]))
    except msgspec.DecodeError as error:
        raise BadParameters(f'{text}: {error}; parameters are a JSON object such as {{"stake_usd": 5}}') from error
