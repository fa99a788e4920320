"""An operation as its desk tells it, and the lines worth saying of it: one for each part that ended, one for each wait.

Leaves asking, printing and waiting to `follow`. What always holds: a line is said once, and a part that did not go well
is never called ok.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from deploy.cli.show import counted, duration, one_line

NAMES: Final = {
    "spawning": "spawn",
    "warming": "warm",
    "trial": "trial",
    "shadow": "shadow",
    "held": "held",
    "flipping": "flip",
    "attesting": "attest",
    "baking": "bake",
    "retiring": "retire",
    "restoring": "put back",
}
"""What a line calls a phase of the supervisor's rollout."""
RINGED: Final = frozenset({"flipping", "attesting", "baking"})
"""Phases that come once for each ring."""
WAITS_MAX: Final = 200
"""Reasons to wait that are told of one operation; what waits for more is in `op show`."""
SLOTS_NAMED_MAX: Final = 4
_PUT_BACK: Final = frozenset({"REJECTED", "GATE_FAILED", "NO_BOUNDARY", "ABORTED", "ROLLED_BACK"})

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
_TELLING: Final = frozenset({"repeats", "agreement", "ticks"})
"""Gates of trial, shadow and bake whose words are worth the one line there is; all of them are in `op show`."""
_MARKS: Final = {"PASS": "ok", "FAIL": "FAIL", "INCONCLUSIVE": "?"}


class Gate(msgspec.Struct, frozen=True):
    """What one gate said of a phase, and of which ring, from 1."""

    phase: str
    ring: int
    name: str
    verdict: Verdict
    words: str


class Passage(msgspec.Struct, frozen=True):
    """A phase that was entered: when, market time, and how long it took; less than nothing while it lasts."""

    phase: str
    at_ns: int
    took_ms: int


class Module(msgspec.Struct, frozen=True):
    """A file of green's as its worker has loaded it."""

    digest: str
    load_us: int


class View(msgspec.Struct, frozen=True):
    """One operation, read from a reply. Of a reign before this one only how it ended is known."""

    op: str
    verb: str
    green: str
    blue: str
    phase: str
    green_seq: int = 0
    blue_seq: int = 0
    actor: str = ""
    reason: str = ""
    result: str = ""
    fault: str = ""
    flips: int = 0
    retuned_from: int = 0
    held_for: str = ""
    after: str = ""
    ring: int = 0
    rings: list[list[str]] = []
    plan: dict[str, Any] = {}
    waiting: dict[str, str] = {}
    loaded: dict[str, Module] = {}
    steps_ms: dict[str, int] = {}
    gates: list[Gate] = []
    history: list[Passage] = []

    @property
    def over(self) -> bool:
        """Whether it has ended, however it did."""
        return bool(self.result)

    @property
    def put_back(self) -> bool:
        """Whether it has ended and blue trades, because nothing changed or because it was put back."""
        return self.result in _PUT_BACK

    def gates_of(self, phase: str, ring: int) -> list[Gate]:
        """What was found in a phase."""
        return [gate for gate in self.gates if (gate.phase, gate.ring) == (phase, ring)]


def line(mark: str, name: str, words: str, took_ms: int | None = None) -> str:
    """One line of progress: how it went, what it was, what there is to say of it, how long it took."""
    took = duration(took_ms) if took_ms is not None else ""
    return f"  {mark:<4} {name:<10} {words:<48} {took:>8}".rstrip()


class Progress:
    """What was told of an operation so far."""

    def __init__(self) -> None:
        self._ended = 0
        self._waits: set[tuple[str, str]] = set()

    def news(self, data: dict[str, Any]) -> tuple[View, list[str]]:
        """Read what the desk says, and give the lines that were not told yet."""
        view = msgspec.convert(data, View)
        parts = list(parts_of(view))
        lines = [line for part in parts[self._ended :] for line in part]
        self._ended = max(self._ended, len(parts))
        return view, lines + list(self._waited(view))

    def _waited(self, view: View) -> Iterator[str]:
        """Each slot's reason once, slots of one reason together; a number in it that runs makes no new reason."""
        slots: dict[str, list[str]] = defaultdict(list)
        for slot, why in view.waiting.items():
            key = slot, re.sub(r"\d+", "#", why)
            if key not in self._waits and len(self._waits) < WAITS_MAX:
                self._waits.add(key)
                slots[why].append(slot)
        for why, waiting in slots.items():
            yield f"  ..   waiting for {some(waiting)}: {one_line(why)}"


def parts_of(view: View) -> Iterator[list[str]]:
    """For each phase that has ended its lines: one, and one more for each gate that did not pass."""
    passages = [passage for passage in view.history if passage.phase in NAMES]
    for number, passage in enumerate(passages):
        after = passages[number + 1].phase if number + 1 < len(passages) else "" if view.over else view.phase
        if after == passage.phase:
            continue
        ring = max(1, sum(earlier.phase == "flipping" for earlier in passages[: number + 1]))
        found = view.gates_of(passage.phase, ring)
        well = went_well(view, passage.phase, after)
        words = _summary(found) or (_words(view, passage.phase, ring) if well else "")
        yield [
            line("ok" if well else "FAIL", ring_name(view, passage.phase, ring), words, passage.took_ms),
            *(
                line(_MARKS[gate.verdict], NAMES[passage.phase], _gate_words(gate))
                for gate in found
                if gate.verdict != "PASS"
            ),
        ]


def went_well(view: View, phase: str, after: str) -> bool:
    """Whether a phase that ended led on. Args: after: the phase it led to; empty when it was the last."""
    if phase == "restoring":
        return view.result != "ROLLBACK_FAILED"
    return after != "restoring" and (bool(after) or view.result == "OK")


def ring_name(view: View, phase: str, ring: int) -> str:
    """What a phase is called, with its ring, from 1, where there is more than one."""
    ringed = phase in RINGED and len(view.rings) > 1
    return f"{NAMES[phase]} {ring}/{len(view.rings)}" if ringed else NAMES[phase]


def some(names: list[str]) -> str:
    """Names in a sentence, the first few of them."""
    left = len(names) - SLOTS_NAMED_MAX
    return ", ".join(names[:SLOTS_NAMED_MAX]) + (f" and {left} more" if left > 0 else "")


def _summary(found: list[Gate]) -> str:
    """All gates of a phase in one line: how many pass, and the words of the one that says most if all of them do."""
    passed = [gate for gate in found if gate.verdict == "PASS"]
    if not found or len(passed) < len(found):
        return f"{len(passed)} of {len(found)} gates pass" if found else ""
    telling = next((gate for gate in passed if gate.name in _TELLING), passed[0])
    others = f"; {counted(len(passed), 'gate')} pass" if len(passed) > 1 else ""
    return one_line(telling.words) + others


def _gate_words(gate: Gate) -> str:
    return f"{gate.name}: {one_line(gate.words)}" if gate.words else gate.name


def _words(view: View, phase: str, ring: int) -> str:
    """What there is to say of a phase that no gate judged."""
    tried = ", decides" if view.verb == "deploy" else ""
    slots = view.rings[ring - 1] if ring <= len(view.rings) else []
    return {
        "spawning": f"greeted with the staged hash, {counted(len(view.loaded), 'module')} loaded",
        "warming": f"read the tape, misses nothing{tried}",
        "flipping": f"{some(slots)} passed" if len(view.rings) > 1 else counted(view.flips, "slot") + " passed",
        "attesting": f"says it runs what was staged{tried}",
        "restoring": "every slot is back",
        "held": "for a person",
    }.get(phase, "")
