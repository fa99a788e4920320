"""Seeing an operation through: ask, tell what is new, end with the operation's own code.

The operation lives in the supervisor: whoever leaves changes nothing, and `wait` comes back to it. Leaves what is worth
telling to `progress`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Final, NoReturn

import click
import msgspec

from deploy import client
from deploy.cli.progress import NAMES, Progress, View
from deploy.cli.show import Context, counted, release_words, span
from deploy.ranges import stamp
from shared.clock import NS, SystemClock
from shared.messages import Reply
from shared.outcomes import EXIT

POLL_S = 0.05
POLL_MAX_S: Final = 1.0
"""Between two looks at an operation: quick while something happens, once a second while it bakes."""
POLL_SHARE: Final = 0.02
"""Of the time since the last news, how much may go by before the next look."""
GONE_S = 15.0
"""How long a supervisor may be away in the middle of an operation before its outcome is called unknown."""
AS_ASKED: Final = "as asked"
"""Why an operation is held that was told so when it began."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What somebody waits for, and how long. `back`: kinds of operation that they want to see put back."""

    op: str
    timeout_s: float
    back: frozenset[str] = frozenset()


def follow(context: Context, begun: Reply, wait: Wait, no_wait: bool) -> NoReturn:
    """See an operation through that was just asked for."""
    if not begun.ok or not begun.op or no_wait:
        context.finish(begun)
    watch(context, wait)


def watch(context: Context, wait: Wait) -> NoReturn:
    """Tell each phase as it ends; end with the operation's own code."""
    clock, progress = SystemClock(), Progress()
    began_ns = news_ns = clock.monotonic_ns()
    reply: Reply | None = None
    try:
        while clock.monotonic_ns() < began_ns + int(wait.timeout_s * NS):
            reply = _asked(context, wait.op, clock)
            view, lines = progress.news(reply.data)
            for line in lines:
                say(context, line)
            _end(context, wait, reply, view)
            news_ns = clock.monotonic_ns() if lines else news_ns
            time.sleep(_pause_s((clock.monotonic_ns() - news_ns) / NS))
    except KeyboardInterrupt:
        _detached(context, wait.op, "INTERRUPTED", "you left", reply)
    _detached(context, wait.op, "TEMPFAIL", f"the wait of {span(wait.timeout_s)} is over", reply)


def say(context: Context, line: str) -> None:
    """Progress goes to standard error, a stamped line at a time where no terminal is, and never animates."""
    if not context.as_json:
        prefix = "" if sys.stderr.isatty() else f"{stamp(SystemClock().wall_ns())} "
        click.echo(f"{prefix}{line}", err=True)


def _pause_s(quiet_s: float) -> float:
    return min(POLL_MAX_S, max(POLL_S, quiet_s * POLL_SHARE))


def _asked(context: Context, op: str, clock: SystemClock) -> Reply:
    """Ask for an operation; a supervisor that is being restarted gets a little time to come back."""
    gone_ns = clock.monotonic_ns() + int(GONE_S * NS)
    while True:
        try:
            reply = client.ask(context.state, "operation", {"op": op})
        except client.Unavailable as error:
            if clock.monotonic_ns() > gone_ns:
                text, trading = f"the outcome of {op} cannot be proved: {error}", context.last_known()
                context.fail("UNKNOWN", text, f"foresightctl wait {op}", "make run", trading=trading)
            time.sleep(POLL_S)
        else:
            if not reply.ok:
                context.finish(reply)
            return reply


def _end(context: Context, wait: Wait, reply: Reply, view: View) -> None:
    """End with an operation that is over or waits for a person; come back if it is neither."""
    wanted_back = view.verb in wait.back
    if view.put_back and wanted_back:
        trades = release_words(reply.trading) or "No release"  # as before, when it was the first of all
        text = f"Put back: {view.verb} {view.op} ended {view.result}. {trades} trades."
        context.finish(_final(reply, view, "OK", text, changed=True))
    if view.over:
        _ended(context, reply, view)
    if view.phase == "held" and not wanted_back:
        _held(context, reply, view)


def _ended(context: Context, reply: Reply, view: View) -> NoReturn:
    """The operation's result as this command's own."""
    green = release_words({"seq": view.green_seq, "hash": view.green})
    changed = view.result == "OK" or view.flips > 0
    if view.result == "OK":
        text = f"Active: {green}. {counted(view.flips, 'slot')} passed."
        if view.blue:
            text += "   Undo: " + context.typed(f"foresightctl rollback {view.blue[:8]}")
        if view.retuned_from:
            text += f"\nIts parameters came back with it: it cannot use p{view.retuned_from}. What differs: "
            text += context.typed(f"foresightctl params diff p{view.retuned_from}")
        context.finish(_final(reply, view, "OK", text, changed=changed))
    text = f"{view.verb} of {green} ended {view.result}: {view.fault}"
    hints = f"foresightctl op show {view.op}", "foresightctl events"
    context.finish(_final(reply, view, view.result, text, *hints, changed=changed))


def _held(context: Context, reply: Reply, view: View) -> NoReturn:
    """A person's word is needed: good if it was asked for, else a wait that goes on when somebody decides."""
    asked = view.held_for == AS_ASKED
    where = f"held before {NAMES.get(view.after, view.after)}"
    passed = f"{counted(view.flips, 'slot')} passed" if view.flips else "nothing has passed"
    text = (
        f"{view.op} is {where}, {AS_ASKED}; {passed}" if asked else f"{view.op} is {where}: {view.held_for}; {passed}"
    )
    hints = f"foresightctl promote {view.op}", f"foresightctl abort {view.op}"
    final = _final(reply, view, "OK" if asked else "TEMPFAIL", text, *hints, changed=view.flips > 0)
    context.finish(final, "\n".join([f"{text}.", *(f"  next     {context.typed(hint)}" for hint in hints)]))


def _detached(context: Context, op: str, code: str, why: str, last: Reply | None) -> NoReturn:
    """Leave an operation to itself. Args: last: what was heard of it last, if anything."""
    if last is None:
        context.fail(code, f"{why}; {op} goes on", f"foresightctl wait {op}", trading=context.last_known(), op=op)
    view = msgspec.convert(last.data, View)
    text = f"{why}; {op} goes on in phase {view.phase}"
    context.finish(_final(last, view, code, text, f"foresightctl wait {op}", changed=view.flips > 0))


def _final(reply: Reply, view: View, code: str, text: str, *hint: str, changed: bool) -> Reply:
    """The last word of a command: the desk's answer under the code and the text that this command ends with."""
    return msgspec.structs.replace(
        reply, ok=code == "OK", exit=EXIT[code], code=code, message=text, changed=changed, op=view.op, hint=hint
    )
