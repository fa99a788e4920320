"""deploy/examples: strategies to begin with, each what its guide says and as careful as the worker's own."""

from __future__ import annotations

import re
import sys

import pytest
from kit.paper import Paper, broken_rules
from kit.releases import ROOT
from kit.tapes import Market, Stream

from shared.messages import ParametersSet
from worker.reading import Reading

FAVOURITE = ROOT / "deploy" / "examples" / "favourite"
GUIDE = (ROOT / "worker" / "README.md").read_text()


def traded(monkeypatch: pytest.MonkeyPatch, seed: int, mode: str = "on") -> Paper:
    """Half an hour of two lanes on the toy venue."""
    monkeypatch.syspath_prepend(FAVOURITE)
    monkeypatch.delitem(sys.modules, "strategy", raising=False)
    import strategy  # type: ignore[import-not-found]

    monkeypatch.setattr("worker.reading.decide", strategy.decide)
    paper, reading = Paper(stake_micro=5_000_000, orders_max=1), Reading()
    market = Market(
        Stream(),
        seed=seed,
        parameters=ParametersSet("p", {"mode": mode}),
        account=paper.account,
        seen=lambda frame: paper.watch(reading, frame),
    )
    market.run(1_800)
    return paper


@pytest.mark.parametrize("seed", [5, 6])
def test_the_example_keeps_the_rules_and_trades(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Grid, sizes, stake, closed entries, reasons; and it is no example of doing nothing."""
    paper = traded(monkeypatch, seed)
    assert broken_rules(paper) == []
    assert paper.fills >= 2


def test_the_example_obeys_its_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """exit-only and off open nothing."""
    assert [traded(monkeypatch, 5, mode).placed for mode in ("exit-only", "off")] == [0, 0]


def test_the_guide_shows_the_code_that_is_there() -> None:
    """Every listing of the example in it is a part of the file it is taken from, to the letter."""
    listings = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    files = "\n".join((FAVOURITE / name).read_text() for name in ("strategy.py", "test_strategy.py"))
    assert [listing in files for listing in listings[1:]] == [True, True]
    assert (FAVOURITE / "strategy.py").read_text() in listings
