"""Where things are: every file of a state folder, and which folder that is.

One folder holds everything one desk knows. It is $FORESIGHT_STATE_DIR; else, under systemd, $STATE_DIRECTORY; else the
rehearsal's, `foresight/rehearsal` under $XDG_STATE_HOME or ~/.local/state. Sockets live in it as well, so its path has
to be short.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

_SOCKET_PATH_MAX: Final = 107  # sun_path of unix(7), without its final zero


class PathTooLong(ValueError):
    """A socket in this folder would have a longer path than the kernel takes."""


def default_state(environ: Mapping[str, str] | None = None) -> Path:
    """The state folder nobody named."""
    environ = os.environ if environ is None else environ
    named = environ.get("FORESIGHT_STATE_DIR") or environ.get("STATE_DIRECTORY", "").split(":")[0]
    if named:
        return Path(named)
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/")) / ".local" / "state")
    return Path(home) / "foresight" / "rehearsal"


@dataclass(frozen=True, slots=True)
class State:
    """The layout of a state folder. Nothing here touches the disk."""

    root: Path

    @property
    def journal(self) -> Path:
        """Segments of the journal, the truth."""
        return self.root / "journal"

    @property
    def snapshots(self) -> Path:
        """What the journal added up to at some records; a start is shorter with them, and no different without."""
        return self.root / "snapshots"

    @property
    def tape(self) -> Path:
        """Segments of the tape: the stream as it was published."""
        return self.root / "tape"

    @property
    def releases(self) -> Path:
        """Staged releases, one folder each, named for its hash; and index.jsonl, their order."""
        return self.root / "releases"

    @property
    def environments(self) -> Path:
        """Virtual environments for releases, one for each worker lock."""
        return self.root / "environments"

    @property
    def workers(self) -> Path:
        """Scratch folders and last output of worker processes."""
        return self.root / "workers"

    @property
    def venue(self) -> Path:
        """The rehearsal venue's own record."""
        return self.root / "venue"

    @property
    def index(self) -> Path:
        """Tables made from the journal, for whoever asks questions; it can be deleted and is made again."""
        return self.root / "index.sqlite"

    @property
    def control(self) -> Path:
        """control.json: what the operator wishes."""
        return self.root / "control.json"

    @property
    def status(self) -> Path:
        """status.json: what is."""
        return self.root / "status.json"

    @property
    def credentials(self) -> Path:
        """The signing key of a rehearsal, where no service manager passes a real one."""
        return self.root / "credentials.json"

    @property
    def arming(self) -> Path:
        """A person's word that real money may be traded; see shared.arming."""
        return self.root / "armed.json"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor of this folder."""
        return self.root / "supervisor.lock"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor answers. Raises: PathTooLong."""
        return self._socket("control.sock")

    @property
    def stream_socket(self) -> Path:
        """Where the supervisor publishes. Raises: PathTooLong."""
        return self._socket("stream.sock")

    @property
    def ledger_name(self) -> str:
        """The name of the shared memory, one for each state folder of a machine."""
        return f"foresight-{blake2b(os.fsencode(self.root.absolute()), digest_size=6).hexdigest()}"

    def _socket(self, name: str) -> Path:
        path = self.root / name
        if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
            raise PathTooLong(f"{path} is longer than the {_SOCKET_PATH_MAX} bytes a socket's path may have")
        return path
