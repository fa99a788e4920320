"""What traded, as everybody sees it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.prints import PRINTS_MAX, Print, Prints

prices = st.integers(1, 999_999)


def a_print(second: int = 60, price_micro: int = 400_000) -> Print:
    return Print(second * 1_000, "Up", "BUY", price_micro, 5_000_000)


@given(prices)
def test_a_print_of_one_token_is_one_of_the_other(price_micro: int) -> None:
    """At the mirrored price, the other way round; seen twice it is itself."""
    row = a_print(price_micro=price_micro)
    assert row.seen_from("Up") == (price_micro, "BUY")
    assert row.seen_from("Down") == (1_000_000 - price_micro, "SELL")


def test_the_last_print_is_the_last_price() -> None:
    """None before the first."""
    prints = Prints()
    assert prints.last("Up") is None
    prints.add(a_print(price_micro=400_000))
    prints.add(a_print(price_micro=450_000))
    assert (prints.last("Up"), prints.last("Down")) == ((450_000, "BUY"), (550_000, "SELL"))
    assert [row.price_micro for row in prints.newest(1)] == [450_000]


def test_history_has_the_last_price_of_every_step_that_had_one() -> None:
    """Within its bounds."""
    prints = Prints()
    for second, price in ((60, 400_000), (90, 410_000), (200, 420_000), (900, 430_000)):
        prints.add(a_print(second, price))
    assert prints.history("Up", 60, 800, 60) == [{"t": 60, "p": 0.41}, {"t": 180, "p": 0.42}]
    assert prints.history("Down", 900, 900, 60) == [{"t": 900, "p": 0.57}]


def test_old_prints_are_forgotten() -> None:
    """Memory has a bound."""
    prints = Prints()
    for second in range(PRINTS_MAX + 5):
        prints.add(a_print(second))
    assert len(prints.rows) == PRINTS_MAX
    assert prints.rows[0].at_ms == 5_000
