"""Orders often, by the clock: for five seconds a bid for Up, for five one for Down, and five more with that.

A stand-in for `worker/strategy.py` in tests that compare releases on real processes: within a second each slot has
pairs in which both order and pairs in which both hold. It takes a little of Up once a window, so that there is a
position to lose; its bids rest too deep to be met. While entries are paused they are taken back.
"""

from __future__ import annotations

from typing import Final

from shared.messages import BookSeen, Decision, Intent, Outcome, Terms, Tick
from worker.intents import Quote, cancels, held, on_grid, take, takeable, towards, unsettled
from worker.view import View

TURN_MS: Final = 5_000
TURNS: Final[tuple[Outcome, ...]] = ("Up", "Down", "Down")
SIZE_MICRO: Final = 5_000_000
DEEP_MICRO: Final = 60_000
"""How far below the best bid ours rests."""
DRIFT_MICRO: Final = 50_000
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
    outcome = TURNS[tick.tick // TURN_MS % len(TURNS)]
    entry = _entry(tick, window.books["Up"], window.terms)
    return Decision((*entry, *_bid(tick, outcome, window.books[outcome], window.terms.tick_micro)), {"turn": outcome})


def _entry(tick: Tick, up: BookSeen, terms: Terms) -> tuple[Intent, ...]:
    """Once a window, at a price that is neither dear nor cheap."""
    if tick.entries or held(tick.account, "Up") or unsettled(tick.account) or up.stale or not up.asks:
        return ()
    price = up.asks[0].price_micro
    fair = CHEAP_MICRO <= price <= DEAR_MICRO and takeable(SIZE_MICRO, price, terms)
    return (take("Up", "BUY", price, SIZE_MICRO),) if fair else ()


def _bid(tick: Tick, outcome: Outcome, book: BookSeen, tick_micro: int) -> tuple[Intent, ...]:
    price = None
    if book.bids and not book.stale:
        price = on_grid(max(tick_micro, book.bids[0].price_micro - DEEP_MICRO), tick_micro)
    wanted = [Quote(outcome, "BUY", price, SIZE_MICRO)] if price is not None else []
    entries = not tick.entries
    return towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
