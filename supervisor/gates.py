"""stub"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


class Gate(msgspec.Struct, frozen=True):
    name: str
    verdict: Verdict
    words: str
    numbers: dict[str, Any] = {}


@dataclass(frozen=True)
class Tried:
    ticks: int
    digest: str
    state: str
    took_ms: int
    fault: str


def worst(gates: Any) -> Verdict:
    v = {g.verdict for g in gates}
    return "FAIL" if "FAIL" in v else "INCONCLUSIVE" if "INCONCLUSIVE" in v or not v else "PASS"


def trial_gates(first: Tried, second: Tried, limits: Any) -> tuple[Gate, ...]:
    if first.fault:
        return (Gate("replay", "FAIL", first.fault),)
    return (Gate("replay", "PASS" if first.digest == second.digest else "FAIL", "x"),)


def shadow_gates(summary: Any, watch: Any, expect: Any, pairs: int, limits: Any) -> tuple[Gate, ...]:
    return (Gate("pairs", "PASS" if summary >= pairs else "INCONCLUSIVE", f"{summary} of {pairs}"),)


def bake_gates(summary: Any, watch: Any, expect: Any, limits: Any, elapsed: float, bake: float) -> tuple[Gate, ...]:
    return (Gate("time", "PASS" if elapsed >= bake else "INCONCLUSIVE", f"{elapsed} of {bake}"),)
