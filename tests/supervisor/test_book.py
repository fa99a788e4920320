"""One token's book."""

from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Level
from supervisor.book import DEPTH, Book

BIDS = st.dictionaries(st.integers(1, 499).map(lambda p: p * 1_000), st.integers(1, 10**9), max_size=12)
ASKS = st.dictionaries(st.integers(500, 999).map(lambda p: p * 1_000), st.integers(1, 10**9), max_size=12)


def levels(sizes: dict[int, int]) -> list[Level]:
    """Levels in no particular order."""
    return [Level(price, size) for price, size in sizes.items()]


def test_a_book_is_not_believed_before_its_first_snapshot() -> None:
    """Changes alone tell nothing."""
    book = Book()
    book.change([("BUY", Level(500_000, 1))])
    assert book.stale == "no snapshot yet"
    book.replace([], [])
    assert book.stale == ""


@given(BIDS, ASKS, st.lists(st.tuples(st.integers(1, 999), st.integers(0, 5)), max_size=20))
def test_changes_build_the_book_a_snapshot_would_bring(
    bids: dict[int, int], asks: dict[int, int], changes: list[tuple[int, int]]
) -> None:
    """Levels set to a size, to nothing, again: the best ones are those of the same book sent whole."""
    book = Book()
    book.replace(levels(bids), levels(asks))
    for price, size in changes:
        side, store = ("BUY", bids) if price < 500 else ("SELL", asks)
        book.change([(side, Level(price * 1_000, size))])  # type: ignore[list-item]
        store[price * 1_000] = size
    whole = Book()
    whole.replace(levels(bids), levels(asks))
    assert book.stale == ""
    assert (book.top("BUY"), book.top("SELL")) == (whole.top("BUY"), whole.top("SELL"))
    assert [level.price_micro for level in book.top("BUY")] == sorted((p for p, s in bids.items() if s), reverse=True)[
        :DEPTH
    ]
    assert book.best("SELL") == min((p for p, s in asks.items() if s), default=0)


def test_a_crossed_book_is_stale_until_a_snapshot_comes() -> None:
    """More changes do not make it believable again."""
    book = Book()
    book.replace([Level(400_000, 1)], [Level(600_000, 1)])
    book.change([("BUY", Level(600_000, 1))])
    assert book.stale == "crossed: bid 600000 at or above ask 600000"
    book.change([("BUY", Level(600_000, 0))])
    assert book.stale.startswith("crossed")
    book.replace([Level(400_000, 1)], [Level(600_000, 1)])
    assert book.stale == ""


def test_levels_that_change_together_may_cross_in_between() -> None:
    """The venue sends what belongs together in one message; only its end counts."""
    book = Book()
    book.replace([Level(400_000, 1)], [Level(500_000, 1), Level(600_000, 1)])
    book.change([("BUY", Level(500_000, 2)), ("SELL", Level(500_000, 0))])
    assert book.stale == ""
