"""worker.view: same past, same state - and no more of the past than was declared."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.tapes import EXACT, MS, NO_ACCOUNT, NS, START_S, TERMS, Market, Stream, a_book, a_price

from shared.messages import (
    Event,
    Keyframe,
    ParametersSet,
    PriceSeen,
    Pulse,
    Streamed,
    StrikeSet,
    Tick,
    TickSizeSet,
    TradeSeen,
    WindowClosed,
    WindowOpened,
)
from shared.slots import UnknownSlot
from worker import view as rooms
from worker.candles import Candle
from worker.parameters import Parameters
from worker.view import LOOKBACK_S, View

SLOT = "BTC/5m"


def folded(*events: Event, at_ns: int = START_S * NS) -> View:
    view = View()
    for event in events:
        view.apply(at_ns, event)
    return view


# --- what each frame does -------------------------------------------------------------------------------------------


def test_a_window_is_put_together_from_its_frames_in_any_order() -> None:
    """Terms, strike and books come when they come."""
    frames = [
        a_book(SLOT, START_S, "Up", 52, 53),
        StrikeSet(SLOT, START_S, str(60_000_500_000 * EXACT)),
        WindowOpened(SLOT, START_S, TERMS),
    ]
    there, back = folded(*frames), folded(*reversed(frames))
    window = there.windows[SLOT, START_S]
    assert window.terms == TERMS
    assert window.strike_micro == 60_000_500_000
    assert window.books["Up"] == frames[0]
    assert there.state() == back.state()


def test_a_new_grid_replaces_the_terms_tick_size() -> None:
    """The venue refines the grid near the ends; what the window's terms say is what holds now."""
    view = folded(WindowOpened(SLOT, START_S, TERMS), TickSizeSet(SLOT, START_S, 1_000))
    terms = view.windows[SLOT, START_S].terms
    assert terms is not None
    assert terms.tick_micro == 1_000


def test_a_closed_window_is_forgotten_at_once() -> None:
    """A keyframe that follows does not tell of it either."""
    view = folded(WindowOpened(SLOT, START_S, TERMS), WindowClosed(SLOT, START_S))
    assert view.windows == {}


def test_a_spot_price_is_a_price_a_sample_and_part_of_the_candles() -> None:
    """A twap price is only a price."""
    view = folded(a_price(START_S, 60_000), a_price(START_S, 59_990, feed="twap"))
    assert view.prices["BTC", "spot"].micro == 60_000_000_000
    assert view.prices["BTC", "twap"].micro == 59_990_000_000
    assert view.samples("BTC") == [(START_S * 1_000, 60_000_000_000)]
    view.apply((START_S + 5) * NS, Pulse())
    assert [candle.close_micro for candle in view.closed("BTC", 5)] == [60_000_000_000]


def test_what_others_paid_in_the_last_minute_is_known_by_token() -> None:
    """By volume; the other token's trades, and those of a minute ago, do not count."""
    view = folded(
        TradeSeen(SLOT, START_S, "Up", "BUY", 600_000, 30_000_000),
        TradeSeen(SLOT, START_S, "Up", "SELL", 500_000, 10_000_000),
        TradeSeen(SLOT, START_S, "Down", "BUY", 400_000, 5_000_000),
    )
    assert view.vwap(SLOT, START_S, "Up") == 575_000
    view.apply((START_S + 70) * NS, Pulse())
    assert (view.vwap(SLOT, START_S, "Up"), view.vwap(SLOT, START_S + 300, "Up")) == (None, None)


def test_what_is_computed_of_closed_candles_is_computed_once_a_bucket() -> None:
    """However many ticks and slots want it; a new bucket asks again, about the candles closed by then."""
    asked = list[int]()

    def count(candles: tuple[Candle, ...]) -> int:
        asked.append(len(candles))
        return len(candles)

    view = folded(a_price(START_S, 60_000))
    for second in range(1, 11):
        view.apply((START_S + second) * NS, a_price(START_S + second, 60_000 + second))
        assert view.once("BTC", 5, count) == len(view.closed("BTC", 5))
    assert asked == [0, 1, 2]
    assert view.once("ETH", 5, count) == 0


@pytest.mark.parametrize("price", [PriceSeen("BTC", "spot", (START_S + 61) * 1_000, str(EXACT)), a_price(START_S, 0)])
def test_a_price_from_the_future_or_of_nothing_is_not_believed(price: PriceSeen) -> None:
    """It would outlive the lookback, or divide by zero."""
    view = folded(price)
    assert view.prices == {}
    assert view.closed("BTC", 5) == ()


def test_parameters_are_those_last_set() -> None:
    """With the digest that names them."""
    view = folded(ParametersSet("a", {"stake_usd": 7}), ParametersSet("b", {"stake_usd": 8}))
    assert (view.digest, view.parameters.stake_usd, view.fault) == ("b", 8.0, "")


def test_parameters_that_cannot_be_used_are_a_fault_until_better_ones_come() -> None:
    """The worker lives and says why; it does not trade on the set before."""
    view = folded(ParametersSet("a", {"stake_usd": 7}), ParametersSet("b", {"stake_eur": 8}))
    assert view.fault.startswith("stake_eur: this release has no such parameter")
    view.apply(START_S * NS, ParametersSet("c", {}))
    assert (view.fault, view.parameters) == ("", Parameters())


def test_fixed_parameters_outlast_what_the_stream_sets() -> None:
    """A replay that asks "what if" asks it to the end."""
    view = View(Parameters(stake_usd=9.0))
    view.apply(START_S * NS, ParametersSet("a", {"stake_usd": 7}))
    assert (view.parameters.stake_usd, view.digest) == (9.0, "a")


def test_a_frame_about_no_slot_is_not_what_was_promised() -> None:
    """The stream is our own: a name that is no slot is a fault of ours, not news."""
    with pytest.raises(UnknownSlot):
        folded(StrikeSet("BTC-5m", START_S, "1"))


# --- same past, same state ------------------------------------------------------------------------------------------


def test_every_warm_up_of_a_recorded_desk_ends_in_the_same_state(tape: tuple[Path, Stream]) -> None:
    """Begun at any keyframe that is a lookback or more before the end; the tape has many such beginnings."""
    frames = tape[1].frames
    until_ns = frames[-1].at_ns - LOOKBACK_S * NS
    begins = [n for n, frame in enumerate(frames) if isinstance(frame.event, Keyframe) and frame.at_ns <= until_ns]
    states = {run(frames[begin:]).state() for begin in begins}
    assert len(begins) >= 15
    assert len(states) == 1


def test_a_warm_up_shorter_than_the_lookback_would_show(tape: tuple[Path, Stream]) -> None:
    """The comparison sees what it is meant to see: a fold begun too late differs."""
    frames = tape[1].frames
    late_ns = frames[-1].at_ns - (LOOKBACK_S - 120) * NS
    begin = next(n for n, f in enumerate(frames) if isinstance(f.event, Keyframe) and f.at_ns > late_ns)
    assert run(frames[begin:]).state() != run(frames).state()


def test_a_keyframe_tells_everything_but_the_candles(tape: tuple[Path, Stream]) -> None:
    """At every keyframe, a fold that begins there knows the windows, books, prices and parameters at once."""
    warm = View()
    for frame in tape[1].frames:
        warm.apply(frame.at_ns, frame.event)
        if isinstance(frame.event, Keyframe):
            begun = run([frame])
            assert begun.windows == warm.windows
            assert (begun.prices, begun.parameters, begun.digest) == (warm.prices, warm.parameters, warm.digest)


def test_only_an_empty_fold_applies_a_keyframe() -> None:
    """A warm one knows better: it has seen what a keyframe can only sum up."""
    keyframe = Keyframe((ParametersSet("other", {"stake_usd": 9}), a_price(START_S, 1)))
    warm = folded(a_price(START_S, 60_000))
    before = warm.state()
    warm.apply(START_S * NS, keyframe)
    assert warm.state() == before
    assert folded(keyframe).digest == "other"


def test_a_price_that_a_keyframe_tells_is_known_and_not_new() -> None:
    """It arrived before: it makes no candle where the keyframe stands."""
    view = folded(Keyframe((a_price(START_S - 9, 60_000),)))
    view.apply((START_S + 5) * NS, Pulse())
    assert view.prices["BTC", "spot"].micro == 60_000_000_000
    assert view.closed("BTC", 5) == ()


def test_folds_forget_at_the_same_moments() -> None:
    """Whenever each began: at every second both still know an old price, or neither does."""
    known, late = Keyframe((a_price(START_S, 60_000),)), START_S + 2
    early_fold, late_fold = folded(known), folded(known, at_ns=late * NS)
    knew = []
    for second in range(late, START_S + rooms.PRICE_KEPT_S + 10):
        for view in (early_fold, late_fold):
            view.apply(second * NS, Pulse())
        assert early_fold.prices == late_fold.prices
        knew.append(bool(late_fold.prices))
    assert (knew[0], knew[-1]) == (True, False)


def test_what_changes_nothing_leaves_a_fold_empty() -> None:
    """A term may begin, and a pulse beat, before the first keyframe."""
    view = folded(Pulse())
    assert view.empty
    view.apply(START_S * NS, Keyframe(()))
    assert not view.empty


lanes = st.sampled_from([("BTC/5m", 300), ("BTC/15m", 900)])
windows = st.builds(lambda lane, n: (lane[0], START_S + lane[1] * n), lanes, st.integers(-1, 5))
outcomes, cents = st.sampled_from(["Up", "Down"]), st.integers(2, 96)
sizes = st.integers(0, 10**9)
values = st.sampled_from([{}, {"stake_usd": 9}, {"what": 1}])
events = st.one_of(
    st.builds(lambda w: WindowOpened(*w, TERMS), windows),
    st.builds(lambda w, n: StrikeSet(*w, str(n * EXACT)), windows, st.integers(1, 10**9)),
    st.builds(lambda w, n: TickSizeSet(*w, n), windows, st.sampled_from([1_000, 10_000])),
    st.builds(lambda w, o, n, s: a_book(*w, o, n, n + 1, stale=s), windows, outcomes, cents, st.booleans()),
    st.builds(lambda w, o, n, size: TradeSeen(*w, o, "BUY", n * 10_000, size), windows, outcomes, cents, sizes),
    st.builds(lambda w: WindowClosed(*w), windows),
    st.builds(ParametersSet, st.sampled_from(["a", "b"]), values),
    st.just(Pulse()),
)
lags_s = st.integers(-70, 400)
steps = st.lists(st.tuples(st.integers(0, 100 * NS), events | st.tuples(lags_s, st.integers(1, 10**9))), max_size=40)


def say(stream: Stream, at_ns: int, what: Event | tuple[int, int]) -> None:
    """A drawn event, or a price that is so many seconds late; each time, a tick as well."""
    if isinstance(what, tuple):
        lag_s, micro = what
        what = PriceSeen("BTC", "spot", at_ns // MS - lag_s * 1_000, str(micro * EXACT))
    stream.say(at_ns, what)
    stream.say(at_ns, Tick(SLOT, at_ns // MS, START_S, "w1", 1, "", "", NO_ACCOUNT))


@settings(max_examples=150)
@given(steps, steps)
def test_whatever_happened_a_fold_begun_at_a_keyframe_catches_up(
    before: list[tuple[int, Event]], after: list[tuple[int, Event]]
) -> None:
    """Any frames, a keyframe, any frames for a lookback: a fold that knows the former and one that does not agree."""
    stream, at_ns = Stream(), START_S * NS
    for step_ns, what in before:
        at_ns += step_ns
        say(stream, at_ns, what)
    began = stream.keyframe(at_ns)
    for step_ns, what in after:
        at_ns += step_ns
        say(stream, at_ns, what)
    stream.say(max(at_ns, began.at_ns + (LOOKBACK_S + rooms.SWEEP_S) * NS), Pulse())
    assert run(stream.frames).state() == run(stream.frames[began.seq - 1 :]).state()


def run(frames: list[Streamed]) -> View:
    view = View()
    for frame in frames:
        view.apply(frame.at_ns, frame.event)
    return view


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_a_long_day_does_not_grow_the_view() -> None:
    """Three hours of three lanes: windows are forgotten, samples and candles stay within their series."""
    view, stream = View(), Stream()
    most = {"windows": 0, "samples": 0, "candles": 0, "state": 0}

    def fold(frame: Streamed) -> None:
        stream.frames.clear()
        view.apply(frame.at_ns, frame.event)
        if isinstance(frame.event, Keyframe):
            most["windows"] = max(most["windows"], len(view.windows))
            most["samples"] = max(most["samples"], len(view.samples("BTC")))
            most["candles"] = max(most["candles"], len(view.closed("BTC", rooms.FAST_S)))
            most["state"] = max(most["state"], len(view.state()))

    Market(stream, slots=("BTC/5m", "BTC/15m", "ETH/5m"), seen=fold).run(10_800)
    assert most["windows"] <= 2 * 3
    assert most["samples"] <= rooms.SAMPLES_S + rooms.SWEEP_S + 1
    assert most["candles"] == dict(rooms.SERIES)[rooms.FAST_S]
    assert most["state"] < 32 * 1024


def test_a_desk_that_falls_silent_is_forgotten() -> None:
    """After a lookback of pulses nothing but the parameters is left, in every fold."""
    view = folded(ParametersSet("a", {}), a_price(START_S, 60_000), WindowOpened(SLOT, START_S, TERMS))
    view.apply((START_S + LOOKBACK_S) * NS, Pulse())
    assert view.state() == _only_parameters().state()


def _only_parameters() -> View:
    return folded(ParametersSet("a", {}), at_ns=(START_S + LOOKBACK_S) * NS)
