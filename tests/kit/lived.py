"""A desk that has lived: a tape, and a journal in which releases answered its ticks as their own code does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
from kit.releases import ROOT, STRATEGY, a_checkout
from kit.tapes import Market, Stream

from shared import entries as e
from shared.messages import ParametersSet, Tick, WindowResolved
from shared.paths import State
from shared.records import Appender
from worker.replay import replay

PARAMETERS = ParametersSet("p1", {"stake_usd": 6})
OUTCOME, SHADOW = "owner", "shadow"
Who = Callable[[int, Tick], Iterable[tuple[str, str]]]
"""Which releases answered a tick, and each as what."""

_LINE: Final = '        "rsi_e2": round(momentum.strength * 100),\n'
_DECIDES: Final = '    """The decision of one tick; never raises for anything the stream can say."""\n'


def planted(folder: Path, more: str) -> Path:
    """A checkout with one other line: the reason "rsi_e2" is higher by what an expression of the scene says."""
    return _changed(folder, _LINE, _LINE.replace("100)", f"100) + ({more})"))


def raising(folder: Path, error: str) -> Path:
    """A checkout whose decisions raise."""
    return _changed(folder, _DECIDES, f"{_DECIDES}    raise {error}\n")


def _changed(folder: Path, line: str, other: str) -> Path:
    source = (ROOT / STRATEGY).read_text()
    assert source.count(line) == 1, "the strategy was written anew: plant in another line"
    return a_checkout(folder, {STRATEGY: source.replace(line, other)})


def live(state: State, who: Who, *, seconds: int = 1_500, slots: tuple[str, ...] = ("BTC/5m",)) -> Stream:
    """Let a market pass on a tape, its windows be resolved, and each tick be answered by whoever is named."""
    stream = Stream(state.tape)
    market = Market(stream, slots=slots, parameters=PARAMETERS)
    market.run(seconds)
    for slot, start_s in sorted(market.strikes):
        stream.say(stream.at_ns, WindowResolved(slot, start_s, "Up"))
    stream.flush()
    write_journal(state, stream, decided(state.tape), who)
    return stream


def decided(tape: Path) -> dict[int, bytes]:
    """What this checkout decides on each tick, by its frame."""
    lines: list[str] = []
    replay(tape, 1, None, None, lines.append)
    answers = [msgspec.json.decode(line) for line in lines[:-1]]
    return {answer["seq"]: bytes.fromhex(answer["decision"]) for answer in answers}


def write_journal(state: State, stream: Stream, decisions: dict[int, bytes], who: Who) -> None:
    """The journal of these answers."""
    journal, n = Appender(state.journal, "journal"), 0
    for frame in stream.frames:
        tick = frame.event
        if not isinstance(tick, Tick):
            continue
        for release, part in who(frame.seq, tick):
            n += 1
            by, raw = e.By(release, "p1", 7, f"w-{release[:2]}"), msgspec.Raw(decisions[frame.seq])
            entry: e.Entry = e.Shadow(tick.slot, tick.tick, by, frame.seq, 900, raw)
            if part == OUTCOME:
                entry = e.OutcomeOf(tick.slot, tick.tick, "HOLD", "", by, frame.seq, 900, raw)
            journal.append(e.encode_line(e.Line(n, frame.at_ns, n, 1, entry)))
    journal.close()
