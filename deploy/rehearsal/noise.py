"""The rest of the exchange, as far as it can be heard: markets that are listed elsewhere, with their long texts.

A market connection with custom features hears `new_market` of the whole exchange, not only of what it asked for. One
captured minute held one such message, so one comes every minute here, at a drawn second. Leaves who hears it to
`subscriptions.py`. What always holds: no id or token of this noise is one of the venue's own; the same minute has the
same message.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.floor import Dice
from deploy.rehearsal.outbox import Outbox, ToEverybody
from deploy.rehearsal.protocol import BASE_FEE, Json

EVERY_MS: Final = 60_000
TEXT_MIN, TEXT_MAX = 400, 3_000
"""Length of the rules' text, characters."""
_PLACES: Final = ("North Carolina", "Lisbon", "the Senate", "Ottawa", "Nairobi", "Seoul", "Ohio", "Oslo")
_THINGS: Final = ("a data center moratorium", "a rate cut", "a ceasefire", "record rain", "a recount", "a strike")
_WORDS: Final = ("this", "market", "will", "resolve", "according", "to", "official", "sources", "otherwise", "no")


@dataclass(frozen=True, slots=True)
class Noise:
    """The clockwork of it. Nothing is made while nobody listens to any market."""

    out: Outbox
    agenda: Agenda
    dice: Dice

    def start(self, now_ms: int) -> None:
        """Plan the next message."""
        minute = now_ms // EVERY_MS + 1
        due_ms = minute * EVERY_MS + self.dice(f"noise/{minute}").randrange(EVERY_MS)
        self.agenda.add(due_ms, partial(self._sound, due_ms))

    def _sound(self, now_ms: int) -> None:
        if self.out.watched:
            self.out.put(ToEverybody(elsewhere(self.dice, now_ms)))
        self.start(now_ms)


def elsewhere(dice: Dice, at_ms: int) -> Json:
    """The listing of a market that is none of ours."""
    rng = dice(f"elsewhere/{at_ms}")
    place, thing = rng.choice(_PLACES), rng.choice(_THINGS)
    question = f"Will {place} see {thing} by December 31?"
    slug = question.lower().rstrip("?").replace(" ", "-") + f"-{at_ms // 1_000}"
    condition = "0x" + sha256(f"elsewhere/{slug}".encode()).hexdigest()
    tokens = [str(int(sha256(f"{slug}/{side}".encode()).hexdigest(), 16)) for side in ("yes", "no")]
    text = " ".join(rng.choice(_WORDS) for _ in range(rng.randrange(TEXT_MIN, TEXT_MAX) // 5))
    number, event = str(rng.randrange(5_000_000, 6_000_000)), str(rng.randrange(1_000_000, 2_000_000))
    return {
        "id": number,
        "question": question,
        "market": condition,
        "slug": slug,
        "description": text,
        "assets_ids": tokens,
        "outcomes": ["Yes", "No"],
        "event_message": {"id": event, "ticker": slug, "slug": slug, "title": question, "description": text},
        "timestamp": str(at_ms),
        "event_type": "new_market",
        "tags": [],
        "condition_id": condition,
        "active": True,
        "clob_token_ids": tokens,
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "order_price_min_tick_size": "0.01",
        "group_item_title": "December 31",
        "taker_base_fee": str(BASE_FEE),
        "fees_enabled": True,
        "fee_schedule": {"exponent": "1", "rate": "0.04", "taker_only": True, "rebate_rate": "0.25"},
    }
