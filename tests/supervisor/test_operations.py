"""Deploys and rollbacks: whoever dies in whatever phase, somebody trades, or the desk says that nobody does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from kit.deaths import CRASHED, KILLED
from kit.still_desk import BTC, ETH, R1, R2, R3, START_S, StillDesk, a_trading_desk, buy, loaded
from kit.trading import a_placing
from msgspec import structs

from shared import entries as e
from shared import messages as m
from supervisor import effects as fx
from supervisor.board import NO_DECISION
from supervisor.crew import RESPAWN_S, STEADY_S
from supervisor.death import Death
from supervisor.gates import Tried
from supervisor.operation import Operation
from supervisor.operations import KEPT
from supervisor.plan import Plan
from supervisor.rollout import Hold, RefusedEvent
from supervisor.venue.requests import Answer
from supervisor.venue.user import OrderReport

BLUE, GREEN = "w1-1", "w1-2"
BOTH = ("BTC", "ETH")


def spawning() -> StillDesk:
    """The candidate's process was started."""
    still = a_trading_desk(*BOTH)
    still.deploy()
    return still


def warming() -> StillDesk:
    """It greeted."""
    still = spawning()
    still.hello(GREEN)
    return still


def flipping() -> StillDesk:
    """BTC crossed, ETH waits for its tick to be answered."""
    still = warming()
    still.jump(5)
    still.ready(GREEN)
    still.answer(name=BTC)
    return still


def attesting() -> StillDesk:
    """Both crossed."""
    still = flipping()
    still.answer(name=ETH)
    return still


def retiring() -> StillDesk:
    """The candidate trades, the worker before it was told to end."""
    still = attesting()
    still.attest(GREEN)
    return still


def restoring() -> StillDesk:
    """BTC crossed and is on its way back: it waits for the candidate's answer. ETH waits for an order's, uncrossed."""
    still = flipping()
    still.answer(buy(), name=ETH)
    still.jump(5)
    still.do(still.desk.operations.abort, "uid:1000")
    return still


PHASES: dict[str, Callable[[], StillDesk]] = {
    phase.__name__: phase for phase in (spawning, warming, flipping, attesting, retiring, restoring)
}


def operation(still: StillDesk) -> Operation:
    """The deploy, running or ended."""
    known = still.desk.operations.known("op1")
    assert known is not None
    return known


def come_to_rest(still: StillDesk, seconds: int = 40) -> None:
    """Live on: who was started greets and warms, who is asked answers, who is told to end ends."""
    done = 0
    for _ in range(2 * seconds):
        still.jump(0.5)
        still.hold()
        fresh, done = still.wants[done:], len(still.wants)
        for effect in fresh:
            _obey(still, effect)


def _obey(still: StillDesk, effect: fx.Effect) -> None:
    if isinstance(effect, fx.Spawn) and still.alive(effect.uid):
        if still.desk.board.crew.members[effect.uid].stage == "spawned":
            still.hello(effect.uid)
        still.ready(effect.uid)
    elif isinstance(effect, fx.Tell) and still.alive(effect.uid):
        still.lose(effect.uid) if isinstance(effect.message, m.Retire) else still.attest(effect.uid)


def test_the_phases_are_where_they_say() -> None:
    """Each builder of this page leads to its phase, with the slots it names."""
    for phase, build in PHASES.items():
        still = build()
        assert still.desk.operations.rollout.phase == phase == operation(still).phase
    assert (flipping().state(BTC).owner, flipping().state(ETH).owner) == (GREEN, BLUE)
    assert (restoring().state(BTC).owner, restoring().state(ETH).owner) == (GREEN, BLUE)


# --- the walk ---


def test_a_deploy_ends_with_the_new_release_trading_and_every_tick_decided() -> None:
    """The active release is journalled after the worker said what it has loaded, the old worker ends last."""
    still = retiring()
    assert still.accounts.active == e.Active(R2.release, "op1")
    assert still.wanted(fx.Tell)[-1] == fx.Tell(BLUE, m.Retire(f"{R2.release} took over"))
    still.lose(BLUE, Death(0))
    assert (operation(still).result, operation(still).flips, operation(still).fault) == ("OK", 2, "")
    assert (still.desk.operations.blue, still.desk.operations.green) == (GREEN, "")
    assert [step.phase for step in still.said(e.Step) if step.op == "op1"] == [
        *("spawning", "warming", "flipping", "attesting", "retiring", "idle", "done"),
    ]
    assert {outcome.kind for outcome in still.said(e.OutcomeOf)} == {"HOLD"}
    assert still.said(e.Worker)[-1] == e.Worker(BLUE, R1.release, 100, "retired", "exit code 0")


def test_each_part_of_a_deploy_says_how_long_it_took() -> None:
    """What staging took comes with the request; the rest is measured, and so is each module's import."""
    still = a_trading_desk()
    green = still.deploy()
    still.jump(0.4)
    still.hello(green)
    still.jump(0.3)
    still.ready(green)
    assert operation(still).steps_ms == {"verify": 4, "spawning": 400, "warming": 300, "flipping": 0}
    assert operation(still).loaded == {"worker.strategy": ("digest 2", 900), "shared.units": ("digest 0", 900)}
    assert [step.took_ms for step in still.said(e.Step) if step.op == "op1"] == [0, 400, 300, 0]


def test_a_rollback_is_the_same_walk_under_the_next_epoch() -> None:
    """Fills stay; the release that traded before trades again."""
    still = retiring()
    still.lose(BLUE)
    back = still.deploy(R1, "op2", "rollback")
    still.employ(back)
    still.hold()
    still.attest(back)
    assert (still.accounts.active, still.accounts.previous) == (e.Active(R1.release, "op2"), R2.release)
    assert {state.epoch for state in still.desk.turns.slots.values()} == {3}


# --- somebody dies ---


@pytest.mark.parametrize("phase", ["spawning", "warming"])
def test_the_candidate_dies_before_the_first_boundary(phase: str) -> None:
    """Nothing changed: the active worker owns every slot under its own epoch."""
    still = PHASES[phase]()
    still.lose(GREEN, CRASHED)
    assert (operation(still).result, operation(still).flips) == ("GATE_FAILED", 0)
    assert operation(still).fault == f"its worker {GREEN} is gone: killed by SIGSEGV"
    assert still.owners() == {BLUE}
    assert {state.epoch for state in still.desk.turns.slots.values()} == {1}


@pytest.mark.parametrize("phase", ["flipping", "attesting"])
def test_the_candidate_dies_among_the_boundaries(phase: str) -> None:
    """What crossed is back with the active worker at once, under the next epoch; no tick waits for it."""
    still = PHASES[phase]()
    still.lose(GREEN)
    assert operation(still).result == "ROLLED_BACK"
    assert still.owners() == {BLUE}
    assert still.state(BTC).epoch == 3
    still.jump(5)
    assert {still.asked(name).owner for name in (BTC, ETH)} == {BLUE}


def test_the_candidate_dies_when_it_is_the_active_release() -> None:
    """The old worker is told to end and is not asked back: a new one of the active release is started."""
    still = retiring()
    still.lose(GREEN)
    still.jump(0.25)
    assert still.wanted(fx.Spawn)[-1] == fx.Spawn("w1-3", R2.release)
    come_to_rest(still)
    assert operation(still).result == "OK"
    assert still.owners() == {still.desk.operations.blue}
    assert still.desk.board.crew.members[still.desk.operations.blue].release == R2.release


def test_the_candidate_dies_while_it_is_giving_back() -> None:
    """Its slot goes to the active worker as soon as that one has read its tick, and the tick with it."""
    still = restoring()
    tick = still.asked(BTC).tick
    still.lose(GREEN)
    still.beat(BLUE)
    assert operation(still).result == "ROLLED_BACK"
    assert still.owners() == {BLUE}
    assert (still.asked(BTC).owner, still.asked(BTC).tick) == (BLUE, tick)
    assert [outcome for outcome in still.said(e.OutcomeOf) if outcome.kind == "SKIP"] == []


@pytest.mark.parametrize("phase", PHASES)
def test_the_active_worker_dies(phase: str) -> None:
    """In every phase: every slot has a living owner again, one release owns them all, and the operation ends."""
    still = PHASES[phase]()
    still.lose(BLUE)
    come_to_rest(still)
    ended = operation(still).result
    assert ended == ("ROLLED_BACK" if phase == "restoring" else "OK")
    owner = still.desk.operations.blue
    assert still.owners() == {owner}
    active = still.accounts.active
    assert active is not None
    assert still.desk.board.crew.members[owner].release == active.release
    assert active.release == (R2.release if ended == "OK" else R1.release)


@pytest.mark.parametrize("phase", PHASES)
def test_both_workers_die(phase: str) -> None:
    """The active release comes back by itself, and the operation has an end."""
    still = PHASES[phase]()
    still.lose(GREEN)
    still.lose(BLUE)
    come_to_rest(still)
    assert operation(still).result == {"retiring": "OK", "spawning": "GATE_FAILED", "warming": "GATE_FAILED"}.get(
        phase, "ROLLED_BACK"
    )
    active = still.accounts.active
    assert active is not None
    assert active.release == (R2.release if phase == "retiring" else R1.release)
    assert still.owners() == {still.desk.operations.blue}


@pytest.mark.parametrize("phase", ["spawning", "warming"])
def test_an_active_worker_that_dies_before_the_boundaries_is_brought_back_beside_the_candidate(phase: str) -> None:
    """At once: the candidate may not pass its gate."""
    still = PHASES[phase]()
    still.lose(BLUE)
    still.jump(0.25)
    assert still.wanted(fx.Spawn)[-1] == fx.Spawn("w1-3", R1.release)
    still.employ("w1-3")
    assert still.owners() == {"w1-3"}
    assert operation(still).phase == phase


def test_slots_of_an_active_worker_that_dies_while_they_cross_go_to_the_candidate() -> None:
    """It is warm and nobody else is; the tick that blue left is its first."""
    still = flipping()
    tick = still.asked(ETH).tick
    still.lose(BLUE)
    assert still.owners() == {GREEN}
    assert operation(still).phase == "attesting"
    assert (still.asked(ETH).owner, still.asked(ETH).tick) == (GREEN, tick)
    assert [outcome for outcome in still.said(e.OutcomeOf) if outcome.kind == "SKIP"] == []


def test_a_release_is_started_again_in_its_own_time() -> None:
    """Candidates that kept crashing make it wait no longer; and it waits for itself although another ended well."""
    still = a_trading_desk(*BOTH)
    for number in range(6):
        still.lose(still.deploy(op=f"op{number}"))
    assert still.desk.board.crew.failures == {R2.release: 6}
    still.jump(STEADY_S)
    still.lose(BLUE)
    assert still.wanted(fx.Spawn)[-1] == fx.Spawn("w1-8", R1.release)
    still.lose("w1-8")
    assert still.wanted(fx.Spawn)[-1].uid == "w1-8"
    still.jump(RESPAWN_S[1])
    assert still.wanted(fx.Spawn)[-1] == fx.Spawn("w1-9", R1.release)


# --- somebody refuses ---


@pytest.mark.parametrize(
    ("phase", "result"),
    [
        ("spawning", "ABORTED"),
        ("warming", "ABORTED"),
        ("flipping", "ROLLED_BACK"),
        ("attesting", "ROLLED_BACK"),
    ],
)
def test_an_operator_aborts(phase: str, result: str) -> None:
    """Nothing changed before the first boundary; put back after it. The candidate is told to end."""
    still = PHASES[phase]()
    still.do(still.desk.operations.abort, "uid:1000")
    still.hold()
    assert (operation(still).result, operation(still).fault) == (result, "aborted by uid:1000")
    assert still.owners() == {BLUE}
    assert fx.Tell(GREEN, m.Retire("aborted by uid:1000")) in still.wants
    assert still.accounts.active == e.Active(R1.release, "start-1")


@pytest.mark.parametrize("phase", ["retiring", "restoring"])
def test_it_is_too_late_to_abort(phase: str) -> None:
    """Refused, and nothing changes: what comes next is a rollback."""
    still = PHASES[phase]()
    with pytest.raises(RefusedEvent, match=f"Abort while {phase}"):
        still.do(still.desk.operations.abort, "uid:1000")
    assert operation(still).phase == phase


def test_an_abort_before_any_slot_crossed_changed_nothing() -> None:
    """Although the slots were armed already."""
    still = warming()
    still.jump(5)
    still.ready(GREEN)
    still.do(still.desk.operations.abort, "uid:1000")
    assert (operation(still).result, operation(still).flips) == ("ABORTED", 0)
    assert {state.epoch for state in still.desk.turns.slots.values()} == {1}


def test_a_slot_that_crosses_after_the_abort_is_counted_and_put_back() -> None:
    """Its grant was on the way to the disk: `nothing changed` would not be true."""
    still = warming()
    still.jump(5)
    still.ready(GREEN)
    still.slow_disk = True
    still.answer(name=BTC)
    still.do(still.desk.operations.abort, "uid:1000")
    still.slow_disk = False
    still.sync()
    still.hold()
    assert still.owners() == {BLUE}
    assert (operation(still).result, operation(still).flips) == ("ROLLED_BACK", 1)
    assert still.accounts.operations["op1"].flips == 1


def test_a_candidate_that_loaded_something_else_is_put_back() -> None:
    """Success is said only when what runs is what was staged."""
    still = attesting()
    still.attest(GREEN, loaded(R3))
    still.hold()
    assert operation(still).result == "ROLLED_BACK"
    assert operation(still).fault == "it loaded a worker.strategy that is not the one that was staged"
    assert still.owners() == {BLUE}


@pytest.mark.parametrize(
    ("modules", "fault"),
    [
        (loaded(R3), "it loaded a worker.strategy that is not the one that was staged"),
        ((m.Loaded("worker.surprise", "digest 1", 9),), "it loaded a worker.surprise that is not the one"),
        ((), "it names no module that it has loaded"),
    ],
)
def test_a_greeting_must_name_what_was_staged(modules: tuple[m.Loaded, ...], fault: str) -> None:
    """The app fences who is refused."""
    still = spawning()
    assert still.hello(GREEN, modules).startswith(fault)
    assert operation(still).phase == "spawning"


def test_a_greeting_of_another_release_is_refused() -> None:
    """By both names."""
    still = spawning()
    hello = m.Hello(m.PROTOCOLS, GREEN, 100, R3.release, 900, loaded(R3))
    refusal = still.do(still.desk.operations.on_hello, GREEN, hello, 100)
    assert refusal == f"it runs {R3.release}, staged was {R2.release}"
    assert still.do(still.desk.operations.on_hello, "w9-9", hello, 100) == "nobody expects it"


def test_a_module_may_be_a_package() -> None:
    """Its file is then the package's own."""
    still = a_trading_desk()
    packed = replace_release(R2, {"worker/__init__.py": "digest p", **R2.modules})
    green = still.deploy(packed)
    assert not still.hello(green, (m.Loaded("worker", "digest p", 1), *loaded(R2)))


def replace_release(release: e.Release, modules: dict[str, str]) -> e.Release:
    """A release with other files."""
    return e.Release(release.seq, release.release, release.lock, modules)


def test_the_word_of_anybody_else_attests_nothing() -> None:
    """Nor does a second one."""
    still = attesting()
    still.attest(BLUE)
    assert operation(still).phase == "attesting"
    still.attest(GREEN)
    still.attest(GREEN)
    assert operation(still).phase == "retiring"


# --- the first release of all ---


def test_a_first_release_that_fails_leaves_nobody() -> None:
    """There is nobody to give back to: the desk says so and shows no tick."""
    still = StillDesk(*BOTH)
    still.begin()
    still.lose("w1-1")
    assert still.accounts.operations["start-1"].result == "GATE_FAILED"
    assert (still.accounts.active, still.owners()) == (None, {""})
    come_to_rest(still, 10)
    assert still.desk.board.crew.members == {}


def test_a_first_release_that_loaded_something_else_decides_nothing_more() -> None:
    """Nobody can take the slots from it, so they are taken at once, and it is killed."""
    still = StillDesk(*BOTH)
    still.begin()
    still.open(BTC)
    still.employ("w1-1")
    assert still.state(BTC).outstanding
    still.attest("w1-1", loaded(R3))
    assert fx.Kill("w1-1") in still.wants
    assert still.owners() == {""}
    still.answer(uid="w1-1", epoch=1)
    assert still.said(e.OutcomeOf) == []
    still.jump(2)
    assert [outcome.reason for outcome in still.said(e.OutcomeOf)] == ["no_owner"]
    ended = still.accounts.operations["start-1"]
    assert (ended.result, ended.flips, still.accounts.active) == ("GATE_FAILED", 2, None)


def test_a_first_release_is_not_over_while_a_grant_to_it_is_on_its_way() -> None:
    """A slot that crosses meanwhile is counted, and then it is nobody's; after a restart nothing else is said."""
    still = StillDesk(*BOTH)
    still.begin()
    still.open(BTC)
    still.slow_disk = True
    still.employ("w1-1")
    still.do(still.desk.operations.abort, "uid:1000")
    assert still.desk.operations.rollout.phase == "restoring"
    still.slow_disk = False
    still.sync()
    ended = still.accounts.operations["start-1"]
    assert (ended.result, ended.flips, still.owners()) == ("ABORTED", 2, {""})


def test_a_first_release_that_a_restart_cut_off_was_not_rolled_back() -> None:
    """Nobody was there to give back to."""
    still = StillDesk(*BOTH)
    still.begin()
    still.employ("w1-1")
    still.restart(first=None)
    ended = still.accounts.operations["start-1"]
    assert (ended.result, ended.flips) == ("GATE_FAILED", 2)


def test_a_deploy_after_a_first_release_that_failed_starts_the_desk() -> None:
    """The way out of having no release."""
    still = StillDesk(*BOTH)
    still.begin()
    still.lose("w1-1")
    green = still.deploy()
    still.employ(green)
    still.attest(green)
    assert still.accounts.active == e.Active(R2.release, "op1")
    assert operation(still).result == "OK"


# --- time ---


@pytest.mark.parametrize(
    ("phase", "seconds", "fault"),
    [
        ("spawning", 11, "no greeting for 11.0 s"),
        ("warming", 41, "not warm after 41.0 s"),
        ("attesting", 8.1, "attesting took too long: green: its worker did not answer"),
    ],
)
def test_every_phase_has_a_deadline(phase: str, seconds: float, fault: str) -> None:
    """And goes to its default exit by it."""
    still = PHASES[phase]()
    still.jump(seconds)
    come_to_rest(still)
    assert fault in operation(still).fault
    assert operation(still).result == ("ROLLED_BACK" if phase == "attesting" else "GATE_FAILED")
    assert still.owners() == {still.desk.operations.blue}


def test_no_slot_passes_to_a_candidate_that_has_not_decided_on_a_live_tick() -> None:
    """Read the tape it has; what it makes of a tick is seen in the shadow first."""
    still = warming()
    ready = m.Ready(still.desk.board.seq, 10, 5_000, "state")
    still.do(still.desk.operations.on_ready, GREEN, ready)
    still.jump(4)
    assert operation(still).phase == "warming"
    assert still.owners() == {BLUE}
    still.jump(1)
    still.answer(name=BTC, uid=GREEN)
    still.jump(0.1)
    assert operation(still).phase == "flipping"


def test_the_old_worker_stays_until_the_new_one_has_answered_a_tick() -> None:
    """One that says the right thing and dies of its first tick is put back."""
    still = attesting()
    said = loaded(R2)
    still.do(still.desk.operations.on_attested, GREEN, m.Attested(R2.release, said))
    still.jump(1)
    assert operation(still).phase == "attesting"
    still.lose(GREEN, Death(1, "it cannot bear a live market"))
    come_to_rest(still)
    assert operation(still).result == "ROLLED_BACK"
    assert still.owners() == {BLUE}


def test_the_old_worker_goes_when_the_new_one_has_answered_a_tick() -> None:
    """However long ago it said what it runs."""
    still = attesting()
    still.do(still.desk.operations.on_attested, GREEN, m.Attested(R2.release, loaded(R2)))
    still.to_s(21)
    assert operation(still).phase == "retiring"


def test_a_rollback_waits_for_no_tick() -> None:
    """It goes back to what has traded before, and whoever asks for it is in a hurry."""
    still = retiring()
    still.lose(BLUE)
    back = still.deploy(R1, "op2", "rollback")
    still.hello(back)
    still.hold()
    still.do(still.desk.operations.on_ready, back, m.Ready(still.desk.board.seq, 10, 5_000, "state"))
    still.beat(back)
    assert still.owners() == {back}
    still.do(still.desk.operations.on_attested, back, m.Attested(R1.release, loaded(R1)))
    assert still.accounts.active == e.Active(R1.release, "op2")


def test_where_no_market_is_open_a_release_takes_over_at_once() -> None:
    """There is nothing on which it could show anything, and nothing that it could do."""
    still = StillDesk(*BOTH)
    still.begin()
    still.feeds()
    first = still.desk.operations.green
    still.hello(first)
    still.do(still.desk.operations.on_ready, first, m.Ready(still.desk.board.seq, 10, 5_000, "state"))
    still.do(still.desk.operations.on_attested, first, m.Attested(R1.release, loaded(R1)))
    assert still.accounts.active is not None
    assert still.owners() == {first}


def never_clean(still: StillDesk, seconds: int) -> None:
    """Time passes in which ETH's owner answers in time but the candidate is never heard to have read it."""
    for _ in range(2 * seconds):
        still.jump(0.5, beats=False)
        still.hold()
        for uid in (BLUE, GREEN):
            if still.alive(uid):
                still.beat(uid, 0)


def test_a_boundary_that_never_comes_leaves_everything_as_it_was() -> None:
    """Named slot by slot, and no tick was held back for long."""
    still = warming()
    still.jump(5)
    still.ready(GREEN)
    still.desk.board.crew.update(GREEN, read_seq=0)
    never_clean(still, 121)
    assert (operation(still).result, operation(still).flips) == ("NO_BOUNDARY", 0)
    assert operation(still).fault.startswith(f"flipping took too long: {BTC}: its")
    assert f"; {ETH}: its" in operation(still).fault
    assert still.owners() == {BLUE}
    assert {outcome.kind for outcome in still.said(e.OutcomeOf)} == {"HOLD"}


def test_slots_that_cannot_be_given_back_pause_the_entries() -> None:
    """The one end that needs a person says so aloud."""
    still = restoring()
    still.desk.board.crew.update(BLUE, read_seq=0)
    never_clean(still, 121)
    assert operation(still).result == "ROLLBACK_FAILED"
    assert (still.accounts.paused, still.accounts.pause_reason) == (True, "a rollback failed")
    assert [alarm.name for alarm in still.said(e.Alarm)][-1] == "rollback_failed"
    assert fx.Kill(GREEN) in still.wants
    still.beat(BLUE)
    assert still.owners() == {BLUE}


def test_what_a_long_handover_waits_for_can_be_asked() -> None:
    """After half a second of waiting."""
    still = flipping()
    still.jump(0.4)
    assert operation(still).waiting == {}
    still.jump(0.2)
    assert operation(still).waiting == {ETH: "its tick is not answered"}


def test_a_worker_that_was_told_to_end_and_does_not_is_killed() -> None:
    """However busily its loop turns."""
    still = retiring()
    for _ in range(23):
        still.jump(0.5)
        still.beat(BLUE) if still.alive(BLUE) else None
        still.hold()
    assert fx.Kill(BLUE) in still.wants
    assert not still.alive(BLUE)
    assert operation(still).result == "OK"


def test_a_worker_whose_loop_is_not_heard_is_fenced_and_replaced() -> None:
    """Its slots have a new owner as soon as that one is ready."""
    still = a_trading_desk()
    still.jump(5.1, beats=False)
    assert fx.Kill(BLUE) in still.wants
    assert still.said(e.Alarm)[-1].name == "worker_lost"
    come_to_rest(still, 5)
    assert still.owners() == {"w1-2"}


def test_a_worker_that_does_not_become_whole_again_is_fenced_and_replaced() -> None:
    """However busily its loop turns: it may not own anything, and it would keep its part for ever.

    Another hole does not begin its time anew, and one that is whole in time is left alone.
    """
    still = a_trading_desk()
    hole, warm_s = m.Hole(10, 12), still.settings.deploy.warm_s
    still.do(still.desk.operations.on_hole, BLUE, hole)
    still.ready(BLUE)
    still.to_s(60)
    still.do(still.desk.operations.on_hole, BLUE, hole)
    still.ready(BLUE)
    assert still.alive(BLUE)
    still.do(still.desk.operations.on_hole, BLUE, hole)
    still.jump(warm_s - 1)
    still.do(still.desk.operations.on_hole, BLUE, hole)
    assert still.alive(BLUE)
    still.jump(1.1)
    assert fx.Kill(BLUE) in still.wants
    come_to_rest(still, 5)
    assert still.owners() == {"w1-2"}


def test_a_release_that_keeps_dying_is_started_more_and_more_slowly() -> None:
    """No storm of processes; and never given up."""
    still = a_trading_desk()
    started = []
    for _ in range(600):
        if still.desk.operations.blue:
            started.append(still.mono_ns)
            still.lose(still.desk.operations.blue)
        still.jump(0.05)
    gaps = [(late - early) / 10**9 for early, late in pairwise(started)]
    assert gaps[:5] == pytest.approx([0.2, 0.5, 1.0, 2.0, 5.0], abs=0.06)
    assert gaps[-1] == pytest.approx(5.0, abs=0.06)


# --- what is remembered ---


def test_an_operation_the_last_reign_did_not_end_is_ended_by_the_next() -> None:
    """Put back when slots had crossed; nothing changed when none had; done when the new release was active."""
    ends = {}
    for phase, build in PHASES.items():
        still = build()
        still.restart()
        ends[phase] = (operation(still).result, operation(still).flips)
    assert ends == {
        "spawning": ("GATE_FAILED", 0),
        "warming": ("GATE_FAILED", 0),
        "flipping": ("ROLLED_BACK", 1),
        "attesting": ("ROLLED_BACK", 2),
        "retiring": ("OK", 2),
        "restoring": ("ROLLED_BACK", 1),
    }


@pytest.mark.parametrize("phase", PHASES)
def test_a_restart_brings_the_active_release_back(phase: str) -> None:
    """Whatever was going on, it is one release that owns every slot, under epochs nobody had before."""
    still = PHASES[phase]()
    before = {name: state.epoch for name, state in still.desk.turns.slots.items()}
    still.restart()
    still.employ("w2-1")
    assert still.owners() == {"w2-1"}
    assert still.desk.board.crew.members["w2-1"].release == (R2 if phase == "retiring" else R1).release
    assert all(state.epoch > before[name] for name, state in still.desk.turns.slots.items())


def test_an_operation_that_ended_is_known_after_a_restart() -> None:
    """Verb, sides, who, why, result; its phase is that it is done."""
    still = retiring()
    still.lose(BLUE)
    ended = operation(still)
    still.restart()
    known = operation(still)
    unknown = {"steps_ms": {}, "loaded": {}, "history": [], "rings": (), "plan": Plan()}
    assert known == replace(ended, began_ns=0, phase="done", phase_ns=0, **unknown)
    assert still.desk.operations.known("op9") is None


def test_no_more_operations_are_remembered_than_the_bound() -> None:
    """The oldest are forgotten first."""
    still = a_trading_desk()
    for number in range(KEPT + 3):
        still.deploy(op=f"op{number}")
        still.do(still.desk.operations.abort, "uid:1000")
        still.lose(still.wanted(fx.Spawn)[-1].uid)
    assert len(still.desk.operations.all) == len(still.accounts.operations) == KEPT
    assert next(iter(still.desk.operations.all)) == "op3"


# --- odd words ---


def test_words_of_workers_that_are_gone_change_nothing() -> None:
    """Their frames may still have been on the way."""
    still = a_trading_desk()
    before = len(still.journal)
    still.ready("w1-9")
    still.beat("w1-9")
    still.do(still.desk.operations.on_hole, "w1-9", m.Hole(1, 2))
    still.do(still.desk.operations.on_attested, "w1-9", m.Attested(R1.release, ()))
    still.lose("w1-9")
    assert len(still.journal) == before


def test_a_worker_that_sends_what_no_worker_may_send_is_fenced() -> None:
    """Aloud."""
    still = a_trading_desk()
    still.do(still.desk.operations.on_breach, BLUE, "frame of 9 bytes: bad")
    assert still.said(e.Alarm)[0] == e.Alarm("bad_frame", f"worker {BLUE}: frame of 9 bytes: bad")
    assert fx.Kill(BLUE) in still.wants
    assert still.owners() == {""}


def test_when_the_reign_ends_every_worker_is_let_go_and_none_is_started() -> None:
    """The active release stays the active one in the journal."""
    still = spawning()
    still.desk.operations.close("the supervisor ends")
    still.settle()
    assert [tell.message for tell in still.wanted(fx.Tell)[-2:]] == [m.Retire("the supervisor ends")] * 2
    spawned = len(still.wanted(fx.Spawn))
    still.lose(BLUE)
    still.lose(GREEN)
    still.jump(10)
    assert len(still.wanted(fx.Spawn)) == spawned
    assert still.accounts.active == e.Active(R1.release, "start-1")


# --- what has to be proved before the next slot moves ---

CAREFUL = Plan(expect="any", trial=True, shadow_pairs=2, rings=(1,), bake_s=5.0)
SAME = Tried(12, "digest", "state", 300)


def on_trial(plan: Plan = CAREFUL) -> StillDesk:
    """A careful deploy whose candidate is ready: the tape is being replayed through it."""
    still = a_trading_desk(*BOTH)
    still.employ(still.deploy(plan=plan))
    return still


def in_shadow(plan: Plan = CAREFUL) -> StillDesk:
    """Both replays were the same."""
    still = on_trial(plan)
    still.do(still.desk.operations.on_trial, "op1", SAME, SAME)
    return still


def decide_on(still: StillDesk, ticks: int) -> None:
    """Both decide on every slot's next ticks, the owner first."""
    for _ in range(ticks):
        still.jump(5)
        for name in still.desk.turns.slots:
            owner = still.state(name).owner
            other = GREEN if owner == BLUE else BLUE
            still.answer(name=name)
            still.answer(name=name, uid=other)
    still.jump(0.2)


def in_bake(plan: Plan = CAREFUL) -> StillDesk:
    """The first ring was flipped and attested."""
    still = in_shadow(plan)
    decide_on(still, 1)
    still.hold()
    still.beat(GREEN)
    still.attest(GREEN)
    still.jump(0.2)
    return still


def test_the_recent_tape_is_replayed_through_the_candidate() -> None:
    """From a keyframe up to now, by a process of its own; what it says while nobody asks means nothing."""
    still = on_trial()
    asked = still.wanted(fx.Try)[-1]
    assert (asked.op, asked.release) == ("op1", R2.release)
    assert 0 < asked.from_seq < asked.to_seq <= still.desk.board.seq
    still.do(still.desk.operations.on_trial, "another", SAME, SAME)
    assert operation(still).phase == "trial"
    still.do(still.desk.operations.on_trial, "op1", SAME, SAME)
    assert operation(still).phase == "shadow"


@pytest.mark.parametrize(
    ("second", "words"),
    [(replace(SAME, digest="other"), "two replays"), (Tried(fault="raised: ValueError"), "ValueError")],
)
def test_a_candidate_that_does_not_repeat_itself_is_rejected(second: Tried, words: str) -> None:
    """Nothing changed, and the fault says in what."""
    still = on_trial()
    still.do(still.desk.operations.on_trial, "op1", SAME, second)
    assert (operation(still).result, operation(still).flips) == ("REJECTED", 0)
    assert words in operation(still).fault


def test_a_tape_without_a_tick_is_tried_again_until_there_is_one() -> None:
    """No data is never a pass, and no failure either until the phase's time is over."""
    still = on_trial()
    still.do(still.desk.operations.on_trial, "op1", Tried(), Tried())
    assert operation(still).phase == "trial"
    still.jump(1.1)
    assert len(still.wanted(fx.Try)) == 2
    still.jump(60)
    assert operation(still).result == "GATE_FAILED"


def test_no_slot_moves_before_enough_was_decided_in_the_shadow() -> None:
    """Ticks that both decided on; then the first ring's slot is armed and no other."""
    still = in_shadow()
    still.jump(2)
    assert operation(still).waiting["pairs"] == "0 of 2 paired decisions"
    assert still.owners() == {BLUE}
    decide_on(still, 1)
    assert operation(still).phase == "attesting"
    assert sorted(state.owner for state in still.desk.turns.slots.values()) == [BLUE, GREEN]
    assert [told.gate.verdict for told in operation(still).told] == ["PASS"] * len(operation(still).told)


def test_a_shadow_without_decisions_asks_a_person_in_the_end() -> None:
    """Who lets it go on, or does not."""
    still = in_shadow()
    still.jump(180.5)
    assert (operation(still).phase, operation(still).after) == ("held", "flipping")
    assert "0 of 2 paired decisions" in operation(still).held_for
    still.do(still.desk.operations.promote, "uid:1000")
    assert operation(still).phase == "flipping"


def test_ring_after_ring_is_baked_before_the_next() -> None:
    """The bake has its time, and its ticks of the ring's own slots."""
    still = in_bake()
    first, second = (ring[0] for ring in operation(still).rings)
    assert (operation(still).phase, still.state(first).owner, still.state(second).owner) == ("baking", GREEN, BLUE)
    decide_on(still, 2)
    assert operation(still).phase == "baking"
    assert "ticks" in operation(still).waiting
    decide_on(still, 1)
    still.beat(GREEN)
    still.hold()
    assert still.state(second).owner == GREEN
    assert operation(still).ring == 1


def test_a_breach_in_the_bake_takes_the_ring_back() -> None:
    """At once, under the next epoch; the other slots never moved."""
    still = in_bake()
    still.desk.board.alarm("ledger_differs", f"{GREEN} on BTC/5m at 5: cash")
    still.jump(0.2)
    still.hold()
    still.beat(BLUE)
    assert (operation(still).result, still.owners()) == ("ROLLED_BACK", {BLUE})
    assert "alarms" in operation(still).fault
    assert sorted(state.epoch for state in still.desk.turns.slots.values()) == [1, 3]


def cancel_on(still: StillDesk, name: str, ticks: int, each: int = 4) -> list[str]:
    """The owner of a slot takes so many orders of its own back on each tick; what risk said of it."""
    for number in range(ticks):
        still.jump(5)
        ids = [f"0x{still.asked(name).tick:x}{n}" for n in range(each)]
        for order_id in ids:
            by = still.accounts.owners[name].by()
            still.desk.board.write(a_placing(order_id=order_id, slot=name, start_s=START_S, by=by, leg=number))
            still.desk.board.write(e.Answered(order_id, "place", "open", "live", 1))
        for slot in still.desk.turns.slots:
            still.answer(*(m.Cancel(order_id) for order_id in ids if slot == name), name=slot)
            still.answer(name=slot, uid=GREEN if still.state(slot).owner == BLUE else BLUE)
        for order_id in ids:
            gone = Answer("accepted", order_id=order_id)
            still.do(still.desk.executions.on_cancel_answer, order_id, gone, 900)
            still.do(still.desk.executions.on_report, OrderReport(order_id, "closed", 0, "CANCELED"))
        still.hold()
    still.jump(0.2)
    return [word for outcome in still.said(e.OutcomeOf) for word in outcome.denied]


def test_a_build_that_cancels_without_end_is_stopped_by_the_cap_and_taken_back() -> None:
    """No more cancels leave than the cap allows in a minute; the wishes beyond it are what the bake fails for."""
    still = in_bake()
    (name,) = operation(still).rings[0]
    still.desk.board.limits = replace(still.desk.board.limits, cancels_per_minute=6)
    denied = cancel_on(still, name, 5)
    assert [cancel.cause for cancel in still.said(e.Cancelling)] == ["decision"] * 6
    assert len(denied) == 14 and all("cancel_rate: 6 cancels in the last minute" in word for word in denied)
    still.hold()
    still.beat(BLUE)
    assert (operation(still).result, still.owners()) == ("ROLLED_BACK", {BLUE})
    assert operation(still).fault.startswith("denied: 1")
    assert "cancel_rate" in operation(still).fault


def go_wild(still: StillDesk) -> None:
    """What the candidate says of the account is not so; the desk looks at the clock."""
    still.desk.board.alarm("ledger_differs", f"{GREEN} on BTC/5m at 5: cash")
    still.jump(0.2)


def held(plan: Plan) -> StillDesk:
    """A person was asked before the first boundary, after a shadow that passed."""
    still = in_shadow(plan)
    decide_on(still, 1)
    assert operation(still).phase == "held"
    return still


def test_a_candidate_that_goes_wild_between_two_rings_is_taken_back() -> None:
    """What it does in the ring before is watched while the next one waits for its boundary."""
    still = in_bake()
    first, second = (ring[0] for ring in operation(still).rings)
    decide_on(still, 2)
    still.jump(5)
    still.answer(name=first)
    still.jump(0.2)
    assert (operation(still).phase, operation(still).ring) == ("flipping", 1)
    assert (still.state(first).owner, still.state(second).owner) == (GREEN, BLUE)
    go_wild(still)
    assert (operation(still).result, still.owners()) == ("ROLLED_BACK", {BLUE})
    assert operation(still).fault.startswith("alarms: 1 ledger_differs")
    assert [(told.phase, told.gate.name) for told in operation(still).told][-1] == ("flipping", "alarms")


def test_a_candidate_that_goes_wild_in_one_ring_is_taken_back_while_another_bakes() -> None:
    """Deadlines missed where nobody is baking count as well."""
    still = in_bake()
    first = operation(still).rings[0][0]
    decide_on(still, 3)
    still.hold()
    still.beat(GREEN)
    still.attest(GREEN)
    still.jump(0.2)
    assert (operation(still).phase, operation(still).ring) == ("baking", 1)
    board, state = still.desk.board, still.state(first)
    for tick in (1, 2):
        board.write(
            e.OutcomeOf(
                first, tick, "SKIP", "deadline", board.by(GREEN, state.epoch, board.parameters), 0, 0, NO_DECISION
            )
        )
    still.jump(0.2)
    assert operation(still).fault.startswith("deadlines: 2 deadlines missed in a row")


def test_a_candidate_that_goes_wild_while_it_is_asked_what_it_runs_is_taken_back() -> None:
    """It owns every slot, and nothing was asked of it yet."""
    still = attesting()
    go_wild(still)
    still.hold()
    still.beat(BLUE)
    assert (operation(still).result, still.owners()) == ("ROLLED_BACK", {BLUE})


def test_a_candidate_that_goes_wild_while_a_person_is_asked_is_discarded() -> None:
    """Nothing had changed, and nobody has to come for it."""
    still = held(structs.replace(CAREFUL, hold_before="flip"))
    go_wild(still)
    assert (operation(still).result, operation(still).flips, still.owners()) == ("GATE_FAILED", 0, {BLUE})
    assert operation(still).fault.startswith("alarms: 1 ledger_differs")


def test_a_rollback_is_not_taken_back_for_what_it_does() -> None:
    """What it goes back to has traded before; what it leaves is worse. Nor is a first start: nobody would be left."""
    still = retiring()
    still.lose(BLUE)
    back = still.deploy(R1, "op2", "rollback")
    still.employ(back)
    still.hold()
    assert still.desk.operations.rollout.phase == "attesting"
    still.desk.board.alarm("ledger_differs", f"{back} on BTC/5m at 5: cash")
    still.jump(0.2)
    still.attest(back)
    assert still.accounts.active == e.Active(R1.release, "op2")
    alone = StillDesk(*BOTH)
    alone.begin()
    alone.employ("w1-1")
    alone.desk.board.alarm("ledger_differs", "w1-1 on BTC/5m at 5: cash")
    alone.jump(0.2)
    alone.attest("w1-1")
    assert alone.accounts.active == e.Active(R1.release, "start-1")


@pytest.mark.parametrize("take_back", [True, False])
def test_a_candidate_that_goes_wild_before_blue_is_let_go_is_taken_back_unless_a_person_wanted_to_decide(
    take_back: bool,
) -> None:
    """Who did is told what they decide about, once; at their word it is done, and counts no more."""
    still = a_trading_desk()
    still.employ(still.deploy(plan=Plan(hold_before="retire", take_back=take_back)))
    still.hold()
    still.attest(GREEN)
    assert operation(still).held_for == "as asked"
    go_wild(still)
    if take_back:
        still.hold()
        still.beat(BLUE)
        assert (operation(still).result, still.owners()) == ("ROLLED_BACK", {BLUE})
        return
    go_wild(still)
    assert (operation(still).phase, operation(still).after) == ("held", "retiring")
    assert operation(still).held_for.startswith("alarms: 1 ledger_differs")
    assert [step.phase for step in still.said(e.Step) if step.op == "op1"].count("held") == 2
    still.do(still.desk.operations.promote, "uid:1000")
    come_to_rest(still)
    assert operation(still).result == "OK"


def test_what_a_person_has_seen_and_let_go_on_does_not_count_again() -> None:
    """Only what the candidate does after their word."""
    still = in_bake(structs.replace(CAREFUL, take_back=False))
    go_wild(still)
    assert operation(still).phase == "held"
    still.do(still.desk.operations.promote, "uid:1000")
    still.jump(0.2)
    still.jump(0.2)
    assert (operation(still).phase, operation(still).ring) == ("attesting", 1)
    go_wild(still)
    assert "restoring" in [passage.phase for passage in operation(still).history]


def test_a_breach_waits_for_a_person_who_wanted_to_decide() -> None:
    """Without automatic rollback the ring stays with the candidate until somebody says so."""
    still = in_bake(structs.replace(CAREFUL, take_back=False))
    still.desk.board.alarm("ledger_differs", f"{GREEN} on BTC/5m at 5: cash")
    still.jump(0.2)
    assert (operation(still).phase, GREEN in still.owners()) == ("held", True)
    still.do(still.desk.operations.abort, "uid:1000")
    still.hold()
    still.beat(BLUE)
    assert (operation(still).result, still.owners()) == ("ROLLED_BACK", {BLUE})


def test_a_bake_that_sees_too_little_goes_back() -> None:
    """Past its grace."""
    still = in_bake()
    still.jump(65.5)
    still.hold()
    still.beat(BLUE)
    assert operation(still).result == "ROLLED_BACK"
    assert "baking took too long: ticks" in operation(still).fault


def test_the_active_worker_that_dies_in_the_bake_is_brought_back_beside_the_candidate() -> None:
    """The candidate keeps its ring; the other slots wait for another worker of their own release."""
    still = in_bake()
    first, second = (ring[0] for ring in operation(still).rings)
    still.lose(BLUE, KILLED)
    still.jump(0.25)
    again = still.desk.operations.blue
    still.employ(again)
    assert (still.state(first).owner, still.state(second).owner) == (GREEN, again)
    assert operation(still).phase == "baking"


@pytest.mark.parametrize(("hold", "owner"), [("shadow", BLUE), ("flip", BLUE), ("retire", GREEN)])
def test_a_deploy_waits_for_a_person_where_it_was_told_to(hold: Hold, owner: str) -> None:
    """And goes on at their word; nobody is held twice."""
    still = a_trading_desk()
    still.employ(still.deploy(plan=Plan(hold_before=hold)))
    still.hold()
    still.attest(GREEN)
    assert (operation(still).phase, operation(still).held_for, still.owners()) == ("held", "as asked", {owner})
    still.do(still.desk.operations.promote, "uid:1000")
    with pytest.raises(RefusedEvent, match="Promoted while"):
        still.do(still.desk.operations.promote, "uid:1000")
    come_to_rest(still)
    assert operation(still).result == "OK"


def test_a_hold_that_nobody_ends_is_an_abort() -> None:
    """After its time."""
    still = a_trading_desk()
    still.employ(still.deploy(plan=Plan(hold_before="flip")))
    still.jump(3_600.5)
    assert (operation(still).result, still.owners()) == ("ABORTED", {BLUE})


def test_replays_that_nobody_waits_for_are_ended() -> None:
    """The operation is over before they are; what still comes of them changes nothing."""
    still = a_trading_desk()
    still.employ(still.deploy(plan=Plan(trial=True)))
    assert still.desk.operations.rollout.phase == "trial"
    assert still.wanted(fx.EndTrial) == []
    still.do(still.desk.operations.abort, "uid:1000")
    assert still.wanted(fx.EndTrial) == [fx.EndTrial("op1")]
    before = len(still.journal)
    still.do(still.desk.operations.on_trial, "op1", Tried(3, "one"), Tried(3, "other"))
    assert (len(still.journal), operation(still).result) == (before, "ABORTED")
