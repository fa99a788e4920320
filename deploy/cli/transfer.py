"""foresightctl transfer: a person says that a difference in cash is a deposit or a withdrawal, and the books follow.

Leaves to the desk whether that explains what differs. What always holds: nothing is taken over whose amount nobody has
named, on the command line or at the terminal where it was shown.
"""

from __future__ import annotations

import shlex
import sys

import click

from deploy import client
from deploy.cli.show import Context, verb
from shared.units import NotANumber, parse_micro, show_signed


@click.command()
@click.option("--amount", default="", metavar="USD", help="+50 came in, -20.5 went out: all of what differs.")
@click.option("--reason", default="", help="Why, for whoever adds up the money later. Needed.")
@verb
def transfer(context: Context, amount: str, reason: str) -> None:
    """Take over money that came or went past the desk, so that entries open again.

    It has to be what differs between the venue and our books, all of it. Without --amount that is shown and asked for.
    """
    context.needs(reason, 'foresightctl transfer --reason "deposit"')
    amount = amount or _confirmed(context, reason)
    context.finish(client.ask(context.state, "transfer", {"amount": amount, "reason": reason}))


def _confirmed(context: Context, reason: str) -> str:
    """What differs, after a person has typed it; without a terminal nobody is there to do so."""
    found = client.ask(context.state, "status").data["reconciled"].get("missing_micro")
    if not found:
        context.fail(
            "PRECONDITION", "our cash is what the venue has, there is nothing to take over", "foresightctl status"
        )
    low, high = map(show_signed, found)
    if low != high:
        text = f"between {low} and {high} differ, as trades or claims are under way"
        context.fail("TEMPFAIL", f"{text}; wait, or name the amount", _again("USD", reason))
    if not sys.stdin.isatty():
        context.fail("DECLINED", f"{low} differs, and nobody confirmed it", _again(low, reason))
    click.echo(f"{low} at the venue is not in our books. Taken over, it is no result of any release.", err=True)
    if not _same(click.prompt(f"Type {low} to go on", default="", show_default=False, err=True), found[0]):
        context.fail("DECLINED", f"{low} was not confirmed", _again(low, reason))
    return low


def _same(typed: str, amount_micro: int) -> bool:
    try:
        return parse_micro(typed.strip().removeprefix("+")) == amount_micro
    except NotANumber:
        return False


def _again(amount: str, reason: str) -> str:
    return f"foresightctl transfer --amount {amount} --reason {shlex.quote(reason)}"
