"""Restricted modes: who may place and cancel when, and what he is told."""

from __future__ import annotations

import pytest

from deploy.rehearsal import refusals
from deploy.rehearsal.modes import POST_ONLY_S, RESTART_S, Mode, Modes, Standing
from deploy.rehearsal.refusals import Refused

ME = "0xAbC"


def order_refusal(modes: Modes, now_ms: int = 0, post_only: tuple[bool, ...] = (False,)) -> Refused:
    with pytest.raises(Refused) as refused:
        modes.check_orders(now_ms, post_only)
    return refused.value


def test_an_open_venue_takes_everything() -> None:
    """Nothing is switched at first."""
    Modes().check_orders(0, [False])
    Modes().check_cancels(0)


def test_a_restart_is_away_then_post_only_then_as_usual() -> None:
    """425 without a body, cancels too; then 503 for all but post-only orders; each phase ends by itself."""
    modes = Modes()
    modes.restart(1_000)
    away = order_refusal(modes, 1_000)
    assert (away.status, away.bare, away.headers) == (425, True, {"Retry-After": str(RESTART_S)})
    with pytest.raises(Refused):
        modes.check_cancels(1_000)
    back_ms = 1_000 + RESTART_S * 1_000
    after = order_refusal(modes, back_ms + 41_000, (True, False))
    assert (after.status, after.reason) == (503, refusals.POST_ONLY_MODE)
    assert after.more == {"code": "post_only_mode", "retry_after_seconds": 79}
    modes.check_orders(back_ms, [True, True])
    modes.check_cancels(back_ms)
    modes.check_orders(back_ms + POST_ONLY_S * 1_000, [False])


@pytest.mark.parametrize(
    ("mode", "status", "reason", "cancels"),
    [
        (Mode.CANCEL_ONLY, 503, refusals.CANCEL_ONLY, True),
        (Mode.DISABLED, 503, "trading is disabled", False),
        (Mode.FAILING, 500, "could not insert order", True),
        (Mode.RESTARTING, 425, refusals.RESTARTING, False),
    ],
)
def test_a_mode_lasts_until_it_is_switched(mode: Mode, status: int, reason: str, cancels: bool) -> None:
    """It refuses post-only orders as well, and cancels only where nothing works."""
    modes = Modes()
    modes.switch(mode, 0)
    refused = order_refusal(modes, 10**12, (True,))
    assert (refused.status, refused.reason, refused.headers) == (status, reason, {})
    if cancels:
        modes.check_cancels(10**12)
    else:
        with pytest.raises(Refused):
            modes.check_cancels(10**12)
    modes.switch(Mode.OPEN, 10**12)
    modes.check_orders(10**12, [False])


def test_a_mode_may_end_by_itself() -> None:
    """After so many market seconds; a client is told real ones."""
    modes = Modes(speed=60.0)
    modes.switch(Mode.CANCEL_ONLY, 0, for_s=90)
    assert order_refusal(modes).headers == {"Retry-After": "2"}
    modes.check_orders(90_000, [False])


def test_a_banned_address_trades_nothing_and_a_closing_one_only_sells() -> None:
    """In the venue's words, whatever the case of the address."""
    modes = Modes()
    modes.set_standing("0xABC", Standing.BANNED)
    with pytest.raises(Refused, match="'0xAbC' address banned"):
        modes.check_owner(ME, buys=False)
    modes.set_standing(ME, Standing.CLOSED_ONLY)
    with pytest.raises(Refused, match="'0xAbC' address in closed only mode"):
        modes.check_owner(ME, buys=True)
    modes.check_owner(ME, buys=False)
    assert modes.is_closed_only(ME)
    modes.set_standing(ME, Standing.GOOD)
    modes.check_owner(ME, buys=True)
