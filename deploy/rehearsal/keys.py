"""API keys: who has one, whether a request proves it, and its dead man's switch.

Key requests are proved by a typed-data signature, everything else by an HMAC over the request (facts 3.2). Timers here
guard processes, not markets, so they run in real time whatever the rehearsal's speed. Leaves how often a key may ask
to `buckets.py`, and what it may do to `admission.py`.
What always holds: one key per address and nonce, however often it is asked for; secrets are compared in constant time.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from deploy.rehearsal import refusals
from deploy.rehearsal.quantities import is_count
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import Forged, checksummed, key_signer, request_hmac

AUTH_TOLERANCE_S: Final = 30
"""How far a request's timestamp may be off. Production's own value is not known. Source: facts 10."""
HEARTBEAT_EXPIRY_NS: Final = 10 * 10**9
HEARTBEAT_SWEEP_S: Final = 5.0
"""A switch is looked at this often, so it fires 10 to 15 s after the last heartbeat. Source: facts 3.6."""
_SECRET_BYTES: Final = 32
_PASSPHRASE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One API key. owner: the checksummed address that asked for it. secret: base64url."""

    api_key: str
    secret: str
    passphrase: str
    owner: str
    nonce: int


class Keyring:
    """All keys, by id and by (owner, nonce)."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._by_id: dict[str, Key] = {}
        self._by_asker: dict[tuple[str, int], Key] = {}
        for key in keys:
            self._add(key)

    def all(self) -> list[Key]:
        """Every key."""
        return list(self._by_id.values())

    def of(self, owner: str) -> list[str]:
        """The ids of one owner's keys."""
        return [key.api_key for key in self._by_id.values() if key.owner == owner]

    def derive(self, owner: str, nonce: int) -> Key:
        """The key that was made before. Raises: Refused."""
        found = self._by_asker.get((owner, nonce))
        if found is None:
            raise refusals.bad(refusals.NO_SUCH_KEY)
        return found

    def create(self, owner: str, nonce: int, chance: Callable[[int], bytes]) -> tuple[Key, bool]:
        """The key of an address and nonce, and whether it is new. chance: gives that many unpredictable bytes."""
        known = self._by_asker.get((owner, nonce))
        if known:
            return known, False
        secret = base64.urlsafe_b64encode(chance(_SECRET_BYTES)).decode()
        key = Key(uuid_of(chance(16)), secret, chance(_PASSPHRASE_BYTES).hex(), owner, nonce)
        self._add(key)
        return key, True

    def by_id(self, api_key: str) -> Key | None:
        """The key of that id."""
        return self._by_id.get(api_key)

    def proved(self, api_key: str, secret: str, passphrase: str) -> Key | None:
        """The key whose secret and passphrase a socket was told, None when anything of it is wrong."""
        key = self._by_id.get(api_key)
        if key and same(key.secret, secret) and same(key.passphrase, passphrase):
            return key
        return None

    def remove(self, key: Key) -> None:
        """Forget a key: it proves nothing any more, and its asker may ask for another."""
        self._by_id.pop(key.api_key, None)
        self._by_asker.pop((key.owner, key.nonce), None)

    def _add(self, key: Key) -> None:
        self._by_id[key.api_key] = self._by_asker[key.owner, key.nonce] = key


def asker(headers: Mapping[str, str], clocks_s: Iterable[float]) -> tuple[str, int]:
    """The address and nonce that ask for a key. clocks_s: the times a timestamp may be near. Raises: Refused."""
    try:
        address, signature = headers["POLY_ADDRESS"], headers["POLY_SIGNATURE"]
        stamp, nonce = headers["POLY_TIMESTAMP"], int(headers.get("POLY_NONCE", "0"))
        signer = key_signer(address, stamp, nonce, signature)
    except (KeyError, ValueError, Forged) as error:
        raise Refused(401, refusals.INVALID_L1) from error
    if signer.lower() != address.lower() or not fresh(stamp, clocks_s):
        raise Refused(401, refusals.INVALID_L1)
    return checksummed(signer), nonce


def authenticate(
    keyring: Keyring, headers: Mapping[str, str], method: str, path: str, body: bytes, clocks_s: Iterable[float]
) -> Key:
    """The key behind a request: headers there, timestamp fresh, HMAC right. Raises: Refused: 401 for any of it."""
    try:
        key = keyring.by_id(headers["POLY_API_KEY"])
        stamp, signature = headers["POLY_TIMESTAMP"], headers["POLY_SIGNATURE"]
        address, passphrase = headers["POLY_ADDRESS"], headers["POLY_PASSPHRASE"]
    except KeyError as error:
        raise Refused(401, refusals.UNAUTHORIZED) from error
    if key is None or not fresh(stamp, clocks_s):
        raise Refused(401, refusals.UNAUTHORIZED)
    signed = same(request_hmac(key.secret, stamp, method, path, body), signature)
    if not signed or not same(key.passphrase, passphrase) or address.lower() != key.owner.lower():
        raise Refused(401, refusals.UNAUTHORIZED)
    return key


def fresh(stamp: str, clocks_s: Iterable[float]) -> bool:
    """Whether a timestamp in seconds is near one of the clocks: the world's, or a rehearsal's market time."""
    return is_count(stamp) and any(abs(int(stamp) - clock_s) <= AUTH_TOLERANCE_S for clock_s in clocks_s)


def uuid_of(chance: bytes) -> str:
    """Sixteen bytes written as a version 4 UUID."""
    digits = bytes([*chance[:6], chance[6] & 0x0F | 0x40, chance[7], chance[8] & 0x3F | 0x80, *chance[9:16]]).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def same(mine: str, theirs: str) -> bool:
    """Whether two secrets are one, compared in constant time."""
    return hmac.compare_digest(mine.encode(), theirs.encode())


@dataclass(slots=True)
class _Switch:
    heartbeat_id: str
    deadline_ns: int


class WrongHeartbeat(Exception):
    """The id is not the expected one, which this carries."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


@dataclass(slots=True)
class Switches:
    """The dead man's switches, by API key. The first accepted heartbeat arms one; nothing disarms it but its expiry."""

    armed: dict[str, _Switch] = field(default_factory=dict)
    beats: int = 0

    def beat(self, api_key: str, heartbeat_id: str, now_ns: int) -> str:
        """Accept a heartbeat and return the next id to send. now_ns: real, monotonic. Raises: WrongHeartbeat."""
        switch = self.armed.get(api_key)
        expected = switch.heartbeat_id if switch else ""
        if heartbeat_id != expected:
            raise WrongHeartbeat(expected)
        self.beats += 1
        following = uuid_of(sha256(f"{api_key}/{self.beats}/{now_ns}".encode()).digest())
        self.armed[api_key] = _Switch(following, now_ns + HEARTBEAT_EXPIRY_NS)
        return following

    def expired(self, now_ns: int) -> list[str]:
        """Keys whose heartbeat is overdue; each is told once, and may be armed again."""
        late = [api_key for api_key, switch in self.armed.items() if switch.deadline_ns <= now_ns]
        for api_key in late:
            del self.armed[api_key]
        return late
