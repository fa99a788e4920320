"""Friction that is wanted."""

from __future__ import annotations

import pytest

from shared.clock import NS
from shared.config import Policy
from supervisor.policy import DAY_NS, Record, rulings

NOW_NS = 20_000 * DAY_NS + 100 * NS
"""A hundred seconds into a day of the market."""


def refused(policy: Policy, record: Record, reason: str = "") -> list[str]:
    """The names of the policies that refuse."""
    return [ruling.name for ruling in rulings(policy, record, reason, NOW_NS) if ruling.refuses]


def test_no_policy_is_on_by_itself() -> None:
    """Nothing is said at all."""
    assert rulings(Policy(), Record([NOW_NS], 0, 0), "", NOW_NS) == ()


@pytest.mark.parametrize(("reason", "names"), [("", ["reason"]), ("better", [])])
def test_a_reason_may_be_required(reason: str, names: list[str]) -> None:
    """Any will do."""
    assert refused(Policy(reason_required=True), Record([], 0, 0), reason) == names


@pytest.mark.parametrize(("since_s", "names"), [(59, ["cool-down"]), (60, [])])
def test_deploys_keep_a_distance(since_s: int, names: list[str]) -> None:
    """From the last release that became active; the first of all has none to keep."""
    policy = Policy(cool_down_s=60)
    assert refused(policy, Record([0, NOW_NS - since_s * NS], 0, 0)) == names
    assert refused(policy, Record([], 0, 0)) == []


@pytest.mark.parametrize(("today", "names"), [(1, []), (2, ["deploys-per-day"])])
def test_a_day_has_so_many_deploys(today: int, names: list[str]) -> None:
    """Those of yesterday do not count."""
    yesterday = [NOW_NS - 200 * NS] * 5
    assert refused(Policy(deploys_per_day=2), Record([*yesterday, *[NOW_NS] * today], 0, 0)) == names


@pytest.mark.parametrize(("windows", "names"), [(11, ["windows"]), (12, [])])
def test_a_release_is_measured_before_it_is_replaced(windows: int, names: list[str]) -> None:
    """On so many resolved windows; the words say on how many it was."""
    policy, record = Policy(windows_min=12), Record([0], windows, 900)
    assert refused(policy, record) == names
    assert f"measured on {windows} windows, 12 wanted" in rulings(policy, record, "", NOW_NS)[0].words
