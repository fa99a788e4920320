"""The supervisor is killed at the system calls on its journal while it begins: it begins again, and nothing is missing.

Three beginnings: of a desk that has no journal, over the torn end that a crash has left, and over a segment that is
full, so that the first record goes on in a new one. Each is traced first, and the points are read off the trace.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from kit.desks import TWO_ASSETS, Desk, a_desk
from kit.kill_points import JOURNAL, LOOP, Point, finish, point, points, spread, under

from shared import entries as e
from shared.records import RECORD, Appender, Segment, segments

pytestmark = pytest.mark.system
SETTINGS = f"{TWO_ASSETS}[records]\njournal_segment_mib = 1\n[venue]\nunknown_horizon_s = 5\n"
"""Small segments, and an order whose request died with the supervisor is given up soon."""
POINTS = 5
"""How many points of each beginning a pipeline looks at."""
BEGUN_S = 90.0
"""How long a supervisor may take to begin, or to come to a point of it, on a machine that is busy with other things."""
PADDING = 1_000
"""Bytes of a record that is there to fill a segment."""


def anew(desk: Desk) -> None:
    """Nothing was ever written; so far nothing of this desk can have left for the venue."""
    for folder in (desk.state.journal, desk.state.tape):
        shutil.rmtree(folder, ignore_errors=True)


def torn(desk: Desk) -> None:
    """Half a record stands behind the last one."""
    path = segments(desk.state.journal)[-1]
    last = Segment(path, JOURNAL)
    assert list(last)
    with path.open("r+b") as file:
        file.seek(last.end)
        file.write(RECORD.pack(PADDING, 1, bytes(16)) + b"half of it" * 10)


def full(desk: Desk) -> None:
    """The last segment has no room for another record."""
    last, appender = desk.lines()[-1], Appender(desk.state.journal, JOURNAL)
    while appender.size < 1 << 20:
        alarm = e.Alarm("drill", "x" * PADDING)
        appender.append(e.encode_line(e.Line(appender.next, last.at_ns, last.wall_ns, last.term, alarm)))
    appender.close()


BEGINNINGS = {"anew": (anew, 2), "torn": (torn, 2), "full": (full, 4)}
"""How the journal is left, and which write on it is the last one looked at: the first records of the reign, at least.

A beginning that is written anew is looked at no further, because the venue remembers whoever has connected to it.
"""


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_killed_at_a_call_on_its_journal_while_it_begins(beginning: str, request: pytest.FixtureRequest) -> None:
    """What stood in the journal stands in it, and the reigns follow one another; by night at every point."""
    left, last_write = BEGINNINGS[beginning]
    with a_desk(settings=SETTINGS, start=stillborn if left is anew else Desk.start, opened=False) as desk:
        last = Point(LOOP, "pwrite64", last_write, "after")
        survive(desk, left, last)
        for at in choose(points(desk.root / "trace", {}), request.config):
            survive(desk, left, at)
        desk.start_again()
        desk.until(lambda s: s["decided"] > 0, "the first decision of the last reign", BEGUN_S)
        assert desk.ctl("audit", "verify")[0] == 0
        desk.judged(lapsed=True)


def stillborn(desk: Desk) -> None:
    """Bring a desk up whose supervisor dies at the very first call on its journal."""
    desk.under = under(desk.state.journal, desk.root / "trace", Point(LOOP, "openat", 1))
    desk.start()
    desk.under = []
    desk.until_dead(BEGUN_S)


def choose(every: list[Point], config: pytest.Config) -> list[Point]:
    """Those that were named, or all of them by night, or some by day."""
    named, seed = config.getoption("--kill-point"), config.getoption("--kill-seed")
    wanted = len(every) if config.getoption("--run-nightly") else POINTS
    chosen = list(map(point, named)) or spread(every, wanted, seed)
    print(f"{len(every)} points, seed {seed}: {', '.join(map(str, chosen))}")
    return chosen


def survive(desk: Desk, left: Callable[[Desk], None], at: Point) -> None:
    """Begin over what is left, and die at the point: what stood in the journal before stands in it now."""
    if desk.lives:
        desk.supervisor.kill()
        desk.until_dead()
    left(desk)
    before, trace = desk.lines(), desk.root / "trace"
    desk.start_again(*under(desk.state.journal, trace, at))
    desk.until_dead(BEGUN_S)
    finish(at, trace)
    assert desk.lines()[: len(before)] == before, at
