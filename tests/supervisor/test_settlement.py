"""Strike, close and winner."""

from supervisor.settlement import Boundaries, winner


def test_up_wins_a_tie() -> None:
    """At or above the strike, to the last of eighteen decimals."""
    assert winner(10**23, 10**23) == "Up"
    assert winner(10**23, 10**23 - 1) == "Down"


def test_only_the_boundary_second_itself_counts() -> None:
    """A second beside it, or another mean, is another price."""
    boundaries = Boundaries()
    assert not boundaries.see("BTC", 0, 300_999, 1)
    assert not boundaries.see("BTC", 0, 301_000, 2)
    assert boundaries.see("BTC", 0, 300_000, 3)
    assert boundaries.see("BTC", 60, 300_000, 4)
    assert (boundaries.at("BTC", "spot", 300), boundaries.at("BTC", "twap60", 300)) == (3, 4)
    assert boundaries.at("BTC", "twap30", 300) is None
    assert boundaries.at("ETH", "spot", 300) is None


def test_the_first_word_on_a_second_stands() -> None:
    """A feed that repeats a second differently does not move a strike that orders were placed on."""
    boundaries = Boundaries()
    boundaries.see("BTC", 0, 300_000, 3)
    assert not boundaries.see("BTC", 0, 300_000, 5)
    assert boundaries.at("BTC", "spot", 300) == 3


def test_an_hour_is_remembered_and_no_more() -> None:
    """Bounded for months of running."""
    boundaries = Boundaries()
    for second in range(0, 86_400, 300):
        boundaries.see("BTC", 0, second * 1_000, second)
    assert boundaries.at("BTC", "spot", 0) is None
    assert boundaries.at("BTC", "spot", 86_100) == 86_100
    assert len(boundaries._exact) <= 13
