"""`foresight report`: which code earned what, and how sure that is.

Reads the index, and the tape for what the market thought; asks the desk nothing, and needs none to run.
"""

from __future__ import annotations

import csv
import sys
from io import StringIO
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from deploy.analysis.attribution.gather import Asked, gather
from deploy.analysis.attribution.history import GroupBy, History
from deploy.analysis.attribution.judged import Report, Row, judge, reconcile
from deploy.analysis.attribution.money import account_version
from deploy.analysis.attribution.opened import opened
from deploy.analysis.attribution.page import as_html
from deploy.analysis.attribution.terminal import as_text
from deploy.analysis.index.command import fail
from deploy.ranges import FOREVER_NS, Moment
from shared.outcomes import EXIT
from shared.paths import State, default_state

COLUMNS: Final = (
    *("key", "name", "release", "hours", "decisions", "windows", "won", "trades", "observations", "win_rate"),
    *("win_interval.low", "win_interval.high", "price", "breakeven", "edge", "edge_interval.low", "edge_interval.high"),
    *("gross_micro", "fee_micro", "net_micro", "drawdown_micro", "orders", "fill_rate", "slippage", "still_needed"),
    *("score.decisions", "score.ours", "score.market", "score.skill", "score.error", "odds.probability"),
    *("odds.deflated", "decide.p50_us", "decide.p99_us", "answer.p50_us", "answer.p99_us", "badges"),
)
"""Of --csv: fields of a row, those within another after a dot. Columns are only appended."""
SCHEMA: Final = "foresight.report/1"
TRIES: Final = 5
"""Of reading index and account of a desk that goes on trading, until both are of one moment."""
VERB: Final = "foresight report"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--since", type=Moment(), default=None, help="From this market time on.")
@click.option("--until", type=Moment(), default=None, help="Up to this market time.")
@click.option(
    "--by", type=click.Choice(["regime", "release", "parameters", "slot", "hour"]), default="regime", show_default=True
)
@click.option("--compare", nargs=2, metavar="rA rB", help="Hold these two releases against each other.")
@click.option("--crossing", is_flag=True, help="List the trades that another release closed than the one that entered.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write one page with plots to this file as well.")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the rows to this file as well.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def report(
    since: int | None,
    until: int | None,
    by: GroupBy,
    compare: tuple[str, str] | None,
    crossing: bool,
    page: Path | None,
    table: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Say which code earned what, and how sure that is.

    A row is a regime: a release, its parameters, and whether the desk traded. What a trade brought belongs to the
    release that entered; --by hour is the hour of the day (UTC) in which a window lies. Rates stand with 95 %
    intervals; probabilities are scored on every decision of a resolved window, against the market's own. The last line
    holds the sum of everything against the desk's account.

    Exit codes: 0 the sums agree, or no account can be asked; 33 they do not; 66 there is no journal, or no such
    release; 74 a record cannot be read; 77 no permission.
    """
    state = State(state_dir or default_state())
    found = _read(state, Asked(since or 0, until or FOREVER_NS, by))
    judged = judge(found, _named(found, compare) if compare else None)
    for path, write in ((page, as_html), (table, as_csv)):
        if path is not None:
            _write(path, write(judged))
    click.echo(as_json_text(judged) if as_json else as_text(judged, crossing))
    sys.exit(EXIT["DRIFT" if judged.reconciled.holds is False else "OK"])


def _read(state: State, asked: Asked) -> History:
    """The history of a desk, and its account of the same moment if that can be had."""
    for _ in range(TRIES):
        account = account_version(state)
        with opened(VERB, state) as connection:
            found = gather(state, connection, asked, account)
        if reconcile(found.money).holds:
            break
    return found


def as_json_text(judged: Report) -> str:
    """The report as one document: everything but the single values that its rows were made of."""
    history = judged.history
    cadence = {name: getattr(history.cadence, name) for name in ("outcomes", "orders", "holds", "skips", "missing")}
    document = {
        "schema": SCHEMA,
        **{name: getattr(history, name) for name in ("mode", "from_ns", "until_ns", "by")},
        **{name: getattr(judged, name) for name in ("rows", "blended", "splits", "versus", "paired")},
        **{name: getattr(history, name) for name in ("boundaries", "crossings", "phases", "money")},
        "cadence": {**cadence, "longest_ms": history.cadence.longest_ms},
        "reconciled": judged.reconciled,
        "holds": judged.reconciled.holds,
    }
    return msgspec.json.encode(document).decode()


def as_csv(judged: Report) -> str:
    """One line a row, money in millionths; what is not known is empty."""
    told = StringIO()
    lines = csv.writer(told)
    lines.writerow(COLUMNS)
    for row in judged.rows:
        values = structured(row)
        lines.writerow([values.get(column, "") for column in COLUMNS])
    return told.getvalue()


def structured(row: Row) -> dict[str, Any]:
    """A row without its nests: `score.ours` is the field of the field. What is not known is missing."""
    flat: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(row).items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": each for inner, each in value.items() if not isinstance(each, dict)})
        elif value is not None:
            flat[name] = " ".join(value) if isinstance(value, list | tuple) else value
    return flat


def _write(path: Path, text: str) -> None:
    """Aside, then renamed: nobody finds half a file."""
    aside = path.with_name(f"{path.name}.part")
    try:
        aside.write_text(text)
        aside.replace(path)
    except OSError as error:
        code = "NOPERM" if isinstance(error, PermissionError) else "IOERR"
        fail(VERB, code, f"{path}: {error.strerror}", "the same with a file in a folder that is there")


def _named(found: History, compare: tuple[str, str]) -> tuple[str, str]:
    """Digests of two releases, each named r42 or by the beginning of its digest."""
    digests = []
    for name in compare:
        fits = [each.digest for each in found.releases.values() if name == each.short or each.digest.startswith(name)]
        if len(fits) != 1:
            known = ", ".join(each.name for each in found.releases.values()) or "none"
            fail(VERB, "NOINPUT", f"{name} names {len(fits)} releases; known are {known}", "foresightctl releases")
        digests += fits
    return digests[0], digests[1]
