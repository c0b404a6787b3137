"""Start records, as a host writes them."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.limits import RiskLimits
from obiterm.core.values import AccountId, Environment, RunId, TradingState
from obiterm.trading.record import StartRecord, encode_limits
from tests.trading_support.stage import BTCUSDT


def start_record(*, market_events: bool) -> bytes:
    """Return the payload of a start row of an account without strategies."""
    return msgspec.msgpack.encode(
        StartRecord(
            program="0",
            account=AccountId("main"),
            environment=Environment.SIM,
            run=RunId("run1"),
            profile="test",
            instruments=[BTCUSDT],
            limits=encode_limits(RiskLimits()),
            strategies=[],
            start_state=TradingState.ACTIVE,
            armed=True,
            balances={"USDT": (Decimal(1), Decimal(0))},
            market_events=market_events,
        )
    )
