"""A real desk is replayed: every release decides on the tape what it decided live, byte for byte, through it all."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median_low
from typing import Any, Final

import msgspec
import pytest
from kit.desks import BUSY, TWO_ASSETS, Desk, a_desk
from kit.releases import ROOT, STRATEGY, a_checkout
from kit.shared_data import SETTLEMENT_DAY

from deploy.rehearse import PLAYBOOK
from shared import entries as e

pytestmark = pytest.mark.system

DEPLOYS: Final = 2
DEPLOYS_AT_NIGHT: Final = 10
HOLDS: Final = '{"verdict": "busy"}'


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that has traded, been deployed to and retuned in turns, and was stopped."""
    with a_desk(settings=f"{TWO_ASSETS}[deploy]\nshadow_pairs = 5\n") as desk:
        for number in range(DEPLOYS):
            variant = tmp_path_factory.mktemp("variant") / "strategy.py"
            variant.write_text(f"{BUSY.read_text()}\nNUMBER: Final = {number}\n")
            deploy(desk, variant)
            retune(desk, 6 + number)
            desk.until_decided()
        desk.judged(lapsed=True)
        yield desk


def deploy(desk: Desk, strategy: Path) -> None:
    """Let a strategy take over."""
    *_, came = desk.tries(desk.release(strategy=strategy), "--expect", "any")
    assert came.code == 0, came


def retune(desk: Desk, stake_usd: float) -> None:
    """Let another stake be in force."""
    code, reply = desk.ctl("params", "set", f"stake_usd={stake_usd}", "--reason", "test")
    assert code == 0, reply


def replayed(desk: Desk, *arguments: object) -> tuple[int, dict[str, Any]]:
    """The command as a pipeline types it: its exit code and its document."""
    command = [sys.executable, "-m", "deploy.foresight", "replay", "--state-dir", str(desk.state.root), "--json"]
    ran = subprocess.run([*command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    return ran.returncode, msgspec.json.decode(ran.stdout)


def answered(desk: Desk) -> tuple[Counter[str], Counter[str]]:
    """How often each release decided as the owner, and in the shadow, as the journal has it."""
    owners = Counter(entry.by.release for entry in desk.said_by(e.OutcomeOf) if entry.kind != "SKIP")
    return owners, Counter(entry.by.release for entry in desk.said_by(e.Shadow))


def all_identical(desk: Desk) -> dict[str, Any]:
    """What the comparison says, when it says that nothing differs and left nothing out."""
    code, parity = replayed(desk, "--verify")
    assert (code, parity["identical"], parity["first"]) == (0, True, None), parity
    owners, shadows = answered(desk)
    for each in parity["releases"]:
        assert each["ticks"] == each["identical"] == owners[each["release"]]
        assert each["shadows"] == each["shadows_identical"] == shadows[each["release"]]
        assert (each["not_compared"], each["fault"]) == (0, "")
    assert {each["release"] for each in parity["releases"]} == owners.keys() | shadows.keys()
    return parity


def test_every_release_decides_on_the_tape_what_it_decided_live(lived: Desk) -> None:
    """Owners and shadows, under every set of parameters that was in force: all of them, to the byte."""
    parity = all_identical(lived)
    assert len(parity["releases"]) == DEPLOYS + 1
    assert len({digest for each in parity["releases"] for digest in each["parameters"]}) == DEPLOYS + 1
    assert answered(lived)[1].total() > 0


def test_a_planted_line_is_shown_at_its_first_tick(lived: Desk, tmp_path: Path) -> None:
    """The owner's code with one other line: the first of its ticks at which that line speaks, and what it says."""
    owner = lived.said_by(e.Grant)[-1].release
    mine = [entry for entry in lived.said_by(e.OutcomeOf) if entry.by.release == owner and entry.kind != "SKIP"]
    busy = sorted((entry for entry in mine if b"busy" in bytes(entry.decision)), key=lambda entry: entry.read_seq)
    since = median_low(entry.tick for entry in busy)
    source = (lived.state.releases / owner / STRATEGY).read_text()
    assert HOLDS in source
    planted = source.replace(HOLDS, f'{{"verdict": "busy" if tick.tick < {since} else "bust"}}')
    code, parity = replayed(
        lived, "--verify", "--of", owner, "--release", a_checkout(tmp_path / "r", {STRATEGY: planted})
    )
    assert (code, parity["identical"]) == (1, False)
    first = next(entry for entry in busy if entry.tick >= since)
    assert (parity["first"]["slot"], parity["first"]["tick"]) == (first.slot, first.tick)
    assert parity["first"]["seq"] == first.read_seq
    assert parity["first"]["fields"] == [{"name": "verdict", "live": "busy", "replayed": "bust"}]
    assert f"tick {first.tick}" in parity["first"]["before"][-1]
    assert parity["releases"][0]["ticks"] == len(mine)


def test_what_a_release_would_have_earned_is_the_same_each_time(lived: Desk) -> None:
    """On paper, in the recorded books of a real desk: it trades, and twice the same."""
    first, again = (replayed(lived, "--release", "r1", "--fills", "rehearsal")[1]["result"] for _ in range(2))
    assert first["fills"] > 0
    assert first | {"took_ms": 0} == again | {"took_ms": 0}


@pytest.mark.nightly
def test_ten_deploys_of_different_strategies_are_replayed_byte_for_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a recorded day where there is one: another strategy each time, retuned as it trades; all of it killed once."""
    with a_desk(settings=f"{TWO_ASSETS}[deploy]\nshadow_pairs = 10\n", opened=False, start=_on_a_recorded_day) as desk:
        strategies = sorted(PLAYBOOK.glob("*.py"))
        for number in range(DEPLOYS_AT_NIGHT):
            variant = tmp_path / f"{number}.py"
            variant.write_text(f"{strategies[number % len(strategies)].read_text()}\nNUMBER: Final = {number}\n")
            deploy(desk, variant)
            retune(desk, 2 + number)
            for _ in range(3):  # each with a patience of its own: one market decides four times a second at most
                desk.until_decided(10)
            if number == DEPLOYS_AT_NIGHT // 2:
                desk.worker().kill()
                desk.until_decided()
                desk.supervisor.kill()
                desk.until_dead()
                desk.start_again()
                desk.until_decided()
        desk.settle()
        desk.stop()
        parity = all_identical(desk)
    assert len(parity["releases"]) == DEPLOYS_AT_NIGHT + 1
    owners, shadows = (sum(each[part] for each in parity["releases"]) for part in ("ticks", "shadows"))
    assert owners > 30 * DEPLOYS_AT_NIGHT
    with capsys.disabled():
        print(f"\n{owners:,} decisions of owners and {shadows:,} beside them are identical")


def _on_a_recorded_day(desk: Desk) -> None:
    if SETTLEMENT_DAY:
        desk.world = replace(desk.world, day=SETTLEMENT_DAY, start="14:00")
    desk.start()
