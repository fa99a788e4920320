"""A desk whose tape is indexed, packed and pruned under it, and who reads it meanwhile: nobody notices."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest
from kit.desks import TWO_ASSETS, Desk, a_desk, eventually
from kit.releases import ROOT

from deploy.analysis.tapes import check
from shared import entries as e
from shared.records import PACKED
from shared.tape_index import SUFFIX, pruned

pytestmark = pytest.mark.system
SETTINGS: Final = f"{TWO_ASSETS}[records]\nkeyframe_s = 15\nsegment_keyframes = 1\n[tape]\ntend_s = 0.5\n"
"""A segment every 15 market seconds, and a look at them twice a second."""
TENDED_S: Final = 120.0
"""How long it may take: it runs below everything else, so on a busy machine it comes last."""


def test_a_desk_goes_on_while_its_tape_is_packed_and_pruned_under_it() -> None:
    """Its own process keeps the index; whatever else is packed or gone, workers warm up and a new reign takes up.

    What the settings never allow is done here from outside: everything but the last seconds is packed, and the oldest
    segments go.
    """
    with a_desk(settings=SETTINGS, opened=False) as desk:
        desk.until_decided()
        eventually(lambda: len(list(desk.state.tape.glob(f"*{SUFFIX}"))) >= 3, "an index", TENDED_S)
        tend(desk, 3_600, "tape_packed")
        desk.worker().kill()
        desk.until_decided()
        tend(desk, 60, "tape_pruned")
        desk.supervisor.kill()
        desk.until_decided()
        gaps = eventually(lambda: between_reigns(desk), "the end of a gap: a feed of the new reign is there")
        assert {gap.what for gap in gaps} <= {"market", "user", "prices"}
        assert {gap.whose for gap in gaps if gap.cause == "nobody listened between two reigns"} <= {"ours"}
        gone = pruned(desk.state.tape)
        assert gone is not None
        told = eventually(lambda: journalled(desk, gone.to_seq), "the journal's word on all that went")
        assert [entry.from_seq for entry in told] == [1, *(entry.to_seq + 1 for entry in told[:-1])]
        assert sum(entry.segments for entry in told) == gone.segments
        assert sum(entry.size for entry in told) == gone.size
        verdict = desk.judged(lapsed=True)
    assert (verdict.tape_pruned_to_seq, verdict.tape_prunings) == (gone.to_seq, len(told))


def between_reigns(desk: Desk) -> list[e.Gap]:
    """What nobody saw from before the newest reign on, of a feed that is back; workers hold before one is.

    Its cause is the newest: that nobody listened, or why the first try to connect again failed.
    """
    began_ns = desk.lines(e.Term)[-1].at_ns
    return [gap for gap in desk.said_by(e.Gap) if gap.from_ns < began_ns <= gap.to_ns]


def journalled(desk: Desk, to_seq: int) -> list[e.TapePruned]:
    """What the journal says of prunings, once it says all: one run that prunes may be seen in the middle."""
    told = desk.said_by(e.TapePruned)
    return told if told and told[-1].to_seq == to_seq else []


def tend(desk: Desk, keep_s: float, wanted: str) -> None:
    """Pack all but the last seconds, keep so many of market time, until that is seen. The tape is sound right after.

    Of a desk that stood still for a while everything that is packed may be old enough to go: then it is done once more.
    """
    policy = "1", str(keep_s / 86_400), "1000"
    command = [sys.executable, "-m", "supervisor.tending", str(desk.state.tape), *policy]

    def done() -> bool:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
        return wanted in ran.stdout and bool(list(desk.state.tape.glob(f"*{PACKED}")))

    eventually(done, wanted, TENDED_S)
    verdict = check(desk.state.tape)
    assert not verdict.faults
