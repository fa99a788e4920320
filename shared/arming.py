"""The arming of a desk: a person's typed word, on this machine, that real money may be traded from one wallet.

`foresightctl arm` writes it at a terminal, the supervisor reads it before it begins. It is a file of its own beside the
state, and no verb, so that neither a worker, which can write nothing there, nor a page nor the control file can give
it. What always holds: it is its owner's alone, and names the machine, so that a copied state folder is not armed.
"""

from __future__ import annotations

import os
import stat
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from shared import files
from shared.config import Faults

BYTES_MAX: Final = 4_096
MACHINE_ID: Final = Path("/etc/machine-id")
_ADDRESS: Final = r"^0x[0-9a-fA-F]{40}\Z"


class Arming(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who armed it, when, and for which wallet. `machine`: this machine's name for itself, hashed."""

    wallet: Annotated[str, msgspec.Meta(pattern=_ADDRESS)]
    machine: str
    uid: int
    at_ns: int
    schema: Literal["foresight.arming/1"] = "foresight.arming/1"


def is_wallet(text: str) -> bool:
    """Whether a text is an address as people write it."""
    try:
        msgspec.convert(text, Annotated[str, msgspec.Meta(pattern=_ADDRESS)])
    except msgspec.ValidationError:
        return False
    return True


def this_machine() -> str:
    """A name for this machine that tells nobody which one it is."""
    try:
        named = MACHINE_ID.read_bytes().strip()
    except OSError:
        named = b""
    return blake2b(named or os.uname().nodename.encode(), digest_size=8, person=b"foresight-arm").hexdigest()


def write(path: Path, arming: Arming) -> None:
    """Put it there, whole or not at all, for nobody else to read; what root writes belongs to the folder's owner.

    Raises: OSError.
    """
    desk = path.parent.stat()
    owner = (desk.st_uid, desk.st_gid) if os.geteuid() == 0 else None
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    files.replace(path, msgspec.json.encode(arming) + b"\n", aside=aside, durable=True, owner=owner)


def read(path: Path) -> Arming | None:
    """The arming; None where nobody armed. Raises: Faults: it is there and cannot be believed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Faults([f"{path}: {error.strerror}"]) from error
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in {0, os.getuid()} or facts.st_mode & 0o077:
            raise Faults([f"{path}: not a file of ours alone"])
        return msgspec.json.decode(os.read(fd, BYTES_MAX), type=Arming)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Faults([f"{path}: not what foresightctl arm writes"]) from None
    finally:
        os.close(fd)
