"""How much of the stake a bet is given: all of it, or a fraction of what Kelly would bet, and never more than is there.

Leaves the number of shares to `intents` and the caps of the desk to the supervisor's risk, which comes after it. What
always holds: a window's budget is at most the stake less what the window has cost already, and at most the free cash.
"""

from __future__ import annotations

from shared.messages import Account
from shared.units import MICRO
from worker.intents import committed
from worker.parameters import Parameters


def kelly_share(fair_micro: int, cost_micro: int) -> float:
    """The share of a bankroll that grows it fastest, 0 to 1, for a token that pays one dollar with that probability.

    Args: fair_micro: the probability, in millionths. cost_micro: what a share costs with its fee; 0 < cost < 1 dollar.
    """
    if not 0 < cost_micro < MICRO:
        return 0.0
    return min(1.0, max(0.0, (fair_micro - cost_micro) / (MICRO - cost_micro)))


def budget(parameters: Parameters, account: Account, fair_micro: int, cost_micro: int) -> int:
    """What may be spent on a bet now, in millionths; 0 or less when nothing is left.

    With `kelly` above zero the bankroll is the free cash: what is at stake elsewhere is not bet again.
    """
    most_micro = parameters.stake_micro
    if parameters.kelly:
        wish = parameters.kelly * kelly_share(fair_micro, cost_micro) * account.cash_micro
        most_micro = min(most_micro, round(wish))
    return min(most_micro - committed(account), account.cash_micro)
