"""Start a supervisor: python -m supervisor --state-dir DIR [--config FILE]... [--credentials FILE]."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import shlex
import sys
from pathlib import Path
from typing import TextIO, cast

import msgspec
import structlog
import uvloop

from shared import arming
from shared.config import Credentials, Faults, Settings, clock_of, load, read_credentials
from shared.entries import Release, UnknownEntry
from shared.outcomes import EXIT
from shared.paths import PathTooLong, State, default_state
from shared.records import CannotWrite, Damaged
from shared.wire import BadFrame
from supervisor import interlocks
from supervisor.app import App
from supervisor.journal import JournalFailed
from supervisor.lock import AlreadyRunning

SWITCH_S = 0.0005
"""The commit thread gets the interpreter this soon when the loop is busy; the default is ten times as long."""


def main() -> int:
    """Run until told to stop; the exit code is one of shared.outcomes."""
    arguments = _parse()
    os.umask(0o077)
    _log_to_stdout()
    try:
        settings = load(arguments.config)
        credentials = read_credentials(_credentials_path(arguments))
    except Faults as error:
        return _fail("CONFIG", str(error))
    state = State(arguments.state_dir)
    try:
        state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        sys.setswitchinterval(SWITCH_S)
        gc.set_threshold(50_000, 20, 100)
        app_run = _run(settings, state, credentials, _credentials_path(arguments))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(app_run)
    except AlreadyRunning as error:
        return _fail("LOCKED", str(error))
    except (CannotWrite, JournalFailed, Damaged, UnknownEntry, BadFrame, PathTooLong, OSError) as error:
        return _fail("IOERR", str(error))
    except Faults as error:
        return _fail("CONFIG", str(error))


async def _run(settings: Settings, state: State, credentials: Credentials, credentials_path: Path) -> int:
    app = App(settings, state, clock_of(settings), credentials)
    _hold_to_interlocks(settings, state, credentials_path, app.signer.signatory.wallet)
    return await app.run(newest_staged(state))


def _hold_to_interlocks(settings: Settings, state: State, credentials_path: Path, wallet: str) -> None:
    """Raises: Faults: real money would be traded, or might, without all it takes."""
    found = interlocks.Found(
        credentials=str(credentials_path),
        named=credentials_path != state.credentials,
        wallet=wallet,
        arming=arming.read(state.arming),
        machine=arming.this_machine(),
        state_dir=shlex.quote(str(state.root)),
    )
    missing = interlocks.faults(settings, found)
    if missing:
        raise Faults(missing)


def newest_staged(state: State) -> Release | None:
    """The last release that was staged: what a desk that never traded begins with. A torn line is passed over."""
    index = state.releases / "index.jsonl"
    for line in reversed(index.read_bytes().splitlines() if index.exists() else []):
        try:
            staged = msgspec.json.decode(line, type=_Indexed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return Release(staged.seq, staged.release, staged.lock, staged.modules)
    return None


class _Indexed(msgspec.Struct):
    seq: int
    release: str
    lock: str
    modules: dict[str, str]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m supervisor", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=default_state(), help="everything this desk knows")
    parser.add_argument("--config", type=Path, action="append", default=[], help="settings, later ones win")
    parser.add_argument("--credentials", type=Path, help="the signing key; default: systemd's, else the state folder's")
    return parser.parse_args()


def _credentials_path(arguments: argparse.Namespace) -> Path:
    """Named on the command line, passed by the service manager, or the rehearsal's own."""
    if arguments.credentials is not None:
        return Path(arguments.credentials)
    passed = os.environ.get("CREDENTIALS_DIRECTORY")
    if passed:
        return Path(passed) / "foresight.json"
    return State(arguments.state_dir).credentials


def _fail(code: str, text: str) -> int:
    for line in text.splitlines():
        print(f"supervisor: {line}", file=sys.stderr)
    return EXIT[code]


def _log_to_stdout() -> None:
    """One line a fact: for a person on a terminal, JSON for everything else."""
    tty = sys.stdout.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if tty else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Lossy(sys.stdout.fileno()))),
        cache_logger_on_first_use=True,
    )


class _Lossy:
    """A log that may be lost: a full disk, or a reader that is gone, is no reason to stop. It keeps nothing back."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._fd, text.encode(errors="replace"))

    def flush(self) -> None:
        """There is never anything to flush."""


if __name__ == "__main__":
    sys.exit(main())
