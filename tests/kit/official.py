"""The official client, unmodified, pointed at a rehearsal venue."""

from __future__ import annotations

import dataclasses
from typing import Any

from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.environments import Environment


def environment(where: dict[str, Any]) -> Environment:
    """An environment of the official client whose every address is the venue's."""
    config = dataclasses.replace(
        PRODUCTION_CONFIG,
        clob_url=where["clob"],
        gamma_url=where["gamma"],
        relayer_url=where["relayer"],
        data_url=where["data"],
        rpc_url=where["rpc"],
        rtds_ws_url=where["rtds_ws"],
        clob_market_ws_url=where["market_ws"],
        clob_user_ws_url=where["user_ws"],
        realtime_ws_url=where["price_ws"],
    )
    return create_environment(name="rehearsal", config=config)
