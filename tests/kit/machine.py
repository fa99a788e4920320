"""A machine with the real systemd as its first process, in namespaces of its own, for tests of the units.

It boots in a third of a second, shares the kernel and the programs of the machine it runs on, and ends with the test,
with everything in it. Needs root, util-linux, iproute2 and systemd; where one is missing it says so and fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from kit.releases import ROOT

INSTALLED = Path("/opt/foresight")
UNITS = ROOT / "deploy" / "systemd"
BOOT_S = 60.0
PATIENCE_S = 60.0
POLL_S = 0.02
BUILD_S = 300
PARTS = ("Makefile", "README.md", "pyproject.toml", "requirements", "shared", "supervisor", "worker", "deploy")
"""What is installed: everything but the tests."""
_ENVIRON = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "SYSTEMD_PAGER": "",
    "SYSTEMD_COLORS": "0",
}


class Machine:
    """One that runs. `run` is a shell in it."""

    def __init__(self, folder: Path, booted: subprocess.Popen[bytes], pid: int) -> None:
        self._folder, self._booted, self._pid = folder, booted, pid

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root, whatever comes of it."""
        nsenter = ["nsenter", "--target", str(self._pid), "--all", "--", "bash", "-c", command]
        return subprocess.run(nsenter, env=_ENVIRON, text=True, capture_output=True, check=False, timeout=120)

    def told(self, command: str) -> str:
        """What a command prints that has to end well."""
        ran = self.run(command)
        assert ran.returncode == 0, f"{command}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def property(self, name: str, unit: str = "foresight.service") -> str:
        """What systemd says of a unit."""
        return self.told(f"systemctl show {unit} --property {name} --value")

    def until(self, done: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """Look again and again until something is so; else show what the machine has to say."""
        deadline = monotonic() + seconds
        while not done():
            if monotonic() > deadline:
                log = self.run("journalctl --no-pager --lines 60; systemctl status --no-pager 'foresight*'").stdout
                raise AssertionError(f"{what} did not happen in {seconds:.0f} s\n{log}")
            sleep(POLL_S)

    def end(self) -> None:
        """Everything in it ends at once; nothing of it is left."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._booted.wait()
        groups = [Path(line) for line in (self._folder / "groups").read_text().split()]
        deadline = monotonic() + BOOT_S
        while left := [group for group in groups if group.exists()]:
            assert monotonic() < deadline, f"control groups are left behind: {left}"
            for group in left:
                for path in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
                    with suppress(OSError):
                        path.rmdir()
                with suppress(OSError):
                    group.rmdir()
            sleep(POLL_S)


@contextmanager
def a_machine(*bound: tuple[Path, Path]) -> Iterator[Machine]:
    """Boot a machine. Args: bound: folders of ours, and where they are in it."""
    for program in ("unshare", "nsenter", "ip", "systemctl"):
        assert shutil.which(program), (
            f"{program} is missing; on Debian type: apt-get install systemd iproute2 util-linux"
        )
    folder = Path(tempfile.mkdtemp(prefix="fs-machine-"))
    boot = [str(Path(__file__).with_name("boot.sh")), str(folder), *(f"{here}:{there}" for here, there in bound)]
    with (folder / "console").open("wb") as console:
        booted = subprocess.Popen(["bash", *boot], stdout=console, stderr=console, start_new_session=True)
    try:
        machine = Machine(folder, booted, _first_process(folder, booted))
        up = {"running", "degraded"}
        machine.until(lambda: machine.run("systemctl is-system-running").stdout.strip() in up, "the boot", BOOT_S)
        try:
            yield machine
        finally:
            machine.end()
    finally:
        booted.kill()
        booted.wait()
        shutil.rmtree(folder)


def _first_process(folder: Path, booted: subprocess.Popen[bytes]) -> int:
    """The machine's systemd, as we see it."""
    deadline = monotonic() + BOOT_S
    children = Path(f"/proc/{booted.pid}/task/{booted.pid}/children")
    while True:
        assert booted.poll() is None, (folder / "console").read_text()
        assert monotonic() < deadline, (folder / "console").read_text()
        with suppress(OSError, IndexError):
            pid = int(children.read_text().split()[0])
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return pid
        sleep(POLL_S)


def build_installed(folder: Path) -> None:
    """Install to a folder as a person would to /opt/foresight: with `make env`, and an interpreter everybody may run.

    It is made at its final place, in a mount namespace in which that is this folder, because an environment knows its
    own path. What was downloaded for our own environment is taken along.
    """
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    (folder / ".venv").mkdir()
    shutil.copytree(ROOT / ".venv" / "cache", folder / ".venv" / "cache", symlinks=True)
    place = f"mount -t tmpfs tmpfs {INSTALLED.parent} && mkdir {INSTALLED} && mount --bind {folder} {INSTALLED}"
    make = f"{place} && exec make --silent -C {INSTALLED} env PYTHON=/usr/bin/python3"
    unshare = ["unshare", "--mount", "--propagation", "private", "bash", "-c", make]
    made = subprocess.run(unshare, text=True, capture_output=True, check=False, timeout=BUILD_S)
    assert made.returncode == 0, made.stdout + made.stderr
