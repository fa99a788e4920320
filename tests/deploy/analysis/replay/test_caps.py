"""deploy.analysis.replay.caps: under which caps a tape was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.tapes import START_S, Market, Stream

from deploy.analysis.replay.caps import InForce, in_force, told
from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.job import DEFAULTS, Caps
from deploy.analysis.replay.live import NoJournal
from shared import entries as e
from shared.clock import NS
from shared.config import Faults, Risk, Settings
from shared.paths import State
from shared.records import Appender, segments
from shared.risk import Limits, limits

SMALL, LARGE = Risk(order_max_usd=3), Risk(order_max_usd=7)


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A minute of tape of a desk that has no journal."""
    state = State(tmp_path / "s")
    Market(Stream(state.tape), slots=("BTC/5m",)).run(60)
    return state


def write(state: State, *said: tuple[int, Any]) -> None:
    """A journal of configurations, so many seconds after the tape's beginning; two segments, other entries between."""
    appender = Appender(state.journal, "journal")
    for number, (second, risk) in enumerate(said, 1):
        at_ns = (START_S + second) * NS
        values = msgspec.to_builtins(Settings()) | {"risk": msgspec.to_builtins(risk)}
        for entry in (e.Configuration(f"{number}", values), e.Alarm("a", "b")):
            appender.append(e.encode_line(e.Line(number, at_ns, at_ns, 1, entry)))
        appender.roll()
    appender.close()


def of(*known: tuple[int, Risk]) -> tuple[Caps, ...]:
    """Caps by the second since when they were in force."""
    return tuple(Caps((START_S + second) * NS, limits(risk)) for second, risk in known)


def test_the_journal_beside_the_tape_says_it(state: State) -> None:
    """Each set from when it was in force; of what was over before the tape began only the last."""
    write(state, (-90, LARGE), (-60, SMALL), (30, LARGE))
    found = in_force(Footage(state.tape))
    assert found == InForce(of((-60, SMALL), (30, LARGE)), "the desk's journal")
    assert told(found.caps).startswith(
        "order 7.00, slot 50.00, asset 100.00, side 200.00, total 250.00, day loss 100.00"
    )
    assert told(found.caps).endswith("the last of 2 sets of them")


def test_a_tape_that_no_journal_stands_beside_has_the_usual_caps(state: State, tmp_path: Path) -> None:
    """None was written, or the tape was taken elsewhere."""
    assert in_force(Footage(state.tape)) == InForce(DEFAULTS, "the default settings")
    write(state, (0, SMALL))
    state.tape.rename(state.root / "copy")
    assert in_force(Footage(state.root / "copy")).caps == DEFAULTS


def test_a_file_says_it_instead(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file alone, whatever the environment is; one that cannot be used is refused."""
    write(state, (0, LARGE))
    monkeypatch.setenv("FORESIGHT__RISK__ORDER_MAX_USD", "9")
    file = tmp_path / "desk.toml"
    file.write_text("[risk]\norder_max_usd = 3\n")
    assert in_force(Footage(state.tape), file) == InForce((Caps(0, limits(SMALL)),), str(file))
    file.write_text("[risk]\nordr_max_usd = 3\n")
    with pytest.raises(Faults, match="did you mean"):
        in_force(Footage(state.tape), file)


def test_settings_of_another_day_are_read_as_far_as_they_are_known(state: State) -> None:
    """What was a cap then and is none now says nothing; what was none then is the usual."""
    write(state, (0, {"order_max_usd": 3.0, "moon_max_usd": 1.0}))
    assert in_force(Footage(state.tape)).caps == of((0, SMALL))


def test_a_journal_that_does_not_check_is_not_believed(state: State) -> None:
    """To fall back on other caps in silence would be to praise what never could trade."""
    write(state, (0, SMALL))
    first = segments(state.journal)[0]
    data = bytearray(first.read_bytes())
    data[80] ^= 1
    first.write_bytes(data)
    with pytest.raises(NoJournal):
        in_force(Footage(state.tape))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((10, 20), ((0, 3),)),
        ((35, 50), ((0, 7),)),
        ((10, 50), ((0, 3), (START_S + 30, 7))),
        ((-99, 5), ((0, 3),)),
        ((-99, 50), ((0, 3), (START_S + 30, 7))),
    ],
)
def test_a_stretch_has_the_caps_of_its_own_time(span: tuple[int, int], expected: tuple[tuple[int, int], ...]) -> None:
    """Written so that what came before or after changes nothing of it."""
    found = InForce(of((0, SMALL), (30, LARGE)), "").between(*((START_S + second) * NS for second in span))
    assert [(each.since_ns // NS, each.limits.order_micro // 1_000_000) for each in found] == list(expected)
    assert all(isinstance(each.limits, Limits) for each in found)
