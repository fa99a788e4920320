"""A signer without a key."""

from __future__ import annotations

import hashlib

from supervisor.admission import Draft, Signed


class NamingSigner:
    """Signs nothing; names an order by its leg, as the real salt does."""

    def sign(self, draft: Draft) -> Signed:
        """The same draft always gets the same name."""
        digest = hashlib.sha256(draft.identity.encode()).hexdigest()
        return Signed(f"0x{digest}", f"{draft.maker_amount}".encode())
