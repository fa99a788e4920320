"""Restricted modes of the venue, and of single addresses: who may place and who may cancel at a moment.

A restart is two phases: the engine is away (425), then only post-only orders are taken (503). Other modes last until
they are switched back. Leaves orders and money to others. What always holds: a mode refuses before anything is
charged or changed, in the texts of facts 3.7 and 3.4; a phase ends by the market's clock alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import Final

from deploy.rehearsal import refusals
from deploy.rehearsal.refusals import Refused

RESTART_S: Final = 90
POST_ONLY_S: Final = 120
"""How long the engine is away, and how long only post-only orders follow. Source: facts 3.7."""


class Mode(StrEnum):
    """What the venue takes just now."""

    OPEN = "open"
    RESTARTING = "restarting"
    POST_ONLY = "post-only"
    CANCEL_ONLY = "cancel-only"
    DISABLED = "disabled"
    FAILING = "failing"
    """The order store is down: every order is answered 500, cancels work."""


class Standing(StrEnum):
    """What one address may do."""

    GOOD = "good"
    CLOSED_ONLY = "closed-only"
    BANNED = "banned"


_UNCANCELLABLE: Final = frozenset({Mode.RESTARTING, Mode.DISABLED})


@dataclass(frozen=True, slots=True)
class Phase:
    """A mode until a moment of market time, unix milliseconds; None is until it is switched."""

    mode: Mode
    until_ms: int | None = None


@dataclass(slots=True)
class Modes:
    """The venue's mode. speed: market seconds in a real one; a client is told to wait real seconds.

    all_closed_only: no address in good standing may do more than sell what it has.
    """

    phases: tuple[Phase, ...] = ()
    speed: float = 1.0
    standings: dict[str, Standing] = field(default_factory=dict)
    all_closed_only: bool = False

    def switch(self, mode: Mode, now_ms: int, for_s: int | None = None) -> None:
        """Enter a mode, for so many market seconds or until the next switch."""
        self.phases = (Phase(mode, None if for_s is None else now_ms + for_s * 1_000),)

    def restart(self, now_ms: int, down_s: int = RESTART_S, post_only_s: int = POST_ONLY_S) -> None:
        """Restart the matching engine: away, then post-only, then as usual. Market seconds."""
        back_ms = now_ms + down_s * 1_000
        self.phases = (Phase(Mode.RESTARTING, back_ms), Phase(Mode.POST_ONLY, back_ms + post_only_s * 1_000))

    def at(self, now_ms: int) -> Phase:
        """The phase at a moment."""
        for phase in self.phases:
            if phase.until_ms is None or now_ms < phase.until_ms:
                return phase
        return Phase(Mode.OPEN)

    def check_orders(self, now_ms: int, post_only: Iterable[bool]) -> None:
        """Whether orders are taken; one leg that is not post-only spoils a batch. Raises: Refused."""
        phase = self.at(now_ms)
        if phase.mode is Mode.OPEN or (phase.mode is Mode.POST_ONLY and all(post_only)):
            return
        raise self._refusal(phase, now_ms)

    def check_cancels(self, now_ms: int) -> None:
        """Whether cancels are taken. Raises: Refused."""
        phase = self.at(now_ms)
        if phase.mode in _UNCANCELLABLE:
            raise self._refusal(phase, now_ms)

    def set_standing(self, owner: str, standing: Standing) -> None:
        """Say what an address may do from now on."""
        self.standings[owner.lower()] = standing

    def standing(self, owner: str) -> Standing:
        """What an address may do."""
        usual = Standing.CLOSED_ONLY if self.all_closed_only else Standing.GOOD
        return self.standings.get(owner.lower(), usual)

    def is_closed_only(self, owner: str) -> bool:
        """Whether an address may only sell what it has."""
        return self.standing(owner) is Standing.CLOSED_ONLY

    def check_owner(self, owner: str, buys: bool) -> None:
        """Whether an address may send such an order. Raises: Refused."""
        standing = self.standing(owner)
        if standing is Standing.BANNED:
            raise refusals.banned(owner)
        if standing is Standing.CLOSED_ONLY and buys:
            raise refusals.closed_only(owner)

    def _refusal(self, phase: Phase, now_ms: int) -> Refused:
        left_s = None if phase.until_ms is None else ceil((phase.until_ms - now_ms) / 1_000 / self.speed)
        headers = {} if left_s is None else {"Retry-After": str(left_s)}
        if phase.mode is Mode.RESTARTING:
            return Refused(425, refusals.RESTARTING, headers, bare=True)
        if phase.mode is Mode.POST_ONLY:
            more: dict[str, str | int] = {"code": "post_only_mode"}
            waits = {} if left_s is None else {"retry_after_seconds": left_s}
            return Refused(503, refusals.POST_ONLY_MODE, headers, more | waits)
        status, reason = _PLAIN[phase.mode]
        return Refused(status, reason, headers)


_PLAIN: Final = {
    Mode.CANCEL_ONLY: (503, refusals.CANCEL_ONLY),
    Mode.DISABLED: (503, refusals.TRADING_DISABLED),
    Mode.FAILING: (500, refusals.COULD_NOT_INSERT),
}
"""Modes whose refusal is a status and a text."""
