"""A process that we started and nobody speaks to: its end is waited for by a loop that goes on, or made at once.

Leaves to `aside` and `upkeep` what is started, and what its end means. What always holds: it is waited for, and
signalled, by its pidfd, a number that is never recycled; when nobody waits for it any more it has ended and is reaped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess


async def until_ended(started: subprocess.Popen[bytes], until_s: float) -> int | None:
    """Wait for the end of a process; its status, None when it was cut off. When nobody waits any more it is ended.

    Args: until_s: when it is cut off, on the loop's clock. Raises: OSError: it cannot be watched, and was ended.
    """
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    try:
        pidfd = os.pidfd_open(started.pid)
    except OSError:
        end_at_once(started)
        raise
    loop.add_reader(pidfd, gone.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await gone.wait()
        return started.wait() if gone.is_set() else None
    finally:
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # nothing to one that has ended
            await gone.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            started.wait()


def end_at_once(started: subprocess.Popen[bytes]) -> None:
    """Kill a child and reap it."""
    started.kill()
    started.wait()
