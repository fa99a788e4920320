"""`foresight replay`: a recorded stretch through a release's own code; or, was it decided live as it is decided now?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec

from deploy.analysis.places import EXAMPLES, Place, PlaceType
from deploy.analysis.replay import live, made, shown
from deploy.analysis.replay.bar import Bar
from deploy.analysis.replay.caps import InForce, in_force, told
from deploy.analysis.replay.engine import Audience, replayed
from deploy.analysis.replay.footage import Footage, NoTape
from deploy.analysis.replay.hands import ReleaseFailed
from deploy.analysis.replay.holdings import Fill
from deploy.analysis.replay.job import CASH_MICRO, Fills, Job, Result
from deploy.analysis.replay.live import NoJournal
from deploy.analysis.replay.page import Page
from deploy.analysis.replay.parity import Comparison, earliest
from deploy.ranges import stamp
from deploy.refusal import end
from deploy.rehearsal.layouts import read_day
from deploy.rehearsal.recordings import DayUnreadable
from deploy.release import find, index
from shared import messages as m
from shared.clock import NS
from shared.config import Faults
from shared.fingerprint import PACKAGES
from shared.outcomes import EXIT
from shared.paths import State, default_state
from shared.units import MICRO

ROOT: Final = Path(__file__).resolve().parents[3]
"""This checkout: what is replayed where no desk says otherwise."""


class Faulty(Exception):
    """The command cannot go on. `code` names an exit code, `hint` says what to type."""

    def __init__(self, code: str, text: str, hint: str) -> None:
        super().__init__(text)
        self.code, self.hint = code, hint


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--release", "wanted", metavar="rN|HASH|PATH", help="Whose code; default: the active release's.")
@click.option("--from", "begin", type=PlaceType(), help=f"Where to begin: {EXAMPLES}; default: the tape's beginning.")
@click.option("--to", "end", type=PlaceType(), help="Where to end; default: the tape's end.")
@click.option("--tape", type=click.Path(path_type=Path), help="Folder of a tape; default: the desk's.")
@click.option(
    "--day", type=click.Path(path_type=Path), help="Folder of a recorded day, whose tape is made first, once."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the crowd in a recorded day's books.")
@click.option("--params", multiple=True, metavar="K=V", help="A parameter instead of the recorded ones; repeatable.")
@click.option("--fills", type=click.Choice(["recorded", "rehearsal"]), help="Accounts as recorded, or on paper.")
@click.option("--verify", is_flag=True, help="Hold what is decided against what was decided live.")
@click.option("--of", "of", metavar="rN|HASH", help="With --verify: only ticks that this release owned.")
@click.option("--cash", type=click.FloatRange(1, 1_000_000), default=CASH_MICRO / MICRO, help="Of a paper account.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings whose caps hold on paper.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write one page, plots and all.")
@click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), help="Write decisions and fills.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="The desk's folder.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def replay(as_json: bool, **asked: Any) -> None:
    """Play a recorded tape through a release's real code, as fast as it goes.

    With accounts as recorded it answers as it did live; --fills rehearsal asks what its own orders would have earned
    in the recorded books: never generously, with the desk's caps, queue, delay, fees and the real outcomes. --params
    asks so as well.

    \b
      foresight replay --from -2h                               the active release, as it was
      foresight replay --release r7 --fills rehearsal           what r7 would have done with that tape
      foresight replay --day DIR --from 14:00 --to 16:00        a recorded day, on paper
      foresight replay --params stake_usd=10 --params mode=on   what other parameters would have done
      foresight replay --verify                                 every release decided as it did live?
      foresight replay --verify --release ../variant            where would this code have decided otherwise?

    Nothing of the desk is asked or changed. Exit codes: 0 done, or all identical; 1 a decision differs, or the release
    failed; 2 the command line is wrong; 66 no such tape, release or range; 74 a file cannot be read or written;
    78 --config cannot be used.
    """
    try:
        _Run(as_json=as_json, **asked).run()
    except Faulty as error:
        _fail(error.code, str(error), error.hint)
    except NoTape as error:
        _fail("NOINPUT", str(error), "foresight replay --tape FOLDER, or --state-dir of a desk that has run")
    except NoJournal as error:
        _fail("NOINPUT", f"no live decisions: {error}", "foresight replay --verify --state-dir FOLDER")
    except ReleaseFailed as error:
        _fail("INTERNAL", f"the release failed: {error}", "foresightctl releases, to choose another one")
    except OSError as error:
        _fail("IOERR", f"{error.filename}: {error.strerror}", "name a file in a folder that can be written")
    except KeyboardInterrupt:
        end("foresight replay", "INTERRUPTED", "stopped; nothing was changed")


def _fail(code: str, text: str, hint: str) -> NoReturn:
    trades = "whoever traded trades on; a replay asks nobody and changes nothing"
    end("foresight replay", code, text, hint, trading=trades)


class _Active(msgspec.Struct):
    """The active release, as far as it matters here."""

    hash: str = ""


class _Status(msgspec.Struct):
    """The desk's status, as far as it matters here."""

    release: _Active


class _Run:
    """One call of the command."""

    def __init__(
        self,
        wanted: str | None,
        begin: Place | None,
        end: Place | None,
        tape: Path | None,
        day: Path | None,
        seed: int,
        params: tuple[str, ...],
        fills: Fills | None,
        verify: bool,
        of: str | None,
        cash: float,
        config: Path | None,
        page: Path | None,
        table: Path | None,
        state_dir: Path | None,
        as_json: bool,
    ) -> None:
        self.state = State(state_dir or default_state())
        self.wanted, self.begin, self.end = wanted, begin, end
        self.parameters = _parameters(params)
        self.fills: Fills = fills or ("rehearsal" if self.parameters or day else "recorded")
        self.verify, self.of, self.cash, self.as_json = verify, of, cash, as_json
        self.page, self.table = page, table
        if verify and (self.parameters or fills or config or table or page or day):
            text = "--verify compares what was live: it takes no --params, --fills, --config, --html, --csv or --day"
            raise Faulty("USAGE", text, "foresight replay --verify")
        if config is not None and self.fills == "recorded":
            text = "--config says which caps hold on paper, and what is recorded was under the desk's own"
            raise Faulty("USAGE", text, f"foresight replay --fills rehearsal --config {config}")
        if of and not verify:
            raise Faulty("USAGE", "--of says whose ticks are compared", f"foresight replay --verify --of {of}")
        folder = tape or self.state.tape
        if day is not None:
            folder, self.begin, self.end = made_tape(self.state, day, begin, end, seed, tape)
        self.footage = Footage(folder)
        self.caps = caps_of(self.footage, config) if self.fills == "rehearsal" else None

    def run(self) -> None:
        """Do what was asked, print it, and end with its code. Raises: Faulty and what the rooms below raise."""
        from_seq, to_seq = self._range()
        if self.verify:
            self._verify(max(from_seq, earliest(self.footage)), to_seq)
        name, folder = self._release()
        job = Job(
            release=str(folder),
            tape=str(self.footage.folder),
            parameters=self.parameters or None,
            from_seq=from_seq,
            to_seq=to_seq,
            fills=self.fills,
            cash_micro=round(self.cash * MICRO),
        )
        if self.caps is not None:
            span_ns = self.footage.at(from_seq), self.footage.at(to_seq)
            job = msgspec.structs.replace(job, caps=self.caps.between(*span_ns))
        caps = "" if self.caps is None else f"{told(job.caps)}; from {self.caps.source}"
        with self._audience() as audience, Bar(f"replaying {name}") as bar:
            result = replayed(job, bar, audience)
            title = f"{name} on {self._told_range(from_seq, to_seq)}, accounts {self._told_fills()}"
            audience.write(self.page, result, title, caps)
        if not result.ticks:
            raise Faulty(
                "NOINPUT", f"no tick in {self._told_range(from_seq, to_seq)}", "foresight replay, without a range"
            )
        if self.as_json:
            source = None if self.caps is None else self.caps.source
            click.echo(msgspec.json.encode({"release": name, "job": job, "caps": source, "result": result}))
        else:
            click.echo(shown.as_text(result, title, caps))

    # --- the comparison ---------------------------------------------------------------------------------------------

    def _verify(self, from_seq: int, to_seq: int) -> NoReturn:
        said = live.gather(self.state.journal, from_seq, to_seq)
        if self.of:
            owner = find(self.state, self.of)
            if owner is None:
                raise Faulty("NOINPUT", f"{self.of!r} is no staged release", "foresightctl releases")
            said.answers = [answer for answer in said.answers if answer.release == owner.release]
        comparison = Comparison(self.footage, self.state.journal)
        names = {known.release: f"r{known.seq} {known.release[:8]}" for known in index(self.state)}
        with Bar("comparing") as bar:
            if self.wanted:
                name, folder = self._release()
                names[name] = name
                parity = comparison.one_release(said, from_seq, to_seq, name, folder, bar)
            else:
                parity = comparison.every_release(said, from_seq, to_seq, self._folder_of, bar)
        click.echo(msgspec.json.encode(parity) if self.as_json else shown.parity_text(parity, names))
        sys.exit(EXIT["OK"] if parity.identical else EXIT["INTERNAL"])

    def _folder_of(self, release: str) -> Path | None:
        folder = self.state.releases / release
        return folder if release and folder.is_dir() else None

    # --- what was asked ---------------------------------------------------------------------------------------------

    def _range(self) -> tuple[int, int]:
        first, last = self.footage.first.seq, self.footage.last.seq
        from_seq = self.footage.first_of(self.begin) if self.begin is not None else first
        to_seq = self.footage.last_of(self.end) if self.end is not None else last
        if from_seq > last or to_seq < first:
            span = f"{stamp(self.footage.first.at_ns)} to {stamp(self.footage.last.at_ns)}, frames {first} to {last}"
            raise Faulty("NOINPUT", f"nothing of that is on the tape, which has {span}", "foresight replay --from -10m")
        if from_seq > to_seq:
            raise Faulty("USAGE", f"--from is frame {from_seq}, behind --to, frame {to_seq}", "turn them round")
        return max(from_seq, first), min(to_seq, last)

    def _release(self) -> tuple[str, Path]:
        """How people call the release, and its folder. Raises: Faulty."""
        wanted = self.wanted or active(self.state) or str(ROOT)
        folder = Path(wanted)
        if folder.is_dir():
            if not all((folder / package).is_dir() for package in PACKAGES):
                raise Faulty(
                    "NOINPUT", f"{folder} is no checkout of Foresight", "name a folder with worker/ and shared/"
                )
            return str(folder), folder
        known = find(self.state, wanted)
        if known is None or not (self.state.releases / known.release).is_dir():
            raise Faulty("NOINPUT", f"{wanted!r} is no folder and no staged release", "foresightctl releases")
        return f"r{known.seq} {known.release[:8]}", self.state.releases / known.release

    @contextmanager
    def _audience(self) -> Iterator[_Audiences]:
        """Who wants to see more than the sums; files are opened before anything is played."""
        with ExitStack() as open_files:
            seeing: list[Audience] = []
            if self.table is not None:
                seeing.append(shown.Table(open_files.enter_context(self.table.open("w", newline=""))))
            if self.page is not None:
                self.page.touch()
                seeing.append(Page())
            yield _Audiences(seeing)

    def _told_range(self, from_seq: int, to_seq: int) -> str:
        begin, end = stamp(self.footage.at(from_seq)), stamp(self.footage.at(to_seq))
        return f"{begin} to {end} (frames {from_seq:,} to {to_seq:,})"

    def _told_fills(self) -> str:
        return "as recorded" if self.fills == "recorded" else "on paper"


class _Audiences:
    """Several audiences as one."""

    def __init__(self, seeing: list[Audience]) -> None:
        self._seeing = seeing

    def decided(self, frame: m.Streamed, tick: m.Tick, decision: m.Decision) -> None:
        for each in self._seeing:
            each.decided(frame, tick, decision)

    def filled(self, at_ns: int, fill: Fill) -> None:
        for each in self._seeing:
            each.filled(at_ns, fill)

    def ended(self, at_ns: int, net_micro: int) -> None:
        for each in self._seeing:
            each.ended(at_ns, net_micro)

    def write(self, path: Path | None, result: Result, title: str, caps: str) -> None:
        """Write the page, if one is wanted."""
        for each in self._seeing:
            if path is not None and isinstance(each, Page):
                path.write_text(each.html(result, title, caps))


def caps_of(footage: Footage, config: Path | None) -> InForce:
    """The caps that hold on paper. Raises: Faulty: the file, or the journal beside the tape, cannot be used."""
    try:
        return in_force(footage, config)
    except Faults as error:
        raise Faulty("CONFIG", str(error), "mend the settings, then the same command again") from error
    except NoJournal as error:
        text = f"the journal beside the tape, which says what its caps were, cannot be read: {error}"
        raise Faulty("NOINPUT", text, "say which caps hold: --config FILE") from error


def active(state: State) -> str:
    """The release that trades or traded last, as the desk's status has it; empty where there was none."""
    try:
        return msgspec.json.decode(state.status.read_bytes(), type=_Status).release.hash
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""


def made_tape(
    state: State, folder: Path, begin: Place | None, end: Place | None, seed: int, tape: Path | None = None
) -> tuple[Path, Place | None, Place | None]:
    """The tape of a recorded day, made if it is not there, and the places as moments of that day. Raises: Faulty."""
    try:
        day = read_day(folder)
    except DayUnreadable as error:
        raise Faulty("NOINPUT", str(error), "foresight day FOLDER, to see what a folder holds") from error
    begin, end = (place and place.fixed(day.span_s[1] * NS) for place in (begin, end))
    begin_ns, end_ns = (None if place is None else place.at_ns for place in (begin, end))
    first_ms, until_ms = made.stretch(day, begin_ns, end_ns)
    if first_ms >= until_ms - made.SETTLE_MS:
        span = " to ".join(stamp(second * NS) for second in day.span_s)
        raise Faulty("NOINPUT", f"the day has prices from {span}", "choose --from and --to in it")
    target = tape or state.root / "tapes" / f"{folder.resolve().name}-{seed}-{first_ms // 1_000}-{until_ms // 1_000}"
    if not target.is_dir() or not any(target.iterdir()):
        with Bar(f"making the tape of {folder.name}") as bar:
            made.make(day, first_ms, until_ms, target, seed=seed, progress=bar)
    return target, begin, end


def _parameters(said: tuple[str, ...]) -> dict[str, Any]:
    """K=V as plain values: what reads as JSON is that, everything else is text. Raises: Faulty."""
    values: dict[str, Any] = {}
    for each in said:
        name, equals, text = each.partition("=")
        if not equals or not name:
            raise Faulty("USAGE", f"{each!r} is no parameter", "foresight replay --params stake_usd=10")
        try:
            values[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            values[name] = text
    return values
