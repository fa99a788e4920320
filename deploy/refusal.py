"""How a command ends that cannot do what was asked: lines for a person, or the one document for a program.

Both commands end here, so that whoever asked with --json reads the same document of each: a `Reply` with `ok` false,
the name of the exit code and what to type next. Leaves asking who trades to those that can. What always holds: a person
reads it on standard error, a program on standard output, and never both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import click
import msgspec

from shared.messages import Reply
from shared.outcomes import EXIT

NOT_ASKED: Final[dict[str, Any]] = {"state": "UNKNOWN", "age_s": None}
"""Who trades, where nobody was asked."""


def refused(
    code: str,
    message: str,
    hint: Iterable[str] = (),
    *,
    trading: dict[str, Any] | None = None,
    generation: int = 0,
    op: str = "",
    data: Any = None,
) -> Reply:
    """An error of our own as an answer. Args: code: the name of an exit code. trading: who trades, if that is known."""
    return Reply(
        ok=False,
        exit=EXIT[code],
        code=code,
        message=message,
        changed=False,
        trading=trading or NOT_ASKED,
        generation=generation,
        op=op,
        hint=tuple(hint),
        data=data,
    )


def document(reply: Reply) -> str:
    """An answer as a program reads it, on one line."""
    return msgspec.json.encode(reply).decode()


def end(command: str, code: str, message: str, *hint: str, trading: str = "", data: Any = None) -> NoReturn:
    """End a command that asks no desk. Args: trading: what it means for money, for people; hint: what to type."""
    hint = tuple(line for line in hint if line)
    if wants_document():
        click.echo(document(refused(code, message, hint, data=data)))
    else:
        for line in message.splitlines():
            click.echo(f"{command}: {line}", err=True)
        if trading:
            click.echo(f"  trading  {trading}", err=True)
        for line in hint:
            click.echo(f"  next     {line}", err=True)
    sys.exit(EXIT[code])


def named(exit_code: int) -> str:
    """The name of an exit code that is known by its number."""
    return next(name for name, number in EXIT.items() if number == exit_code)


def wants_document() -> bool:
    """Whether the command that runs was asked with its --json."""
    context = click.get_current_context(silent=True)
    names = [] if context is None else [p.name for p in context.command.params if "--json" in p.opts]
    return context is not None and any(context.params.get(name or "") for name in names)


def asked_for_document(words: Iterable[str]) -> bool:
    """Whether a command line asks for a document, also one that click cannot make sense of."""
    for word in words:
        if word == "--":
            return False
        if word == "--json" or (word.startswith("-") and not word.startswith("--") and "j" in word[1:2]):
            return True
    return False
