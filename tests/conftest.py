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
    """What a pipeline leaves to the night, and how a person goes back to what the night found."""
    parser.addoption("--run-nightly", action="store_true", help="run what takes minutes as well")
    parser.addoption("--sim-seed", type=int, metavar="N", help="let the simulated desk live this seed's run")
    parser.addoption("--kill-seed", type=int, default=1, help="which kill points a pipeline looks at")
    parser.addoption("--kill-point", action="append", default=[], help="only this one, as a test has printed it")
    parser.addoption("--fault-seed", type=int, help="play the cells of the fault table that this seed draws")
    parser.addoption("--fault-cell", action="append", default=[], metavar="PHASE:FAULT", help="only this one")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the nightly tests out, rather than skip them: a skip in a pipeline's report would be a question."""
    if not config.getoption("--run-nightly"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        items[:] = [item for item in items if item not in nightly]
        config.hook.pytest_deselected(items=nightly)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the models looked at and how each mutant was caught, and how each cell of the fault table ended."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    called = [report for report in reports if getattr(report, "when", "") == "call"]
    for kind, title in (("model", "models"), ("fault", "fault table")):
        told = [text for report in called for name, text in report.user_properties if name == kind]
        if told:
            terminalreporter.section(title)
            for text in sorted(told):
                terminalreporter.line(text)
