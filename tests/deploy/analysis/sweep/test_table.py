"""The one table of a sweep."""

from __future__ import annotations

import csv
import io
import json
from random import Random

from kit.sweeps import R1, R2, a_cell, done

from deploy.analysis.sweep.cells import Cell
from deploy.analysis.sweep.grid import Value
from deploy.analysis.sweep.table import FEW_WINDOWS, SHOWN_MAX, as_csv, as_json, as_text, table
from deploy.analysis.sweep.tasks import Done

Nets = dict[Value, tuple[int, ...]]


def _swept(nets: Nets) -> tuple[list[Cell], dict[str, Done]]:
    """Stakes, and what each earned day after day, in dollars."""
    cells = {(s, d): a_cell({"stake_usd": s}, day=d) for s, days in nets.items() for d in range(1, len(days) + 1)}
    found = {cell.name: done(nets[stake][day - 1] * 1_000_000) for (stake, day), cell in cells.items()}
    return list(cells.values()), found


def test_rows_come_best_first_and_add_up_their_days() -> None:
    """By what was earned after fees."""
    cells, results = _swept({1: (1, 2), 2: (5, -1), 3: (-9, 1)})
    found = table(cells, results)
    assert [(row.point["stake_usd"], row.chosen.net_micro // 1_000_000) for row in found.rows] == [
        (2, 4),
        (1, 3),
        (3, -8),
    ]
    assert (found.chosen_on, found.held_out_on) == (["2026-11-01", "2026-11-02"], [])


def test_the_same_results_give_the_same_bytes_in_whatever_order() -> None:
    """Ties and all."""
    cells, results = _swept({stake: (stake % 3, 0) for stake in range(20)})
    cells += [a_cell({"stake_usd": 1}, release=R2, day=day) for day in (1, 2)]
    results |= {cell.name: done(0) for cell in cells[-2:]}
    texts = set()
    for seed in range(5):
        mixed, names = list(cells), list(results)
        Random(seed).shuffle(mixed)
        Random(-seed).shuffle(names)
        found = table(mixed, {name: results[name] for name in names})
        texts.add((as_text(found), as_csv(found), json.dumps(as_json(found))))
    assert len(texts) == 1


def test_a_row_that_lacks_a_cell_is_never_ranked() -> None:
    """Whatever the others of its days have earned."""
    cells, results = _swept({1: (1, 1), 2: (100, 100)})
    del results[cells[2].name]
    found = table(cells, results)
    assert [(row.point["stake_usd"], row.missing) for row in found.rows] == [(1, 0), (2, 1)]
    assert "1 cells missing" in as_text(found) and "+100" not in as_text(found)


def test_a_split_chooses_on_the_first_days_and_reports_the_others() -> None:
    """The best of the first days stands first, however it did later."""
    cells, results = _swept({1: (1, 1, 8), 2: (5, 5, -7)})
    found = table(cells, results, split=2)
    assert [(row.chosen.net_micro, row.held_out.net_micro) for row in found.rows if row.held_out] == [
        (10_000_000, -7_000_000),
        (2_000_000, 8_000_000),
    ]
    assert found.held_out_on == ["2026-11-03"]
    assert "HELD OUT" in as_text(found) and "chosen on 2026-11-01 .. 2026-11-02; held out 2026-11-03" in as_text(found)


def test_people_are_told_what_a_comparison_is_worth() -> None:
    """Few windows, many versions: neither goes without saying."""
    found = table(*_swept({1: (1,), 2: (2,)}))
    text = as_text(found)
    assert "2 combinations were compared" in text and f"fewer than {FEW_WINDOWS} windows" in text
    assert as_json(found)["remarks"] == text.splitlines()[-len(as_json(found)["remarks"]) :]
    alone = as_text(table(*_swept({1: (1,)})))
    assert "compared" not in alone


def test_a_terminal_shows_the_best_and_says_so() -> None:
    """Files have all."""
    found = table(*_swept({stake: (stake,) for stake in range(SHOWN_MAX + 5)}))
    assert f"{SHOWN_MAX} of {SHOWN_MAX + 5} rows are shown" in as_text(found)
    assert len(list(csv.DictReader(io.StringIO(as_csv(found))))) == SHOWN_MAX + 5


def test_a_spreadsheet_has_a_column_for_each_parameter() -> None:
    """And money in millionths, as everything else here."""
    cells = [a_cell({"a": 1}), a_cell({"b": "x"}, release=R1)]
    rows = list(csv.DictReader(io.StringIO(as_csv(table(cells, {cell.name: done(3) for cell in cells})))))
    assert {(row["a"], row["b"]) for row in rows} == {("1", ""), ("", "x")}
    assert {row["net_micro"] for row in rows} == {"3"}


def test_nothing_is_shown_of_no_cells() -> None:
    """No row, and no fault."""
    assert as_text(table([], {})).startswith("RELEASE")


def test_the_best_of_many_is_held_against_what_luck_would_show() -> None:
    """One version that earns is believed sooner than the best of forty like it; too few windows say nothing."""
    chance = Random(1)
    nets = {stake: tuple(chance.gauss(200_000, 1_000_000) for _ in range(60)) for stake in range(40)}
    cells = [a_cell({"stake_usd": stake}) for stake in nets]
    results = {
        cell.name: done(sum(map(int, nets[cell.point["stake_usd"]])), *map(int, nets[cell.point["stake_usd"]]))
        for cell in cells
    }
    best = table(cells, results).rows[0]
    alone = table([cell for cell in cells if cell.point == best.point], results).rows[0]
    assert best.not_luck is not None and alone.not_luck is not None
    assert alone.not_luck > 0.95 and best.not_luck < alone.not_luck
    assert "NOT LUCK is how likely" in as_text(table(cells, results))
    few = table(cells[:1], {cells[0].name: done(3, 1, 2)}).rows[0]
    assert few.not_luck is None


def test_what_the_desk_would_deny_stands_in_the_table() -> None:
    """A row says how many and mostly why; below it under which caps, and which rows trade nothing at all."""
    cells = [a_cell({"stake_usd": stake}) for stake in (1, 2, 3)]
    mixed = {"denied": {"cash": 2, "order_cap": 1_200}, "rejected": {"no book": 1}, "refused": 1_203, "orders": 4}
    results = {
        cells[0].name: done(3_000_000, orders=9),
        cells[1].name: done(2_000_000, **mixed),
        cells[2].name: done(0, denied={"order_cap": 7}, refused=7),
    }
    found = table(cells, results, caps="order 1.00; of a file")
    text = as_text(found)
    rows = {line.split("stake_usd=")[1][0]: line for line in text.splitlines() if "stake_usd=" in line}
    assert "1,203 mostly order_cap" in rows["2"] and "  7 order_cap  " in rows["3"] and "order_cap" not in rows["1"]
    assert "on paper under these caps: order 1.00; of a file" in text
    assert "wishes that a desk with these caps denies, in all rows: order_cap 1,207, cash 2" in text
    assert "1 of 3 rows traded nothing: the desk would have denied every order that they wished" in text
    document = as_json(found)
    assert document["caps"] == "order 1.00; of a file" and document["rows"][1]["chosen"]["denied"]["cash"] == 2
    written = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["denied"] for row in written] == ["", "order_cap 1,200, cash 2", "order_cap 7"]
