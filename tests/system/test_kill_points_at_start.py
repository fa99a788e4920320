"""The supervisor is killed at the system calls on its journal while it begins: it begins again, and nothing is missing.

Three beginnings: of a desk that has no journal, over the torn end that a crash has left, and over a segment that is
full, so that the first record goes on in a new one. Each is traced first, and the points are read off the trace.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from kit.desks import TWO_ASSETS, UNHURRIED, Desk, a_desk
from kit.kill_points import JOURNAL, LOOP, Point, finish, point, points, spread, under

from shared import entries as e
from shared.records import RECORD, Appender, Segment, segments

pytestmark = pytest.mark.system
SETTINGS = f"{TWO_ASSETS}[records]\njournal_segment_mib = 1\n{UNHURRIED}unknown_horizon_s = 5\nstale_s = 600\n"
"""Small segments; an order whose request died with the supervisor is given up soon; a busy machine is no dead feed."""
POINTS = 3
"""How many points of each beginning a pipeline looks at."""
BEGUN_S = 180.0
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


LAST_WRITES = {anew: 2, torn: 2, full: 4}
"""Which write is the last one looked at: of the first records of the reign, at least.

A journal that is begun is looked at no further, because the venue remembers whoever has connected to it.
"""


def test_killed_at_a_call_on_its_journal_while_it_begins_one(request: pytest.FixtureRequest) -> None:
    """Whatever there is of it, the next one begins it or goes on in it; by night at every point."""
    with a_desk(settings=SETTINGS, start=lambda desk: born_at_last(desk, request.config)) as desk:
        judged(desk)


@pytest.mark.parametrize("left", [torn, full])
def test_killed_at_a_call_on_its_journal_while_it_takes_one_up(
    left: Callable[[Desk], None], request: pytest.FixtureRequest
) -> None:
    """What stood in the journal stands in it, and the reigns follow one another; by night at every point."""
    with a_desk(settings=SETTINGS) as desk:
        survive_all(desk, left, request.config)
        desk.until(lambda s: s["decided"] > 0, "the first decision of the last reign", BEGUN_S)
        judged(desk)


def born_at_last(desk: Desk, config: pytest.Config) -> None:
    """Bring a desk up whose supervisor dies at the first call on its journal, and then at the others."""
    desk.under = under(desk.state.journal, desk.root / "trace", Point(LOOP, "openat", 1))
    desk.start()
    desk.until_dead(BEGUN_S)
    survive_all(desk, anew, config)


def judged(desk: Desk) -> None:
    """Whether all holds that was written in the end."""
    assert desk.ctl("audit", "verify")[0] == 0
    desk.judged(lapsed=True)


def survive_all(desk: Desk, left: Callable[[Desk], None], config: pytest.Config) -> None:
    """Let the supervisor begin and die at one point after the other, and then live."""
    survive(desk, left, Point(LOOP, "pwrite64", LAST_WRITES[left], "after"))
    for at in choose(points(desk.root / "trace", {}), config):
        survive(desk, left, at)
    desk.start_again()


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
