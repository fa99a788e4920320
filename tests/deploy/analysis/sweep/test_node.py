"""What a machine of a cluster does, without a cluster: takes what is sent, and believes only content."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit.releases import ROOT
from kit.tapes import START_S, Market, Stream

from deploy.analysis.replay import replayed
from deploy.analysis.sweep import node
from deploy.analysis.sweep.cells import Cell, Release, Stretch
from deploy.analysis.sweep.inputs import ask, staged
from deploy.analysis.sweep.stretches import Span, files, stretches
from deploy.analysis.sweep.tasks import Answer, task
from shared.fingerprint import modules
from shared.paths import State


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> State:
    """The machine on which the sweep is typed: one release, three quarters of an hour of tape."""
    state = State(tmp_path_factory.mktemp("home"))
    Market(Stream(state.tape, segment_keyframes=1), slots=("BTC/5m",)).run(2_700)
    staged(state, [str(ROOT)], lambda step: None)
    return state


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the other one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return node.cache().root


def _release(home: State) -> Release:
    return staged(home, ["r1"], lambda step: None)[0]


def _last(home: State, folder: str = "not there") -> Stretch:
    """The last piece of the tape, as somebody names it who has it elsewhere."""
    return msgspec.structs.replace(stretches(home.tape, Span(piece_s=300))[-1], folder=folder)


def _send_release(release: Release, harm: bytes = b"") -> None:
    folder = Path(release.folder)
    node.take_release(release, {name: (folder / name).read_bytes() + harm for name in modules(folder)})


def _send_tape(home: State, stretch: Stretch, warm_s: int, harm: int = 0) -> list[str]:
    """In small pieces, the last one first."""
    sent = files(home.tape, stretch, warm_s)
    for path in sent:
        data = path.read_bytes()
        for offset in reversed(range(0, len(data), 100_000)):
            node.take_piece(stretch, path.name, offset + harm, data[offset : offset + 100_000])
    node.tape_is_whole(stretch)
    return [path.name for path in sent]


def test_what_was_sent_is_there_and_replays_to_the_same(home: State, there: Path) -> None:
    """From another folder, with fewer segments, in another environment: the same result."""
    release, stretch = _release(home), _last(home)
    assert node.lacks_release(release) and node.lacks_tape(stretch)
    cell = Cell(release, {"stake_usd": 3}, stretch, "rehearsal", 1, "")
    assert node.replay(task(cell), release, stretch) is None
    _send_release(release)
    sent = _send_tape(home, stretch, ask(home, release, [{}], "rehearsal"))
    assert 1 < len(sent) < len(list(home.tape.glob("*.seg")))
    assert not node.lacks_release(release) and not node.lacks_tape(stretch)
    said = node.replay(task(cell), release, stretch)
    assert said is not None
    answer = msgspec.json.decode(said, type=Answer)
    here = replayed(task(cell, tape=str(home.tape)).job)
    assert answer.done is not None and here.ticks > 0
    assert msgspec.structs.replace(answer.done.result, took_ms=0) == msgspec.structs.replace(here, took_ms=0)


def test_a_tape_that_is_there_already_is_used_where_it_is(home: State, there: Path) -> None:
    """A shared disk saves the sending; a folder of that name with another tape does not pass."""
    assert not node.lacks_tape(_last(home, str(home.tape)))
    other = there / "other"
    Market(Stream(other), slots=("BTC/5m",), seed=2).run(60, START_S)
    assert node.lacks_tape(_last(home, str(other)))


def test_what_arrives_as_something_else_is_not_taken(home: State, there: Path) -> None:
    """Nor is anything of it left."""
    with pytest.raises(node.NotWhole, match="did not arrive as it was sent"):
        _send_tape(home, _last(home), 600, harm=1)
    with pytest.raises(node.NotWhole, match="arrived as"):
        _send_release(_release(home), harm=b"\n")
    assert node.lacks_tape(_last(home)) and node.lacks_release(_release(home))
    assert not list((there / "arriving").iterdir())


def test_a_name_cannot_lead_out_of_the_cache(home: State, there: Path) -> None:
    """Whatever is sent is written below it."""
    node.take_piece(_last(home), "../../../out.seg", 0, b"x")
    assert [path.name for path in there.rglob("*.seg")] == ["out.seg"]


def test_a_machine_says_what_it_runs_in_plain_words() -> None:
    """Older and newer code has to understand it."""
    said = node.testimony()
    assert {"code", "python", "place"} == said.keys() and all(type(word) is str for word in said.values())
