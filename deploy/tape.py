"""`foresight tape`: check a tape, look at it, cut a part out of it, export it. Reads only; the desk may go on.

Any folder with segments will do: a desk's, a cut, a copy. Without --tape it is the desk's.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec

from deploy.analysis import cutting, exporting, tapes
from deploy.analysis.aside import Exists
from deploy.analysis.parquet import Form
from deploy.analysis.places import EXAMPLES, Place, PlaceType
from deploy.analysis.tapes import Gap, Part
from deploy.meter import Meter
from deploy.ranges import Duration, stamp
from deploy.refusal import end
from shared.clock import NS
from shared.config import WARM_UP_S
from shared.messages import Streamed
from shared.outcomes import EXIT
from shared.paths import State, default_state
from shared.records import CannotWrite
from shared.tape_index import last_frame

SHOWN: Final = 20
"""Segments and gaps that `info` tells a person about, the newest; programs hear of all."""


@click.group()
def tape() -> None:
    """Check a tape, look at it, cut a part out of it, export it. Nothing of the tape is changed."""


def _verb(command: Callable[..., None]) -> Callable[..., None]:
    """The flags of every verb here, and what none of them lets through to the user as a traceback."""

    @click.option("--tape", "folder", type=click.Path(path_type=Path), help="Folder of the tape; default: the desk's.")
    @click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk whose tape is meant.")
    @click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
    @wraps(command)
    def run(folder: Path | None, state_dir: Path | None, as_json: bool, **arguments: Any) -> None:
        source = folder or State(state_dir or default_state()).tape
        try:
            command(source, as_json, **arguments)
        except (tapes.NoTape, cutting.NotOnTape) as error:
            _fail("NOINPUT", str(error), "foresight tape info --tape FOLDER, one that holds segments")
        except Exists as error:
            _fail("IOERR", f"{error} is there already, and nothing is overwritten", "name another folder")
        except tapes.UNREADABLE as error:
            _fail("IOERR", f"the tape cannot be believed: {error}", f"keep {source} as it is, and fetch its backup")
        except (OSError, CannotWrite) as error:
            _fail("IOERR", str(error))
        except KeyboardInterrupt:
            _fail("INTERRUPTED", "interrupted; nothing is left half done")

    return run


def _part(command: Callable[..., None]) -> Callable[..., None]:
    """The flags that name a part of a tape."""
    for name, which in (("--to", "last"), ("--from", "first")):
        says = f"The {which} frame: {EXAMPLES}."
        command = click.option(name, f"{name[2:]}_place", type=PlaceType(), help=says)(command)
    return command


def _fixed(source: Path, place: Place | None) -> Place | None:
    """A place that does not float; only for one that did, the end of the tape is looked up. Raises: NoTape; OSError."""
    if place is None or not place.floats:
        return place
    last = last_frame(source)
    if last is None:
        raise tapes.NoTape(f"{source} holds no tape")
    return place.fixed(last.at_ns)


@tape.command()
@_verb
def check(source: Path, as_json: bool) -> None:
    """Read a whole tape: chain, order, what is missing and whether that is explained, index.

    Exit codes: 0 it is sound; 1 something is missing or out of order, and the text says what; 66 there is no tape; 74
    it is broken, and where.
    """
    verdict = tapes.check(source)
    if as_json:
        click.echo(msgspec.json.encode(asdict(verdict)).decode())
    else:
        click.echo("\n".join(_checked(source, verdict)))
    sys.exit(EXIT["OK" if verdict.sound else "INTERNAL"])


@tape.command()
@_verb
def info(source: Path, as_json: bool) -> None:
    """Say what a tape holds: segments, times, events of each kind, and every gap with its cause and length.

    Exit codes: 0 told; 66 there is no tape; 74 it cannot be read.
    """
    found = tapes.parts(source)
    if not found:
        raise tapes.NoTape(f"{source} holds no frame yet")
    gaps = tapes.gaps(found)
    if as_json:
        click.echo(msgspec.json.encode(_document(source, found, gaps)).decode())
    else:
        click.echo("\n".join([*_summary(source, found, gaps), *_segment_lines(found), *_gap_lines(gaps)]))


@tape.command()
@click.argument("target", type=click.Path(path_type=Path))
@_part
@click.option(
    "--lookback",
    "lookback_s",
    type=Duration(),
    default=f"{WARM_UP_S}s",
    show_default=True,
    help="How far before the first frame it begins, at a keyframe: what a worker's state depends on.",
)
@_verb
def cut(
    source: Path, as_json: bool, target: Path, from_place: Place | None, to_place: Place | None, lookback_s: float
) -> None:
    """Write a part of a tape into the new folder TARGET, which every command takes for a tape.

    Exit codes: 0 written; 66 nothing of the tape is in that part; 74 it cannot be read, or
    TARGET cannot be written or is there already.
    """
    begin, end = _fixed(source, from_place), _fixed(source, to_place)
    with _told("cutting", source, end) as seen:
        made = cutting.cut(source, target, begin, end, lookback_s, seen)
    if as_json:
        click.echo(msgspec.json.encode(asdict(made) | {"lookback_s": made.lookback_s, "folder": str(target)}).decode())
    else:
        click.echo("\n".join(_cut_lines(target, made)))


@tape.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option("--table", "tables", type=click.Choice(exporting.TABLES), multiple=True, help="Only these; default: all.")
@_part
@_verb
def export(
    source: Path,
    as_json: bool,
    target: Path,
    form: Form,
    tables: Sequence[str],
    from_place: Place | None,
    to_place: Place | None,
) -> None:
    """Write a tape as tables into the new folder TARGET, one file for each kind of event.

    Exit codes: 0 written; 66 nothing of the tape is in that part; 74 it cannot be read, or
    TARGET cannot be written or is there already.
    """
    begin, end = _fixed(source, from_place), _fixed(source, to_place)
    with _told("exporting", source, end) as seen:
        wanted = tables or exporting.TABLES
        counts = exporting.export(tapes.frames(source, begin, end), target, wanted, form, seen)
    if as_json:
        click.echo(msgspec.json.encode({"folder": str(target), "format": form, "rows": counts}).decode())
    else:
        lines = [f"{target}: {sum(counts.values()):,} rows"]
        lines += [f"  {name + '.' + form:<16} {count:>12,}" for name, count in counts.items()]
        click.echo("\n".join(lines))


@contextmanager
def _told(label: str, source: Path, end: Place | None) -> Iterator[Callable[[Streamed], None]]:
    """Progress for a person who looks; called with a frame now and then, and how far it is follows from its time."""
    with Meter(label) as meter:
        last, begin_ns = last_frame(source) if meter.watched else None, 0

        def seen(frame: Streamed) -> None:
            nonlocal begin_ns
            begin_ns = begin_ns or frame.at_ns
            if last is not None:
                end_ns = min(last.at_ns, (end and end.at_ns) or last.at_ns)
                meter.tell((frame.at_ns - begin_ns) / max(1, end_ns - begin_ns), stamp(frame.at_ns))

        yield seen


def _checked(source: Path, verdict: tapes.Verdict) -> Iterator[str]:
    how = "the tape is sound" if verdict.sound else "the tape is NOT SOUND"
    yield f"{how}: {verdict.frames:,} frames in {verdict.segments} segments, {verdict.packed} of them packed"
    if verdict.frames:
        yield f"  from     {stamp(verdict.first_ns)}  frame {verdict.first_seq}"
        yield f"  to       {stamp(verdict.last_ns)}  frame {verdict.last_seq}"
    if verdict.pruned_to_seq:
        yield f"  pruned   up to frame {verdict.pruned_to_seq}"
    explained = "all of them explained" if verdict.sound else "see below"
    yield f"  missing  {verdict.missing:,} frames, {explained}" if verdict.missing else "  missing  nothing"
    yield f"  gaps     {verdict.gaps}; see foresight tape info --tape {source}"
    if verdict.torn_bytes:
        yield f"  torn     {verdict.torn_bytes} bytes at the end are no whole record: a crash, or on their way just now"
    yield f"  digest   {verdict.digest}"
    yield from (f"  ! {fault}" for fault in verdict.faults)


def _totals(found: Sequence[Part]) -> dict[str, Any]:
    """What a tape adds up to."""
    events = Counter[str]()
    for part in found:
        events.update(part.entry.events)
    first, last = found[0].entry, found[-1].entry
    seconds = (last.last_ns - first.first_ns) / NS
    plain, disk = sum(part.entry.size for part in found), sum(part.disk_bytes for part in found)
    packed = [part for part in found if part.disk_bytes < part.entry.size]
    packed_bytes = sum(part.disk_bytes for part in packed)
    return {
        "first_seq": first.first_seq,
        "last_seq": last.last_seq,
        "first_at": stamp(first.first_ns),
        "last_at": stamp(last.last_ns),
        "seconds": seconds,
        "events": dict(events.most_common()),
        "events_per_s": events.total() / seconds if seconds else 0.0,
        "bytes": plain,
        "disk_bytes": disk,
        "packed_ratio": sum(part.entry.size for part in packed) / packed_bytes if packed_bytes else 0.0,
    }


def _gaps_by_whose(gaps: Sequence[Gap]) -> dict[str, dict[str, float]]:
    """How many gaps were through whom, and how long; one that is open counts, and has no length yet."""
    found: dict[str, dict[str, float]] = {}
    for gap in gaps:
        of = found.setdefault(gap.whose, {"count": 0, "seconds": 0.0, "open": 0})
        of["count"] += 1
        of["open"] += not gap.to_ns
        of["seconds"] += (gap.to_ns - gap.from_ns) / NS if gap.to_ns else 0.0
    return found


def _document(source: Path, found: Sequence[Part], gaps: Sequence[Gap]) -> dict[str, Any]:
    parts = [
        msgspec.structs.asdict(part.entry) | {"file": part.path.name, "disk_bytes": part.disk_bytes} for part in found
    ]
    return {
        "schema": "foresight.tape-info/1",
        "folder": str(source),
        **_totals(found),
        "gaps_by_whose": _gaps_by_whose(gaps),
        "gaps": [asdict(gap) for gap in gaps],
        "segments": parts,
    }


def _summary(source: Path, found: Sequence[Part], gaps: Sequence[Gap]) -> Iterator[str]:
    all_of = _totals(found)
    yield f"{source}: frames {all_of['first_seq']} to {all_of['last_seq']} in {len(found)} segments"
    yield f"  from     {all_of['first_at']}"
    yield f"  to       {all_of['last_at']}"
    yield f"  events   {sum(all_of['events'].values()):,}, {all_of['events_per_s']:.1f} each market second"
    yield from (f"    {kind:<12} {count:>12,}" for kind, count in all_of["events"].items())
    ratio = f"; packed segments are {all_of['packed_ratio']:.1f} times smaller" if all_of["packed_ratio"] else ""
    yield f"  size     {_mib(all_of['disk_bytes'])} on the disk, {_mib(all_of['bytes'])} as written{ratio}"
    yield f"  gaps     {len(gaps)}"
    for whose, of in _gaps_by_whose(gaps).items():
        yield f"    {whose:<12} {of['count']:>12,}  {of['seconds']:.1f} s" + (f", {of['open']} open" * bool(of["open"]))


def _segment_lines(found: Sequence[Part]) -> Iterator[str]:
    yield f"{'segment':<18}{'from':<22}{'seconds':>8}{'events':>10}{'ticks':>8}{'size':>12}{'disk':>12}"
    for part in found[-SHOWN:]:
        entry = part.entry
        seconds = (entry.last_ns - entry.first_ns) / NS
        sizes = f"{_mib(entry.size):>12}{_mib(part.disk_bytes):>12}"
        yield f"{entry.first:<18}{stamp(entry.first_ns):<22}{seconds:>8.0f}{entry.records:>10,}{entry.ticks:>8,}{sizes}"
    if len(found) > SHOWN:
        yield f"and {len(found) - SHOWN} before; --json tells of all"


def _gap_lines(gaps: Sequence[Gap]) -> Iterator[str]:
    if gaps:
        yield f"{'gap':<18}{'from':<22}{'seconds':>8}  through    cause"
    for gap in gaps[-SHOWN:]:
        seconds = f"{(gap.to_ns - gap.from_ns) / NS:.1f}" if gap.to_ns else "open"
        yield f"{gap.feed:<18}{stamp(gap.from_ns):<22}{seconds:>8}  {gap.whose:<9}  {gap.cause}"
    if len(gaps) > SHOWN:
        yield f"and {len(gaps) - SHOWN} before; --json tells of all"


def _cut_lines(target: Path, made: cutting.Cut) -> Iterator[str]:
    yield f"{target}: {made.frames:,} frames in {made.segments} segments"
    yield f"  from     {stamp(made.from_ns)}  frame {made.from_seq}"
    yield f"  to       {stamp(made.to_ns)}  frame {made.to_seq}"
    if made.whole:
        yield f"  begins   with the keyframe {made.begin_seq}, {made.lookback_s:.0f} market seconds before"
    else:
        yield "  begins   with what was asked for: no keyframe is before it, and until one nothing is known"
    yield f"  next     foresight tape check --tape {target}"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.2f} MiB"


def _fail(code: str, text: str, hint: str = "") -> NoReturn:
    end("foresight tape", code, text, hint)
