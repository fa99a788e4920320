"""Workers that die or hang, while they own every slot or in the middle of a deploy: the desk goes on without them."""

from __future__ import annotations

import pytest
from kit.aftermath import forgotten
from kit.desks import TWO_ASSETS, UNHURRIED, Desk, a_desk, ended, eventually, stopped

from shared import entries as e
from shared.clock import NS
from supervisor.accounts import rebuild

pytestmark = pytest.mark.system
REPLACED_S = 2.0
"""From the death of an owner to the last of its slots owned by another worker, by the journal's own stamps."""
TRIES = 3
"""A machine that was busy when one of them died is asked again; a desk that is slow is slow each time."""
SETTINGS = f"{TWO_ASSETS}{UNHURRIED}"
SELDOM = SETTINGS.replace("[ticks]\n", "[ticks]\nfast_ms = 5000\nevent_spacing_ms = 5000\n")
"""So many ticks as can wait for an owner come in sixteen seconds, so that none is skipped because of the machine."""


def test_an_owner_that_is_killed_is_replaced() -> None:
    """A fresh worker owns every slot within two seconds; what was held is held, what rested rests."""
    with a_desk(settings=SETTINGS) as desk:
        before = rebuild(desk.lines())
        took_s = [after_the_death_s(desk)]
        while min(took_s) >= REPLACED_S and len(took_s) < TRIES:
            took_s.append(after_the_death_s(desk))
        assert min(took_s) < REPLACED_S, took_s
        desk.until_decided()
        assert not forgotten(desk, before)
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "no_owner", "late")


def test_an_owner_that_hangs_is_fenced_and_replaced() -> None:
    """Its tick is skipped at its deadline; at the second in a row it is ended, and that tick is the next worker's."""
    with a_desk(settings=f"{TWO_ASSETS}[ticks]\ndeadline_s = 3\n[deploy]\nbeat_s = 60\n") as desk:
        hanging = desk.worker()
        with stopped(hanging):
            eventually(lambda: replaced_in_s(desk), "a grant for every slot")
            desk.until_decided()
        eventually(lambda: ended(hanging), "its end")
        lost = lost_workers(desk)
        assert len(lost) == 1
        assert "missed 2 deadlines in a row" in lost[0].detail
        verdict = desk.judged()
    assert verdict.skip_reasons["deadline"] >= 1


def test_an_answer_that_comes_late_is_refused() -> None:
    """A worker that hung past one deadline and came back: what it says of that tick does not count, the rest does."""
    with a_desk(settings=f"{TWO_ASSETS}[ticks]\nstrikes = 1000\n[deploy]\nbeat_s = 60\n") as desk:
        with stopped(desk.worker()):
            desk.until(lambda s: s["counters"].get("skip:deadline"), "a missed deadline")
        desk.until(lambda s: s["counters"].get("refused:not_outstanding"), "a refused answer")
        desk.until_decided()
        assert not lost_workers(desk)
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "deadline", "late")


HELD = {
    "spawning": "waits_while_importing()",
    "warming": "waits_while_warming()",
    "flipping": "waits_while_flipping()",
    "attesting": "waits_while_attesting()",
}
"""How green has to be made so that a deploy stays in a phase."""


@pytest.mark.parametrize(
    ("phase", "exit_code"), [("spawning", 11), ("warming", 11), ("flipping", 11), ("attesting", 20)]
)
def test_green_killed_in_a_phase_leaves_blue_trading(phase: str, exit_code: int) -> None:
    """The operation says that nothing changed, or that every slot is back; blue owns all of them."""
    with a_desk(settings=SELDOM) as desk:
        blue = desk.worker()
        op = desk.begin_deploy(desk.release(HELD[phase]))
        status = desk.until_phase(phase)
        desk.worker(status["operation"]["green"]).kill()
        assert desk.result(op)[0] == exit_code
        assert desk.worker().pid == blue.pid
        status = desk.until_decided()
        assert status["slots"]["owned"] == status["slots"]["open"]
        assert not desk.unpaid(desk.judged())


@pytest.mark.parametrize("phase", list(HELD))
def test_blue_killed_in_a_phase_does_not_stop_the_deploy(phase: str) -> None:
    """Its slots are looked after, by a fresh worker or by green, and the deploy ends well."""
    with a_desk(settings=SETTINGS) as desk:
        blue = desk.worker()
        op = desk.begin_deploy(desk.release(HELD[phase]))
        green = desk.until_phase(phase)["operation"]["green"]
        blue.kill()
        eventually(lambda: lost_workers(desk), "the death of blue")
        desk.let_go(green)
        assert desk.result(op)[0] == 0
        assert desk.ask("status").data["release"]["hash"] == green
        desk.until_decided()
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "no_owner", "late")


@pytest.mark.parametrize("victim", ["blue", "green"])
def test_a_worker_killed_while_blue_retires_changes_nothing(victim: str) -> None:
    """Green is the active release by then: blue's death is its end, green's is followed by a fresh worker of it."""
    with a_desk("waits_while_retiring()", settings=SETTINGS) as desk:
        blue = desk.worker()
        op = desk.begin_deploy(desk.release())
        green = desk.until_phase("retiring")["operation"]["green"]
        (blue if victim == "blue" else desk.worker(green)).kill()
        (desk.state.tape / "go").touch()
        assert desk.result(op)[0] == 0
        assert desk.ask("status").data["release"]["hash"] == green
        desk.until_decided()
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "no_owner", "late")


def after_the_death_s(desk: Desk) -> float:
    """Kill the worker that owns the slots; how long they wait for the next one, in seconds."""
    deaths = len(lost_workers(desk))
    desk.worker().kill()
    return float(eventually(lambda: replaced_in_s(desk, deaths), "a grant for every slot"))


def replaced_in_s(desk: Desk, deaths: int = 0) -> float:
    """From a death to the last slot's next grant, in seconds, 0 while one waits. deaths: how many were before it."""
    lines = desk.lines(e.Worker, e.Grant)
    died = [at for at, line in enumerate(lines) if isinstance(line.entry, e.Worker) and line.entry.event == "lost"]
    granted_ns: dict[str, int] = {}
    for line in lines[died[deaths] :] if len(died) > deaths else ():
        if isinstance(line.entry, e.Grant):
            granted_ns.setdefault(line.entry.slot, line.wall_ns)
    if len(granted_ns) < len(desk.ask("slots").data):
        return 0
    return (max(granted_ns.values()) - lines[died[deaths]].wall_ns) / NS


def lost_workers(desk: Desk) -> list[e.Worker]:
    """Workers that died without being asked to."""
    return [entry for entry in desk.said_by(e.Worker) if entry.event == "lost"]
