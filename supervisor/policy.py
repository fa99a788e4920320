"""Whether a deploy may begin now: friction that is wanted, in four rules, each with the numbers it goes by.

Pure. Nothing here concerns safety: a policy can be overridden with a reason, an invariant cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.clock import DAY_NS, NS
from shared.config import Policy


@dataclass(frozen=True, slots=True)
class Record:
    """What the rules go by: when releases became active (market time, oldest first), and what the active one has shown.

    `windows`: resolved windows it decided in; `decisions`: ticks it decided.
    """

    activated_ns: Sequence[int]
    windows: int
    decisions: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one policy says of a deploy now."""

    name: str
    words: str
    refuses: bool


def rulings(policy: Policy, record: Record, reason: str, at_ns: int) -> tuple[Ruling, ...]:
    """What each policy that is on says; none when all are off."""
    rules = (_reason(policy, reason), _cool_down(policy, record, at_ns), _budget(policy, record, at_ns))
    return tuple(ruling for ruling in (*rules, _measured(policy, record)) if ruling is not None)


def _reason(policy: Policy, reason: str) -> Ruling | None:
    if not policy.reason_required:
        return None
    return Ruling("reason", "a reason is given" if reason else "a reason is required: --reason TEXT", not reason)


def _cool_down(policy: Policy, record: Record, at_ns: int) -> Ruling | None:
    if not policy.cool_down_s or not record.activated_ns:
        return None
    since_s = (at_ns - record.activated_ns[-1]) / NS
    words = f"{since_s:.0f} s since the last deploy, {policy.cool_down_s:g} s wanted"
    return Ruling("cool-down", words, since_s < policy.cool_down_s)


def _budget(policy: Policy, record: Record, at_ns: int) -> Ruling | None:
    if not policy.deploys_per_day:
        return None
    today = sum(active_ns // DAY_NS == at_ns // DAY_NS for active_ns in record.activated_ns)
    words = f"{today} of {policy.deploys_per_day} deploys of this day are used"
    return Ruling("deploys-per-day", words, today >= policy.deploys_per_day)


def _measured(policy: Policy, record: Record) -> Ruling | None:
    if not policy.windows_min:
        return None
    words = f"the active release was measured on {record.windows} windows, {policy.windows_min} wanted"
    return Ruling("windows", words, record.windows < policy.windows_min)
