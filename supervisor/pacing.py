"""How fast we may ask the venue, and when not at all: our own token buckets, and how long its refusals hold.

The venue has a bucket for a signer's orders and one for its cancels, and refuses what does not fit. Ours are the same
size or smaller, are narrowed and emptied by what its answers say, and speak first: what does not pass is not sent. Its
other refusals (a restart, post-only orders, no trading) are taken at their word for as long as it says, else for longer
each time. Leaves to `dispatch` what becomes of an order or a cancel that has to wait. Source: facts 3.7, 3.8; what the
venue's header of warnings says they do not tell, and it is not read.

What always holds: a cost is taken whole or not at all; nobody waits longer than AWAY_MAX_S before the venue is asked
again, because what it said may not hold any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.clock import NS
from supervisor.venue.requests import Answer, Mode

AWAY_S: Final = 1.0
"""Real seconds after which the venue is asked again when it does not say; doubled with each refusal in a row."""
AWAY_MAX_S: Final = 30.0
"""The longest it is left alone, whatever it says."""
TIERS: Final = {
    "standard": (40, 60),
    "copper": (60, 90),
    "bronze": (80, 120),
    "silver": (200, 300),
    "gold": (400, 600),
    "platinum": (450, 675),
    "diamond": (525, 787),
    "elite": (600, 900),
}
"""What a signer of each tier may send, orders a second and at once. Source: facts 3.8."""
ORDERS, CANCELS = 1, 2
"""How many times a tier's sizes the venue takes of either kind of request."""
WORDS: Final[dict[Mode, str]] = {
    "too_many": "the venue's rate limit is used up",
    "restarting": "the venue restarts",
    "post_only": "the venue takes post-only orders alone",
    "closed": "the venue takes no orders",
}


@dataclass(slots=True)
class Bucket:
    """A token bucket in real time. rate: tokens a second. `left_nano`: what is there, 1e-9 tokens, at `at_ns`."""

    rate: int
    burst: int
    left_nano: int = 0
    at_ns: int = 0

    def there(self, mono_ns: int) -> int:
        """Whole tokens that are there now."""
        grown_nano = max(0, mono_ns - self.at_ns) * self.rate
        self.left_nano = min(self.burst * NS, self.left_nano + grown_nano)
        self.at_ns = max(self.at_ns, mono_ns)
        return self.left_nano // NS

    def take(self, cost: int, mono_ns: int) -> bool:
        """Take a cost if it is there, whole or not at all."""
        if cost > self.there(mono_ns):
            return False
        self.left_nano -= cost * NS
        return True

    def told(self, left: int | None, mono_ns: int) -> None:
        """The venue says what is left: less than we thought is believed, more may be from before what is on its way."""
        if left is not None and left < self.there(mono_ns):
            self.left_nano = left * NS

    def drain(self, mono_ns: int) -> None:
        """Nothing is there, whatever we thought."""
        self.left_nano, self.at_ns = 0, mono_ns


@dataclass(slots=True)
class Refusal:
    """What the venue said when it would not take a kind of request, until when that holds, and how often in a row."""

    mode: Mode = ""
    until_ns: int = 0
    times: int = 0

    def hear(self, mode: Mode, wait_s: float, mono_ns: int) -> None:
        """It refused, and said how long to wait, or did not (0). One told again while it holds is the same one."""
        if self.mode == mode and mono_ns < self.until_ns:
            return
        wait_s = min(wait_s or AWAY_S * 2.0**self.times, AWAY_MAX_S)
        self.mode, self.times, self.until_ns = mode, min(self.times + 1, 16), mono_ns + round(wait_s * NS)

    def end(self) -> None:
        """It takes them again."""
        self.mode, self.until_ns, self.times = "", 0, 0

    def holds(self, mono_ns: int) -> bool:
        """Whether it would be refused again, as far as we know."""
        return bool(self.mode) and mono_ns < self.until_ns

    def words(self, mono_ns: int) -> str:
        """Why nothing is sent, and for how long."""
        return f"{WORDS[self.mode]}; asked again in {(self.until_ns - mono_ns) / NS:.1f} s"


@dataclass(slots=True)
class Pace:
    """One kind of request: orders, or cancels.

    most: rate and burst by the settings; the venue's tier may narrow them, and nothing widens them. share: of a tier's
    sizes; 0 where tiers say nothing. scale: by how much a rehearsal's speed multiplies them. tier: as told last.
    """

    bucket: Bucket
    refusal: Refusal = field(default_factory=Refusal)
    most: tuple[int, int] = (0, 0)
    share: int = 0
    scale: float = 1.0
    tier: str = ""

    def begin(self, mono_ns: int) -> None:
        """A reign begins: nobody knows what the one before it has used up, so nothing is there yet."""
        self.bucket.drain(mono_ns)

    def why_not(self, mono_ns: int, *, post_only: bool = False) -> tuple[str, str]:
        """Why one more may not be sent now, as a stable word and the numbers; both empty when it may."""
        refusal = self.refusal
        if refusal.holds(mono_ns) and not (post_only and refusal.mode == "post_only"):
            return "venue_away", refusal.words(mono_ns)
        if not self.bucket.there(mono_ns):
            return "venue_rate", f"{self.bucket.rate} a second and {self.bucket.burst} at once are all the venue takes"
        return "", ""

    def status(self, mono_ns: int) -> str:
        """How it stands, for people: ok, or what the venue said and for how long that is believed."""
        return self.refusal.words(mono_ns) if self.refusal.holds(mono_ns) else "ok"

    def room(self, mono_ns: int) -> int:
        """How many may be sent now."""
        return 0 if self.refusal.holds(mono_ns) else self.bucket.there(mono_ns)

    def hear(self, answer: Answer, mono_ns: int) -> None:
        """Take in what an answer says of it. While post-only orders alone go, one that was taken proves nothing."""
        self._fit(answer.tier, mono_ns)
        self.bucket.told(answer.left, mono_ns)
        if answer.mode:
            self.refusal.hear(answer.mode, answer.wait_s, mono_ns)
        elif answer.verdict in {"accepted", "rejected"} and not (
            self.refusal.mode == "post_only" and self.refusal.holds(mono_ns)
        ):
            self.refusal.end()

    def _fit(self, tier: str, mono_ns: int) -> None:
        """Be no faster than our tier; one that nobody knows, or none, changes nothing."""
        sizes = TIERS.get(tier)
        if sizes is None or not self.share or tier == self.tier:
            return
        self.bucket.there(mono_ns)  # what has grown until now grew by the rate before
        self.tier, (rate, burst) = tier, (int(size * self.share * self.scale) for size in sizes)
        self.bucket.rate, self.bucket.burst = min(self.most[0], rate), min(self.most[1], burst)


def pace(rate: int, burst: int, speed: float, share: int = ORDERS) -> Pace:
    """A pace by the settings; in a rehearsal that runs fast it grows with its speed, as the venue's own do.

    Sizes are whole, so they are rounded down: half a token more than the venue's would be refused.
    """
    scale = max(1.0, speed)
    most = int(rate * scale), int(burst * scale)
    return Pace(Bucket(*most), most=most, share=share, scale=scale)
