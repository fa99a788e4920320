"""The fold of a journal: every fact becomes its row, and a simulated desk's index says what its own books say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kit.indexes import an_empty_fold, balanced, folded, simulated
from kit.trading import BY, a_fill, a_placing, an_answer, an_opening

from deploy.analysis.index.fold import _TAKE, Fold
from shared import entries as e
from shared import messages as m
from shared import wire
from shared.risk import Denied

TICK = 305_000
NOBODY = e.By("", "", 0, "")


def an_outcome(**changes: Any) -> e.OutcomeOf:
    """A decision that wished one order, with its reasons."""
    wish = m.Place("Up", "BUY", 500_000, 10_000_000, "GTC")
    reasons: dict[str, int | str] = {"verdict": "rest", "fair_up_bp": 5_500, "edge_bp": 120}
    raw = msgspec.Raw(wire.encode(m.Decision((wish,), reasons)))
    told = e.OutcomeOf("BTC/5m", TICK, "ORDER", "", BY, 77, 120, raw)
    return msgspec.structs.replace(told, **changes)


def a_boundary(**changes: Any) -> e.Boundary:
    """A slot passes from one release to another, holding something."""
    held = e.Holding("BTC/5m", 300, "Up", 4_000_000, 2_000_000, BY.release)
    rests = e.Resting("0x1", "BTC/5m", 300, "Up", "BUY", 500_000, 6_000_000, BY.release)
    now = e.By("71be04000000", BY.parameters, 119, "w2-1")
    told = e.Boundary("BTC/5m", "op1", BY, now, TICK, 200, (held,), (rests,), 98_000_000, ("a.py",), {}, "uid:1", "why")
    return msgspec.structs.replace(told, **changes)


def only(fold: Fold, table: str) -> dict[str, Any]:
    """The one row of a table."""
    (row,) = fold.rows.all(f"SELECT * FROM {table}")
    return row


def test_every_kind_of_entry_has_its_row() -> None:
    """None is passed over."""
    assert set(e.Entry.__args__) == _TAKE.keys()


def test_a_reconciliation_says_which_round_it_was_and_what_differed() -> None:
    """Also where nothing did; orders that are not ours are named once."""
    told = "cash: ours 98, the venue's 100"
    rows = folded(e.Reconciled(1, 0), e.Reconciled(2, 1, (told,), ("0xstranger",))).rows.all(
        "SELECT round, differences, differs, strangers FROM reconciliations ORDER BY n"
    )
    assert [tuple(row.values()) for row in rows] == [(1, 0, "[]", "[]"), (2, 1, f'["{told}"]', '["0xstranger"]')]


def test_a_simulated_desks_rounds_are_all_there() -> None:
    """As many as its journal has, in its order."""
    said = [line for line in simulated() if isinstance(line.entry, e.Reconciled)]
    rows = balanced(simulated()).rows.all("SELECT n, round, differences FROM reconciliations ORDER BY n")
    told = [
        (line.n, line.entry.rounds, line.entry.differences) for line in said if isinstance(line.entry, e.Reconciled)
    ]
    assert told
    assert [tuple(row.values()) for row in rows] == told


def test_a_decision_says_who_decided_what_and_why() -> None:
    """With its window, the probability it had, and everything it weighed."""
    row = only(folded(an_outcome(denied=("0 max_exposure: 12 of 10",))), "decisions")
    assert (row["slot"], row["start_s"], row["tick"], row["outcome"]) == ("BTC/5m", 300, TICK, "ORDER")
    assert (row["release"], row["epoch"], row["regime"]) == (BY.release, 118, 1)
    assert (row["fair_up_micro"], row["verdict"], row["orders"], row["denied"]) == (550_000, "rest", 1, 1)
    assert msgspec.json.decode(row["reasons"])["edge_bp"] == 120


@pytest.mark.parametrize("said", ["none", -1, 10_001, 2**63 - 1])
def test_a_release_may_write_anything_among_its_reasons(said: int | str) -> None:
    """What is no probability is not taken for one, and stays among the reasons."""
    raw = msgspec.Raw(
        wire.encode(m.Decision((), {"fair_up_bp": said, "mid_up_micro": said if said != 10_001 else "?"}))
    )
    row = only(folded(an_outcome(decision=raw)), "decisions")
    assert (row["fair_up_micro"], row["mid_up_micro"]) == (None, None)
    assert msgspec.json.decode(row["reasons"])["fair_up_bp"] == said


def test_a_denial_is_a_row_of_its_own() -> None:
    """Which wish, why, and the number behind it."""
    row = only(folded(an_outcome(denied=("0 max_exposure: 12 of 10",))), "denials")
    assert (row["leg"], row["reason"], row["detail"]) == (0, "max_exposure", "12 of 10")


def test_a_denial_is_read_as_risk_writes_it() -> None:
    """The word of the desk's own room, and the number behind it."""
    row = only(folded(an_outcome(denied=(f"3 {Denied('price_band', '0.90 is far from 0.50')}",))), "denials")
    assert (row["leg"], row["reason"], row["detail"]) == (3, "price_band", "0.90 is far from 0.50")


def test_a_skip_holds_neither_wish_nor_reason() -> None:
    """Nobody decided."""
    skip = an_outcome(kind="SKIP", reason="no_answer", by=NOBODY, decision=msgspec.Raw(b"\xc0"))
    row = only(folded(skip), "decisions")
    assert (row["outcome"], row["reason"], row["orders"], row["reasons"]) == ("SKIP", "no_answer", 0, None)


def test_release_parameters_and_control_are_a_regime() -> None:
    """Each change of one of the three begins another; what was before comes back as itself."""
    paused, resumed = e.Control(1, True, "uid:1", "news"), e.Control(2, False, "uid:1", "")
    other = msgspec.structs.replace(BY, parameters="0000")
    fold = folded(an_outcome(), paused, an_outcome(), resumed, an_outcome(by=other), an_outcome())
    said = [(row["regime"], row["control"]) for row in fold.rows.all("SELECT * FROM regimes ORDER BY regime")]
    assert said == [(1, "trading"), (2, "paused"), (3, "trading")]
    assert [row["regime"] for row in fold.rows.all("SELECT regime FROM decisions ORDER BY n")] == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (a_boundary(), "CODE"),
        (a_boundary(now=msgspec.structs.replace(BY, parameters="0000")), "PARAMS"),
        (a_boundary(now=msgspec.structs.replace(BY, uid="w1-2", epoch=119)), "RESTART"),
        (e.Control(1, True, "uid:1", "news"), "CONTROL"),
        (e.Standing(False, True, "IE/L"), "VENUE"),
        (e.Gap("market", 1, 2, "silent"), "GAP"),
        (e.Term(2, 10, "v", "rehearsal", "c", 5), "RESTART"),
    ],
)
def test_every_change_and_interruption_is_a_boundary(entry: e.Entry, kind: str) -> None:
    """Of the code, the parameters, the control, the venue; what was not seen; a reign or a worker that began."""
    row = only(folded(entry), "boundaries")
    assert (row["kind"], row["at_ns"], row["wall_ns"], row["term"]) == (kind, 10**9, 10**9, 1)


def test_a_change_of_control_says_why_if_anybody_did() -> None:
    """No colon that nothing follows."""
    fold = folded(e.Control(1, True, "uid:1", "news"), e.Control(2, False, "uid:1", ""))
    assert [row["reason"] for row in fold.rows.all("SELECT reason FROM boundaries ORDER BY n")] == [
        "paused: news",
        "trading",
    ]


def test_a_boundary_keeps_what_was_open() -> None:
    """Positions and orders, as the record says them."""
    fold = folded(a_boundary())
    held, rests = only(fold, "positions_at_boundary"), only(fold, "orders_at_boundary")
    assert (held["size_micro"], held["cost_micro"], held["release"]) == (4_000_000, 2_000_000, BY.release)
    assert (rests["order_id"], rests["open_micro"]) == ("0x1", 6_000_000)


def test_a_change_of_parameters_is_a_boundary_of_all_slots() -> None:
    """What it was and is, what differs, where each slot stood, what was open."""
    slot = e.Standpoint("BTC/5m", "owned", BY, 0, TICK, 200)
    held = a_boundary().positions
    told = e.Retuned(
        "op9", 2, "aaaa", "bbbb", 77, {"stake_usd": (5, 6)}, (slot,), held, (), 98_000_000, "uid:1", "more"
    )
    version = e.Parameters("bbbb", {"stake_usd": 6}, 2, "uid:1", "more", "op9", 4)
    fold = folded(told, version)
    row, known = only(fold, "boundaries"), only(fold, "parameters")
    assert (row["kind"], row["slot"], row["was_parameters"], row["now_parameters"]) == ("PARAMS", "", "aaaa", "bbbb")
    assert msgspec.json.decode(row["changed"]) == {"stake_usd": [5, 6]}
    assert msgspec.json.decode(row["slots"])[0]["last_tick"] == TICK
    assert only(fold, "positions_at_boundary")["size_micro"] == 4_000_000
    assert (known["version"], known["actor"], known["reason"]) == (2, "uid:1", "more")


def test_a_set_that_comes_back_is_another_version() -> None:
    """Under the same digest; journals of before versions are numbered as they come."""
    old, new = e.Parameters("aaaa", {}), e.Parameters("bbbb", {"stake_usd": 6})
    rows = folded(old, new, old).rows.all("SELECT version, parameters FROM parameters ORDER BY n")
    assert [(row["version"], row["parameters"]) for row in rows] == [(1, "aaaa"), (2, "bbbb"), (3, "aaaa")]


def test_a_boundary_of_all_slots_finds_what_was_open_in_the_index() -> None:
    """A pause does not say it itself."""
    pause = e.Control(1, True, "uid:1", "news")
    fold = folded(an_opening(), a_placing(), an_answer("open"), a_fill(), pause)
    held, rests = only(fold, "positions_at_boundary"), only(fold, "orders_at_boundary")
    assert (held["size_micro"], held["cost_micro"], held["release"]) == (4_000_000, 2_000_000, BY.release)
    assert (rests["open_micro"], rests["price_micro"]) == (6_000_000, 500_000)


def test_an_operation_ends_with_its_result() -> None:
    """Who began it, what followed what, how it ended."""
    began = e.Step("op1", "deploy", "verify", 0, "uid:1", "better", {"blue": "aa", "green": "bb"})
    done = e.Step("op1", "deploy", "done", 900, "uid:1", "better", {"result": "OK"})
    fold = folded(began, done)
    row = only(fold, "operations")
    assert (row["blue"], row["green"], row["phase"], row["result"]) == ("aa", "bb", "done", "OK")
    assert row["ended_ns"] == 2 * 10**9
    assert len(fold.rows.all("SELECT * FROM steps")) == 2


def test_a_simulated_desk_finds_its_own_books_in_its_index() -> None:
    """After every record: cash, shares and open orders; and every outcome is a decision."""
    rows = balanced(simulated()).rows
    assert rows.one("SELECT SUM(net_micro) FROM trades")
    assert rows.one("SELECT COUNT(*) FROM decisions") == sum(
        isinstance(line.entry, e.OutcomeOf) for line in simulated()
    )


def test_a_simulated_desks_boundaries_hold_what_it_held() -> None:
    """What the record of each says is open is what the index has worked out from fills by then."""
    fold, looked = an_empty_fold(), 0
    held = "SELECT start_s, outcome, SUM(left_micro) AS size FROM trades WHERE slot = ? AND NOT resolved GROUP BY 1, 2"
    for line in simulated():
        fold.take(line)
        if isinstance(line.entry, e.Boundary):
            fold.settle()
            ours = {(row["start_s"], row["outcome"]): row["size"] for row in fold.rows.all(held, line.entry.slot)}
            said = {(p.start_s, str(p.outcome)): p.size_micro for p in line.entry.positions}
            assert {key: size for key, size in ours.items() if size} == said
            looked += bool(said)
    assert looked
