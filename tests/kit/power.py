"""A disk of its own, a real ext4, whose power is cut: what was not on the platter is gone, and the rest is not.

A file as a loop device, mounted in a mount namespace of its own that ends with the process that holds it: however a
test ends, nobody else ever saw the mount, and the kernel takes it down with the last process in it. The cut is the
file system's own shutdown, without writing its log: from then on every write is refused, and after mounting anew there
is what had been made durable. Needs root, loop devices, util-linux and e2fsprogs; without them a test fails.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kit.releases import ROOT

SIZE: Final = 64 << 20
MOUNTED: Final = "loop,commit=300"
"""The file system writes nothing of its own accord for five minutes: what survives was asked for."""
CUT: Final = """
import fcntl, os, struct, sys, time
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587d, 2
disk = os.open(sys.argv[1], os.O_RDONLY)
print(time.monotonic_ns(), flush=True)
fcntl.ioctl(disk, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
"""
COMMAND_S: Final = 60.0


class Disk:
    """One that is mounted. `path` is there only for what is started through here."""

    def __init__(self, image: Path, path: Path, holder: int) -> None:
        self.path = path
        self._image, self._holder = image, holder

    def command(self, *arguments: str) -> list[str]:
        """What to start to have something run where the disk is."""
        return ["nsenter", f"--target={self._holder}", "--mount", "--", *arguments]

    def python(self, program: str, *arguments: str) -> list[str]:
        """The same for a program of ours."""
        environ = f"PYTHONPATH={ROOT}:{ROOT / 'tests'}"
        return self.command("env", environ, sys.executable, "-c", program, str(self.path), *arguments)

    def run(self, command: Sequence[str]) -> str:
        """What a command prints that has to end well."""
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_S)
        assert ran.returncode == 0, f"{' '.join(command[:9])}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def cut(self) -> int:
        """The power goes; when it did, monotonic nanoseconds.

        The file system takes a moment to go down, in which a sync that is under way may be told that all is well: its
        log was given up meanwhile, and it finds nothing left to wait for. A machine without power tells nobody.
        """
        return int(self.run(self.python(CUT)))

    def mount(self) -> None:
        """Mount it; after a cut that is the power coming back."""
        self.run(self.command("mount", "-o", MOUNTED, str(self._image), str(self.path)))

    def unmount(self) -> None:
        """Take it down; who still has a file open there keeps it from ending."""
        self.run(self.command("umount", str(self.path)))


@contextmanager
def a_disk(folder: Path) -> Iterator[Disk]:
    """A fresh disk, mounted; its image is in a folder, and everything of it is gone afterwards."""
    image, path = folder / "disk.img", folder / "disk"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, timeout=COMMAND_S)
    hold = ["unshare", "--mount", "--propagation=private", "sh", "-c", "echo held; exec cat"]
    with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n", "no mount namespace: is this root?"
            disk = Disk(image, path, holder.pid)
            disk.mount()
            yield disk
        finally:
            holder.stdin.close()  # its end is the namespace's, and with it the mount's
            holder.wait(COMMAND_S)
            image.unlink()
