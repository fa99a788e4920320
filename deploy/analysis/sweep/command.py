"""`foresight sweep`: which release, with which parameters, would have earned what, over which days.

Everything is checked before the first cell is replayed, and a cell that is done is kept at once: whatever interrupts a
sweep, the same command goes on with what is left.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import msgspec

from deploy.analysis.places import Place, PlaceType
from deploy.analysis.replay import Fills
from deploy.analysis.replay.caps import told
from deploy.analysis.replay.command import Faulty, caps_of, made_tape
from deploy.analysis.replay.footage import Footage, NoTape
from deploy.analysis.sweep import grid, inputs
from deploy.analysis.sweep.cells import Cell, Stretch, cells
from deploy.analysis.sweep.page import as_html
from deploy.analysis.sweep.pool import PROCESSES_MAX, ROOT, Pool
from deploy.analysis.sweep.progress import Progress
from deploy.analysis.sweep.store import InUse, Store, opened
from deploy.analysis.sweep.stretches import Span, stretches
from deploy.analysis.sweep.table import Table, as_csv, as_json, as_text, table
from deploy.analysis.sweep.tasks import Answer, task
from deploy.ranges import DAY_S, Duration
from deploy.refusal import end
from deploy.release import NotFound, Rejected
from deploy.running import CannotRun
from shared.fingerprint import code_hash
from shared.outcomes import EXIT
from shared.paths import State, default_state

ENGINE: Final = ("shared", "deploy/rehearsal", "deploy/analysis/replay")
"""The code that decides what a cell's result is, beside the release."""
FAULTS_MAX: Final = 5
"""Reasons for failed cells that are told."""
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


Runner = Callable[[Iterable[Cell]], Iterator[Answer]]
"""Who replays cells: processes of this machine, or a cluster."""


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do. `warm_s`: seconds of tape before a stretch that the releases have to read.

    `caps`: under which accounts on paper trade, for people; empty where there are none.
    """

    cells: list[Cell]
    warm_s: int
    caps: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a sweep has come to: every cell with a result, and why the others have none."""

    table: Table
    faults: dict[str, str]
    interrupted: bool

    @property
    def code(self) -> str:
        """The name of the exit code."""
        return "INTERRUPTED" if self.interrupted else "INTERNAL" if self.faults else "OK"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--release", "wanted", multiple=True, help="r41, a hash, a folder or a git revision; several times.")
@click.option("--param", "axes", multiple=True, metavar="NAME=VALUES", help="stake_usd=1:5:1 or mode=on,off; ditto.")
@click.option("--tape", "tapes", multiple=True, type=_FOLDER, help="Folder of a tape; several times; else the desk's.")
@click.option("--day", "days", multiple=True, type=_FOLDER, help="Folder of a recorded day, whose tape is made; ditto.")
@click.option("--from", "since", type=PlaceType(), help="Leave out what was before: 2026-07-24T14:00 (UTC), or -2h.")
@click.option("--to", "until", type=PlaceType(), help="Leave out this moment and what came after.")
@click.option("--piece", "piece_s", type=Duration(DAY_S, least_s=1), default="1d", show_default=True, help="Of a cell.")
@click.option("--split", type=click.IntRange(1), help="Choose on the first so many days; report the others beside it.")
@click.option("--fills", type=click.Choice(["rehearsal", "recorded"]), default="rehearsal", show_default=True)
@click.option("--config", type=_FILE, help="Settings whose caps hold on paper; default: those of the desk.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the fills.")
@click.option("--processes", type=click.IntRange(1, PROCESSES_MAX), help="At once; default: one for each core.")
@click.option(
    "--cluster", metavar="ADDRESS", help="Replay on the Dask cluster of this scheduler, like tcp://HOST:8786."
)
@click.option("--store", type=_FILE, help="Where results are kept and found again; default: sweep.jsonl of the desk.")
@click.option("--csv", "csv_file", type=_FILE, help="Write the whole table to a file as well.")
@click.option("--html", "page_file", type=_FILE, help="Write one page with the table and pictures to a file as well.")
@click.option("--state-dir", type=_FOLDER, help="State folder of the desk whose releases and tape are meant.")
@click.option("-j", "--json", "as_document", is_flag=True, help="Print one JSON document.")
def sweep(
    wanted: tuple[str, ...],
    axes: tuple[str, ...],
    tapes: tuple[Path, ...],
    days: tuple[Path, ...],
    since: Place | None,
    until: Place | None,
    piece_s: float,
    split: int | None,
    fills: Fills,
    config: Path | None,
    seed: int,
    processes: int | None,
    cluster: str | None,
    store: Path | None,
    csv_file: Path | None,
    page_file: Path | None,
    state_dir: Path | None,
    as_document: bool,
) -> None:
    """Replay releases with every combination of parameters over days of tape, and print one table, best first.

    \b
      foresight sweep --release r41 --release . --param stake_usd=1:5:1 --param mode=on,exit-only
      foresight sweep --param min_edge_bp=50:400:50 --tape NOVEMBER --split 20 --html november.html

    A cell is one release with one set of parameters over one day. What is done is kept: the same command after Ctrl-C
    goes on where it was, and re-uses whatever another sweep has replayed already. Exit codes: 0 every cell is in the
    table; 1 some failed, and the text says why; 2 a release refuses parameters; 10 a release does not pass its checks;
    14 another sweep writes there; 16 a machine of the cluster runs other code; 66 no such release or tape; 69 no
    cluster answers; 74 a file cannot be read or written; 78 the settings have faults; 130 interrupted.
    """
    state = State(state_dir or default_state())
    try:
        with _told():
            points = grid.points(map(grid.axis, axes))
            if processes is not None and cluster is not None:
                raise click.UsageError("--processes is of this machine, --cluster says how many it has")
            made = [made_tape(state, day, since, until, seed) for day in days]
            parts = [*((tape, since, until) for tape in tapes), *made] or [(state.tape, since, until)]
            pieces, caps = _under(parts, round(piece_s), fills, config)
            plan = _planned(state, wanted, points, pieces, fills=fills, seed=seed, caps=caps)
            _check(split, plan.cells)
            with opened(store or state.root / "sweep.jsonl") as kept:
                outcome = run(plan, kept, _runner(plan, processes, cluster), split)
            for path, made_of in ((csv_file, as_csv), (page_file, as_html)):
                if path is not None:
                    path.write_text(made_of(outcome.table))
    except CannotRun as error:
        end("foresight sweep", error.code, str(error), error.hint)
    document = {**as_json(outcome.table), "faults": outcome.faults}
    click.echo(msgspec.json.encode(document).decode() if as_document else as_text(outcome.table))
    sys.exit(EXIT[outcome.code])


@contextmanager
def _told() -> Iterator[None]:
    """What people can do something about, as what they are told."""
    try:
        yield
    except (grid.BadGrid, inputs.Refused) as error:
        raise CannotRun("USAGE", str(error), "foresight sweep --help shows how a grid is written") from error
    except Faulty as error:
        raise CannotRun(error.code, str(error), error.hint) from error
    except NotFound as error:
        raise CannotRun("NOINPUT", str(error), "foresightctl releases names what is staged") from error
    except Rejected as error:
        raise CannotRun("REJECTED", str(error), "mend that release, then the same command again") from error
    except NoTape as error:
        raise CannotRun("NOINPUT", str(error), "name a folder of segments with --tape") from error
    except InUse as error:
        raise CannotRun("LOCKED", str(error), "wait for it, or name another file with --store") from error
    except OSError as error:
        raise CannotRun("IOERR", f"{error.filename or 'the disk'}: {error.strerror}") from error


def _planned(
    state: State,
    wanted: Sequence[str],
    points: Sequence[grid.Point],
    pieces: Sequence[Stretch],
    *,
    fills: Fills,
    seed: int,
    caps: str,
) -> Plan:
    """Every cell, once all that can be refused before the first one is not."""
    releases = inputs.staged(state, wanted, lambda step: None)
    warm_s = max(inputs.ask(state, release, points, fills) for release in releases)
    plan = cells(releases, points, pieces, fills=fills, seed=seed, engine=code_hash(ROOT, ENGINE))
    axes = (len(releases), "release"), (len(points), "parameter set"), (len(pieces), "piece of tape")
    click.echo(f"{_counted(len(plan), 'cell')}: {' x '.join(_counted(*axis) for axis in axes)}", err=True)
    return Plan(plan, warm_s, caps)


def _runner(plan: Plan, processes: int | None, cluster: str | None) -> Runner:
    """Who replays the cells; one that lives elsewhere is asked when there are any."""
    if cluster is None:
        pool = Pool(processes or os.cpu_count() or 1)
        return lambda cells: pool.run(map(task, cells))
    from deploy.analysis.sweep.cluster import Cluster

    return lambda cells: Cluster(cluster, plan.warm_s, lambda line: click.echo(line, err=True)).run(cells)


def _check(split: int | None, plan: Sequence[Cell]) -> None:
    days = len({cell.stretch.at for cell in plan})
    if split is not None and split >= days:
        text = f"--split {split} leaves nothing to report on: there are {days} pieces of tape"
        raise CannotRun("USAGE", text, "a smaller number, or smaller pieces with --piece")


def run(plan: Plan, store: Store, runner: Runner, split: int | None) -> Outcome:
    """Replay what is not in the store yet, and keep each result as it comes. Ctrl-C ends it with what is done."""
    left = {cell.name: cell for cell in plan.cells if cell.name not in store.done}
    faults: dict[str, str] = {}
    interrupted = False
    with Progress(len(left)) as progress:
        try:
            for number, answer in enumerate(runner(left.values()) if left else (), 1):
                if answer.done is not None:
                    store.add(left[answer.cell], answer.done)
                else:
                    faults[_named(left[answer.cell])] = answer.fault
                progress(number, len(faults))
        except KeyboardInterrupt:
            interrupted = True
    _explain(faults, interrupted, sum(cell.name not in store.done for cell in plan.cells))
    return Outcome(table(plan.cells, store.done, split, plan.caps), faults, interrupted)


def _named(cell: Cell) -> str:
    return f"{cell.release.name} {grid.shown(cell.point)} {cell.stretch.at}"


def _explain(faults: dict[str, str], interrupted: bool, missing: int) -> None:
    for cell, why in sorted(faults.items())[:FAULTS_MAX]:
        click.echo(f"foresight sweep: {cell}: {why}", err=True)
    if len(faults) > FAULTS_MAX:
        click.echo(f"foresight sweep: and {len(faults) - FAULTS_MAX} more", err=True)
    if interrupted:
        click.echo(f"foresight sweep: interrupted; {_counted(missing, 'cell')} left", err=True)
        click.echo("  next     the same command goes on with them", err=True)


def _counted(count: int, noun: str) -> str:
    first, *rest = noun.split(" of ")
    return " of ".join([f"{count} {first}{'' if count == 1 else 's'}", *rest])


def _under(
    parts: Iterable[tuple[Path, Place | None, Place | None]], piece_s: int, fills: Fills, config: Path | None
) -> tuple[list[Stretch], str]:
    """The pieces of every tape, each with the caps of its desk, and which these are, for people. Raises: NoTape."""
    if fills == "recorded":
        if config is not None:
            raise click.UsageError("--config says which caps hold on paper; it goes with --fills rehearsal")
        return [piece for part in parts for piece in _pieces(*part, piece_s)], ""
    pieces: list[Stretch] = []
    said: dict[str, None] = {}
    for folder, since, until in parts:
        footage = Footage(folder)
        known = caps_of(footage, config)
        for piece in _pieces(folder, since, until, piece_s):
            span_ns = footage.at(piece.from_seq), footage.at(piece.to_seq)
            pieces.append(msgspec.structs.replace(piece, caps=known.between(*span_ns)))
            said[f"{told(pieces[-1].caps)}; from {known.source}"] = None
    return pieces, " / ".join(said)


def _pieces(folder: Path, since: Place | None, until: Place | None, piece_s: int) -> list[Stretch]:
    """The pieces of a tape, of one that is still written as far as it is now. Raises: NoTape."""
    footage, usual = Footage(folder), Span()
    since_ns = usual.since_ns if since is None else _moment(since, footage)
    until_ns = usual.until_ns if until is None else _moment(until, footage)
    return stretches(folder, Span(since_ns, until_ns, piece_s))


def _moment(place: Place, footage: Footage) -> int:
    return footage.at(place.seq) if place.seq is not None else place.moment(footage.last.at_ns)
