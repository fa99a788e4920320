"""Three ways to run a release, each in the release's own folder.

    python -m worker --uid UID --channel FD [--scratch DIR]                     live, under a supervisor
    python -m worker --self-check [--parameters JSON]                           once, to see that it works
    python -m worker --replay TAPE [--from SEQ] [--to SEQ] [--parameters JSON]  over a recorded tape
                                                                                (TAPE -: frames come on stdin)

A way imports its rooms here, under a stop-watch and before anything is said: nothing is imported between two decisions.
The arguments are read by a table of our own, because the library for it would be a tenth of a worker's start.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from worker import failure, imports

OPTIONS: Final[dict[str, Callable[[str], Any] | None]] = {
    "--uid": str,
    "--channel": int,
    "--scratch": Path,
    "--self-check": None,
    "--replay": Path,
    "--from": int,
    "--to": int,
    "--parameters": str,
}
"""What follows an option on the command line; None for nothing."""
WAYS: Final = {
    "--channel": {"--uid", "--channel", "--scratch"},
    "--self-check": {"--self-check", "--parameters"},
    "--replay": {"--replay", "--from", "--to", "--parameters"},
}
"""The option that names a way, and every option it takes."""
HANDED: Final = Path("-")
"""The tape whose frames are handed over, one by one."""


class BadArguments(ValueError):
    """The command line is none of the three ways."""


def main(arguments: list[str]) -> int:
    """Run as the arguments say; the exit code."""
    try:
        way, options = parse(arguments)
    except BadArguments as error:
        return _refuse(f"{error}\n{__doc__}", 2)
    sys.excepthook = failure.explain
    imports.watch()
    return _RUN[way](options)


def parse(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The way that is asked for, and its options. Raises: BadArguments."""
    options: dict[str, Any] = {}
    rest = iter(arguments)
    for name in rest:
        if name not in OPTIONS:
            raise BadArguments(f"{name} is no option")
        kind = OPTIONS[name]
        options[name] = True if kind is None else _value(name, kind, next(rest, None))
    ways = [way for way in WAYS if way in options]
    if len(ways) != 1:
        raise BadArguments(f"one of {', '.join(WAYS)} is needed, {len(ways)} were given")
    stray = options.keys() - WAYS[ways[0]]
    if stray:
        raise BadArguments(f"{', '.join(sorted(stray))} does not go with {ways[0]}")
    return ways[0], options


def _value(name: str, kind: Callable[[str], Any], text: str | None) -> Any:
    if text is None:
        raise BadArguments(f"{name} needs a value")
    try:
        return kind(text)
    except ValueError as error:
        raise BadArguments(f"{name} {text}: not a number") from error


def _live(options: dict[str, Any]) -> int:
    from shared.clock import SystemClock
    from worker.app import Worker
    from worker.channel import Channel
    from worker.process import block_signals

    block_signals()
    if "--scratch" in options:
        faulthandler.enable((options["--scratch"] / "fault.txt").open("w"))
    return Worker(options.get("--uid", ""), Path.cwd(), Channel(options["--channel"]), SystemClock()).run()


def _self_check(options: dict[str, Any]) -> int:
    import worker.app
    import worker.replay  # noqa: F401 - every room has to import
    from worker.parameters import BadParameters
    from worker.selfcheck import self_check

    try:
        print(self_check(Path.cwd(), options.get("--parameters", "{}")))
    except BadParameters as error:
        return _refuse(f"{error}\n  next     correct the parameters; without --parameters the defaults are used")
    return 0


def _replay(options: dict[str, Any]) -> int:
    from shared.wire import BadFrame
    from worker.parameters import BadParameters, read_json
    from worker.reading import Unexplained
    from worker.replay import follow, replay
    from worker.tape import Unreadable

    try:
        fixed = read_json(options["--parameters"]) if "--parameters" in options else None
        folder, from_seq = options["--replay"], options.get("--from", 1)
        if folder == HANDED:
            follow(sys.stdin.buffer, from_seq, fixed, sys.stdout.write, sys.stdout.flush)
        else:
            replay(folder, from_seq, options.get("--to"), fixed, sys.stdout.write)
    except BadParameters as error:
        return _refuse(f"{error}\n  next     correct the parameters; without --parameters the recorded ones are used")
    except (Unreadable, Unexplained, BadFrame) as error:
        return _refuse(f"{error}\n  next     name a folder of tape segments, or a range of it without the hole")
    return 0


def _refuse(why: str, code: int = 1) -> int:
    print(f"worker: {why}", file=sys.stderr)
    return code


_RUN: Final = {"--channel": _live, "--self-check": _self_check, "--replay": _replay}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
