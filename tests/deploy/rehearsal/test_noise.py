"""The rest of the exchange."""

from __future__ import annotations

from kit.hall import Hall
from kit.venue import dice
from polymarket.models.clob.market_events import parse_market_event

from deploy.rehearsal.noise import TEXT_MIN, elsewhere


def test_markets_are_listed_elsewhere_every_minute() -> None:
    """Heard with custom features alone; none of them is ours."""
    hall = Hall()
    (custom, first), (plain, second) = (hall.join("market") for _ in range(2))
    frame = {"type": "market", "assets_ids": [hall.market.listing.up_token]}
    hall.say(first, frame | {"custom_feature_enabled": True})
    hall.say(second, frame)
    hall.advance(180_000)
    seen = [each for each in custom.take() if isinstance(each, dict) and each["event_type"] == "new_market"]
    foreign = [each for each in seen if each["market"] not in hall.exchange.floor.by_condition]
    assert 2 <= len(foreign) <= 4
    assert not [each for each in plain.take() if isinstance(each, dict) and each["event_type"] == "new_market"]


def test_its_texts_are_long_and_the_official_client_reads_it() -> None:
    """So a reader's bound on frames is met."""
    message = elsewhere(dice, 1_794_999_920_000)
    assert len(message["description"]) > TEXT_MIN // 2
    assert parse_market_event(message).type == "new_market"
    assert elsewhere(dice, 1_794_999_920_000) == message


def test_nothing_is_made_while_nobody_listens() -> None:
    """The clockwork goes on."""
    hall = Hall()
    hall.exchange.advance(hall.exchange.now_ms + 180_000)
    assert not [each for each in hall.exchange.out.take() if "elsewhere" in str(each)]
