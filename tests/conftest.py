"""What holds for every test: a machine that is busy is no failure, and a failing example can be run again."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("ours", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, a suite ignores Ctrl-C, and so would every command it starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is asked for by name: the long runs, and one run of the simulation again."""
    parser.addoption("--run-nightly", action="store_true", help="run what takes minutes as well")
    parser.addoption("--sim-seed", type=int, metavar="N", help="let the simulated desk live this seed's run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it was asked for."""
    if config.getoption("--run-nightly"):
        return
    long = [item for item in items if item.get_closest_marker("nightly")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
