"""`foresight index` and `foresight export`: the journal as tables, and these as files for other tools."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec

from deploy.analysis import parquet
from deploy.analysis.index.export import EXPORTED, Occupied, Part, refuse
from deploy.analysis.index.export import export as write_out
from deploy.analysis.index.schema import SCHEMA_VERSION
from deploy.analysis.index.store import (
    Built,
    IndexBusy,
    IndexForbidden,
    IndexUnwritable,
    JournalUnreadable,
    NoJournal,
    Progress,
    open_index,
    update,
)
from deploy.meter import Meter
from deploy.ranges import FOREVER_NS, Moment
from deploy.refusal import end
from shared.outcomes import EXIT
from shared.paths import State, default_state

FOLLOW_S: Final = 1.0
"""Between two looks at a journal that is followed, in seconds."""
_CODES: Final[dict[type[Exception], tuple[str, str]]] = {
    NoJournal: ("NOINPUT", "{verb} --state-dir FOLDER, the state folder of a desk that has run"),
    JournalUnreadable: ("IOERR", "foresightctl audit verify --state-dir {folder}"),
    IndexBusy: ("TEMPFAIL", "the same again, when the other has ended"),
    IndexUnwritable: ("IOERR", "make room; the index can be deleted and is made again"),
    IndexForbidden: ("NOPERM", "the same as the user whose desk it is; the index can be deleted and is made again"),
}
"""Exit code, and what to do, for everything that can go wrong with an index."""


@contextmanager
def faults(verb: str, state: State) -> Iterator[None]:
    """End a command by what is wrong with the index: what happened, what it means for trading, what to type."""
    try:
        yield
    except tuple(_CODES) as error:
        code, hint = _CODES[type(error)]
        fail(verb, code, str(error), hint.format(verb=verb, folder=state.root))
    except KeyboardInterrupt:
        fail(verb, "INTERRUPTED", "interrupted; the index keeps what it has, and nothing half made is left", verb)


def fail(verb: str, code: str, what: str, hint: str) -> NoReturn:
    """End with an error of our own; nothing here has to do with who trades."""
    end(verb, code, what, hint, trading="not touched: only files are read")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk.")
@click.option("--rebuild", is_flag=True, help="Make it anew from the first record.")
@click.option("--follow", is_flag=True, help="Go on as the journal grows, until Ctrl-C.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def index(state_dir: Path | None, rebuild: bool, follow: bool, as_json: bool) -> None:
    """Make tables of the journal: decisions, orders, fills, trades, boundaries.

    The index is one SQLite file in the state folder, index.sqlite. It goes on where it stopped, can be deleted at any
    time, and is brought up to date by report, export and explain on their own. The desk neither knows it nor waits
    for it. Exit codes: 0 it is up to date; 66 there is no journal; 74 the journal or the index cannot be read or
    written; 75 another process is building it; 77 no permission for that; 130 interrupted, and what is done is kept.
    """
    state = State(state_dir or default_state())
    with faults("foresight index", state):
        built = built_index(state, rebuild)
        click.echo(msgspec.json.encode(_facts(state, built)).decode() if as_json else _words(state, built))
        if follow:
            _follow(state, as_json)


def _follow(state: State, as_json: bool) -> None:
    """Go on until somebody leaves; whoever reads documents has had theirs, and gets no second one."""
    try:
        while True:
            time.sleep(FOLLOW_S)
            built = update(state)
            if built.added or built.anew:
                click.echo(f"{built.added} more, up to record {built.last_n}", err=True)
    except KeyboardInterrupt:
        if as_json:
            sys.exit(EXIT["INTERRUPTED"])
        raise


def built_index(state: State, rebuild: bool = False) -> Built:
    """Bring the index up to date, with a progress bar on a terminal. Raises: as `update`."""
    with Meter("index") as meter:

        def tell(progress: Progress) -> None:
            part = progress.read_bytes / max(1, progress.all_bytes)
            meter.tell(part, f"{progress.records} records")

        return update(state, rebuild=rebuild, tell=tell)


def _facts(state: State, built: Built) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "path": str(state.index), **asdict(built)}


def _words(state: State, built: Built) -> str:
    anew = f", made anew because {built.anew}" if built.anew else ""
    return f"{state.index}: {built.added} records read, up to record {built.last_n} of the journal{anew}"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--format", "form", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option("--tables", default="", help="Only these, with commas between; without it: all of them.")
@click.option("--since", type=Moment(), default=0, show_default="the beginning", help="From this market time on.")
@click.option("--until", type=Moment(), default=FOREVER_NS, show_default="now", help="Before this market time.")
@click.option("--force", is_flag=True, help="Replace an export that is there.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def export(
    out: Path,
    form: parquet.Form,
    tables: str,
    since: int,
    until: int,
    force: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Write what the desk decided, ordered and earned to files: one folder a table, in parts by mode and day.

    \b
      foresight export --out day                        everything, as Parquet
      foresight export --out day --format csv --tables trades,fills --since 2026-11-28

    Every column is described in deploy/analysis/index/SCHEMA.md, and in the folder's schema.json. Exit codes: 0 done;
    2 a wrong flag; 66 there is no journal; 74 the disk, or something else stands there; 77 no permission; 130
    interrupted, nothing was left.
    """
    state, verb, out = State(state_dir or default_state()), "foresight export", out.absolute()
    names = _chosen(tables)
    with faults(verb, state), _disk(verb, out):
        refuse(out, force)
        built_index(state)
        with closing(open_index(state)) as connection, Meter("export") as meter:
            parts = _written(connection, out, form, names, (since, until), force, meter)
    rows = {name: sum(part.rows for part in parts if part.table == name) for name in names}
    if as_json:
        click.echo(msgspec.json.encode({"out": str(out), "schema_version": SCHEMA_VERSION, "rows": rows}).decode())
    else:
        click.echo("\n".join([*(f"{count:>10}  {name}" for name, count in rows.items()), f"in {out}"]))


def _written(
    connection: sqlite3.Connection,
    out: Path,
    form: parquet.Form,
    names: list[str],
    span_ns: tuple[int, int],
    force: bool,
    meter: Meter,
) -> list[Part]:
    begun: list[str] = []

    def tell(part: Part) -> None:
        if part.table not in begun:
            begun.append(part.table)
        meter.tell(len(begun) / len(names), part.table)

    connection.row_factory = None
    return write_out(connection, out, form, names, *span_ns, force, tell)


@contextmanager
def _disk(verb: str, out: Path) -> Iterator[None]:
    """End by what is wrong with the folder that is to be made."""
    try:
        yield
    except Occupied as error:
        fail(verb, "IOERR", str(error), f"{verb} --out ANOTHER; --force replaces an export, and nothing else")
    except OSError as error:
        code = "NOPERM" if isinstance(error, PermissionError) else "IOERR"
        fail(verb, code, f"{error.filename or out}: {error.strerror}", "make room or permit it; nothing was left")


def _chosen(tables: str) -> list[str]:
    names = [name.strip() for name in tables.split(",") if name.strip()] or list(EXPORTED)
    unknown = [name for name in names if name not in EXPORTED]
    if unknown:
        raise click.BadParameter(f"there is no table {', '.join(unknown)}; there are {', '.join(EXPORTED)}")
    return list(dict.fromkeys(names))
