"""What people can ask of the desk: one verb in, one reply out. Each reply says first who is trading now.

The verbs stand in one table. Exit codes are those of `shared.outcomes`; what a verb changes is done before it answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from shared import entries as e
from shared.config import digest
from shared.fingerprint import release_hash
from shared.messages import Reply, Request
from shared.outcomes import EXIT
from shared.units import NotANumber, parse_micro, show_signed
from supervisor import report, rollout
from supervisor.board import WORDS_MAX
from supervisor.desk import Desk
from supervisor.effects import Moment
from supervisor.operation import Operation
from supervisor.plan import BadPlan, Plan, planned
from supervisor.policy import Record, Ruling, rulings
from supervisor.reconciling import Unexplained
from supervisor.tuning import Change, Values

EVENTS_MAX: Final = 500
STEPS_MAX: Final = 32
"""Steps of its own that whoever asks for an operation may bring, each of a day at most."""
SEQ_MAX: Final = 1_000_000
"""The highest number of a release."""

TRANSFER_TYPED: Final = 'foresightctl transfer --amount +50 --reason "deposit"'
"""What to type for money that came or went past the desk to be taken over."""
_OP_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")

_Step = Annotated[str, msgspec.Meta(max_length=40)]
_Took = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
_StepsMs = Annotated[dict[_Step, _Took], msgspec.Meta(max_length=STEPS_MAX)]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the kernel says and as they say: `uid` is the peer's, `claimed` is a pipeline's run or the like."""

    uid: int
    pid: int
    claimed: str

    @property
    def actor(self) -> str:
        """How the journal names them."""
        return f"uid:{self.uid}" + (f" {self.claimed}" if self.claimed else "")


class Refused(Exception):
    """A verb that cannot be done: nothing changed. `code` is the name of an exit code."""

    def __init__(self, code: str, message: str, *hint: str) -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with everything a verb may need to answer it."""

    desk: Desk
    now: Moment
    wall_ns: int
    caller: Caller
    request: Request

    def text(self, name: str, default: str = "") -> str:
        """An argument that must be text. Raises: Refused."""
        value = self.request.args.get(name, default)
        if not isinstance(value, str) or len(value) > WORDS_MAX:
            raise Refused("USAGE", f"{name} must be text of at most {WORDS_MAX} characters")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """An argument that must be a whole number from 0 to `most`. Raises: Refused."""
        value = self.request.args.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise Refused("USAGE", f"{name} must be a whole number from 0 to {most}")
        return value

    def flag(self, name: str) -> bool:
        """An argument that must be true or false; false when it is not there. Raises: Refused."""
        value = self.request.args.get(name, False)
        if not isinstance(value, bool):
            raise Refused("USAGE", f"{name} must be true or false")
        return value


@dataclass(frozen=True, slots=True)
class Done:
    """A verb's good answer."""

    message: str
    data: Any = None
    changed: bool = False
    code: str = "OK"
    op: str = ""
    hint: tuple[str, ...] = ()


def answer(asked: Asked) -> Reply:
    """Do what a request asks and say what came of it. Never raises for what a request holds."""
    verb = _VERBS.get(asked.request.verb)
    try:
        if verb is None:
            raise Refused("USAGE", f"no verb {asked.request.verb!r}; there are {', '.join(sorted(_VERBS))}")
        return _reply(asked.desk, verb(asked))
    except Refused as refused:
        return refusal(asked.desk, refused, asked.request.op)


def refusal(desk: Desk, refused: Refused, op: str = "") -> Reply:
    """The reply to what cannot be done."""
    return _reply(desk, Done(str(refused), code=refused.code, op=op, hint=refused.hint))


def trading(desk: Desk) -> dict[str, Any]:
    """Who is trading now: the first thing any answer owes."""
    return {**report.active(desk), "state": report.state(desk)}


def _reply(desk: Desk, done: Done) -> Reply:
    return Reply(
        ok=done.code == "OK",
        exit=EXIT[done.code],
        code=done.code,
        message=done.message,
        changed=done.changed,
        trading=trading(desk),
        generation=desk.board.accounts.generation,
        op=done.op,
        hint=done.hint,
        data=done.data,
    )


def _status(asked: Asked) -> Done:
    return Done("status", report.status(asked.desk, asked.wall_ns))


def _slots(asked: Asked) -> Done:
    return Done("slots", report.slots(asked.desk))


def _claims(asked: Asked) -> Done:
    return Done("claims", report.claims(asked.desk))


def _releases(asked: Asked) -> Done:
    return Done("releases", report.releases(asked.desk))


def _events(asked: Asked) -> Done:
    after_ns = asked.number("after_ns", 0, 2**63 - 1)
    return Done("events", report.events(asked.desk, after_ns, asked.number("limit", 50, EVENTS_MAX)))


def _pause(asked: Asked) -> Done:
    changed = asked.desk.pause(asked.now, True, asked.caller.actor, asked.text("reason"))
    word = "paused: no new entries; exits, cancels and open orders go on"
    return Done(word if changed else f"already {word}", changed=changed)


def _resume(asked: Asked) -> Done:
    """Entries are open, exits as well, and slots that were flattened belong to their releases again."""
    changed = asked.desk.pause(asked.now, False, asked.caller.actor, asked.text("reason"), halted=False)
    word = "resumed: entries are open"
    return Done(word if changed else f"already {word}", changed=changed)


def _halt(asked: Asked) -> Done:
    """Nothing leaves any more but cancels; it needs a reason, and never asks twice."""
    desk, reason = asked.desk, asked.text("reason").strip()
    if not reason:
        raise Refused("USAGE", "a halt needs a reason, for whoever finds the desk like that", "foresightctl pause")
    accounts = desk.board.accounts
    resting = len(accounts.open_orders())
    changed = desk.pause(asked.now, accounts.paused, asked.caller.actor, reason, halted=True)
    word = (
        f"halted: no order leaves, {resting} open ones are being cancelled; positions stay until foresightctl flatten"
    )
    return Done(word if changed else f"already {word}", changed=changed, op=accounts.halted)


def _flatten(asked: Asked) -> Done:
    """Close what slots hold; asked for again it is what goes on already. Of all slots it is a halt as well."""
    desk, wanted = asked.desk, asked.text("slot", "all")
    accounts, op = desk.board.accounts, _own_id(asked)
    everywhere = {*desk.turns.slots, *(held.slot for held in accounts.holdings())}
    if wanted != "all" and wanted not in everywhere:
        raise Refused("NOINPUT", f"no slot {wanted}", "foresightctl slots")
    reason = asked.text("reason")
    if wanted == "all":
        asked.desk.pause(asked.now, accounts.paused, asked.caller.actor, reason or "flatten", halted=True)
    slots = tuple(sorted(everywhere)) if wanted == "all" else (wanted,)
    changed = desk.flatten(asked.now, op, slots, asked.caller.actor, reason)
    word = f"flattening {wanted}: releases send nothing for it until foresightctl resume"
    return Done(word if changed else f"already {word}", report.flattening(desk, slots), changed, op=op)


def _transfer(asked: Asked) -> Done:
    """Money came or went past the desk, a person says: so much, which has to be what differs."""
    reason = asked.text("reason").strip()
    if not reason:
        raise Refused("USAGE", "a transfer needs a reason, for whoever adds up the money later", TRANSFER_TYPED)
    amount_micro = _amount(asked.text("amount"))
    try:
        asked.desk.reconciling.take_over(asked.now, amount_micro, asked.caller.actor, reason)
    except Unexplained as error:
        raise Refused("PRECONDITION", str(error), "foresightctl status") from error
    word = "deposit" if amount_micro > 0 else "withdrawal"
    return Done(
        f"{show_signed(amount_micro)} is taken over as a {word}: entries open when the books agree", changed=True
    )


def _amount(text: str) -> int:
    """Dollars, with their sign or without, in millionths. Raises: Refused."""
    try:
        amount_micro = parse_micro(text.removeprefix("+"))
    except NotANumber as error:
        raise Refused("USAGE", f"an amount is dollars such as +50 or -20.5: {error}", TRANSFER_TYPED) from error
    if not amount_micro:
        raise Refused("USAGE", "an amount of nothing is no transfer", TRANSFER_TYPED)
    return amount_micro


def _own_id(asked: Asked) -> str:
    """The id of an operation that whoever asks has chosen. Raises: Refused."""
    if not _OP_ID.fullmatch(asked.request.op):
        raise Refused("USAGE", "an operation needs an id of its own, 1 to 64 letters, digits, or any of . _ : -")
    return asked.request.op


def _deploy(asked: Asked) -> Done:
    desk, release = asked.desk, asked.text("release")
    running = desk.operations.current
    active = desk.board.accounts.active
    if release not in desk.board.accounts.releases:
        raise Refused("NOINPUT", f"release {release} is not staged here", "foresightctl releases")
    plan, dry = _plan(asked, "deploy"), asked.flag("dry_run")
    if dry:
        return _dry_run(asked, release, plan)
    if running is not None and running.green == release:
        return Done(f"joined: {running.verb} of {release} is {running.phase}", op=running.op)
    if desk.operations.known(asked.request.op) is not None:
        return Done("this operation was asked for before", op=asked.request.op)
    _nothing_runs(desk)
    if active is not None and active.release == release:
        return Done(f"{release} is active already", data={"already": True})
    _as_expected(asked)
    _policies_allow(asked)
    return _begin(asked, "deploy", release, plan)


def _dry_run(asked: Asked, release: str, plan: Plan) -> Done:
    """What a deploy would do and meet; nothing is done, nothing written."""
    desk = asked.desk
    data = report.plan_view(desk, release, plan, asked.request.op, _rulings(asked))
    code, message = "OK", f"a deploy of {release} would begin now"
    try:
        _nothing_runs(desk)
        _as_expected(asked)
        _policies_allow(asked)
    except Refused as refused:
        code, message = refused.code, str(refused)
    return Done(message, {**data, "would": code}, code=code)


def _as_expected(asked: Asked) -> None:
    """Compare and set: whoever names the release they believe to be active is refused when it is another."""
    expected, active = asked.text("expect_active"), asked.desk.board.accounts.active
    if expected and (active is None or not _names(asked.desk, active.release, expected)):
        trading = active.release if active is not None else "none"
        raise Refused(
            "PRECONDITION", f"{expected} is not the active release; that is {trading}", "foresightctl releases"
        )


def _rulings(asked: Asked) -> tuple[Ruling, ...]:
    board = asked.desk.board
    accounts = board.accounts
    record = Record(accounts.activated_ns, accounts.windows_measured, accounts.decisions_measured)
    return rulings(board.settings.policy, record, asked.text("reason"), board.at_ns)


def _policies_allow(asked: Asked) -> None:
    against = [ruling.words for ruling in _rulings(asked) if ruling.refuses]
    if against and not asked.text("override"):
        raise Refused("POLICY", "; ".join(against), "foresightctl deploy --override WHY --reason TEXT")


def _plan(asked: Asked, verb: str) -> Plan:
    wishes = asked.request.args.get("plan", {})
    try:
        return planned(asked.desk.board.settings.deploy, verb, wishes if isinstance(wishes, dict) else {"plan": wishes})
    except BadPlan as error:
        raise Refused("USAGE", f"not a plan: {error}") from error


def _rollback(asked: Asked) -> Done:
    desk, wanted = asked.desk, asked.text("release")
    accounts, running = desk.board.accounts, desk.operations.current
    if desk.operations.known(asked.request.op) is not None:
        return Done("this operation was asked for before", op=asked.request.op)
    _as_expected(asked)
    if running is not None and (not wanted or _names(desk, running.blue, wanted)):
        return _put_back(asked, running)
    _nothing_runs(desk)
    if not wanted and not accounts.previous:
        raise Refused("NOINPUT", "no release traded before this one", "foresightctl releases")
    release = accounts.previous if not wanted else _find(desk, wanted)
    if accounts.active is not None and accounts.active.release == release:
        return Done(f"{release} is active already", data={"already": True})
    return _begin(asked, "rollback", release, _plan(asked, "rollback"))


def _put_back(asked: Asked, running: Operation) -> Done:
    """Take back what runs, if it is still the operation that was meant; one that goes back already is joined."""
    meant = asked.text("op")
    if meant not in {"", running.op}:
        raise Refused("PRECONDITION", f"operation {meant} is not running; that is {running.op}", "foresightctl op list")
    if running.phase == "restoring":
        return Done(f"{running.op} is being put back already", op=running.op)
    try:
        asked.desk.operations.abort(asked.now, asked.caller.actor)
    except rollout.RefusedEvent as error:
        raise Refused("PRECONDITION", f"too late to abort: {error}", "foresightctl rollback") from error
    return Done(f"{running.op} is being put back", op=running.op, changed=True)


def _begin(asked: Asked, verb: str, release: str, plan: Plan) -> Done:
    op = _own_id(asked)
    try:
        steps = msgspec.convert(asked.request.args.get("steps_ms", {}), type=_StepsMs)
    except msgspec.ValidationError as error:
        raise Refused("USAGE", f"steps_ms must name whole milliseconds: {error}") from error
    override = asked.text("override")
    reason = asked.text("reason") + (f" (policies overridden: {override})" if override else "")
    operation = asked.desk.operations.begin(asked.now, op, verb, release, asked.caller.actor, reason, steps, plan)
    return Done(f"{verb} of {release} began", op=operation.op, changed=True)


def _nothing_runs(desk: Desk) -> None:
    running = desk.operations.current
    if running is not None:
        waiting = f"{running.verb} {running.op} of {running.green} is {running.phase}"
        raise Refused("LOCKED", waiting, f"foresightctl wait {running.op}", f"foresightctl abort {running.op}")


def _register(asked: Asked) -> Done:
    """A release was staged on disk: let the desk know it. Its files must add up to its name."""
    try:
        release = msgspec.convert({**asked.request.args}, type=_Staged)
    except msgspec.ValidationError as error:
        raise Refused("USAGE", f"not a release: {error}") from error
    if release_hash(release.modules) != release.release:
        raise Refused("REJECTED", f"the files of {release.release} do not add up to its name")
    asked.desk.register(e.Release(release.seq, release.release, release.lock, release.modules))
    return Done(f"release {release.release} is known")


class _Staged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]
    release: str
    lock: str
    modules: dict[str, str]


def _operation(asked: Asked) -> Done:
    """One operation: `result` in its data is empty while it runs, then the name of the exit code that is its own."""
    op = asked.text("op")
    operation = asked.desk.operations.known(op)
    if operation is None:
        raise Refused("NOINPUT", f"no operation {op}", "foresightctl op list")
    return Done(operation.result or operation.phase, _view(asked.desk, operation), op=op)


def _operations(asked: Asked) -> Done:
    return Done("operations", [_view(asked.desk, operation) for operation in asked.desk.operations.all.values()])


def _view(desk: Desk, operation: Operation) -> dict[str, Any]:
    """An operation as people see it, with the numbers of its releases."""
    seqs = {f"{side}_seq": report.release_view(desk, getattr(operation, side))["seq"] for side in ("green", "blue")}
    return report.operation_view(operation) | seqs


def _abort(asked: Asked) -> Done:
    return _put_back(asked, _running(asked))


def _promote(asked: Asked) -> Done:
    running = _running(asked)
    after = running.after
    try:
        asked.desk.operations.promote(asked.now, asked.caller.actor)
    except rollout.RefusedEvent as error:
        text = f"{running.op} waits for nobody's word, it is in phase {running.phase}"
        raise Refused("PRECONDITION", text, f"foresightctl wait {running.op}") from error
    return Done(f"{running.op} goes on with {after}", op=running.op, changed=True)


def _running(asked: Asked) -> Operation:
    """The operation that runs, if it is the one that is meant. Raises: Refused."""
    running, wanted = asked.desk.operations.current, asked.text("op")
    if running is None or wanted not in {"", running.op}:
        what = f"operation {wanted} is not running" if wanted else "no operation is running"
        raise Refused("NOINPUT", what, "foresightctl op list")
    return running


# --- the strategy's parameters ---


def _params(asked: Asked) -> Done:
    """The parameters in force and the versions before them; of one change what became of it, when `op` names it."""
    op = asked.text("op")
    change = asked.desk.tuning.known(op)
    if op and change is None:
        raise Refused("NOINPUT", f"no change {op} of the parameters", "foresightctl params show --all")
    return Done("parameters", report.parameters(asked.desk, change), op=op)


def _params_set(asked: Asked) -> Done:
    """Other values for some parameters, and the release's own again for those in `unset`."""
    try:
        wanted = msgspec.convert(asked.request.args.get("values", {}), type=Values)
        unset = msgspec.convert(asked.request.args.get("unset", []), type=set[str])
    except msgspec.ValidationError as error:
        raise Refused("USAGE", f"not a set of parameters: {error}") from error
    known = _in_force(asked).values
    stray = sorted(unset - known.keys())
    if stray:
        raise Refused("USAGE", f"{', '.join(stray)} is as the release has it already", "foresightctl params show")
    return _change(asked, {name: value for name, value in {**known, **wanted}.items() if name not in unset})


def _params_rollback(asked: Asked) -> Done:
    """A version of before is in force again, as another version; the one before this when none is named."""
    in_force, versions = _in_force(asked).number, asked.desk.board.accounts.versions
    number = asked.number("version", in_force - 1, SEQ_MAX)
    if number not in versions:
        what = f"no p{number} here" if number else "no version was in force before this one"
        raise Refused("NOINPUT", what, "foresightctl params show --all")
    return _change(asked, dict(versions[number].parameters.values))


def _change(asked: Asked, values: dict[str, Any]) -> Done:
    """Begin to let a set be in force; the releases are asked first, and the reply does not wait for them."""
    tuning, op = asked.desk.tuning, _own_id(asked)
    known = tuning.known(op)
    if known is not None:
        return Done("this change was asked for before", report.parameters(asked.desk, known), op=op)
    _parameters_as_expected(asked)
    in_force = _in_force(asked)
    if digest(values) == in_force.digest:
        return Done(f"p{in_force.number} has these values already", report.parameters(asked.desk, None))
    if tuning.current is not None:
        raise Refused("LOCKED", f"{tuning.current.actor} changes them now", "foresightctl params show")
    if not tuning.voters():
        raise Refused("PRECONDITION", "no release trades here that could say whether it can use them")
    told = (asked.caller.actor, asked.text("reason"), asked.now.mono_ns)
    change = Change(op, values, *told, only_ask=asked.flag("dry_run"))
    tuning.propose(asked.now, change)
    return Done("the releases that trade are asked", report.parameters(asked.desk, change), not change.only_ask, op=op)


def _parameters_as_expected(asked: Asked) -> None:
    """Compare and set: whoever names the set they believe to be in force is refused when it is another."""
    expected, in_force = asked.text("expect_digest"), _in_force(asked)
    known = expected == f"p{in_force.number}" or (len(expected) >= 4 and in_force.digest.startswith(expected))
    if expected and not known:
        words = f"{expected} is not in force; that is p{in_force.number} {in_force.digest}"
        raise Refused("PRECONDITION", words, "foresightctl params show")


def _in_force(asked: Asked) -> e.Parameters:
    in_force = asked.desk.board.accounts.parameters
    assert in_force is not None, "a reign begins with its parameters"
    return in_force


def _find(desk: Desk, wanted: str) -> str:
    """A release by r-number or by the beginning of its hash. Raises: Refused."""
    found = [release for release in desk.board.accounts.releases if _names(desk, release, wanted)]
    if len(found) != 1:
        many = f"{wanted} could be {', '.join(found)}" if found else f"no release {wanted} here"
        raise Refused("NOINPUT", many, "foresightctl releases")
    return found[0]


def _names(desk: Desk, release: str, wanted: str) -> bool:
    known = desk.board.accounts.releases.get(release)
    return wanted == f"r{known.seq if known else 0}" or (len(wanted) >= 4 and release.startswith(wanted))


_VERBS: Final[dict[str, Callable[[Asked], Done]]] = {
    "status": _status,
    "slots": _slots,
    "claims": _claims,
    "releases": _releases,
    "events": _events,
    "pause": _pause,
    "halt": _halt,
    "flatten": _flatten,
    "resume": _resume,
    "transfer": _transfer,
    "register": _register,
    "deploy": _deploy,
    "rollback": _rollback,
    "operation": _operation,
    "operations": _operations,
    "promote": _promote,
    "abort": _abort,
    "params": _params,
    "params_set": _params_set,
    "params_rollback": _params_rollback,
}
VERBS: Final = tuple(sorted(_VERBS))
