"""foresightctl params: the strategy's parameters - what is in force, what was, and another set while trading goes on.

A change lives in the supervisor: it asks the releases that trade, tells every worker at one place of the stream, and
goes on without anybody. Here it is asked for and waited for. Names, defaults and bounds are read from the file in which
the release that trades has them; its code is not run here.
"""

from __future__ import annotations

import time
from typing import Any, Final, NoReturn

import click
import msgspec

from deploy import client
from deploy.cli.show import Context, counted, one_line, span, table, verb
from deploy.difference import PARAMETERS, parameters
from deploy.ranges import Duration, stamp
from shared.clock import NS, SystemClock
from shared.messages import Reply
from shared.outcomes import EXIT

POLL_S: Final = 0.05
WAIT_MAX_S: Final = 600.0
RECENT: Final = 10
"""Versions that are listed without --all."""

_TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=Duration(WAIT_MAX_S, bare=True),
    default="30s",
    show_default=True,
    metavar="TIME",
    help="How long to wait until every worker uses them. Then 75, and it goes on.",
)
_REASON = click.option("--reason", default="", help="Why, for the journal. Needed.")
_EXPECT = click.option("--expect-digest", default="", metavar="DIGEST", help="Refuse if another set is in force.")
_DRY = click.option("--dry-run", is_flag=True, help="Only ask the releases that trade whether they can use them.")


class Version(msgspec.Struct):
    """A version as the desk tells it."""

    digest: str
    values: dict[str, Any]
    number: int
    actor: str
    reason: str
    op: str
    at_ns: int

    @property
    def name(self) -> str:
        """p3 77ab0011."""
        return f"p{self.number} {self.digest[:8]}"


class Change(msgspec.Struct):
    """How a change of them stands."""

    op: str
    state: str
    words: str
    number: int
    seq: int
    waits: list[str]
    took_ms: dict[str, int]


class Told(msgspec.Struct):
    """All that the desk says of them."""

    in_force: Version
    versions: list[Version]
    change: Change | None = None


@click.group()
def params() -> None:
    """The strategy's parameters: what is in force and since when, and other values while trading goes on."""


@params.command()
@click.option("--all", "everything", is_flag=True, help="Every version that is remembered.")
@verb
def show(context: Context, everything: bool) -> None:
    """Each parameter's value, default and bounds; which version it is, who wanted it, and the versions before it."""
    reply = client.ask(context.state, "params")
    if not reply.ok:
        context.finish(reply)
    told = msgspec.convert(reply.data, Told)
    known = _known(context, reply)
    context.finish(msgspec.structs.replace(reply, data=reply.data | {"known": known}), _screen(told, known, everything))


@params.command("set")
@click.argument("values", nargs=-1, metavar="NAME=VALUE...")
@click.option("--unset", multiple=True, metavar="NAME", help="The release's own default again. May be repeated.")
@_REASON
@_EXPECT
@_DRY
@_TIMEOUT
@verb
def set_values(
    context: Context,
    values: tuple[str, ...],
    unset: tuple[str, ...],
    reason: str,
    expect_digest: str,
    dry_run: bool,
    timeout_s: float,
) -> None:
    """Let other values be in force from the stream's next frame on, for every worker at the same place.

    The releases that trade say first whether they can use them; a value out of bounds changes nothing.
    """
    if not values and not unset:
        raise click.UsageError("name what is to change: foresightctl params set stake_usd=7 --reason TEXT")
    args = {"values": dict(map(_pair, values)), "unset": list(unset)}
    asked = [*values, *(f"--unset {name}" for name in unset)]
    context.needs(reason, f"foresightctl params set {' '.join(asked)} --reason TEXT")
    _change(context, "params_set", args, reason, expect_digest, dry_run, timeout_s)


@params.command()
@click.argument("version", required=False, metavar="[pN]")
@_REASON
@_EXPECT
@_DRY
@_TIMEOUT
@verb
def rollback(
    context: Context, version: str | None, reason: str, expect_digest: str, dry_run: bool, timeout_s: float
) -> None:
    """Let the values of the version before this one, or of any one before, be in force again as another version."""
    args = {"version": _number(version)} if version else {}
    context.needs(reason, "foresightctl params rollback --reason TEXT")
    _change(context, "params_rollback", args, reason, expect_digest, dry_run, timeout_s)


@params.command()
@click.argument("one", metavar="pA")
@click.argument("other", required=False, metavar="[pB]")
@verb
def diff(context: Context, one: str, other: str | None) -> None:
    """What differs between two versions; with the one in force when only one is named."""
    reply = client.ask(context.state, "params")
    if not reply.ok:
        context.finish(reply)
    told = msgspec.convert(reply.data, Told)
    was = _version(context, told, one)
    now = _version(context, told, other) if other else told.in_force
    names = sorted({*was.values, *now.values})
    both = {name: [was.values.get(name), now.values.get(name)] for name in names}
    differing = {name: [a, b] for name, (a, b) in both.items() if a != b}
    lines = (f"  ~ {name}  {_word(a)} -> {_word(b)}" for name, (a, b) in differing.items())
    text = (
        "\n".join((f"{was.name} -> {now.name}", *lines))
        if differing
        else f"{was.name} and {now.name} have the same values"
    )
    data = {"was": msgspec.to_builtins(was), "now": msgspec.to_builtins(now), "changed": differing}
    context.finish(msgspec.structs.replace(reply, data=data), text)


# --- asking and waiting ---------------------------------------------------------------------------------------------


def _change(
    context: Context, verb: str, args: dict[str, Any], reason: str, expect_digest: str, dry_run: bool, timeout_s: float
) -> NoReturn:
    """Ask for a change under an id of its own, and follow it until it is over."""
    args |= {"reason": reason, "expect_digest": expect_digest, "dry_run": dry_run}
    reply = client.ask(context.state, verb, args, op=client.new_operation_id())
    if not reply.ok:
        context.finish(reply)
    told = msgspec.convert(reply.data, Told)
    if told.change is None:
        context.finish(reply, f"{one_line(reply.message)}; nothing changed")
    _follow(context, told.change.op, timeout_s)


def _follow(context: Context, op: str, timeout_s: float) -> NoReturn:
    clock = SystemClock()
    until_ns = clock.monotonic_ns() + int(timeout_s * NS)
    while True:
        reply = client.ask(context.state, "params", {"op": op})
        change = msgspec.convert(reply.data, Told).change
        if change is None or not reply.ok:
            context.finish(reply)
        if change.state not in {"checking", "set"}:
            _ended(context, reply, change)
        if clock.monotonic_ns() > until_ns:
            _left(context, reply, change, timeout_s)
        time.sleep(POLL_S)


def _ended(context: Context, reply: Reply, change: Change) -> NoReturn:
    """It is over: refused, only asked for, or in force and in use."""
    if change.state == "refused":
        refused = msgspec.structs.replace(
            reply, ok=False, code="REJECTED", exit=EXIT["REJECTED"], message=f"{change.words}; nothing changed"
        )
        context.finish(msgspec.structs.replace(refused, hint=("foresightctl params show",), op=change.op))
    if change.state == "valid":
        context.finish(reply, "The releases that trade can use these values. Nothing changed.")
    slowest = max(change.took_ms.values(), default=0)
    since = f" from frame {change.seq}; {_workers(change)} within {slowest} ms" if change.seq else ""
    text = f"p{change.number} is in force{since}."
    undo = context.typed(f"foresightctl params rollback p{change.number - 1} --reason TEXT")
    context.finish(msgspec.structs.replace(reply, changed=True), f"{text}\n  undo     {undo}")


def _left(context: Context, reply: Reply, change: Change, timeout_s: float) -> NoReturn:
    """The wait is over, the change is not."""
    in_force = change.state == "set"
    waits = f"p{change.number} is in force, and {', '.join(change.waits) or 'the disk'} did not say so yet"
    text = f"the wait of {span(timeout_s)} is over; {waits if in_force else 'the releases are still being asked'}"
    hint = "foresightctl params show"
    context.fail("TEMPFAIL", text, hint, trading=reply.trading, data=reply.data, op=change.op)


def _workers(change: Change) -> str:
    return f"{counted(len(change.took_ms), 'worker')} used it"


def _pair(text: str) -> tuple[str, Any]:
    """A value is JSON where it reads as such - 7, 0.5, true - and text otherwise. Raises: UsageError."""
    name, is_pair, value = text.partition("=")
    if not is_pair or not name or not value:
        raise click.UsageError(f"{text} is not NAME=VALUE, such as stake_usd=7")
    try:
        read = msgspec.json.decode(value.encode())
    except (msgspec.DecodeError, UnicodeError):
        return name, value
    whole = isinstance(read, float) and read.is_integer()
    return name, int(read) if whole else read if isinstance(read, int | float | str) else value


def _number(version: str) -> int:
    """The number of a version: p3 is 3. Raises: UsageError."""
    digits = version.removeprefix("p")
    if not digits.isdecimal() or len(digits) > 6:
        raise click.UsageError(f"{version} is no version; they are p1, p2 and so on")
    return int(digits)


def _version(context: Context, told: Told, wanted: str) -> Version:
    number = _number(wanted)
    found = next((version for version in told.versions if version.number == number), None)
    if found is None:
        context.fail("NOINPUT", f"no p{number} here", "foresightctl params show --all")
    return found


# --- for a person ---------------------------------------------------------------------------------------------------


def _known(context: Context, reply: Reply) -> dict[str, str]:
    """Each parameter's default and bounds, from the file of the release that trades; none where it cannot be read."""
    path = context.state.releases / str(reply.trading.get("hash", "-")) / PARAMETERS
    try:
        return parameters(path.read_text())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return {}


def _screen(told: Told, known: dict[str, str], everything: bool) -> str:
    now = told.in_force
    head = f"{now.name}  since {stamp(now.at_ns)} by {one_line(now.actor)}: {one_line(now.reason) or 'no reason given'}"
    names = [*known, *(name for name in now.values if name not in known)]
    rows = [(name, _value(now, name, known), "changed" * (name in now.values), known.get(name, "")) for name in names]
    listed = told.versions if everything else told.versions[-RECENT:]
    past = [
        (version.name, stamp(version.at_ns), one_line(version.actor), one_line(version.reason), _values(version))
        for version in reversed(listed)
    ]
    now_table = table([("PARAMETER", "VALUE", "", "DEFAULT"), *rows])
    return "\n".join((head, "", now_table, "", table([("VERSION", "SINCE", "BY", "REASON", "VALUES"), *past])))


def _value(version: Version, name: str, known: dict[str, str]) -> str:
    default, _, _ = known.get(name, "").partition(" (")
    return _word(version.values[name]) if name in version.values else default


def _values(version: Version) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in version.values.items()) or "defaults"


def _word(value: Any) -> str:
    """A value as one would type it; a release's own is its default."""
    if value is None:
        return "default"
    return one_line(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
