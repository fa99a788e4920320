"""How answers look: a reply for people or for programs, errors in three lines, tables, times and money as text."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from msgspec import structs

from deploy.client import Forbidden, Unavailable, ask, last_status
from deploy.refusal import NOT_ASKED, document, refused
from shared.clock import NS, SystemClock
from shared.messages import Reply
from shared.outcomes import EXIT
from shared.paths import PathTooLong, State, default_state

STALE_S = 5.0
"""A status older than this says nothing about now."""


class Context:
    """What every verb gets: the desk's state folder, and for whom it answers.

    Args: named: whether the folder was named on the command line, and has to be again in what is typed next.
    """

    def __init__(self, state: State, as_json: bool, named: bool = False) -> None:
        self.state, self.as_json, self.named = state, as_json, named
        self.op = ""
        """The operation that was asked for, from before it is asked: whoever hears no answer has to ask after it."""

    def finish(self, reply: Reply, text: str = "") -> NoReturn:
        """Print an answer and end with its code."""
        reply = structs.replace(reply, hint=tuple(map(self.typed, reply.hint)))
        if self.as_json:
            click.echo(document(reply))
        elif reply.ok:
            click.echo(text or reply.message)
        else:
            self._explain(reply)
        sys.exit(reply.exit)

    def found(self, text: str, data: Any) -> NoReturn:
        """End well with what was read from the disk: nothing was asked of the desk but who trades."""
        message, trading = text.partition("\n")[0], self.trading()
        self.finish(Reply(True, EXIT["OK"], "OK", message, False, trading, self._generation(), data=data), text)

    def fail(
        self,
        code: str,
        message: str,
        *hint: str,
        trading: dict[str, Any] | None = None,
        data: Any = None,
        op: str = "",
    ) -> NoReturn:
        """End with an error of our own. Args: trading: who trades; the desk is asked if nobody says."""
        known, generation = trading or self.trading(), self._generation()
        self.finish(refused(code, message, hint, trading=known, generation=generation, op=op, data=data))

    def needs(self, reason: str, example: str) -> None:
        """End unless somebody said why."""
        if not reason.strip():
            self.fail("USAGE", "this needs a --reason, for whoever looks at the desk later", example)

    def unavailable(self, error: Unavailable, status: dict[str, Any] | None = None) -> NoReturn:
        """End because nobody answers. Args: status: what was said last, if that was asked for."""
        hint = ("make run", "systemctl status foresight")
        self._unanswered("UNAVAILABLE", str(error), *hint, heard=error.heard, trading=self.last_known(), data=status)

    def interrupted(self) -> NoReturn:
        """End because the person left before an answer came."""
        self._unanswered("INTERRUPTED", "interrupted before an answer came", "foresightctl status", heard=True)

    def _unanswered(self, code: str, text: str, *hint: str, heard: bool, **known: Any) -> NoReturn:
        """End without an answer. Args: heard: the desk may have got the question, and then what it began goes on."""
        if self.op and heard:
            text, hint = f"{text}; {self.op} may have begun", (f"foresightctl wait {self.op}", *hint)
            self.fail(code, text, *hint, op=self.op, **known)
        self.fail(code, text, *hint, **known)

    def typed(self, command: str) -> str:
        """A command as it has to be typed to reach this very desk."""
        folder = f"--state-dir {shlex.quote(str(self.state.root))}"
        if not self.named or not command.startswith(("foresightctl ", "make ")):
            return command
        return f'{command} ARGS="{folder}"' if command.startswith("make ") else f"{command} {folder}"

    def _explain(self, reply: Reply) -> None:
        """What happened, what it means for money, what to type."""
        click.echo(f"foresightctl: {reply.message}", err=True)
        click.echo(f"  trading  {trading_words(reply.trading)}", err=True)
        for line in reply.hint:
            click.echo(f"  next     {line}", err=True)

    def trading(self) -> dict[str, Any]:
        """Who trades, as the desk says, or as it said last."""
        try:
            return ask(self.state, "status").trading
        except (Unavailable, Forbidden, PathTooLong):
            return self.last_known()

    def _generation(self) -> int:
        """The generation in force when status.json was last written."""
        return int((last_status(self.state.status) or {}).get("generation", 0))

    def last_known(self) -> dict[str, Any]:
        """Who was trading when status.json was last written, with its age."""
        status = last_status(self.state.status)
        if status is None:
            return NOT_ASKED
        return {**status.get("release", {}), "state": status.get("state", "UNKNOWN"), "age_s": age_s(status)}


def verb(command: Callable[..., None]) -> Callable[..., None]:
    """The flags every verb has; and what no verb lets through to the user as a traceback."""

    @click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option("--state-dir", type=click.Path(path_type=Path), default=None, help="The desk's state folder.")
    @wraps(command)
    def run(as_json: bool, state_dir: Path | None, **arguments: Any) -> None:
        context = Context(State(state_dir or default_state()), as_json, named=state_dir is not None)
        try:
            command(context, **arguments)
        except Unavailable as error:
            context.unavailable(error)
        except Forbidden as error:
            context.fail("NOPERM", str(error), "sudo -u OWNER foresightctl ...", trading=context.last_known())
        except msgspec.ValidationError as error:
            text = f"the desk's answer cannot be read, it is of another version of Foresight: {error}"
            context.fail("INTERNAL", text, "foresightctl --version")
        except PathTooLong as error:
            context.fail("CONFIG", str(error), "export FORESIGHT_STATE_DIR=a folder with a shorter path")
        except click.Abort:
            context.fail("DECLINED", "nobody answered what was asked, and nothing was done", "foresightctl status")
        except KeyboardInterrupt:
            context.interrupted()

    return run


def age_s(status: dict[str, Any]) -> float:
    """How old a status is, in seconds of the world."""
    return round((SystemClock().wall_ns() - int(status.get("wall_ns", 0))) / NS, 1)


def trading_words(trading: dict[str, Any]) -> str:
    """Who trades, in words; a status from the past says so, and that it does not hold now."""
    words = f"{release_words(trading) if trading.get('hash') else 'no release'}, {trading.get('state', 'UNKNOWN')}"
    if "age_s" not in trading:
        return words
    age = trading["age_s"]
    return "not known" if age is None else f"not known now; {ago(age)} ago it was {words}"


def ago(age_s: float) -> str:
    """An age for a person: seconds, then minutes, hours, days."""
    for unit, seconds in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.1f} s"


def release_words(release: dict[str, Any]) -> str:
    """A release as people name it: r42 9f31c7e0."""
    number = f"r{release['seq']} " if release.get("seq") else ""
    return f"{number}{str(release.get('hash', ''))[:8]}"


def clock_time(at_ns: int) -> str:
    """A time of day, UTC."""
    return datetime.fromtimestamp(at_ns / NS, UTC).strftime("%H:%M:%S")


def duration(ms: int) -> str:
    """Milliseconds for a person."""
    if ms < 60_000:
        return f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"
    minutes, seconds = divmod(round(ms / 1_000), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}h {minutes_left:02d}m" if hours else f"{minutes}m {seconds:02d}s"


def span(seconds: float) -> str:
    """A time as one types it in an option: 90s, 10m, 2h."""
    for unit, unit_s in (("h", 3_600), ("m", 60)):
        if seconds and seconds % unit_s == 0:
            return f"{seconds / unit_s:g}{unit}"
    return f"{seconds:g}s"


def counted(number: int, thing: str) -> str:
    """So many things: 1 slot, 2 slots."""
    return f"{number} {thing}" + "s" * (number != 1)


def one_line(text: str) -> str:
    """Text that others wrote, on one line and without anything that steers a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns, each as wide as its widest cell; the first row is the head."""
    cells = [list(map(str, row)) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
