"""Trades from its first tick on, by the book alone: takes a little of Up once a window, and keeps a bid for Down below.

A stand-in for `worker/strategy.py` in tests on real processes: within a second there are orders and positions to lose.
The bid keeps its place unless the market leaves it behind; while entries are paused it is taken back.
"""

from __future__ import annotations

from typing import Final

from shared.messages import BookSeen, Decision, Intent, Terms, Tick
from worker.intents import Quote, cancels, held, on_grid, take, takeable, towards, unsettled
from worker.view import View

SIZE_MICRO: Final = 5_000_000
DEEP_MICRO: Final = 10_000
"""How far below the best bid ours rests."""
DRIFT_MICRO: Final = 30_000
BUDGET_MICRO: Final = 12_000_000
DEAR_MICRO: Final = 800_000
CHEAP_MICRO: Final = 250_000


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    window = view.windows.get((tick.slot, tick.start_s))
    if tick.entries == "paused":
        return Decision(cancels(tick.account.orders), {"verdict": "hold: paused"})
    if window is None or window.terms is None or not {"Up", "Down"} <= window.books.keys():
        return Decision((), {"verdict": "hold: no books yet"})
    return Decision(_wishes(tick, window.books["Up"], window.books["Down"], window.terms), {"verdict": "busy"})


def _wishes(tick: Tick, up: BookSeen, down: BookSeen, terms: Terms) -> tuple[Intent, ...]:
    if not tick.entries and not held(tick.account, "Up") and not unsettled(tick.account) and _fair(up, terms):
        return (take("Up", "BUY", up.asks[0].price_micro, SIZE_MICRO),)
    wanted = []
    if down.bids and not down.stale:
        price = on_grid(max(terms.tick_micro, down.bids[0].price_micro - DEEP_MICRO), terms.tick_micro)
        wanted = [Quote("Down", "BUY", price, SIZE_MICRO)] if price is not None else []
    account, entries = tick.account, not tick.entries
    return towards(wanted, account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)


def _fair(book: BookSeen, terms: Terms) -> bool:
    if book.stale or not book.asks:
        return False
    price = book.asks[0].price_micro
    return CHEAP_MICRO <= price <= DEAR_MICRO and takeable(SIZE_MICRO, price, terms)
