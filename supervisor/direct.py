"""Cancel everything at the venue past a supervisor that is gone: python -m supervisor.direct --state-dir DIR.

It stands in the supervisor's place for a few seconds, and holds its lock meanwhile, so that none begins in between: the
halt and each cancel are written into the journal, durable, then everything of this key is cancelled, and the venue is
asked until nothing rests. The next supervisor begins halted. No order can be signed here: the key proves who we are and
nothing else. Started by `foresightctl halt --direct`, which has no keys itself; it prints one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from shared import entries as e
from shared.clock import NS
from shared.config import Faults, Settings, clock_of, load, read_credentials
from shared.outcomes import EXIT
from shared.paths import State
from shared.records import CannotWrite, Damaged
from supervisor import interlocks, snapshots
from supervisor.accounts import Accounts
from supervisor.gateway import Gateway, VenueRefused
from supervisor.journal import Journal, JournalFailed
from supervisor.lock import AlreadyRunning, locked
from supervisor.signatory import Signatory
from supervisor.venue.frames import BadFrame

LEFT_S: Final = 10.0
"""Real seconds in which what rests has to be gone after it was cancelled; a venue that delays an order takes less."""
LOOK_S: Final = 0.2
_UNREADABLE: Final = (CannotWrite, JournalFailed, Damaged, e.UnknownEntry, OSError)


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants everything cancelled, and why."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it. `code`: the name of an exit code. `left`: orders that rest all the same."""

    code: str
    message: str
    hint: tuple[str, ...] = ()
    cancelled: int = 0
    left: int = 0
    changed: bool = False


def main() -> int:
    """Do it, and say what came of it; the exit code is one of shared.outcomes."""
    arguments = _parse()
    os.umask(0o077)
    told = _told(arguments)
    print(msgspec.json.encode(told).decode())
    return EXIT[told.code]


def _told(arguments: argparse.Namespace) -> Told:
    state, wish = State(arguments.state_dir), Wish(_actor(), arguments.reason)
    try:
        settings = load(arguments.config)
        signatory = Signatory(read_credentials(arguments.credentials))
        _hold_to_addresses(settings)
        _become_owner(state.root)
        with locked(state.lock):
            return asyncio.run(_act(settings, state, signatory, wish))
    except Faults as error:
        return Told("CONFIG", str(error), ("foresightctl halt --direct --credentials FILE --config FILE --reason WHY",))
    except AlreadyRunning as error:
        typed = "foresightctl halt --reason WHY"
        return Told("PRECONDITION", f"{error}: it is the one to ask", (typed, "kill it if it does not answer"))
    except PermissionError as error:
        return Told("NOPERM", f"{error.filename}: {error.strerror}", ("sudo foresightctl halt --direct ...",))
    except OSError as error:
        return Told("IOERR", f"{error.filename or state.root}: {error.strerror or error}")


async def _act(settings: Settings, state: State, signatory: Signatory, wish: Wish) -> Told:
    """Write it down, cancel, and look; a journal that cannot be written stops no cancel."""
    unwritten = ""
    try:
        await _write_down(settings, state, wish)
    except _UNREADABLE as error:
        unwritten = f"the halt could not be journalled, so the next supervisor trades: {error}"
    try:
        cancelled, left = await _cancel(settings, signatory)
    except (VenueRefused, BadFrame) as error:
        typed = "the venue cancels by itself 10 s after the last heartbeat; its own page shows what rests"
        return Told("UNKNOWN", f"nobody knows what rests at the venue: {error}", (typed,), changed=not unwritten)
    word = f"{cancelled} orders were cancelled at the venue"
    if left:
        return Told("UNKNOWN", f"{word}, and {left} rest all the same", (), cancelled, left, changed=True)
    if unwritten:
        return Told("IOERR", f"{word}, none is left; {unwritten}", (), cancelled, changed=True)
    word = f"{word}, none is left; the desk begins halted, positions stay"
    return Told("OK", word, ("foresightctl resume",), cancelled, changed=True)


async def _write_down(settings: Settings, state: State, wish: Wish) -> None:
    """The halt, and the end of every order in our books, durable; a desk that never began has no books.

    Raises: Damaged, CannotWrite, JournalFailed, UnknownEntry, OSError.
    """
    if not state.journal.is_dir():
        return
    clock = clock_of(settings)
    accounts = snapshots.recover(state.journal, state.snapshots, snapshots.own_code()).accounts
    journal = Journal(state.journal, clock, settings.records.journal_segment_mib << 20)
    try:
        at_ns = max(clock.unix_ns(), accounts.last_ns)
        for entry in _facts(accounts, wish, at_ns):
            journal.append(entry, at_ns, accounts.term)
        await journal.durable()
    finally:
        journal.close()


def _facts(accounts: Accounts, wish: Wish, at_ns: int) -> list[e.Entry]:
    """What the journal has to say before anything is cancelled: as a halt of the desk itself would say it."""
    generation, op = accounts.generation + 1, accounts.halted
    facts: list[e.Entry] = []
    if not op:
        op = f"halt-{generation}"
        facts.append(e.Control(generation, accounts.paused, wish.actor, wish.reason, halted=True, op=op))
    at_ms = at_ns // 1_000_000
    facts += [e.Cancelling(o.order_id, o.slot, at_ms, "halt", e.NOBODY, op) for o in accounts.open_orders()]
    return facts


async def _cancel(settings: Settings, signatory: Signatory) -> tuple[int, int]:
    """How many orders of this key were cancelled, and how many rest all the same. Raises: VenueRefused, BadFrame."""
    gateway, clock = Gateway(settings.venue, clock_of(settings)), clock_of(settings)
    try:
        await gateway.open(signatory.address, signatory.signature_type, signatory.key_headers)
        cancelled = await gateway.cancel_everything()
        until_ns = clock.monotonic_ns() + int(LEFT_S * NS)
        while (left := len(await gateway.open_orders())) and clock.monotonic_ns() < until_ns:
            await asyncio.sleep(LOOK_S)
            cancelled += await gateway.cancel_everything()
        return cancelled, left
    finally:
        await gateway.close()


def _hold_to_addresses(settings: Settings) -> None:
    """Raises: Faults: who we are would be proved to somebody who is not the venue."""
    wrong = interlocks.misdirected(settings)
    if wrong:
        raise Faults(wrong)


def _become_owner(root: Path) -> None:
    """From here on be whom the folder belongs to: what root writes there its supervisor could not read.

    Raises: PermissionError: we are neither.
    """
    facts = os.stat(root)
    if os.geteuid() == facts.st_uid:
        return
    if os.geteuid() != 0:
        raise PermissionError(0, f"uid {facts.st_uid} owns it, and this is uid {os.geteuid()}", str(root))
    os.setgroups([])
    os.setgid(facts.st_gid)
    os.setuid(facts.st_uid)


def _actor() -> str:
    """Who asks, by the kernel, and whom sudo was called by."""
    behind: Any = os.environ.get("SUDO_USER")
    return f"uid:{os.getuid()}" + (f" sudo:{behind}" if behind else "")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m supervisor.direct", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="the desk's")
    parser.add_argument("--config", type=Path, action="append", default=[], help="its settings, later ones win")
    parser.add_argument("--credentials", type=Path, required=True, help="its signing key")
    parser.add_argument("--reason", required=True, help="why, for whoever finds the desk like that")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
