"""Verbs that move releases: stage, deploy, rollback, wait, abort.

The operation lives in the supervisor. Ctrl-C here detaches and changes nothing; `wait` comes back to it.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NoReturn

import click

from deploy import client
from deploy.cli.show import Context, duration, release_words, stamp, verb
from deploy.ranges import FiniteRange
from deploy.release import NotFound, Rejected, Staged, Stager
from shared.clock import NS, SystemClock
from shared.messages import Reply
from shared.outcomes import EXIT

POLL_S = 0.05
GONE_S = 15.0
"""How long a supervisor may be away in the middle of an operation before its outcome is called unknown."""
PHASES = {
    "spawning": "spawn",
    "warming": "warm",
    "flipping": "flip",
    "attesting": "attest",
    "retiring": "retire",
    "restoring": "put back",
}
_TIMEOUT = click.option(
    "--timeout", type=FiniteRange(min=0), default=600.0, show_default=True, help="Seconds to wait; 75 if over."
)
_REASON = click.option("--reason", default="", help="Why, for the journal.")
_OP = click.option("--id", "op", default="", help="The operation's id; repeating a command under it joins it.")


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
@_REASON
@_OP
@click.option("--expect-active", default="", help="Refuse (16) unless this release is active now.")
@_TIMEOUT
@click.option("--no-wait", is_flag=True, help="Start it and come back at once.")
@verb
def deploy(
    context: Context, source: str, reason: str, op: str, expect_active: str, timeout: float, no_wait: bool
) -> None:
    """Let a new release take over: stage it, warm it, pass each slot on at its clean boundary, retire the old one.

    Exit codes: 0 it trades; 10-19 nothing changed, the old release trades; 20 it was put back; 30-39 look now; 75 the
    wait is over and the operation goes on.
    """
    op = op or client.new_operation_id()
    before = client.ask(context.state, "status").data
    staged = _stage(context, source)
    _register(context, staged)
    release = staged.indexed.release
    arguments = {
        "release": release,
        "reason": reason,
        "expect_active": expect_active,
        "steps_ms": {f"stage_{step}": took for step, took in staged.steps_ms.items()},
    }
    context.op = op
    begun = client.ask(context.state, "deploy", arguments, op=op)
    if begun.ok and begun.op:
        _say(context, f"Deploying {staged.indexed.name[:-4]}  over  {_over(before)}   op {begun.op}")
        _say_phase(context, "stage", sum(staged.steps_ms.values()), _stage_words(staged))
    _follow(context, begun, timeout, no_wait)


@click.command()
@click.argument("release", default="")
@_REASON
@_OP
@_TIMEOUT
@click.option("--no-wait", is_flag=True, help="Start it and come back at once.")
@verb
def rollback(context: Context, release: str, reason: str, op: str, timeout: float, no_wait: bool) -> None:
    """Give the slots back to the release before this one, or to the one named (r41, or a hash)."""
    arguments = {"release": release, "reason": reason}
    context.op = op or client.new_operation_id()
    reply = client.ask(context.state, "rollback", arguments, op=context.op)
    _follow(context, reply, timeout, no_wait)


@click.command()
@click.argument("op")
@_TIMEOUT
@verb
def wait(context: Context, op: str, timeout: float) -> None:
    """Wait for an operation to end; the exit code is its own."""
    _watch(context, op, timeout)


@click.command()
@click.argument("op", default="")
@verb
def abort(context: Context, op: str) -> None:
    """Put a running operation back while that is possible."""
    context.finish(client.ask(context.state, "abort", {"op": op} if op else {}))


def _stage(context: Context, source: str) -> Staged:
    try:
        return Stager(context.state).stage(source)
    except NotFound as error:
        context.fail("NOINPUT", str(error), "foresightctl releases", "foresightctl deploy --green PATH")
    except Rejected as error:
        context.fail("REJECTED", f"rejected: {error}", f"foresightctl stage {source}")
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


def _follow(context: Context, begun: Reply, timeout: float, no_wait: bool) -> NoReturn:
    """See an operation through that was just asked for."""
    if not begun.ok or not begun.op or no_wait:
        context.finish(begun)
    _watch(context, begun.op, timeout)


def _watch(context: Context, op: str, timeout: float) -> NoReturn:
    """Tell each phase as it ends; end with the operation's own code."""
    clock = SystemClock()
    deadline_ns = clock.monotonic_ns() + int(timeout * NS)
    told: set[str] = set()
    reply: Reply | None = None
    try:
        while clock.monotonic_ns() < deadline_ns:
            reply = _operation(context, op, clock)
            if not reply.ok:
                context.finish(reply)
            _tell_phases(context, reply.data, told)
            if reply.data["result"]:
                _ended(context, reply)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        _detached(context, op, "INTERRUPTED", "you left", reply)
    _detached(context, op, "TEMPFAIL", f"the wait of {timeout:g} s is over", reply)


def _operation(context: Context, op: str, clock: SystemClock) -> Reply:
    """Ask for an operation; a supervisor that is being restarted gets a little time to come back."""
    gone_ns = clock.monotonic_ns() + int(GONE_S * NS)
    while True:
        try:
            return client.ask(context.state, "operation", {"op": op})
        except client.Unavailable as error:
            if clock.monotonic_ns() > gone_ns:
                text, trading = f"the outcome of {op} cannot be proved: {error}", context.last_known()
                context.fail("UNKNOWN", text, f"foresightctl wait {op}", "make run", trading=trading)
            time.sleep(POLL_S)


def _tell_phases(context: Context, data: dict[str, Any], told: set[str]) -> None:
    for phase, name in PHASES.items():
        if phase in data["steps_ms"] and phase not in told:
            told.add(phase)
            _say_phase(context, name, data["steps_ms"][phase], _phase_words(phase, data))
    for slot, why in data["waiting"].items():
        if (line := f"{slot}: {why}") not in told:
            told.add(line)
            _say(context, f"  ..   waiting for {line}")


def _phase_words(phase: str, data: dict[str, Any]) -> str:
    if phase == "spawning":
        return f"greeted with the staged hash, {len(data['load_us'])} modules loaded"
    if phase == "flipping":
        return f"{data['flips']} slots passed at their clean boundary"
    tried = ", decides" if data["verb"] == "deploy" else ""
    if phase == "warming":
        return f"read the tape, misses nothing{tried}"
    return f"says it runs what was staged{tried}" if phase == "attesting" else ""


def _ended(context: Context, reply: Reply) -> NoReturn:
    """The operation's result as this command's own."""
    data, code = reply.data, reply.data["result"]
    ok = code == "OK"
    release = release_words({"seq": data.get("green_seq", 0), "hash": data["green"]})
    text = f"Active: {release}. {data['flips']} slots passed."
    if ok and data["blue"]:
        text += "   Undo: " + context.typed(f"foresightctl rollback {data['blue'][:8]}")
    message = text if ok else f"{data['verb']} of {release} ended {code}: {data['fault']}"
    hints = () if ok else (f"foresightctl operation {data['op']}", "foresightctl events")
    final = Reply(
        ok=ok,
        exit=EXIT[code],
        code=code,
        message=message,
        changed=ok or data["flips"] > 0,
        trading=reply.trading,
        generation=reply.generation,
        op=data["op"],
        hint=hints,
        data=data,
    )
    context.finish(final, text)


def _detached(context: Context, op: str, code: str, why: str, last: Reply | None) -> NoReturn:
    """Leave an operation to itself. Args: last: what was heard of it last, if anything."""
    where = f" in phase {last.data['phase']}" if last is not None else ""
    reply = Reply(
        ok=False,
        exit=EXIT[code],
        code=code,
        message=f"{why}; {op} goes on{where}",
        changed=last is not None and last.data["flips"] > 0,
        trading=last.trading if last is not None else context.last_known(),
        generation=last.generation if last is not None else 0,
        op=op,
        hint=(f"foresightctl wait {op}",),
        data=last.data if last is not None else None,
    )
    context.finish(reply)


def _say(context: Context, line: str) -> None:
    """Progress goes to standard error, and never animates."""
    if not context.as_json:
        prefix = "" if sys.stderr.isatty() else f"{stamp(SystemClock().wall_ns())} "
        click.echo(f"{prefix}{line}", err=True)


def _say_phase(context: Context, name: str, took_ms: int, words: str) -> None:
    _say(context, f"  ok   {name:<8} {words:<48} {duration(took_ms):>8}")
