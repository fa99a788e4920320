"""`foresight explain` as people type it: in words, as a document, and beside another release's own code."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.histories import Made, a_desk_that_did
from kit.lived import OUTCOME, SHADOW, decided, live
from kit.releases import ROOT, STRATEGY, a_checkout, another_checkout
from kit.tapes import Stream

from deploy.analysis.explain import explain
from deploy.release import Stager
from shared import entries as e
from shared import wire
from shared.messages import Tick
from shared.outcomes import EXIT
from shared.paths import State

OTHERWISE = "\n\ndef decide(view: View, tick: Tick) -> Decision:\n    return _hold('planted', {'seen': 7})\n"


def run(state: State, *arguments: str) -> Result:
    """The verb, in this process."""
    return CliRunner().invoke(explain, ["--state-dir", str(state.root), *arguments])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> tuple[State, Stream]:
    """One release answered every tick, another in its shadow; both are staged, and a third that always holds."""
    folder = tmp_path_factory.mktemp("desk")
    state = State(folder / "s")
    state.root.mkdir()
    state.environments.symlink_to(environments)
    planted = {STRATEGY: (ROOT / STRATEGY).read_text() + OTHERWISE}
    checkouts = a_checkout(folder / "1"), another_checkout(folder / "2"), a_checkout(folder / "3", planted)
    owner, shadow, _ = (Stager(state).stage(str(checkout)).indexed.release for checkout in checkouts)

    def who(seq: int, tick: Tick) -> Iterable[tuple[str, str]]:
        return [(owner, OUTCOME), (shadow, SHADOW)]

    return state, live(state, who, seconds=400)


def _last_tick(stream: Stream) -> tuple[int, Tick]:
    return [(frame.seq, frame.event) for frame in stream.frames if isinstance(frame.event, Tick)][-1]


def test_an_order_is_explained_to_its_end(tmp_path: Path) -> None:
    """Which code, which set, what it saw, why, what risk said, what the venue said, who won."""
    made = Made(43, quarters=2, releases=2, rough=True)
    fill = next(line.entry for line in reversed(made.lines) if isinstance(line.entry, e.Fill))
    assert isinstance(fill, e.Fill)
    result = run(a_desk_that_did(tmp_path, made), fill.order_id[:16])
    assert result.exit_code == EXIT["OK"], result.output
    for words in (
        "code     r2 ",
        "changed worker/strategy.py",
        "p:77abc0de",
        "stake_usd=5",
        "verdict  take",
        "by the market",
    ):
        assert words in result.stdout
    for words in (
        " book ",
        "denied nothing",
        fill.trade_id,
        "fee ",
        " won; its trades in this window earned",
        "shadow   r1 ",
    ):
        assert words in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 140


def test_another_release_answers_the_same_tick_with_its_own_code(desk: tuple[State, Stream]) -> None:
    """What it prints is what its code decides on that tape; the same code decides the same."""
    state, stream = desk
    seq, tick = _last_tick(stream)
    document = msgspec.json.decode(run(state, f"{tick.slot}@{tick.tick}", "--with", "r2", "--json").stdout)
    live_decision = wire.decode_decision(decided(state.tape)[seq])
    assert document["schema"] == "foresight.explain/1"
    assert document["otherwise"]["release"].startswith("r2 ") and document["otherwise"]["fault"] == ""
    assert document["otherwise"]["reasons"] == dict(live_decision.reasons) == document["decision"]["reasons"]
    assert document["seen"][-1].split()[0] == str(seq)
    planted = run(state, f"{tick.slot}@{tick.tick}", "--with", "r3")
    assert "would say: hold: planted" in planted.stdout and "and wish nothing" in planted.stdout


def test_a_release_that_cannot_answer_is_at_fault_itself(desk: tuple[State, Stream], tmp_path: Path) -> None:
    """The explanation stands all the same; here the release's environment is gone."""
    state, stream = desk
    _, tick = _last_tick(stream)
    broken = State(tmp_path / "s")
    broken.root.mkdir()
    for name in ("journal", "releases"):
        (broken.root / name).symlink_to(state.root / name)
    result = run(broken, f"{tick.slot}@{tick.tick}", "--with", "r2")
    assert result.exit_code == EXIT["OK"]
    assert "does not decide here: " in result.stdout and "odds     Up" in result.stdout


def test_a_tick_that_nobody_was_shown_says_why(tmp_path: Path) -> None:
    """A skip has a reason and no code of its own."""
    made = Made(44, quarters=1, releases=1)
    nil = msgspec.Raw(msgspec.msgpack.encode(None))
    made.write(e.OutcomeOf("BTC/5m", 1_780_012_801_000, "SKIP", "no_market", e.By("", "", 0, ""), 0, 0, nil))
    result = run(a_desk_that_did(tmp_path, made), "BTC/5m@1780012801000")
    assert result.exit_code == EXIT["OK"]
    assert "SKIP because of no_market" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing-here",), "nothing is called"),
        (("BTC/5m@1",), "nearest"),
        (("BTC/5m@1780012830000", "--with", "r9"), "r9"),
    ],
)
def test_what_is_not_there_is_66(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    """With what was looked for, and what to type."""
    result = run(a_desk_that_did(tmp_path, Made(45, quarters=1)), *arguments)
    assert result.exit_code == EXIT["NOINPUT"]
    assert says in result.stderr and "  next     " in result.stderr and not result.stdout


def test_a_folder_without_a_journal_is_said_to_be_one(tmp_path: Path) -> None:
    """66 as well."""
    assert run(State(tmp_path), "BTC/5m@1").exit_code == EXIT["NOINPUT"]
