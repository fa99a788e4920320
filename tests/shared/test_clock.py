"""Market time and the world's."""

from shared.clock import NS, RehearsalClock, SystemClock, real_seconds


def test_two_processes_with_one_anchor_agree() -> None:
    """The anchor is monotonic time, which the whole machine shares."""
    anchor = SystemClock().monotonic_ns()
    ours, theirs = (RehearsalClock(1_784_851_200 * NS, anchor, 60.0) for _ in range(2))
    before, between, after = ours.unix_ns(), theirs.unix_ns(), ours.unix_ns()
    assert before <= between <= after
    assert 1_784_851_200 * NS <= before < (1_784_851_200 + 600) * NS


def test_market_time_runs_at_its_speed() -> None:
    """A market minute at sixty times the speed is a real second."""
    clock = RehearsalClock(0, SystemClock().monotonic_ns(), 60.0)
    before_ns = clock.unix_ns()
    left_s = real_seconds(clock, before_ns + 60 * NS)
    passed_s = (clock.unix_ns() - before_ns) / NS / 60.0
    assert max(0.0, 1.0 - passed_s) <= left_s <= 1.0
    assert real_seconds(clock, before_ns - NS) == 0.0


def test_a_system_clock_has_the_worlds_time_as_the_markets() -> None:
    """Outside rehearsals there is one time."""
    clock = SystemClock()
    before, between, after = clock.wall_ns(), clock.unix_ns(), clock.wall_ns()
    assert before <= between <= after
    assert clock.speed == 1.0
