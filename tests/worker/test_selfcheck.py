"""worker.selfcheck: one decision on a made-up market, and what this release is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared import fingerprint
from worker.parameters import BadParameters, Parameters
from worker.selfcheck import decision, self_check
from worker.view import LOOKBACK_S

ROOT = Path(__file__).parents[2]


def test_the_report_names_the_release() -> None:
    """One line that a deploy reads: hash, lookback, protocols, modules, Python."""
    line = self_check(ROOT, "{}")
    report = msgspec.json.decode(line)
    assert "\n" not in line
    assert report["release"] == fingerprint.release_hash(fingerprint.modules(ROOT))
    assert (report["lookback_s"], report["protocols"]) == (LOOKBACK_S, [1, 1])
    assert {"module", "digest", "load_us"} == report["modules"][0].keys()
    assert report["python"].startswith("3.")


def test_the_made_up_market_goes_all_the_way_to_an_order() -> None:
    """Every gate is passed: a strategy that breaks behind one of them is found here."""
    made = decision(Parameters())
    assert made.reasons["verdict"] == "take"
    assert len(made.intents) == 1


def test_parameters_are_tried_on_the_release() -> None:
    """Before a set is given to a release, it can be asked whether it knows it."""
    assert decision(Parameters(mode="off")).reasons["verdict"] == "hold: mode is off"
    with pytest.raises(BadParameters, match="stake_eur"):
        self_check(ROOT, '{"stake_eur": 5}')
