"""exchangeInfo as instruments (binance.md §6.1)."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.binance.messages import ExchangeInfo, RateLimit, SymbolFilter, SymbolInfo, read
from obiterm.venues.binance.scale import amount
from obiterm.venues.common.sift import sift

VENUE = "binance"
"""Name of this venue in instruments and on the screen."""

_UNBOUNDED = 2**53
_MAX_OPEN_ORDERS = 200
"""Used when the venue names no MAX_NUM_ORDERS."""
_TRADING = "TRADING"

_read_info = msgspec.json.Decoder(ExchangeInfo)


class Market(msgspec.Struct, frozen=True):
    """One market and what it allows."""

    instrument: Instrument
    status: str
    """``TRADING``, ``HALT``, ``BREAK``, ``CANCEL_ONLY`` …; the venue adds values."""
    order_types: frozenset[str]
    self_trade_modes: frozenset[str]
    """Self-trade prevention modes that orders may carry."""
    cancel_replace: bool

    @property
    def is_trading(self) -> bool:
        """True when new orders are taken."""
        return self.status == _TRADING


class Listing(msgspec.Struct, frozen=True):
    """What the venue offers: markets, its own limits and its time."""

    markets: dict[Symbol, Market]
    rate_limits: list[RateLimit]
    damaged: dict[str, str] = {}
    """Markets that could not be read, with the reason."""

    @property
    def instruments(self) -> dict[Symbol, Instrument]:
        """Instruments by symbol."""
        return {symbol: market.instrument for symbol, market in self.markets.items()}

    @property
    def self_trade_modes(self) -> dict[Symbol, frozenset[str]]:
        """Allowed self-trade prevention modes by symbol."""
        return {symbol: market.self_trade_modes for symbol, market in self.markets.items()}


def exchange_info(body: bytes) -> Listing:
    """Read exchangeInfo; raises ``DataError`` for a damaged body, or when no market is readable."""
    info = read(_read_info, body, "exchangeInfo")
    markets, damaged = sift(info.symbols, lambda told: told.symbol, _market)
    by_symbol = {market.instrument.symbol: market for market in markets}
    return Listing(by_symbol, info.rate_limits, damaged)


def _market(told: SymbolInfo) -> Market:
    return Market(
        instrument=_instrument(told),
        status=told.status,
        order_types=frozenset(told.order_types),
        self_trade_modes=frozenset(told.allowed_self_trade_prevention_modes),
        cancel_replace=told.cancel_replace_allowed,
    )


def _instrument(told: SymbolInfo) -> Instrument:
    """Take the filters over; 0 in a filter switches that rule off.

    A market without a tick or step rule gets the asset's precision as its grid, the
    finest that the venue's parser takes.
    """
    filters = {each.filter_type: each for each in told.filters}
    price = filters.get("PRICE_FILTER", SymbolFilter("PRICE_FILTER"))
    lot = filters.get("LOT_SIZE", SymbolFilter("LOT_SIZE"))
    market_lot = filters.get("MARKET_LOT_SIZE", SymbolFilter("MARKET_LOT_SIZE"))
    tick = _number(told, price.tick_size, "tickSize") or _finest(told.quote_asset_precision)
    step = _number(told, lot.step_size, "stepSize") or _finest(told.base_asset_precision)
    max_lots = _units(told, lot.max_qty, step, "maxQty") or _UNBOUNDED
    market_max_lots = _units(told, market_lot.max_qty, step, "maxQty") or max_lots
    max_orders = filters.get("MAX_NUM_ORDERS", SymbolFilter("MAX_NUM_ORDERS")).max_num_orders
    return Instrument(
        venue=VENUE,
        symbol=Symbol(told.symbol),
        kind=MarketKind.SPOT,
        base=told.base_asset,
        quote=told.quote_asset,
        tick_size=tick,
        lot_size=step,
        min_lots=max(1, _units_up(told, lot.min_qty, step, "minQty")),
        max_lots=max_lots,
        market_max_lots=min(market_max_lots, max_lots),
        min_price_ticks=max(1, _units_up(told, price.min_price, tick, "minPrice")),
        max_price_ticks=_units(told, price.max_price, tick, "maxPrice") or _UNBOUNDED,
        min_notional=max(
            _number(told, filters[name].min_notional, "minNotional")
            if name in filters
            else Decimal(0)
            for name in ("NOTIONAL", "MIN_NOTIONAL")
        ),
        max_open_orders=max_orders or _MAX_OPEN_ORDERS,
    )


def _number(told: SymbolInfo, text: str, field: str) -> Decimal:
    return amount(text, f"{told.symbol} {field}").normalize()


def _units(told: SymbolInfo, text: str, unit: Decimal, field: str) -> int:
    return int(_number(told, text, field) / unit)


def _units_up(told: SymbolInfo, text: str, unit: Decimal, field: str) -> int:
    return int((_number(told, text, field) / unit).to_integral_value(ROUND_CEILING))


def _finest(precision: int) -> Decimal:
    return Decimal(1).scaleb(-precision)
