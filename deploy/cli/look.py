"""Verbs that look and change nothing: status, slots, claims, releases, events."""

from __future__ import annotations

import sys
import time
from typing import Any, Final, NoReturn

import click
import msgspec

from deploy import client
from deploy.cli.show import (
    STALE_S,
    Context,
    age_s,
    ago,
    clock_time,
    one_line,
    release_words,
    table,
    verb,
)
from deploy.ranges import stamp
from shared.clock import NS
from shared.messages import Reply
from shared.outcomes import EXIT
from shared.units import show_micro, show_usd

LINE_MAX = 80
"""Columns of a line that others wrote."""
LOOK_S = 0.5
"""Between two looks for news."""
EVENTS_MAX: Final = 500
"""As many as a desk tells at once."""


@click.command()
@verb
def status(context: Context) -> None:
    """One screen: mode, state, release, slots, money, what is in progress."""
    try:
        reply = client.ask(context.state, "status")
    except client.Unavailable as error:
        _from_file(context, error)
    context.finish(reply, status_screen(reply.data))


def _from_file(context: Context, error: client.Unavailable) -> NoReturn:
    """The supervisor does not answer: show what status.json said last, and how old that is."""
    last = client.last_status(context.state.status)
    if last is not None and not context.as_json:
        click.echo(f"status.json of {stamp(int(last['wall_ns']))}, {ago(age_s(last))} old:", err=True)
        click.echo(status_screen(last), err=True)
    context.unavailable(error, last)


def status_screen(status: dict[str, Any]) -> str:
    """The status as a person wants it, at most 80 columns wide and a screen high."""
    slots, cash = status["slots"], status["cash_micro"]
    release = release_words(status["release"]) or "no release"
    faults = [f"{feed}: {fault}" for feed, fault in status["feeds"].items() if fault]
    age = age_s(status)
    lines = [
        f"{status['mode'].upper()}  {status['state']}   {release}  p:{status['parameters'][:4]}"
        f"   market time {clock_time(status['at_ns'])}" + (f"   STALE {age:.0f} s" if age > STALE_S else ""),
        f"slots  {slots['owned']}/{slots['open']} owned, {slots['configured'] - slots['open']} without a market"
        f"   decisions {status['decided']}   skipped {_skipped(status)}",
        f"money  today {show_usd(status['day_realized_micro'], signed=True)}"
        f" of -{show_usd(status['day_loss_limit_micro'])}   exposure {show_usd(status['exposure_micro'])}"
        f"   cash {show_usd(cash)}",
        f"open   {len(status['positions'])} positions, {len(status['orders'])} orders{_to_claim(status)}",
        *_books(status),
        f"feeds  {'; '.join(faults) if faults else 'market, user, prices ok'}   tape {status['tape']}",
    ]
    if status.get("halted"):
        lines.append(f"halted {one_line(status['pause_reason'])}; foresightctl resume")
    if status.get("flattening"):
        lines.append(f"flat   {_flattening_line(status['flattening'])}; foresightctl resume")
    if status.get("standing", "ok") != "ok":
        lines.append(f"venue  {one_line(status['standing'])}")
    lines += _venue_lines(status.get("venue", {}))
    if status["paused"]:
        lines.append(f"paused {one_line(status['pause_reason']) or 'no reason given'}; foresightctl resume")
    if status["operation"]:
        lines.append(f"now    {_operation_line(status['operation'])}")
    return "\n".join(lines)


def _books(status: dict[str, Any]) -> list[str]:
    """How often our books were held against the venue's, and what differs; nothing before the first time."""
    reconciled = status.get("reconciled")
    if not reconciled or not reconciled["rounds"]:
        return []
    agree = "DIFFER from" if reconciled["differs"] else "are"
    foreign = f"   {len(reconciled['foreign'])} foreign orders" if reconciled["foreign"] else ""
    differs = [one_line(f"DIFFERS  {text}")[:LINE_MAX] for text in reconciled["differs"]]
    return [f"books  {agree} the venue's, compared {reconciled['rounds']} times{foreign}", *differs]


def _to_claim(status: dict[str, Any]) -> str:
    """What is ours and no cash yet; a desk of before claims says nothing of it."""
    owed = status.get("owed_micro", 0)
    return f", {show_usd(owed)} to claim" if owed else ""


def _venue_lines(venue: dict[str, Any]) -> list[str]:
    """What the venue does not take now; nothing when it takes everything."""
    faults = [f"{what}: {venue[what]}" for what in ("orders", "cancels") if venue.get(what, "ok") != "ok"]
    waiting = [f"{venue['cancels_waiting']} cancels wait"] if venue.get("cancels_waiting") else []
    return [f"venue  {part}" for part in faults + waiting]


def _skipped(status: dict[str, Any]) -> int:
    return sum(count for name, count in status["counters"].items() if name.startswith("skip:"))


def _flattening_line(taken: dict[str, Any]) -> str:
    waiting = [f"{slot}: {one_line(found['words'])}" for slot, found in taken.items() if found["state"] != "flat"]
    flat = f"{len(taken) - len(waiting)} of {len(taken)} slots"
    return f"{flat}, {'; '.join(waiting[:3])}" if waiting else flat


def _operation_line(operation: dict[str, Any]) -> str:
    waiting = "; ".join(f"{slot}: {why}" for slot, why in list(operation["waiting"].items())[:3])
    line = f"{operation['verb']} {operation['op']} of {operation['green'][:8]} is {operation['phase']}"
    return f"{line}, waiting for {waiting}" if waiting else line


def _heard(context: Context, verb: str, args: dict[str, Any] | None = None) -> Reply:
    """What a desk answers; one that refuses, as an older one does a verb it does not know, ends the command."""
    reply = client.ask(context.state, verb, args)
    if not reply.ok:
        context.finish(reply)
    return reply


@click.command()
@verb
def slots(context: Context) -> None:
    """Every slot: what it does, its window, its owner, its market."""
    reply = _heard(context, "slots")
    head = ("SLOT", "STATE", "CLOSES", "BID/ASK", "OWNER", "RELEASE", "EPOCH", "OPEN", "ORDERS")
    context.finish(reply, table([head, *map(_slot_row, reply.data)]))


def _slot_row(slot: dict[str, Any]) -> tuple[str, ...]:
    minutes, seconds = divmod(slot["closes_in_s"], 60)
    quoted = f"{_price(slot['bid'])}/{_price(slot['ask'])}" if "bid" in slot else "-"
    held = ", ".join(f"{p['outcome']} {show_micro(p['size_micro'])}" for p in slot["positions"]) or "-"
    return (
        slot["slot"],
        slot["state"],
        f"{minutes}:{seconds:02d}",
        quoted if slot.get("book", "ok") == "ok" else f"{quoted} STALE",
        slot["owner"] or "-",
        slot["release"][:8] or "-",
        str(slot["epoch"]),
        held,
        str(slot["open_orders"]),
    )


def _price(text: str) -> str:
    """Cents at least, so that prices stand below each other; "-" for none."""
    whole, _, digits = text.partition(".")
    return "-" if text == "0" else f"{whole}.{digits:0<2}"


@click.command()
@verb
def claims(context: Context) -> None:
    """What is owed to us: winners to redeem, pairs being merged, what came of each, newest last."""
    reply = _heard(context, "claims")
    head = ("CLAIM", "SLOT", "WINDOW", "DOLLARS", "STATE", "NONCE", "WHY")
    context.finish(reply, table([head, *map(_claim_row, reply.data)]) if reply.data else "nothing was ever owed")


def _claim_row(claim: dict[str, Any]) -> tuple[str, ...]:
    return (
        claim["kind"],
        claim["slot"],
        clock_time(claim["start_s"] * NS),
        show_usd(claim["amount_micro"]),
        claim["state"].replace("_", " "),
        str(claim["nonce"]) if claim["nonce"] >= 0 else "-",
        one_line(claim["detail"])[:60] or "-",
    )


@click.command()
@click.option("--diff", nargs=2, metavar="A B", help="What differs between two of them: r-numbers, or hashes.")
@verb
def releases(context: Context, diff: tuple[str, str] | None) -> None:
    """Every release this desk knows, newest first; or what differs between two, read from the disk."""
    if diff is not None:
        from deploy.cli.compare import compare  # brings everything that staging needs; looking has to be quick

        compare(context, *diff)
    reply = _heard(context, "releases")
    rows = [(f"r{r['seq']}", r["hash"], r["role"], r["lock"]) for r in reply.data]
    context.finish(reply, table([("RELEASE", "HASH", "ROLE", "ENVIRONMENT"), *rows]))


@click.command()
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, EVENTS_MAX),
    default=30,
    show_default=True,
    help="How many, newest last.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what happens, until Ctrl-C.")
@verb
def events(context: Context, limit: int, follow: bool) -> None:
    """What happened lately: handovers, orders, fills, operations, alarms. Times are the market's, UTC."""
    reply = _heard(context, "events", {"limit": limit})
    if not follow:
        context.finish(reply, "\n".join(map(event_line, reply.data)) or "nothing happened yet")
    _follow(context, reply.data)


def _follow(context: Context, shown: list[dict[str, Any]]) -> NoReturn:
    """Print events as they come, as JSON one document a line; Ctrl-C is how a person ends that."""
    try:
        _print_all(context, shown)
    except KeyboardInterrupt:
        sys.exit(EXIT["INTERRUPTED"])


def _print_all(context: Context, shown: list[dict[str, Any]]) -> NoReturn:
    last_ns = 0
    while True:
        for event in shown:
            last_ns = event["at_ns"]
            click.echo(msgspec.json.encode(event).decode() if context.as_json else event_line(event))
        sys.stdout.flush()
        time.sleep(LOOK_S)
        shown = _heard(context, "events", {"after_ns": last_ns, "limit": EVENTS_MAX}).data


def event_line(event: dict[str, Any]) -> str:
    """An event as one line."""
    return f"{clock_time(event['at_ns'])}  {event['kind']:<9} {one_line(event['text'])}"
