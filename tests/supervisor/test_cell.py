"""The cell, put on a real process that tries what no worker may do, and does what every worker must."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor import cell

CELL = Path(cell.__file__)
PATIENCE_S = 60.0

PROBE = '''
"""Try things, by name, and tell what came of each: "done", or the system's word for why not."""
import ctypes, errno, json, mmap, os, resource, signal, socket, sys, tempfile, threading, zlib
from pathlib import Path

outside, scratch, parent = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)


def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def name_socket(family):
    socket.socket(family, socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_STREAM).close()


def memory_of_parent():
    with open(f"/proc/{parent}/mem", "rb") as file:
        file.read(1)


def look_into_parent():
    here = ctypes.create_string_buffer(8)
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    mine, theirs = Vector(ctypes.addressof(here), 8), Vector(0x1000, 8)
    if libc.process_vm_readv(parent, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def trace_parent():
    if libc.ptrace(16, parent, None, None) < 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "refused")


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def thread():
    seen = []
    running = threading.Thread(target=lambda: seen.append(1))
    running.start()
    running.join()
    assert seen


def raise_own():
    seen = []
    signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    assert len(seen) == 2


def talk_to_itself():
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    left.send(b"x")
    assert right.recv(1) == b"x"


def write_scratch():
    path = scratch / "folder" / "file"
    path.parent.mkdir()
    path.write_text("x")
    path.rename(scratch / "renamed")
    (scratch / "renamed").unlink()
    path.parent.rmdir()


ATTEMPTS = {
    "inet": lambda: name_socket(socket.AF_INET),
    "inet6": lambda: name_socket(socket.AF_INET6),
    "netlink": lambda: name_socket(socket.AF_NETLINK),
    "vsock": lambda: name_socket(socket.AF_VSOCK),
    "inet pair": lambda: socket.socketpair(socket.AF_INET),
    "io_uring": lambda: call(425, 4, ctypes.create_string_buffer(120)),
    "other numbering": lambda: call(0x40000000 + 41, 2, 1, 0),
    "fork": fork,
    "spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {}),
    "signal parent": lambda: os.kill(parent, 0),
    "signal everybody": lambda: os.kill(-1, 0),
    "signal group": lambda: os.kill(0, 0),
    "signal parent by pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(parent), 0),
    "trace parent": trace_parent,
    "look into parent": look_into_parent,
    "read parent's memory": memory_of_parent,
    "read parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
    "read secret": lambda: (outside / "credentials.json").read_text(),
    "list state": lambda: os.listdir(outside),
    "write state": lambda: (outside / "new").write_text("x"),
    "overwrite secret": lambda: (outside / "credentials.json").write_text("x"),
    "cut secret": lambda: os.truncate(outside / "credentials.json", 0),
    "remove secret": lambda: (outside / "credentials.json").unlink(),
    "take secret": lambda: os.link(outside / "credentials.json", scratch / "taken"),
    "move scratch out": lambda: (scratch / "output").rename(outside / "output"),
    "write release": lambda: Path(__file__).write_text("x"),
    "write temporary": lambda: open(tempfile.mkstemp(dir="/tmp")[0]).close(),
    "write shared memory": lambda: Path("/dev/shm/foresight-probe").write_text("x"),
    "unix socket": lambda: name_socket(socket.AF_UNIX),
    "unix pair": talk_to_itself,
    "thread": thread,
    "signal itself": raise_own,
    "write scratch": write_scratch,
    "standard library": lambda: __import__("decimal").Decimal(1),
    "read release": lambda: Path(__file__).read_text(),
    "randomness": lambda: os.urandom(8),
    "map memory": lambda: mmap.mmap(-1, 4096).close(),
}
told = {}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        told[name] = "done"
    except OSError as error:
        told[name] = errno.errorcode.get(error.errno or 0, str(error))
privileges = Path("/proc/self/status").read_text().split("NoNewPrivs:")[1].split()[0]
told["limits"] = [resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE), privileges]
print(json.dumps(told))
'''
PROCESSES = ["inet", "inet6", "netlink", "vsock", "inet pair", "io_uring", "other numbering", "fork", "spawn"]
PROCESSES += ["signal parent", "signal everybody", "signal group", "signal parent by pidfd", "trace parent"]
PROCESSES += ["look into parent"]
FILES = ["read parent's memory", "read parent's environment", "read secret", "list state", "write state"]
FILES += ["overwrite secret", "cut secret", "remove secret", "take secret", "move scratch out", "write release"]
FILES += ["write temporary", "write shared memory"]
ALLOWED = ["unix socket", "unix pair", "thread", "signal itself", "write scratch", "standard library", "read release"]
ALLOWED += ["randomness", "map memory"]
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1)
"""Which landlock this machine's kernel has; -1 for none. The cell promises its file rules only where there is one."""
REFUSED = PROCESSES + (FILES if LANDLOCK >= 3 else [])


def confined(script: Path, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the cell, as a worker is: its own folder and interpreter readable, its scratch writable."""
    scratch = state / "workers" / "w1"
    readable = ":".join(map(str, (script.parent, sys.prefix, Path(sys.executable).resolve())))
    command = [sys.executable, "-I", "-S", str(CELL), readable, str(scratch), "--", sys.executable, "-I", str(script)]
    return subprocess.run(
        [*command, str(state), str(scratch), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={"PATH": os.defpath},
        check=False,
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a secret in it, a release, and the scratch folder of a worker."""
    root = tmp_path_factory.mktemp("state")
    (root / "credentials.json").write_text("secret")
    (root / "workers" / "w1").mkdir(parents=True)
    (root / "workers" / "w1" / "output").write_text("x")
    (root / "releases").mkdir()
    (root / "releases" / "probe.py").write_text(PROBE)
    return root


@pytest.fixture(scope="module")
def told(state: Path) -> dict[str, Any]:
    """What came of each attempt."""
    ended = confined(state / "releases" / "probe.py", state, str(os.getpid()))
    assert ended.returncode == 0, ended.stderr
    assert (cell.LANDLOCK_MISSING in ended.stderr) == (LANDLOCK < 1)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("attempt", REFUSED)
def test_a_confined_process_is_refused(told: dict[str, Any], attempt: str) -> None:
    """Network, other processes, secrets, every write outside its scratch folder: denied, not failed by chance."""
    assert told[attempt] in {"EACCES", "EPERM", "EXDEV"}


@pytest.mark.parametrize("attempt", ALLOWED)
def test_a_confined_process_can_work(told: dict[str, Any], attempt: str) -> None:
    """What a worker is made of is there."""
    assert told[attempt] == "done"


def test_every_attempt_is_judged(told: dict[str, Any]) -> None:
    """None was tried and forgotten."""
    assert sorted(told) == sorted([*PROCESSES, *FILES, *ALLOWED, "limits"])


if LANDLOCK >= 3:

    def test_nothing_came_of_what_was_refused(told: dict[str, Any], state: Path) -> None:
        """The secret is there and whole, the release as it was, nothing new beside them."""
        assert told["overwrite secret"] != "done"
        assert (state / "credentials.json").read_text() == "secret"
        assert (state / "releases" / "probe.py").read_text() == PROBE
        assert sorted(path.name for path in state.iterdir()) == ["credentials.json", "releases", "workers"]
        assert not Path("/dev/shm/foresight-probe").exists()


def test_a_confined_process_leaves_no_core_and_holds_few_descriptors(told: dict[str, Any]) -> None:
    """No memory with positions in it on the disk; and no privileges to be gained."""
    core, descriptors, no_new_privileges = told["limits"]
    assert core == [0, 0]
    assert descriptors[0] == descriptors[1] <= 256
    assert no_new_privileges == "1"


def test_a_cell_that_cannot_be_put_on_starts_nothing(state: Path, tmp_path: Path) -> None:
    """On a machine whose system calls it does not know: it says which, and the worker never runs."""
    code = (
        "import sys, platform\n"
        f"sys.path.insert(0, {str(CELL.parents[1])!r})\n"
        "platform.machine = lambda: 'pdp11'\n"
        "from supervisor import cell\n"
        f"cell.main(['', {str(tmp_path)!r}, '--', '/bin/touch', {str(tmp_path / 'ran')!r}])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 9
    assert ended.stderr == "cell: no seccomp filter is known for pdp11\n"
    assert not (tmp_path / "ran").exists()


def test_both_architectures_have_every_number() -> None:
    """The filter names the same acts on each; only the two old ways to fork are missing on the newer one."""
    names = {machine: set(numbers) for machine, (_, numbers) in cell._NUMBERS.items()}
    assert names["x86_64"] - names["aarch64"] == {"fork", "vfork"}
    assert names["aarch64"] <= names["x86_64"]
    for _, numbers in cell._NUMBERS.values():
        every = [*numbers.values(), *cell._EVERYWHERE.values()]
        assert len(every) == len(set(every))
