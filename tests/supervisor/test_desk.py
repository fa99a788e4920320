"""The desk as a whole: how a reign begins, how time passes, what its records say."""

from __future__ import annotations

import msgspec
from kit.still_desk import BTC, CASH, R1, R2, START_S, StillDesk, a_trading_desk, buy, tokens

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import digest
from shared.ledger import OrderRow, PositionRow, SlotRow
from supervisor import effects as fx
from supervisor.venue.requests import Answer
from supervisor.venue.user import TradeLeg


def a_desk_that_holds() -> tuple[StillDesk, str]:
    """A desk with four shares of Up, and six more wished for."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    leg = TradeLeg("t1", order, tokens(BTC)[0], "BUY", 470_000, 4_000_000, True, "MATCHED")
    still.do(still.desk.executions.on_leg, leg)
    return still, order


# --- a reign begins ---


def test_a_reign_begins_by_saying_so() -> None:
    """Before anything else: term, settings and parameters in the journal; keyframe and term on the stream."""
    still = StillDesk()
    still.begin()
    config, parameters = digest(still.settings), digest(still.settings.strategy)
    assert [line.entry for line in still.journal[:4]] == [
        e.Term(1, 7, "code", "rehearsal", config, 0),
        e.Configuration(config, msgspec.to_builtins(still.settings)),
        e.Parameters(parameters, {}, 1),
        R1,
    ]
    events = [frame.event for frame in still.frames[:3]]
    in_force = m.ParametersSet(parameters, {})
    assert events == [m.Keyframe((in_force,)), in_force, m.TermBegan(1, "rehearsal", "code")]
    assert still.wants == [fx.CatchUp(START_S + 10 - 300), fx.Spawn("w1-1", R1.release)]


def test_the_next_reign_says_only_what_is_new() -> None:
    """Term and sequence go on, worker names never repeat, and settings that did not change are not repeated."""
    still = a_trading_desk()
    seq = still.frames[-1].seq
    still.restart()
    assert [(term.term, term.seq) for term in still.said(e.Term)] == [(1, 0), (2, seq)]
    assert len(still.said(e.Configuration)) == len(still.said(e.Parameters)) == 1
    assert still.wanted(fx.Spawn) == [fx.Spawn("w2-1", R1.release)]
    assert [frame.seq for frame in still.frames] == list(range(1, still.frames[-1].seq + 1))


def test_a_fold_of_the_reign_before_hears_which_parameters_are_in_force() -> None:
    """It skips the keyframe, and the tape may have ended between a change and its word: it is told besides."""
    still = a_trading_desk()
    before = still.frames[-1].seq
    still.restart()
    told = [frame.event for frame in still.frames if frame.seq > before and isinstance(frame.event, m.ParametersSet)]
    assert told == [m.ParametersSet(still.desk.board.parameters, {})]


def test_a_restart_goes_on_in_the_window_that_runs() -> None:
    """Its market and its strike are in the journal: nothing is asked, the worker is told, no entry is lost."""
    still = a_trading_desk()
    still.to_s(250)
    still.open(start_s=START_S + 300)
    still.price(at_s=300, exact=65_000 * 10**18)
    still.to_s(305)
    still.restart()
    still.employ("w2-1")
    assert (still.asked().start_s, still.asked().owner) == (START_S + 300, "w2-1")
    told = [event for event in still.told(m.StrikeSet) if event.start_s == START_S + 300]
    assert told[-1].exact == f"{65_000 * 10**18}"
    assert len(told) == 2
    assert set(tokens(BTC, START_S + 300)) <= still.desk.board.lanes.watched()


def test_a_window_that_ended_during_an_outage_is_still_settled() -> None:
    """Its winner is asked for, and our position in it is paid."""
    still, _ = a_desk_that_holds()
    still.restart(after_s=400)
    still.jump(20)
    asked = [ask for ask in still.wanted(fx.AskListing) if ask.start_s == START_S]
    assert asked[0].known is not None


def test_a_desk_without_any_release_waits_for_one() -> None:
    """It is there, it says so, it decides nothing."""
    still = StillDesk()
    still.begin(first=None)
    still.open()
    still.to_s(60)
    assert still.wanted(fx.Spawn) == []
    assert still.told(m.Tick) == []
    still.employ(still.deploy())
    assert still.state().owner == "w1-1"


def test_what_trades_already_is_not_replaced_by_what_is_staged_first() -> None:
    """A first release is only for a desk that never traded."""
    still = a_trading_desk()
    still.restart(first=R2)
    assert still.wanted(fx.Spawn) == [fx.Spawn("w2-1", R1.release)]
    assert R2.release not in still.accounts.releases


def test_a_release_is_made_known_once() -> None:
    """Staging it again changes nothing."""
    still = a_trading_desk()
    still.desk.register(R2)
    still.desk.register(R2)
    still.settle()
    assert still.said(e.Release) == [R1, R2]


# --- time ---


def test_a_reign_begins_no_earlier_than_the_last_one_ended() -> None:
    """A clock that was set back meanwhile is waited for: tape and journal never run backwards, no tick comes twice."""
    still = a_trading_desk()
    still.jump(7)
    still.do(still.desk.pulse)
    shown, ended_ns = still.told(m.Tick)[-1].tick, still.frames[-1].at_ns
    still.at_ns -= 30 * NS
    still.restart()
    still.employ("w2-1")
    still.jump(20)
    assert {frame.at_ns for frame in still.frames if frame.at_ns >= ended_ns} == {ended_ns}
    still.jump(15)
    assert [frame.at_ns for frame in still.frames] == sorted(frame.at_ns for frame in still.frames)
    assert [line.at_ns for line in still.journal] == sorted(line.at_ns for line in still.journal)
    assert still.told(m.Tick)[-1].tick > shown


def test_the_stream_is_never_silent() -> None:
    """A pulse when nothing happened."""
    still = a_trading_desk()
    still.do(still.desk.pulse)
    assert still.frames[-1].event == m.Pulse()


def test_keyframes_come_on_whole_minutes_and_open_segments() -> None:
    """With everything a fold must know that begins there."""
    still = a_trading_desk()
    still.to_s(130)
    frames = [frame for frame in still.frames if isinstance(frame.event, m.Keyframe)]
    assert [(frame.at_ns // NS - START_S) for frame in frames] == [10, 60, 120]
    events = frames[-1].event.events  # type: ignore[union-attr]
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["ParametersSet", "PriceSeen", "WindowOpened", "BookSeen", "BookSeen"]


def test_every_tenth_keyframe_begins_a_segment_of_the_tape() -> None:
    """The first one of a reign as well."""
    still = a_trading_desk()
    segments: list[int] = []
    for minute in range(1, 21):
        still.at_ns = (START_S + 60 * minute) * NS
        still.desk.on_time(still.now())
        segments += [minute for e_ in still.desk.take_effects() if isinstance(e_, fx.Publish) and e_.new_segment]
    assert segments == [10, 20]


def test_snapshots_say_where_everything_stands() -> None:
    """Every half minute: a check on the fold, and a place to start reading."""
    still, order = a_desk_that_holds()
    still.to_s(100)
    snapshots = still.said(e.Snapshot)
    assert len(snapshots) == 3
    assert snapshots[-1].cash_micro == CASH - 1_880_000
    assert [holding.size_micro for holding in snapshots[-1].positions] == [4_000_000]
    assert [(resting.order_id, resting.open_micro) for resting in snapshots[-1].orders] == [(order, 6_000_000)]


# --- what people and files wish ---


def test_a_pause_that_changes_something_takes_the_next_generation() -> None:
    """One that changes nothing takes none."""
    still = a_trading_desk()
    assert still.do(still.desk.pause, True, "uid:1000", "lunch")
    assert not still.do(still.desk.pause, True, "uid:1000", "lunch")
    assert still.said(e.Control) == [e.Control(1, True, "uid:1000", "lunch")]
    assert still.do(still.desk.pause, False, "uid:1000", "")
    assert (still.accounts.generation, still.accounts.paused) == (2, False)


def test_a_wish_by_file_is_noted_with_its_own_generation() -> None:
    """Also where it changes nothing: the file is seen to be followed."""
    still = a_trading_desk()
    assert not still.do(still.desk.pause, False, "control.json", "", 9)
    assert still.said(e.Control) == [e.Control(9, False, "control.json", "")]


def test_a_pause_outlives_the_reign() -> None:
    """Nobody resumes by restarting."""
    still = a_trading_desk()
    still.do(still.desk.pause, True, "uid:1000", "lunch")
    still.restart()
    assert (still.accounts.paused, still.accounts.pause_reason, still.accounts.generation) == (True, "lunch", 1)


# --- the tape ---


def test_a_tape_that_fails_is_told_at_once_and_again_when_it_is_whole() -> None:
    """What is missing in it is named by its frames; a fold can begin right after."""
    still = a_trading_desk()
    began = still.at_ns
    still.do(still.desk.on_tape, "no space left", 40)
    still.do(still.desk.on_tape, "no space left", 40)
    assert [alarm.name for alarm in still.said(e.Alarm)] == ["tape_unavailable"]
    still.jump(3)
    last = still.frames[-1].seq
    still.do(still.desk.on_tape, "", 40)
    still.do(still.desk.on_tape, "", 40)
    assert still.said(e.Gap) == [e.Gap("tape", began, still.at_ns, f"frames 40 to {last}: no space left", "ours")]
    assert still.told(m.FeedGap) == [m.FeedGap("tape", began, still.at_ns, f"frames 40 to {last} are missing", "ours")]
    assert isinstance(still.frames[-1].event, m.Keyframe)


def test_a_tape_that_ends_before_the_journal_is_owned_up_to() -> None:
    """The machine stopped and its disk kept more of the journal: numbers are not used again, and the gap says why."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    read = still.said(e.OutcomeOf)[-1].read_seq
    lost = still.frames[-1].seq - read + 3
    still.restart(frames_lost=lost)
    gap, keyframe = (frame for frame in still.frames if frame.seq in {read + 1, read + 2})
    assert isinstance(gap.event, m.FeedGap)
    assert gap.event.cause == f"frames {read - 2} to {read} are missing"
    assert isinstance(keyframe.event, m.Keyframe)
    assert [said.what for said in still.said(e.Gap)] == ["tape"]


def test_what_was_pruned_of_the_tape_is_journalled_once() -> None:
    """Whatever was seen of it when: each entry says what went since the one before, also over a restart."""
    still = a_trading_desk()
    keep = still.settings.tape
    policy = round(keep.keep_days * 86_400), keep.keep_mib
    for told in ((40, 2, 900), (40, 2, 900), (90, 5, 1_500)):
        still.do(still.desk.on_pruned, *told)
    still.restart()
    for told in ((90, 5, 1_500), (95, 6, 1_700)):
        still.do(still.desk.on_pruned, *told)
    spans = [(1, 40, 2, 900), (41, 90, 3, 600), (91, 95, 1, 200)]
    assert still.said(e.TapePruned) == [e.TapePruned(*span, *policy) for span in spans]
    assert still.accounts.pruned == e.TapePruned(1, 95, 6, 1_700, *policy)


def test_a_tape_that_began_anew_counts_its_prunings_anew() -> None:
    """Somebody took the folder away: its own word is all there is."""
    still = a_trading_desk()
    for told in ((40, 2, 900), (70, 1, 300)):
        still.do(still.desk.on_pruned, *told)
    assert [(said.from_seq, said.segments, said.size) for said in still.said(e.TapePruned)] == [
        (1, 2, 900),
        (41, 1, 300),
    ]


# --- the ledger ---


def test_the_ledger_is_a_picture_of_the_accounts() -> None:
    """Slots with their owners, positions, open orders, cash and exposure, under the accounts' version."""
    still, order = a_desk_that_holds()
    picture = still.desk.picture()
    last = (START_S + 15) * 1_000
    assert picture.slots == (SlotRow(BTC, "w1-1", R1.release, "owned", 1, last, START_S),)
    position = PositionRow(BTC, START_S, "Up", 4_000_000, 1_880_000, 4_000_000, R1.release)
    assert picture.positions == (position,)
    assert picture.orders == (OrderRow(order, BTC, START_S, "Up", "BUY", "open", 470_000, 6_000_000, R1.release),)
    assert (picture.cash_micro, picture.exposure_micro) == (CASH - 1_880_000, 4_700_000)
    assert (picture.version, picture.term, picture.pid) == (still.accounts.version, 1, 7)
    assert (picture.at_ns, picture.beat_ns) == (still.at_ns, still.mono_ns)


def test_the_ledger_names_no_owner_that_is_gone() -> None:
    """Nor a window that is over."""
    still = a_trading_desk()
    still.lose("w1-1")
    assert still.desk.picture().slots[0].owner == still.desk.picture().slots[0].release == ""
    still.jump(300)
    assert still.desk.picture().slots[0].start_s == 0


def test_a_worker_that_finds_tick_and_ledger_at_odds_raises_an_alarm() -> None:
    """Either of them is wrong."""
    still = a_trading_desk()
    still.do(still.desk.on_differs, "w1-1", m.Differs(BTC, 15, 7, "cash 1, not 2"))
    assert still.said(e.Alarm) == [e.Alarm("ledger_differs", "w1-1 on BTC/5m at 15: cash 1, not 2")]
