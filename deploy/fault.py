"""`foresight fault`: let a running rehearsal venue misbehave, see which faults are in force, end them.

It asks the venue's own control and prints what it says. Nothing else has such a control, so nothing else is reached.
"""

from __future__ import annotations

import http.client
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import msgspec

from deploy import refusal
from deploy.rehearsal.faults import KINDS, Argument, Kind, shown
from shared.paths import State, default_state

DEFAULT_VENUE: Final = "http://127.0.0.1:8440"
ANSWER_S: Final = 10.0
SCHEMA: Final = "foresight.venue-control/1"
_CODES: Final = {400: "USAGE", 404: "NOINPUT", 403: "NOPERM"}


class _Unanswered(Exception):
    """No rehearsal venue is there."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("kind", required=False)
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--list", "listing", is_flag=True, help="Say which faults began, and which are in force.")
@click.option("--end", metavar="NUMBER|all", help="End a fault, or all of them.")
@click.option("--venue", help=f"Address of the venue; default: that of the desk, else {DEFAULT_VENUE}.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk whose venue is meant.")
@click.option(
    "-j",
    "--json",
    "as_json",
    is_flag=True,
    help="Print the venue's answer as it is.",
)
def fault(
    kind: str | None,
    arguments: tuple[str, ...],
    listing: bool,
    end: str | None,
    venue: str | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Let a rehearsal venue misbehave. Without KIND: which faults there are.

    \b
      foresight fault                               every kind with its arguments
      foresight fault restart down_s=30             425 for 30 s, then post-only; sockets are closed
      foresight fault refuse status=500 route=gamma for_s=60
      foresight fault --list                        what is in force
      foresight fault --end all

    Lengths are market time; every fault is on the venue's record. Exit codes: 0 done; 2 no such fault, argument or
    value; 66 no such fault in force; 69 no venue answers.
    """
    if not (kind or listing or end):
        click.echo(_kinds_json() if as_json else "\n".join(_described(each) for each in KINDS.values()))
        return
    asked = _asked(kind, arguments, end)
    address = venue or _venue_of(State(state_dir or default_state())) or DEFAULT_VENUE
    try:
        status, said = _ask(address, *asked)
    except _Unanswered as error:
        refusal.end("foresight fault", "UNAVAILABLE", f"{error}; name a running one with --venue or --state-dir")
    if status != 200:
        refusal.end("foresight fault", _CODES.get(status, "INTERNAL"), "\n".join(said["errors"]), data=said)
    if as_json:
        click.echo(msgspec.json.encode(said).decode())
        return
    faults = said.get("faults", [said.get("fault")])
    click.echo("\n".join(map(_told, faults)) or "no fault began yet")


def _asked(kind: str | None, arguments: Sequence[str], end: str | None) -> tuple[str, str, dict[str, Any] | None]:
    """What to ask the control: method, path, body."""
    if end:
        return "DELETE", "/control/faults" + ("" if end == "all" else f"/{end}"), None
    if kind is None:
        return "GET", "/control/faults", None
    body: dict[str, Any] = {"kind": kind}
    for text in arguments:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is no argument; write NAME=VALUE, such as for_s=60")
        body[name] = _value(value)
    return "POST", "/control/faults", body


def _value(text: str) -> Any:
    """A number, true or false as what it is, everything else as text."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _ask(address: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
    """One request to the control. Raises: _Unanswered: nobody is there, or somebody who is no rehearsal venue."""
    try:
        where = urlsplit(address)
        connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=ANSWER_S)
    except ValueError as error:
        raise _Unanswered(f"{address} is no address ({error})") from error
    try:
        raw = None if body is None else msgspec.json.encode(body)
        connection.request(method, path, raw, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = msgspec.json.decode(answer.read(), type=dict[str, Any])
    except (OSError, http.client.HTTPException) as error:
        raise _Unanswered(f"no rehearsal venue answers at {address} ({error})") from error
    except msgspec.DecodeError as error:
        raise _Unanswered(f"{address} is no rehearsal venue") from error
    finally:
        connection.close()
    if said.get("schema") != SCHEMA:
        raise _Unanswered(f"{address} is no rehearsal venue")
    return answer.status, said


def _venue_of(state: State) -> str | None:
    """The venue that a desk's settings name, None where no desk was rehearsed."""
    try:
        settings = tomllib.loads((state.root / "rehearsal.toml").read_text())
        return str(settings["venue"]["clob"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError):
        return None


def _told(fault: dict[str, Any]) -> str:
    values = " ".join(f"{name}={_shown(value)}" for name, value in fault["arguments"].items() if value != "")
    over = "over" if fault["over"] else "in force"
    return f"{fault['number']:>4}  {over:<8}  {fault['hits']:>5} hits  {fault['kind']} {values}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _described(kind: Kind) -> str:
    return "\n".join([f"{kind.name}: {kind.says}", *map(_argument, kind.arguments)])


def _argument(argument: Argument) -> str:
    choices = f" ({', '.join(map(str, argument.choices))})" if argument.choices else ""
    return f"    {argument.name + '=' + _shown(argument.default):<20} {argument.says}{choices}"


def _kinds_json() -> str:
    return msgspec.json.encode([shown(kind) for kind in KINDS.values()]).decode()
