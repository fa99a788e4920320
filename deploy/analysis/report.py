"""`foresight report`: which code earned what, and how sure that is.

Reads the index, and the tape for what the market thought; asks the desk nothing, and needs none to run.
"""

from __future__ import annotations

import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec

from deploy.analysis.attribution.gather import FOREVER_NS, Asked, gather
from deploy.analysis.attribution.history import GroupBy, History
from deploy.analysis.attribution.judged import Report, judge, reconcile
from deploy.analysis.attribution.mids import bring_up
from deploy.analysis.attribution.terminal import as_text
from deploy.analysis.index import IndexBusy, IndexUnwritable, JournalUnreadable, NoJournal, open_index
from shared.outcomes import EXIT
from shared.paths import State, default_state
from shared.records import Damaged
from shared.wire import BadFrame

SCHEMA: Final = "foresight.report/1"
TRIES: Final = 5
"""Of reading index and account of a desk that goes on trading, until both are of one moment."""
NEXT: Final = "foresight report --state-dir FOLDER, the folder of a desk that has run"


class Moment(click.ParamType[int]):
    """A market time in UTC, read as nanoseconds: 2026-11-28, 2026-11-28T14:05 or 2026-11-28T14:05:30."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a time. Raises: click.BadParameter."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write it like 2026-11-28 or 2026-11-28T14:05, in UTC.", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000) * 1_000_000


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--since", type=Moment(), default=None, help="From this market time on.")
@click.option("--until", type=Moment(), default=None, help="Up to this market time.")
@click.option(
    "--by", type=click.Choice(["regime", "release", "parameters", "slot"]), default="regime", show_default=True
)
@click.option("--compare", nargs=2, metavar="rA rB", help="Hold these two releases against each other.")
@click.option("--crossing", is_flag=True, help="List the trades that another release closed than the one that entered.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def report(
    since: int | None,
    until: int | None,
    by: GroupBy,
    compare: tuple[str, str] | None,
    crossing: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Say which code earned what, and how sure that is.

    A row is a regime: a release, its parameters, and whether the desk traded. What a trade brought belongs to the
    release that entered. Rates stand with 95 % intervals; probabilities are scored on every decision of a resolved
    window, against the market's own. The last line holds the sum of everything against the desk's account.

    Exit codes: 0 the sums agree, or no account can be asked; 33 they do not; 66 there is no journal, or no such
    release; 74 a record cannot be read.
    """
    state = State(state_dir or default_state())
    try:
        found = _read(state, Asked(since or 0, until or FOREVER_NS, by))
    except NoJournal as error:
        _fail("NOINPUT", str(error), NEXT)
    except (JournalUnreadable, Damaged, BadFrame) as error:
        _fail("IOERR", str(error), "foresight verify")
    except (IndexBusy, IndexUnwritable, OSError, sqlite3.Error) as error:
        _fail("IOERR", str(error), "the same again, when the folder can be written")
    judged = judge(found, _named(found, compare) if compare else None)
    click.echo(as_json_text(judged) if as_json else as_text(judged, crossing))
    sys.exit(EXIT["DRIFT" if judged.reconciled.holds is False else "OK"])


def _read(state: State, asked: Asked) -> History:
    """The history of a desk, its account of the same moment. Raises: as `open_index` and `bring_up`."""
    for attempt in range(TRIES):
        connection = open_index(state)
        try:
            found = gather(state, connection, bring_up(state), asked)
        finally:
            connection.close()
        if reconcile(found.money).holds or attempt == TRIES - 1:
            break
    return found


def as_json_text(judged: Report) -> str:
    """The report as one document."""
    return msgspec.json.encode({"schema": SCHEMA, "report": judged}).decode()


def _named(found: History, compare: tuple[str, str]) -> tuple[str, str]:
    """Digests of two releases, each named r42 or by the beginning of its digest."""
    digests = []
    for name in compare:
        fits = [each.digest for each in found.releases.values() if name == each.short or each.digest.startswith(name)]
        if len(fits) != 1:
            known = ", ".join(each.name for each in found.releases.values()) or "none"
            _fail("NOINPUT", f"{name} names {len(fits)} releases; known are {known}", "foresightctl releases")
        digests += fits
    return digests[0], digests[1]


def _fail(code: str, text: str, then: str) -> NoReturn:
    click.echo(f"foresight report: {text}", err=True)
    click.echo(f"  next     {then}", err=True)
    sys.exit(EXIT[code])
