"""The one table of a sweep: a row for each release with each set of parameters, best first, and what to think of it.

Pure. Leaves to others how cells are replayed. What always holds: the same results give the same table, byte for byte,
in whatever order and wherever they were computed; a row that lacks a cell is never ranked; a choice and its report are
of different stretches when a split is asked for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from deploy.analysis.attribution.intervals import wilson
from deploy.analysis.attribution.sharpe import Moments, deflated, moments
from deploy.analysis.replay.shown import reasons
from deploy.analysis.sweep.cells import Cell
from deploy.analysis.sweep.figures import Figures, added, figures
from deploy.analysis.sweep.grid import Point, shown
from deploy.analysis.sweep.tasks import Done
from shared.units import MICRO

SHOWN_MAX: Final = 30
"""Rows of a terminal's table; files have all."""
FEW_WINDOWS: Final = 30
"""Traded windows below which a row says nothing yet."""


class Row(msgspec.Struct, frozen=True):
    """One combination. `chosen` is what it did on the stretches by which rows are sorted, `held_out` on the later ones.

    `missing` is how many cells failed or were not done. `moments` are of what its windows earned on the stretches that
    choose, None where they are too few; `not_luck` is the probability that its ratio is above what the best of all rows
    would show by luck (the deflated Sharpe ratio).
    """

    release: str
    hash: str
    point: Point
    chosen: Figures
    held_out: Figures | None
    missing: int
    moments: Moments | None = None
    not_luck: float | None = None


class Table(msgspec.Struct, frozen=True):
    """All of it. `chosen_on` and `held_out_on` name the stretches; `caps` under which orders filled on paper."""

    rows: list[Row]
    chosen_on: list[str]
    held_out_on: list[str]
    caps: str = ""


def table(cells: Iterable[Cell], done: Mapping[str, Done], split: int | None = None, caps: str = "") -> Table:
    """Sum up every combination. Args: split: how many of the first days are for choosing; None for all."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.release.hash, shown(cell.point)), []).append(cell)
    times = sorted({cell.stretch.at for group in groups.values() for cell in group})
    first = times[:split]
    rows = [_row(group, done, set(first), split is not None) for group in groups.values()]
    return Table(sorted(_weighed(rows), key=_rank), first, times[len(first) :], caps)


def _row(group: Sequence[Cell], done: Mapping[str, Done], choosing: set[str], split: bool) -> Row:
    release = group[0].release
    by_time = sorted((cell for cell in group if cell.name in done), key=lambda cell: (cell.stretch.at, cell.name))
    chosen = [done[cell.name] for cell in by_time if cell.stretch.at in choosing]
    later = [done[cell.name] for cell in by_time if cell.stretch.at not in choosing]
    nets = [net_micro for each in chosen for net_micro in each.nets]
    return Row(
        release=release.name,
        hash=release.hash,
        point=group[0].point,
        chosen=_sum(chosen),
        held_out=_sum(later) if split else None,
        missing=len(group) - len(by_time),
        moments=moments(nets) if len(nets) >= FEW_WINDOWS else None,
    )


def _weighed(rows: Iterable[Row]) -> list[Row]:
    """Say of each how likely it is more than luck, now that all that were tried are known."""
    rows = list(rows)
    ratios = sorted(row.moments.ratio for row in rows if row.moments is not None)
    return [
        row if row.moments is None else msgspec.structs.replace(row, not_luck=deflated(row.moments, ratios))
        for row in rows
    ]


def _sum(done: Iterable[Done]) -> Figures:
    return figures(each.result for each in done)


def _rank(row: Row) -> tuple[bool, int, str, str]:
    """Whole rows first, then by what they earned; the rest of the key makes the order one, whatever came first."""
    return bool(row.missing), -row.chosen.net_micro, row.hash, shown(row.point)


# --- for people -------------------------------------------------------------------------------------------------------

_COLUMNS: Final = ("WINDOWS", "WON OF TRADED", "NET", "FEES", "REFUSED", "BRIER", "SKILL", "NOT LUCK")


def as_text(found: Table) -> str:
    """The table of a terminal, without escape codes, and what to think of it below."""
    split = bool(found.held_out_on)
    head = heads(split)
    lines = [head, *(line(row, split) for row in found.rows[:SHOWN_MAX])]
    widths = [max(len(each[column]) for each in lines) for column in range(len(head))]
    text = ["  ".join(map(_fitted, each, widths, range(len(head)))).rstrip() for each in lines]
    return "\n".join([*text, "", *remarks(found)])


def heads(split: bool) -> list[str]:
    """What the columns of the table are called."""
    return ["RELEASE", "PARAMETERS", *_COLUMNS, *(["HELD OUT"] if split else [])]


def _fitted(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)


def line(row: Row, split: bool) -> list[str]:
    """The cells of a row, one for each of the `heads`."""
    if row.missing:
        dashes = ["-"] * (len(_COLUMNS) + split - 1)
        return [row.release, shown(row.point), f"{row.missing} cells missing", *dashes]
    later = row.held_out
    held_out = [] if later is None else [f"{usd(later.net_micro)} of {later.traded}"]
    return [row.release, shown(row.point), *_cells(row.chosen), _share(row.not_luck), *held_out]


def _cells(did: Figures) -> list[str]:
    range_ = wilson(did.wins, did.traded)
    rate = f"{did.wins}/{did.traded} [{range_.low:.0%}..{range_.high:.0%}]" if did.traded else "-"
    brier = "-" if did.brier is None else f"{did.brier:.4f}"
    skill = "-" if did.skill is None else f"{did.skill:+.3f}"
    return [str(did.windows), rate, usd(did.net_micro), _cents(did.fees_micro), _refused(did), brier, skill]


def _refused(did: Figures) -> str:
    """How many wishes did not trade, and why most of them."""
    counts = did.denied | did.rejected
    if not counts:
        return "-"
    most = min(counts, key=lambda why: (-counts[why], why))
    return f"{did.refused:,} {most}" if len(counts) == 1 else f"{did.refused:,} mostly {most}"


def _share(probability: float | None) -> str:
    return "-" if probability is None else f"{probability:.0%}"


def usd(micro: int) -> str:
    """Money with its sign, to the cent."""
    return f"{micro / MICRO:+.2f}"


def _cents(micro: int) -> str:
    return f"{micro / MICRO:.2f}"


def remarks(found: Table, rows_max: int = SHOWN_MAX) -> list[str]:
    """What a person should think of before believing the first row. Args: rows_max: how many are shown."""
    whole = [row for row in found.rows if not row.missing]
    said = []
    if len(found.rows) > rows_max:
        said.append(f"{rows_max} of {len(found.rows)} rows are shown; --csv and --json have all")
    if len(whole) > 1:
        said.append(f"{len(whole)} combinations were compared: the best of them is partly the luckiest")
    if any(row.not_luck is not None for row in whole):
        said.append("NOT LUCK is how likely a row is better than the best of as many would be by luck")
    if len(whole) > 1 and not found.held_out_on:
        said.append("--split N chooses on the first N days and shows what came of it on the others")
    few = sum(row.chosen.traded < FEW_WINDOWS for row in whole)
    if few:
        said.append(f"{few} of {len(whole)} rows traded in fewer than {FEW_WINDOWS} windows: too few to tell anything")
    said += _under_caps(found, whole)
    if any(row.chosen.holes for row in whole):
        said.append("the tape has holes: ticks behind one are not decided until the next keyframe")
    if any(row.chosen.unresolved for row in whole):
        said.append("windows that nobody named a winner of on the tape count for nothing")
    if found.held_out_on:
        said.append(f"chosen on {_span(found.chosen_on)}; held out {_span(found.held_out_on)}")
    return said


def _under_caps(found: Table, whole: Sequence[Row]) -> Iterator[str]:
    """What of the wishes the desk would not have sent."""
    if found.caps:
        yield f"on paper under these caps: {found.caps}"
    denied = added(row.chosen.denied for row in whole)
    if denied:
        yield f"wishes that a desk with these caps denies, in all rows: {reasons(denied)}"
    idle = sum(bool(row.chosen.denied) and not row.chosen.orders and not row.chosen.rejected for row in whole)
    if idle:
        yield f"{idle} of {len(whole)} rows traded nothing: the desk would have denied every order that they wished"


def _span(stretches: Sequence[str]) -> str:
    return stretches[0] if len(stretches) == 1 else f"{stretches[0]} .. {stretches[-1]}"


# --- for programs -----------------------------------------------------------------------------------------------------


def as_json(found: Table) -> dict[str, Any]:
    """The table as one document."""
    return {
        "schema": "foresight.sweep/1",
        "chosen_on": found.chosen_on,
        "held_out_on": found.held_out_on,
        "caps": found.caps or None,
        "remarks": remarks(found),
        "rows": [
            {
                "release": row.release,
                "hash": row.hash,
                "parameters": row.point,
                "missing": row.missing,
                "not_luck": row.not_luck,
                "chosen": _document(row.chosen),
                "held_out": None if row.held_out is None else _document(row.held_out),
            }
            for row in found.rows
        ],
    }


def as_csv(found: Table) -> str:
    """The table as a spreadsheet reads it: a column for each parameter of the grid and each figure."""
    names = list(dict.fromkeys(name for row in found.rows for name in row.point))
    names_of = list(_cells_of(Figures()))
    held_out = [f"held_out_{name}" for name in names_of] if found.held_out_on else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["release", "hash", *names, "missing", "not_luck", *names_of, *held_out])
    for row in found.rows:
        later = [] if row.held_out is None else list(_cells_of(row.held_out).values())
        point = [row.point.get(name, "") for name in names]
        writer.writerow(
            [row.release, row.hash, *point, row.missing, row.not_luck, *_cells_of(row.chosen).values(), *later]
        )
    return text.getvalue()


def _cells_of(did: Figures) -> dict[str, Any]:
    """The figures as a spreadsheet reads them: counts by reason are one text."""
    return {name: reasons(each) if isinstance(each, dict) else each for name, each in _document(did).items()}


def _document(did: Figures) -> dict[str, Any]:
    rate = wilson(did.wins, did.traded)
    more = {"win_rate_low": rate.low, "win_rate_high": rate.high, "brier": did.brier, "skill": did.skill}
    return msgspec.structs.asdict(did) | more
