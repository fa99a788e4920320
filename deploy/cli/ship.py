"""Verbs that move releases: stage, deploy, promote, rollback, abort, wait.

The operation lives in the supervisor. Ctrl-C here detaches and changes nothing; `wait` comes back to it.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import click

from deploy import client
from deploy.cli.follow import Wait, follow, say, watch
from deploy.cli.plan import Plan, forecast_screen, plan_options
from deploy.cli.progress import line
from deploy.cli.show import Context, release_words, verb
from deploy.ranges import DAY_S, Duration, Text
from deploy.release import NotFound, Rejected, Staged, Stager
from shared.messages import Reply
from shared.outcomes import EXIT

TIMEOUT_MAX_S: Final = 30 * DAY_S
WORDS_MAX: Final = 500
"""Letters of a reason, as the desk takes them."""
_ANY: Final = frozenset({"deploy", "rollback"})
_WORDS = Text(WORDS_MAX)
_RELEASE = Text(64, r"[A-Za-z0-9]+", "r41 or 9f31c7e0")
_ID = Text(64, r"[A-Za-z0-9._:-]+", "ci-8841")

_TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=Duration(TIMEOUT_MAX_S, bare=True),
    default="2h",
    show_default=True,
    metavar="TIME",
    help="How long to wait: seconds, or 90s, 10m, 2h. Then 75, and the operation goes on.",
)
_NO_WAIT = click.option("--no-wait", is_flag=True, help="Ask for it and come back at once.")
_REASON = click.option("--reason", type=_WORDS, default="", help="Why, for the journal.")
_OP = click.option("--id", "op", type=_ID, default="", help="The operation's id; a command repeated under it joins it.")
_EXPECT_ACTIVE = click.option(
    "--expect-active", type=_RELEASE, default="", metavar="RELEASE", help="Refuse (16) unless this release is active."
)


@click.command()
@click.argument("source", default=".")
@verb
def stage(context: Context, source: str) -> None:
    """Make a release from a folder or git revision, without switching to it."""
    staged = _stage(context, source)
    known = _register(context, staged)
    word = "staged" if staged.fresh else "was staged already"
    text = f"{staged.indexed.name} {word}: {len(staged.indexed.modules)} files"
    text += "" if known else "; no desk runs, so none was told"
    data = {**_indexed(staged), "fresh": staged.fresh, "steps_ms": staged.steps_ms}
    trading = known.trading if known else context.last_known()
    context.finish(
        Reply(True, EXIT["OK"], "OK", text, staged.fresh, trading, known.generation if known else 0, data=data)
    )


@click.command()
@click.option(
    "--green",
    "source",
    is_flag=False,
    flag_value=".",
    default=".",
    show_default=True,
    help="Folder, git revision, r-number or hash; alone, this folder.",
)
@plan_options
@_EXPECT_ACTIVE
@click.option("--override", type=_WORDS, default="", metavar="WHY", help="Deploy although a policy refuses; says why.")
@click.option("--dry-run", is_flag=True, help="Stage it, say what a deploy would do, and do nothing.")
@_REASON
@_OP
@_TIMEOUT
@_NO_WAIT
@verb
def deploy(
    context: Context,
    source: str,
    plan: Plan,
    expect_active: str,
    override: str,
    dry_run: bool,
    reason: str,
    op: str,
    timeout_s: float,
    no_wait: bool,
) -> None:
    """Let a new release take over, ring by ring, each slot at its clean boundary; take it back if it is no good.

    What is not said here about how it goes is the desk's setting. Exit codes: 0 it trades, or is held where it was
    told to; 10-19 nothing changed, the old release trades; 20 it was put back; 30-39 look now; 75 the wait is over, or
    a person has to decide, and the operation goes on.
    """
    before = client.ask(context.state, "status").data
    staged = _stage(context, source)
    _register(context, staged)
    arguments = {
        "release": staged.indexed.release,
        "reason": reason,
        "expect_active": expect_active,
        "override": override,
        "plan": plan,
        "steps_ms": {f"stage_{step}": took for step, took in staged.steps_ms.items()},
    }
    if dry_run:
        _foresee(context, arguments)
    context.op = op or client.new_operation_id()
    begun = client.ask(context.state, "deploy", arguments, op=context.op)
    if begun.ok and begun.op:
        say(context, f"Deploying {staged.indexed.name[:-4]}  over  {_over(before)}   op {begun.op}")
        say(context, line("ok", "stage", _stage_words(staged), sum(staged.steps_ms.values())))
    follow(context, begun, Wait(begun.op, timeout_s), no_wait)


@click.command()
@click.argument("op")
@_TIMEOUT
@_NO_WAIT
@verb
def promote(context: Context, op: str, timeout_s: float, no_wait: bool) -> None:
    """Let an operation go on that is held."""
    follow(context, client.ask(context.state, "promote", {"op": op}), Wait(op, timeout_s), no_wait)


@click.command()
@click.argument("release", default="", type=_RELEASE)
@click.option("--op", "running", type=_ID, default="", help="Take back this operation, if it runs, and no other.")
@_EXPECT_ACTIVE
@_REASON
@_OP
@_TIMEOUT
@_NO_WAIT
@verb
def rollback(
    context: Context,
    release: str,
    running: str,
    expect_active: str,
    reason: str,
    op: str,
    timeout_s: float,
    no_wait: bool,
) -> None:
    """Give the slots back to the release before this one, or to the one named (r41, or a hash).

    A deploy that runs is put back, if the release named is the one it began with.
    """
    arguments = {"release": release, "op": running, "expect_active": expect_active, "reason": reason}
    context.op = op or client.new_operation_id()
    reply = client.ask(context.state, "rollback", arguments, op=context.op)
    follow(context, reply, Wait(reply.op, timeout_s, back=frozenset({"deploy"})), no_wait)


@click.command()
@click.argument("op")
@_TIMEOUT
@verb
def wait(context: Context, op: str, timeout_s: float) -> None:
    """Wait for an operation to end, or to need a person; the exit code is its own."""
    watch(context, Wait(op, timeout_s))


@click.command()
@click.argument("op", default="")
@_TIMEOUT
@_NO_WAIT
@verb
def abort(context: Context, op: str, timeout_s: float, no_wait: bool) -> None:
    """Put a running operation back while that is possible; 0 when the release before trades."""
    reply = client.ask(context.state, "abort", {"op": op} if op else {})
    follow(context, reply, Wait(reply.op, timeout_s, back=_ANY), no_wait)


def _foresee(context: Context, arguments: dict[str, Any]) -> NoReturn:
    """Show what a deploy would do. It has no id: so a desk that does not know dry runs refuses it."""
    reply = client.ask(context.state, "deploy", {**arguments, "dry_run": True})
    if not isinstance(reply.data, dict) or "would" not in reply.data:
        context.finish(reply)
    screen = forecast_screen(reply.data)
    if not (reply.ok or context.as_json):
        click.echo(screen)
    context.finish(reply, screen)


def _stage(context: Context, source: str) -> Staged:
    try:
        return Stager(context.state).stage(source)
    except NotFound as error:
        context.fail("NOINPUT", str(error), "foresightctl releases", "foresightctl deploy --green PATH")
    except Rejected as error:
        context.fail("REJECTED", f"rejected: {error}", f"foresightctl stage {source}")
    except PermissionError as error:
        context.fail("NOPERM", f"staging: {error}")
    except OSError as error:
        context.fail("IOERR", f"staging: {error}")


def _register(context: Context, staged: Staged) -> Reply | None:
    """Let the desk know the release, if one runs."""
    try:
        reply = client.ask(context.state, "register", _indexed(staged))
    except client.Unavailable:
        return None
    if not reply.ok:
        context.finish(reply)
    return reply


def _indexed(staged: Staged) -> dict[str, Any]:
    known = staged.indexed
    return {"seq": known.seq, "release": known.release, "lock": known.lock, "modules": known.modules}


def _over(status: dict[str, Any]) -> str:
    release = release_words(status["release"]) if status["release"] else "nothing"
    size = f"{status['slots']['configured']} slots · {len(status['positions'])} open positions"
    return f"{release}      {status['mode']} · {size}"


def _stage_words(staged: Staged) -> str:
    if not staged.fresh:
        return f"{len(staged.indexed.modules)} files, staged already"
    environment = "environment made" if "environment" in staged.steps_ms else "environment reused"
    return f"{len(staged.indexed.modules)} files, {environment}, self-check ok"
