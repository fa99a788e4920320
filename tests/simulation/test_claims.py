"""Claims on a made-up clock and chain, seeded: whatever is lost, late, reverted or taken back, each pays once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kit import toy_chain
from kit.claim_lives import Life

from shared import entries as e
from supervisor import accounts, claims

RUNS = 25
"""Lives of one seed: a window each."""
RUNS_MAX = 4 * RUNS
"""How many are lived for a fate that no run has seen yet: in a fresh seed a rare one may come late."""
FATES = ("accepted", "refused", "unanswered", "mined", "unmined", "paid", "failed")


@pytest.mark.seeds(fixed=2, fresh=2)
def test_every_claim_pays_once(seed: int) -> None:
    """None is doubled or forgotten; and everything that can become of a claim has."""
    missing, deaths, runs = set(FATES), 0, 0
    while runs < RUNS or (missing and runs < RUNS_MAX):
        life = Life(f"{seed}/{runs}")
        life.live()
        missing -= {moved.event for moved in life.still.said(e.ClaimMoved)}
        deaths, runs = deaths + life.deaths, runs + 1
    assert not missing
    assert deaths


def trust_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer counts as a no."""
    monkeypatch.setitem(claims.NEXT, ("leaving", "unanswered"), "owed")


def trust_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal counts for the attempts before it as well."""
    monkeypatch.setattr(accounts, "leave", lambda claim, entry: replace(claims.leave(claim, entry), doubtful=False))


def trust_the_newest_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mined counts as if it stayed."""
    monkeypatch.setattr(toy_chain, "DEEP", 0)
    monkeypatch.setattr(toy_chain.ToyChain, "_reorganise", lambda chain, depth: reorganise(chain, 2))


def sell_what_is_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs stay in the positions while they are being merged."""
    monkeypatch.setattr(accounts, "set_aside", lambda position, size: (position, 0))


reorganise = toy_chain.ToyChain._reorganise
MUTANTS = (trust_silence, trust_refusals, trust_the_newest_block, sell_what_is_merged)
LIVES_MAX = 400


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_safeguard_that_is_missing_is_noticed(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within some lives something is paid twice, or never, or the table is broken."""
    mutant(monkeypatch)
    for run in range(LIVES_MAX):
        life = Life(f"mutant/{run}")
        try:
            life.live()
        except (AssertionError, ValueError, ZeroDivisionError):
            return
    raise AssertionError(f"{LIVES_MAX} lives, and nobody noticed that it is missing")
