"""What this process asks of the operating system and the interpreter: signals, memory, and nothing else.

Leaves to others when. What always holds: after `block_signals` nothing interrupts the code between two lines of it.
"""

from __future__ import annotations

import gc
import os
import signal
from typing import Final

GC_THRESHOLDS: Final = (20_000, 20, 100)
_FAULTS: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}
_PAGE_KIB: Final = os.sysconf("SC_PAGE_SIZE") // 1024


def block_signals() -> None:
    """No signal interrupts anything from here on; `asked_to_end` looks at a pending SIGTERM.

    What a fault of the process itself raises is not blocked: that would only hide where it happened.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FAULTS)


def asked_to_end() -> bool:
    """Whether a blocked SIGTERM is pending."""
    return signal.SIGTERM in signal.sigpending()


def warm_up_memory() -> None:
    """Switch the collector off: millions of frames are folded now, none in a cycle; it would look and find nothing."""
    gc.disable()


def settle_memory() -> None:
    """Put what the warm-up has built out of the collector's sight, and let it look at the rest rarely.

    Frames and our own structs are in no cycle. The collector stays on, because a strategy may make some: with it off
    they would be a leak, with it at its defaults a full collection would fall into some decision.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


class Resident:
    """How much memory of ours is resident; keeps one descriptor open, because it is asked five times a second."""

    def __init__(self) -> None:
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def kib(self) -> int:
        """Resident memory, KiB."""
        return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE_KIB
