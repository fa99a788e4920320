"""Everything durable, folded from entries."""

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from kit.trading import BY, a_fill, a_placing, an_answer, an_opening, an_order
from msgspec import structs

from shared import entries as e
from supervisor.accounts import FORGOTTEN_KEPT, Accounts, rebuild

AT_NS = 1_784_851_200 * 10**9


def told(*entries: e.Entry, at_ns: int = AT_NS) -> Accounts:
    """Accounts after entries."""
    accounts = Accounts()
    for entry in entries:
        accounts.apply(entry, at_ns)
    return accounts


OPENED = an_opening()
NIL = msgspec.Raw(b"\xc0")


def test_a_trade_is_counted_once_for_each_order() -> None:
    """The channel repeats itself; the book does not."""
    accounts = told(e.Balance(100_000_000, True), a_placing(), an_answer("open"), a_fill(), a_fill(), a_fill())
    assert accounts.positions["BTC/5m", 300, "Up"].size_micro == 4_000_000
    assert accounts.cash_micro == 98_000_000
    assert accounts.orders[an_order().order_id].open_micro == 6_000_000


def test_exposure_counts_an_unknown_order_as_filled() -> None:
    """Until it is proved that it does not exist."""
    accounts = told(a_placing(), an_answer("unknown"))
    assert accounts.exposure() == accounts.exposure("BTC/") == accounts.exposure("BTC/5m") == 5_000_000
    assert accounts.exposure("ETH/") == 0
    accounts.apply(an_answer("closed", request="lookup"), AT_NS)
    assert accounts.exposure() == 0


def test_an_immediate_buy_is_exposed_for_its_value_whatever_it_bought() -> None:
    """At a better price it buys more shares than it asked for; what it can still take is the rest of its value."""
    whole = told(structs.replace(a_placing(), kind="FAK"))
    assert whole.exposure() == 5_000_000
    cheap = structs.replace(a_fill(), size_micro=10_000_000, price_micro=300_000)
    part = told(structs.replace(a_placing(), kind="FAK"), an_answer("unknown"), cheap)
    assert (part.orders[an_order().order_id].open_micro, part.reserved()) == (0, 2_000_000)
    rounded = told(structs.replace(a_placing(), kind="FOK", price_micro=929_000, size_micro=5_995_600))
    assert rounded.exposure() == 5_570_000


def test_a_failed_settlement_takes_a_fill_back_once() -> None:
    """Cash and size as before; a second FAILED, or a late CONFIRMED, changes nothing."""
    entries = [e.Balance(100_000_000, True), a_placing(), an_answer("open"), a_fill()]
    failed = e.FillStatus("t1", an_order().order_id, "FAILED")
    accounts = told(*entries, failed, failed, e.FillStatus("t1", an_order().order_id, "CONFIRMED"))
    assert accounts.cash_micro == 100_000_000
    assert accounts.positions["BTC/5m", 300, "Up"].size_micro == 0
    assert accounts.holdings() == ()


def test_a_resolved_window_pays_the_winner_and_forgets_the_rest() -> None:
    """Positions are closed at 1 or 0, resting orders with them, and the day's profit is booked."""
    accounts = told(e.Balance(100_000_000, True), OPENED, a_placing(), an_answer("open"), a_fill())
    accounts.apply(e.Resolved("BTC/5m", 300, "Up", 4_000_000), AT_NS)
    assert accounts.cash_micro == 102_000_000
    assert accounts.day_realized_micro == 2_000_000
    assert accounts.positions == {}
    assert accounts.open_orders() == []
    assert accounts.unresolved() == []


def test_a_fill_that_fails_after_the_window_was_paid_gives_price_and_payout_back() -> None:
    """As if it had never been."""
    accounts = told(e.Balance(100_000_000, True), OPENED, a_placing(), an_answer("open"), a_fill())
    accounts.apply(e.Resolved("BTC/5m", 300, "Up", 4_000_000), AT_NS)
    accounts.apply(e.FillStatus("t1", an_order().order_id, "FAILED"), AT_NS)
    assert (accounts.cash_micro, accounts.day_realized_micro) == (100_000_000, 0)


def test_a_window_whose_winner_is_named_after_the_next_ones_is_owed_all_the_same() -> None:
    """Its payout is no cash before it is claimed, and it can be asked about until then."""
    accounts = told(e.Balance(100_000_000, True), OPENED, a_placing(), an_answer("open"), a_fill())
    told_before = [an_opening(600), e.Resolved("BTC/5m", 600, "Up", 0, True)]
    for entry in told_before:
        accounts.apply(entry, AT_NS)
    assert [opened.start_s for opened in accounts.unresolved()] == [300]
    accounts.apply(e.Resolved("BTC/5m", 300, "Up", 4_000_000, True), AT_NS)
    assert (accounts.cash_micro, accounts.owed()) == (98_000_000, 4_000_000)


def test_a_trade_fails_in_a_window_whose_winner_is_named_late() -> None:
    """The next window is resolved already, and the fill was not settled by then."""
    accounts = told(e.Balance(100_000_000, True), OPENED, a_placing(), an_answer("closed"), a_fill())
    accounts.apply(e.Resolved("BTC/5m", 600, "Up", 0, True), AT_NS)
    accounts.apply(e.FillStatus("t1", an_order().order_id, "FAILED"), AT_NS)
    assert (accounts.cash_micro, accounts.holdings()) == (100_000_000, ())


def test_a_window_nobody_resolves_keeps_no_order_whose_trades_are_settled() -> None:
    """Its position and its market are kept, and of a window that was not traded in not even those."""
    accounts = told(OPENED, a_placing(), an_answer("open"), a_fill(status="CONFIRMED"), an_opening(600))
    accounts.apply(an_answer("closed", request="lookup"), AT_NS)
    accounts.apply(e.Resolved("BTC/5m", 900, "Up", 0, True), AT_NS)
    assert (accounts.orders, accounts.fills, list(accounts.windows)) == ({}, {}, [("BTC/5m", 300)])
    assert [held.size_micro for held in accounts.holdings()] == [4_000_000]


def test_memory_of_old_windows_ends() -> None:
    """A week of windows leaves the orders of the last one or two, not of all."""
    accounts = told(e.Balance(10**12, True))
    for window in range(2_000):
        start_s, order_id, trade = 300 * window, f"0x{window:064x}", f"t{window}"
        accounts.apply(an_opening(start_s), AT_NS)
        accounts.apply(a_placing(order_id=order_id, start_s=start_s), AT_NS)
        accounts.apply(an_answer("open", order_id=order_id), AT_NS)
        accounts.apply(a_fill(trade_id=trade, order_id=order_id, start_s=start_s), AT_NS)
        accounts.apply(e.Resolved("BTC/5m", start_s, "Down", 0), AT_NS)
    assert len(accounts.orders) <= 2
    assert len(accounts.fills) <= 2
    assert len(accounts.winners) <= 2


def test_the_days_loss_starts_anew_with_the_day() -> None:
    """UTC, by the market's time."""
    accounts = told(OPENED, a_placing(), a_fill(), e.Resolved("BTC/5m", 300, "Down", 0))
    assert accounts.day_realized_micro == -2_000_000
    accounts.apply(e.Control(1, False, "", ""), AT_NS + 86_400 * 10**9)
    assert accounts.day_realized_micro == 0


def test_epochs_owner_and_active_release_come_back() -> None:
    """What a restart needs to know about who trades."""
    grant = e.Grant("BTC/5m", 7, "w1-2", "9f31", "77ab", "op1")
    accounts = told(e.Term(4, 1, "code", "rehearsal", "cfg", 900), grant, e.Active("old", ""), e.Active("9f31", "op1"))
    accounts.apply(e.OutcomeOf("BTC/5m", 305_000, "HOLD", "", BY, 1_234, 9, NIL), AT_NS)
    assert accounts.owners["BTC/5m"].epoch == 7
    assert (accounts.active.release if accounts.active else "", accounts.previous) == ("9f31", "old")
    assert (accounts.term, accounts.last_seq, accounts.last_ticks["BTC/5m"]) == (4, 1_234, 305_000)


ENTRIES = st.lists(
    st.one_of(
        st.builds(lambda i: a_placing(order_id=f"0x{i:064x}"), st.integers(0, 3)),
        st.builds(
            lambda i, s: an_answer(s, order_id=f"0x{i:064x}"),
            st.integers(0, 3),
            st.sampled_from(["open", "matched", "closed", "unknown", ""]),
        ),
        st.builds(
            lambda i, t, p: a_fill(order_id=f"0x{i:064x}", trade_id=f"t{t}", price_micro=p),
            st.integers(0, 3),
            st.integers(0, 5),
            st.integers(1, 999_999),
        ),
        st.builds(
            lambda i, t, s: e.FillStatus(f"t{t}", f"0x{i:064x}", s),
            st.integers(0, 3),
            st.integers(0, 5),
            st.sampled_from(["MINED", "CONFIRMED", "FAILED", "RETRYING"]),
        ),
    ),
    max_size=40,
)


@given(ENTRIES)
def test_what_is_rebuilt_is_what_was(entries: list[e.Entry]) -> None:
    """Through the journal's bytes and back: the same accounts, field by field."""
    live = told(e.Balance(10**9, True), *entries)
    lines = [e.Line(n, AT_NS, 0, 1, entry) for n, entry in enumerate([e.Balance(10**9, True), *entries], start=1)]
    assert rebuild(e.decode_line(e.encode_line(line)) for line in lines) == live


@given(ENTRIES)
def test_positions_are_the_sum_of_the_fills_that_hold(entries: list[e.Entry]) -> None:
    """Each (trade, order) once, the failed ones not at all; and the cash agrees to the millionth."""
    accounts = told(e.Balance(10**9, True), *entries)
    first: dict[tuple[str, str], e.Fill] = {}
    final: dict[tuple[str, str], str] = {}
    for entry in entries:
        if isinstance(entry, e.Fill):
            first.setdefault((entry.trade_id, entry.order_id), entry)
        elif isinstance(entry, e.FillStatus) and entry.status in {"CONFIRMED", "FAILED"}:
            known = (entry.trade_id, entry.order_id) in first
            final.setdefault((entry.trade_id, entry.order_id), entry.status) if known else None
    holds = [fill for key, fill in first.items() if final.get(key) != "FAILED"]
    held = accounts.positions.get(("BTC/5m", 300, "Up"))
    assert (held.size_micro if held else 0) == sum(fill.size_micro for fill in holds)
    spent = sum(fill.size_micro * fill.price_micro // 1_000_000 for fill in holds)
    assert accounts.cash_micro == 10**9 - spent


def test_the_memory_of_orders_that_are_over_is_bounded() -> None:
    """Which were ours is known for the newest of them."""
    accounts = told(an_opening(), *(a_placing(order_id=f"0x{n:05}") for n in range(FORGOTTEN_KEPT + 9)))
    accounts.orders = {key: replace(order, state="closed") for key, order in accounts.orders.items()}
    accounts._forget(("BTC/5m", 600))
    assert (len(accounts.orders), len(accounts.forgotten)) == (0, FORGOTTEN_KEPT)
    assert next(iter(accounts.forgotten)) == "0x00009"
