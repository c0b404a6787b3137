"""Markets that the simulated exchange can list, with the price they open at."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.errors import UsageError
from obiterm.exchange.api import MarketSpec

_MARKETS: dict[str, tuple[MarketSpec, Decimal]] = {
    "BTCUSDT": (
        MarketSpec(
            symbol="BTCUSDT",
            base="BTC",
            quote="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.00001"),
        ),
        Decimal(60_000),
    ),
    "ETHUSDT": (
        MarketSpec(
            symbol="ETHUSDT",
            base="ETH",
            quote="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.0001"),
            market_max_lots=28_000_000,
        ),
        Decimal(2_600),
    ),
    "SOLUSDT": (
        MarketSpec(
            symbol="SOLUSDT",
            base="SOL",
            quote="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.001"),
            market_max_lots=60_000_000,
        ),
        Decimal(150),
    ),
}


def market_spec(symbol: str) -> MarketSpec:
    """Return the market named ``symbol``; raise ``UsageError`` naming those that exist."""
    return _entry(symbol)[0]


def opening_price(symbol: str) -> Decimal:
    """Return the price, in quote, at which the flow model opens ``symbol``."""
    return _entry(symbol)[1]


def _entry(symbol: str) -> tuple[MarketSpec, Decimal]:
    entry = _MARKETS.get(symbol)
    if entry is None:
        raise UsageError(
            f"the simulated exchange lists no market {symbol!r}",
            hint=f"known: {', '.join(sorted(_MARKETS))}",
        )
    return entry
