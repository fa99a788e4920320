"""Keys beside the trading key: read-only ones and builder ones. They are made, listed, validated and revoked.

A builder key proves here its own revocation and who may use the relayer, a read-only one nothing. Leaves trading keys
to `keys.py`. What always holds: an owner sees and revokes only his own; a process keeps them no longer than it lives.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.rehearsal import refusals
from deploy.rehearsal.keys import fresh, same, uuid_of
from deploy.rehearsal.refusals import Refused, bad
from deploy.rehearsal.signatures import request_hmac

SIDE_KEYS_MAX: Final = 100
"""Of each sort, for one owner."""


@dataclass(frozen=True, slots=True)
class BuilderKey:
    """One builder key. made_ms: market time, unix milliseconds."""

    key: str
    secret: str
    passphrase: str
    made_ms: int


@dataclass(slots=True)
class SideKeys:
    """All of them, by owner."""

    readonly: dict[str, list[str]] = field(default_factory=dict)
    builders: dict[str, dict[str, BuilderKey]] = field(default_factory=dict)

    def make_readonly(self, owner: str, chance: Callable[[int], bytes]) -> str:
        """A new read-only key. Raises: Refused: too many."""
        mine = self.readonly.setdefault(owner, [])
        _check_room(len(mine))
        mine.append(uuid_of(chance(16)))
        return mine[-1]

    def drop_readonly(self, owner: str, key: str) -> bool:
        """Revoke a read-only key; whether it was there."""
        mine = self.readonly.get(owner, [])
        if key not in mine:
            return False
        mine.remove(key)
        return True

    def reads_for(self, address: str, key: str) -> bool:
        """Whether a read-only key is that address's."""
        return any(owner.lower() == address.lower() and key in mine for owner, mine in self.readonly.items())

    def make_builder(self, owner: str, now_ms: int, chance: Callable[[int], bytes]) -> BuilderKey:
        """A new builder key. Raises: Refused: too many."""
        mine = self.builders.setdefault(owner, {})
        _check_room(len(mine))
        secret = base64.urlsafe_b64encode(chance(32)).decode()
        made = BuilderKey(uuid_of(chance(16)), secret, chance(32).hex(), now_ms)
        mine[made.key] = made
        return made

    def builder_of(
        self, headers: Mapping[str, str], method: str, path: str, clocks_s: Iterable[float], body: bytes = b""
    ) -> tuple[str, str]:
        """The owner and id of the builder key that signed a request. Raises: Refused: 401."""
        try:
            name, stamp = headers["POLY_BUILDER_API_KEY"], headers["POLY_BUILDER_TIMESTAMP"]
            owner, key = next((owner, mine[name]) for owner, mine in self.builders.items() if name in mine)
            proof = headers["POLY_BUILDER_SIGNATURE"], headers["POLY_BUILDER_PASSPHRASE"]
        except (KeyError, StopIteration) as error:
            raise Refused(401, refusals.UNAUTHORIZED) from error
        expected = request_hmac(key.secret, stamp, method, path, body), key.passphrase
        if not fresh(stamp, clocks_s) or not all(map(same, expected, proof)):
            raise Refused(401, refusals.UNAUTHORIZED)
        return owner, name

    def revoke_builders(self, owner: str, key: str = "") -> int:
        """Revoke one builder key, or all; how many there were."""
        mine = self.builders.get(owner, {})
        gone = [name for name in mine if key in ("", name)]
        for name in gone:
            del mine[name]
        return len(gone)


def _check_room(count: int) -> None:
    if count >= SIDE_KEYS_MAX:
        raise bad(refusals.TOO_MANY_KEYS)
