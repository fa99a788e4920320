"""The units under a real systemd: ready when a tick was answered, restarted when killed or stuck, ended wholly."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.desks import STOOD_STILL, settled
from kit.machine import INSTALLED, Machine, a_machine, build_installed
from kit.releases import BUSY, STRATEGY, a_checkout

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("machine")]
STATE = "/var/lib/foresight"
CTL = f"FORESIGHT_STATE_DIR={STATE} /opt/foresight/.venv/bin/foresightctl"
INTERRUPTED = STOOD_STILL | {"outage", "no_owner", "owner_dead"}
"""Why a tick is skipped by a desk whose parts are killed and stopped, on a machine that may be busy."""
UNITS = ("foresight.service", "foresight-stage.service", "foresight-venue.service")
INSTALL = """\
cd /opt/foresight/deploy/systemd
install -D -m 644 sysusers.conf /usr/lib/sysusers.d/foresight.conf
install -D -m 644 -t /etc/systemd/system *.service
install -D -m 644 -t /etc/systemd/system/foresight.service.d rehearsal.conf
systemd-sysusers foresight.conf
"""
EXPOSURE_MAX = 2.0
"""What `systemd-analyze security` may say of how much a unit can reach, of ten."""
QUICK = """\
[Service]
ExecStart=
ExecStart=/opt/foresight/.venv/bin/python -m supervisor --config /opt/foresight/deploy/systemd/rehearsal.toml \
--config /etc/foresight/quick.toml
"""
"""Faster ticks, so that a desk has something to do whenever a test looks."""
WATCHED = "[Service]\nWatchdogSec=8s\n"
"""So that a test need not wait for a quarter of a minute; a worker that is stuck costs three seconds of it."""
QUICK_TOML = '[slots]\nassets = ["BTC", "ETH"]\n[ticks]\nsnipe_5m_s = 300\nsnipe_15m_s = 900\nfast_ms = 500\n'
AT_ONCE = "--expect any --shadow 0 --bake 0 --rings all --flip-policy any"
"""What lets a release of another kind take over at once: what is tested here is the service."""
WINDOW_S = 360.0
"""A window whose price is too clear to trade on ends within five minutes, and the next one begins with an even one."""
RESOLVED_S = 300.0
"""A window is resolved 53 to 152 s after its end; a position in one that has just ended is held so long."""


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """A tree as it is installed, built once; and beside it another checkout to deploy."""
    root = Path(tempfile.mkdtemp(prefix="fs-installed-"))
    root.chmod(0o755)
    (root / "tree").mkdir()
    build_installed(root / "tree")
    a_checkout(root / "busy", {STRATEGY: BUSY.read_text()})
    yield root
    shutil.rmtree(root)


@pytest.fixture
def machine(installed: Path) -> Iterator[Machine]:
    """A fresh machine with the units installed, and nothing started."""
    with a_machine((installed / "tree", INSTALLED), (installed / "busy", Path("/opt/busy"))) as machine:
        machine.told(INSTALL)
        put(machine, "/etc/systemd/system/foresight.service.d/z-quick.conf", QUICK)
        put(machine, "/etc/foresight/quick.toml", QUICK_TOML)
        machine.told("systemctl daemon-reload")
        yield machine


def test_units_are_clean_and_confined(machine: Machine) -> None:
    """systemd has nothing to say against them, and little of the machine is within their reach."""
    checked = machine.run(f"systemd-analyze verify {' '.join(UNITS)}")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    for unit in UNITS:
        machine.told(f"systemd-analyze security --threshold={int(EXPOSURE_MAX * 10)} {unit}")


def test_the_real_unit_needs_its_key(machine: Machine) -> None:
    """Without the rehearsal's drop-in and without a key in /etc/foresight it does not begin, and systemd says why."""
    machine.told("rm -r /etc/systemd/system/foresight.service.d && systemctl daemon-reload")
    assert machine.run("systemctl start foresight").returncode
    machine.until(lambda: "credentials" in machine.told("journalctl --no-pager --unit foresight"), "the word of it")


def test_active_means_that_a_tick_was_answered(machine: Machine) -> None:
    """Without a network the unit is activating; with the first decision it is active, and says what it does."""
    machine.told("ip link set lo down && systemctl start --no-block foresight")
    machine.until(lambda: machine.run(f"{CTL} status --json").returncode == 0, "an answer")
    assert machine.property("ActiveState") == "activating"
    assert status(machine)["decided"] == 0
    machine.told("ip link set lo up")
    machine.until(lambda: machine.property("ActiveState") == "active", "the first tick")
    machine.until(lambda: "TRADING" in machine.property("StatusText"), "a word on what it does")
    assert status(machine)["decided"] > 0
    assert machine.property("NRestarts") == "0"
    assert judged(machine)["terms"] == 1


def test_what_is_killed_or_stuck_comes_back(machine: Machine) -> None:
    """With orders and positions open: the supervisor killed, a worker stuck, the supervisor stuck; nothing is lost."""
    put(machine, "/etc/systemd/system/foresight.service.d/z-watched.conf", WATCHED)
    machine.told("systemctl daemon-reload")
    begin_busy(machine)
    machine.told(f"kill -KILL {main_pid(machine)}")
    until_trading(machine, term=2)
    assert machine.property("NRestarts") == "1"

    worker = worker_pid(machine)
    machine.told(f"kill -STOP {worker}")
    machine.until(lambda: worker_pid(machine) not in {0, worker}, "another worker")
    until_trading(machine, term=2)
    assert machine.property("NRestarts") == "1"

    machine.told(f"kill -STOP {main_pid(machine)}")
    until_trading(machine, term=3)
    assert machine.property("NRestarts") == "2"
    assert "watchdog" in machine.told("journalctl --no-pager --unit foresight | tr A-Z a-z")
    verdict = judged(machine)
    assert verdict["terms"] == 3
    assert verdict["skip_reasons"].keys() <= INTERRUPTED


def test_a_worker_of_the_unit_is_in_its_cell(machine: Machine) -> None:
    """The unit takes none of the cell's walls away: no capability, the filter of calls, and landlock, silently."""
    start(machine)
    facts = machine.told(f"grep -E '^(NoNewPrivs|Seccomp|CapEff|Uid):' /proc/{worker_pid(machine)}/status").split()
    assert facts[facts.index("NoNewPrivs:") + 1] == "1"
    assert facts[facts.index("Seccomp:") + 1] == "2"
    assert facts[facts.index("CapEff:") + 1] == "0" * 16
    assert facts[facts.index("Uid:") + 1] == machine.told("id -u foresight")
    assert machine.told(f"cat {STATE}/workers/*/output.log") == ""


def test_stop_ends_everything_in_time(machine: Machine) -> None:
    """A stop is a clean end: no process of the desk is left, no socket, and its records are sound."""
    begin_busy(machine)
    machine.told("systemctl stop foresight")
    assert machine.property("Result") == "success"
    assert machine.property("ExecMainStatus") == "0"
    assert machine.run("pgrep --full 'python -m (supervisor|worker)'").returncode == 1
    assert machine.run(f"ls {STATE}/control.sock {STATE}/stream.sock").stdout == ""
    machine.told("systemctl start foresight")
    until_trading(machine, term=2)
    judged(machine)


def put(machine: Machine, path: str, text: str) -> None:
    """Write a file in the machine."""
    machine.told(f"mkdir -p $(dirname {path}) && cat > {path} <<'END'\n{text}\nEND")


def start(machine: Machine) -> None:
    """Start venue and desk, as the boot would."""
    machine.told("systemctl start foresight-venue foresight")
    until_trading(machine, term=1)


def begin_busy(machine: Machine) -> None:
    """Start everything, deploy a release that has orders and positions at once, and wait for them."""
    start(machine)
    reply = json.loads(machine.told(f"{CTL} deploy --green /opt/busy {AT_ONCE} --json"))
    assert reply["code"] == "OK"
    machine.until(lambda: status(machine)["orders"] and status(machine)["positions"], "orders and positions", WINDOW_S)


def status(machine: Machine) -> Any:
    """What the desk says of itself."""
    return json.loads(machine.told(f"{CTL} status --json"))["data"]


def until_trading(machine: Machine, term: int) -> None:
    """Wait until a reign answers ticks for every open slot and knows of every order."""

    def trading() -> bool:
        ran = machine.run(f"{CTL} status --json")
        data = json.loads(ran.stdout)["data"] if ran.returncode == 0 else {}
        owned = bool(data) and data["slots"]["owned"] == data["slots"]["open"] > 0
        return owned and data["term"] == term and data["decided"] > 0 and not blocked(machine)

    machine.until(trading, f"trade under term {term}")
    machine.until(lambda: machine.property("ActiveState") == "active", "the unit to be active")


def blocked(machine: Machine) -> bool:
    """Whether a slot waits for word of an order."""
    return any(slot["state"] == "BLOCKED" for slot in json.loads(machine.told(f"{CTL} slots --json"))["data"])


def main_pid(machine: Machine) -> int:
    """The supervisor's process, in the machine's numbers."""
    return int(machine.property("MainPID"))


def worker_pid(machine: Machine) -> int:
    """The owner's process, in the machine's numbers; 0 while there is none, or it has not greeted."""
    return next((int(worker["pid"]) for worker in status(machine)["workers"] if worker["part"] == "blue"), 0)


def judged(machine: Machine) -> Any:
    """Take every order back, stop in order and judge: desk first, so that the venue can say how everybody stood.

    An order that rests while the desk stops may be met, a window that is over be paid out, and nobody would be told.
    """
    machine.told(f"{CTL} pause --reason 'the test ends'")
    machine.until(lambda: settled(status(machine)), "the end of every order", RESOLVED_S)
    machine.told("systemctl stop foresight && systemctl stop foresight-venue")
    verdict = json.loads(machine.run(f"/opt/foresight/.venv/bin/foresight verify {STATE} --json").stdout)
    faults = [fault for fault in verdict["faults"] if "heartbeat lapsed" not in fault]  # the venue's, when we are away
    assert not faults, (faults, verdict["skip_reasons"])
    assert verdict["verified"] or verdict["orders_lost_to_heartbeat"]
    return verdict
