"""Rate limits: every signer's buckets for orders and for cancels, in real time.

Only the buckets' size knows of the rehearsal's speed, because sixty times the market brings sixty times the orders.
The limits per address of facts 3.8 are not here: production queues there rather than refuses, far above what one desk
sends. What always holds: all or nothing, a refused cost took nothing; a cost above the burst never passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deploy.rehearsal import refusals
from deploy.rehearsal.refusals import Refused


@dataclass(frozen=True, slots=True)
class Tier:
    """A signer's tier: orders a second and their burst. Cancels have twice of both. Source: facts 3.8."""

    name: str
    rate: float
    burst: float


STANDARD: Final = Tier("standard", 40, 60)
TIERS: Final = {
    tier.name: tier
    for tier in (
        STANDARD,
        Tier("copper", 60, 90),
        Tier("bronze", 80, 120),
        Tier("silver", 200, 300),
        Tier("gold", 400, 600),
        Tier("platinum", 450, 675),
        Tier("diamond", 525, 787),
        Tier("elite", 600, 900),
    )
}
_SHARES: Final = {"order": 1, "cancel": 2}
"""How much of a tier each bucket has."""
_NANO: Final = 10**9


@dataclass(slots=True)
class Bucket:
    """A token bucket in real time. rate: tokens a second. All or nothing: a cost above what is there takes nothing.

    `left_nano`: what is there at `at_ns`, in whole 1e-9 tokens. Fractions that are added up are now and then a hair
    short of the token that has come, and who asks for it at that very moment would be refused.
    """

    rate: float
    burst: float
    left_nano: int
    at_ns: int

    @classmethod
    def full(cls, rate: float, burst: float, at_ns: int) -> Bucket:
        """One from which nothing was taken yet."""
        return cls(rate, burst, int(burst * _NANO), at_ns)

    def take(self, cost: int, now_ns: int) -> bool:
        """Take `cost` tokens if they are there."""
        self.left_nano = min(int(self.burst * _NANO), self.left_nano + round((now_ns - self.at_ns) * self.rate))
        self.at_ns = now_ns
        if cost * _NANO > self.left_nano:
            return False
        self.left_nano -= cost * _NANO
        return True

    def wait_s(self, cost: float) -> float:
        """Seconds until that many tokens are there."""
        return max(0.0, (cost - self.left_nano / _NANO) / self.rate)


class Buckets:
    """Every signer's order and cancel buckets. speed: market seconds in a real one; rate and burst grow with it."""

    def __init__(self, tier: Tier, speed: float) -> None:
        self._tier = tier
        self._scale = max(1.0, speed)
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def orders(self, owner: str, count: int, now_ns: int) -> dict[str, str]:
        """Charge order entry; the headers to answer with. Raises: Refused: 429."""
        return self._charge(owner, "order", count, now_ns)

    def cancels(self, owner: str, count: int, now_ns: int) -> dict[str, str]:
        """Charge cancels; the headers to answer with. Raises: Refused: 429."""
        return self._charge(owner, "cancel", count, now_ns)

    def _charge(self, owner: str, what: str, cost: int, now_ns: int) -> dict[str, str]:
        bucket = self._buckets.get((owner, what)) or self._new(owner, what, now_ns)
        enough = bucket.take(cost, now_ns)
        headers = {
            "Poly-RateLimit-Remaining": str(bucket.left_nano // _NANO),
            "Poly-RateLimit-Reset": str(int(bucket.wait_s(bucket.burst)) + 1),
            "Poly-RateLimit-Tier": self._tier.name,
        }
        if not enough:
            raise Refused(429, refusals.TOO_MANY, headers | {"Retry-After": str(int(bucket.wait_s(cost)) + 1)})
        return headers

    def drain(self, owner: str, now_ns: int) -> None:
        """Take everything a signer has: his next requests are refused until his buckets fill again."""
        for what in _SHARES:
            bucket = self._buckets.get((owner, what)) or self._new(owner, what, now_ns)
            bucket.left_nano, bucket.at_ns = 0, now_ns

    def _new(self, owner: str, what: str, now_ns: int) -> Bucket:
        share = _SHARES[what] * self._scale
        rate, burst = self._tier.rate * share, self._tier.burst * share
        self._buckets[owner, what] = Bucket.full(rate, burst, now_ns)
        return self._buckets[owner, what]
