"""How answers look: a reply for people or for programs, errors in three lines, tables, times and money as text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from deploy.client import Unavailable, last_status
from shared.clock import NS, SystemClock
from shared.messages import Reply
from shared.outcomes import EXIT
from shared.paths import PathTooLong, State, default_state

STALE_S = 5.0
"""A status older than this says nothing about now."""


class Context:
    """What every verb gets: the desk's state folder, and for whom it answers."""

    def __init__(self, state: State, as_json: bool) -> None:
        self.state, self.as_json = state, as_json

    def finish(self, reply: Reply, text: str = "") -> NoReturn:
        """Print an answer and end with its code."""
        if self.as_json:
            click.echo(msgspec.json.encode(reply).decode())
        elif reply.ok:
            click.echo(text or reply.message)
        else:
            self._explain(reply)
        sys.exit(reply.exit)

    def fail(self, code: str, message: str, *hint: str, trading: dict[str, Any] | None = None) -> NoReturn:
        """End with an error of our own."""
        self.finish(
            Reply(
                ok=False,
                exit=EXIT[code],
                code=code,
                message=message,
                changed=False,
                trading=trading or self._last_known(),
                generation=0,
                hint=hint,
            )
        )

    def _explain(self, reply: Reply) -> None:
        """What happened, what it means for money, what to type."""
        click.echo(f"foresightctl: {reply.message}", err=True)
        click.echo(f"  trading  {trading_words(reply.trading)}", err=True)
        for line in reply.hint:
            click.echo(f"  next     {line}", err=True)

    def _last_known(self) -> dict[str, Any]:
        """Who was trading when status.json was last written, with its age."""
        status = last_status(self.state.status)
        if status is None:
            return {"state": "UNKNOWN", "age_s": None}
        return {**status.get("release", {}), "state": status.get("state", "UNKNOWN"), "age_s": age_s(status)}


def verb(command: Callable[..., None]) -> Callable[..., None]:
    """The flags every verb has; and what no verb lets through to the user as a traceback."""

    @click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option("--state-dir", type=click.Path(path_type=Path), default=None, help="The desk's state folder.")
    @wraps(command)
    def run(as_json: bool, state_dir: Path | None, **arguments: Any) -> None:
        context = Context(State(state_dir or default_state()), as_json)
        try:
            command(context, **arguments)
        except Unavailable as error:
            context.fail("UNAVAILABLE", str(error), "make run", "systemctl status foresight")
        except PathTooLong as error:
            context.fail("CONFIG", str(error), "foresightctl --state-dir with a shorter path")

    return run


def age_s(status: dict[str, Any]) -> float:
    """How old a status is, in seconds of the world."""
    return round((SystemClock().wall_ns() - int(status.get("wall_ns", 0))) / NS, 1)


def trading_words(trading: dict[str, Any]) -> str:
    """Who trades, in words."""
    release = release_words(trading) if trading.get("hash") else "no release"
    age = trading.get("age_s")
    return f"{release}, {trading.get('state', 'UNKNOWN')}" + (f", as of {age:.1f} s ago" if age is not None else "")


def release_words(release: dict[str, Any]) -> str:
    """A release as people name it: r42 9f31c7e0."""
    number = f"r{release['seq']} " if release.get("seq") else ""
    return f"{number}{str(release.get('hash', ''))[:8]}"


def clock_time(at_ns: int) -> str:
    """A time of day, UTC."""
    return datetime.fromtimestamp(at_ns / NS, UTC).strftime("%H:%M:%S")


def stamp(at_ns: int) -> str:
    """A moment, UTC, for lines that outlive the day."""
    return datetime.fromtimestamp(at_ns / NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(ms: int) -> str:
    """Milliseconds for a person."""
    return f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns, each as wide as its widest cell; the first row is the head."""
    cells = [list(map(str, row)) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
