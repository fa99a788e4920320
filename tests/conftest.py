"""What holds for every test: a machine that is busy is no failure, and a failing example can be run again."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("ours", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, a suite ignores Ctrl-C, and so would every command it starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
