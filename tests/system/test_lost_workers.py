"""Workers that die or hang, while they own every slot or in the middle of a deploy: the desk goes on without them."""

from __future__ import annotations

import pytest
from kit.desks import TWO_ASSETS, Desk, a_desk, eventually, stopped

from shared import entries as e
from shared.clock import NS

pytestmark = pytest.mark.system
REPLACED_S = 2.0
"""From the death of an owner to the last of its slots owned by another worker, by the journal's own stamps."""


def test_an_owner_that_is_killed_is_replaced() -> None:
    """A fresh worker owns every slot within two seconds; what was held is held, what rested rests."""
    with a_desk() as desk:
        before = desk.until_open()
        desk.worker().kill()
        assert replaced_after_s(desk) < REPLACED_S
        desk.until_decided()
        assert kept(desk, before)
        verdict = desk.judged()
    assert verdict.skip_reasons.keys() <= {"no_owner", "late"}


def test_an_owner_that_hangs_is_fenced_and_replaced() -> None:
    """Its tick is skipped at its deadline; at the second in a row it is ended, and that tick is the next worker's."""
    with a_desk() as desk:
        hanging = desk.worker()
        with stopped(hanging):
            replaced_after_s(desk)
            desk.until_decided()
        assert not hanging.is_running()
        lost = lost_workers(desk)
        assert len(lost) == 1
        assert "missed 2 deadlines in a row" in lost[0].detail or "no heartbeat" in lost[0].detail
        verdict = desk.judged()
    assert verdict.skip_reasons["deadline"] >= 1


def test_an_answer_that_comes_late_is_refused() -> None:
    """A worker that hung past one deadline and came back: what it says of that tick does not count, the rest does."""
    with a_desk() as desk:
        with stopped(desk.worker()):
            desk.until(lambda s: s["counters"].get("skip:deadline"), "a missed deadline")
        desk.until(lambda s: s["counters"].get("refused:not_outstanding"), "a refused answer")
        desk.until_decided()
        assert not lost_workers(desk)
        verdict = desk.judged()
    assert verdict.skip_reasons.keys() <= {"deadline", "late"}


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
    with a_desk() as desk:
        blue = desk.worker()
        op = desk.begin_deploy(desk.release(HELD[phase]))
        status = desk.until_phase(phase)
        desk.worker(status["operation"]["green"]).kill()
        assert desk.result(op)[0] == exit_code
        assert desk.worker().pid == blue.pid
        status = desk.until_decided()
        assert status["slots"]["owned"] == status["slots"]["open"]
        assert not desk.judged().skipped


@pytest.mark.parametrize("phase", list(HELD))
def test_blue_killed_in_a_phase_does_not_stop_the_deploy(phase: str) -> None:
    """Its slots are looked after, by a fresh worker or by green, and the deploy ends well."""
    with a_desk() as desk:
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
    assert verdict.skip_reasons.keys() <= {"no_owner", "late"}


@pytest.mark.parametrize("victim", ["blue", "green"])
def test_a_worker_killed_while_blue_retires_changes_nothing(victim: str) -> None:
    """Green is the active release by then: blue's death is its end, green's is followed by a fresh worker of it."""
    with a_desk("waits_while_retiring()", settings=f"{TWO_ASSETS}[deploy]\nretire_s = 1.5\n") as desk:
        blue = desk.worker()
        op = desk.begin_deploy(desk.release())
        green = desk.until_phase("retiring")["operation"]["green"]
        (blue if victim == "blue" else desk.worker(green)).kill()
        assert desk.result(op)[0] == 0
        assert desk.ask("status").data["release"]["hash"] == green
        desk.until_decided()
        verdict = desk.judged()
    assert verdict.skip_reasons.keys() <= {"no_owner", "late"}


def replaced_after_s(desk: Desk) -> float:
    """Wait until every slot has another owner than the one that was lost; how long that took."""
    slots = len(desk.ask("slots").data)

    def grants() -> tuple[int, list[e.Line]]:
        lines = desk.lines(e.Worker, e.Grant)
        deaths = [
            at for at, line in enumerate(lines) if isinstance(line.entry, e.Worker) and line.entry.event == "lost"
        ]
        after = lines[deaths[0] :] if deaths else []
        return (after[0].wall_ns if after else 0), [line for line in after if isinstance(line.entry, e.Grant)]

    eventually(lambda: len(grants()[1]) >= slots, "a grant for every slot")
    lost_ns, granted = grants()
    return (granted[-1].wall_ns - lost_ns) / NS


def lost_workers(desk: Desk) -> list[e.Worker]:
    """Workers that died without being asked to."""
    return [entry for entry in desk.said_by(e.Worker) if entry.event == "lost"]


def kept(desk: Desk, before: dict[str, object]) -> bool:
    """Whether every position of before is still there, or its window was paid out, and no cancel was the desk's."""
    now = desk.ask("status").data
    held = {(p["slot"], p["start_s"], p["outcome"]) for p in now["positions"]}
    paid = {(r.slot, r.start_s) for r in desk.said_by(e.Resolved)}
    positions: list[dict[str, object]] = before["positions"]  # type: ignore[assignment]
    return all((p["slot"], p["start_s"], p["outcome"]) in held or (p["slot"], p["start_s"]) in paid for p in positions)
