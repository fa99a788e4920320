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
    """The flag; without it the long runs are left out."""
    parser.addoption("--run-nightly", action="store_true", help="run what takes too long for every change as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the night unless it was asked for."""
    if config.getoption("--run-nightly"):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    items[:] = [item for item in items if not item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=nightly)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the models looked at, and how each mutant was caught."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    called = [report for report in reports if getattr(report, "when", "") == "call"]
    told = [text for report in called for name, text in report.user_properties if name == "model"]
    if told:
        terminalreporter.section("models")
        for text in sorted(told):
            terminalreporter.line(text)
