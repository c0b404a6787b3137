"""Markets of Backpack as instruments (backpack.md §5.1)."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.backpack.holdings import SETTLE
from obiterm.venues.backpack.messages import MarginFunction, MarketRow, Text, decoder, read
from obiterm.venues.common.scale import amount
from obiterm.venues.common.sift import sift

VENUE = "backpack"
"""Name of this venue in instruments and on the screen."""

_KINDS = {"SPOT": MarketKind.SPOT, "PERP": MarketKind.PERP}
_UNBOUNDED = 2**53
_OPEN = "Open"
_MS_PER_S = 1000
_BASE_FEES = {
    MarketKind.SPOT: (Decimal("0.0008"), Decimal("0.001")),
    MarketKind.PERP: (Decimal("0.0002"), Decimal("0.0005")),
}
"""Maker and taker of the base tier, until the account's own are read (§11)."""

_read_markets = decoder(list[MarketRow])
_read_market = decoder(MarketRow)


class Market(msgspec.Struct, frozen=True):
    """One market and what it allows. Multipliers are None where the venue has no such rule."""

    instrument: Instrument
    status: str
    """``Open``, ``Closed``, ``CancelOnly``, ``LimitOnly``, ``PostOnly``; the venue adds values."""
    visible: bool
    lowest_price_ratio: Decimal | None
    """Least price of an order, relative to the last active price."""
    highest_price_ratio: Decimal | None
    lowest_impact_ratio: Decimal | None
    """How far below the best bid a market sell may go; the rest expires."""
    highest_impact_ratio: Decimal | None
    initial_margin_factor: Decimal
    """Growth of the initial margin fraction with the root of the notional (formula: ?)."""
    maintenance_margin_factor: Decimal

    @property
    def is_trading(self) -> bool:
        """True when all kinds of orders are taken; states that we do not know count as closed."""
        return self.status == _OPEN and self.visible


class Listing(msgspec.Struct, frozen=True):
    """What the venue offers that we trade."""

    markets: dict[Symbol, Market]
    others: dict[Symbol, str]
    """Markets of kinds that we do not trade, with their kind."""
    damaged: dict[str, str] = {}
    """Markets that could not be read, with the reason."""

    @property
    def instruments(self) -> dict[Symbol, Instrument]:
        """Instruments by symbol."""
        return {symbol: market.instrument for symbol, market in self.markets.items()}


def markets(body: bytes) -> Listing:
    """Read all markets; raises ``DataError`` for a damaged body, or when none is readable."""
    return _listing(read(_read_markets, body, "markets"))


def market(body: bytes) -> Listing:
    """Read the answer to a question for one market."""
    return _listing([read(_read_market, body, "market")])


def _listing(rows: list[MarketRow]) -> Listing:
    ours = [told for told in rows if told.market_type in _KINDS]
    known, damaged = sift(ours, lambda told: told.symbol, _market)
    others = {
        Symbol(told.symbol): told.market_type for told in rows if told.market_type not in _KINDS
    }
    return Listing({market.instrument.symbol: market for market in known}, others, damaged)


def _market(told: MarketRow) -> Market:
    price = told.filters.price
    return Market(
        instrument=_instrument(told, _KINDS[told.market_type]),
        status=told.order_book_state,
        visible=told.visible,
        lowest_price_ratio=_ratio(told, price.min_multiplier, "minMultiplier"),
        highest_price_ratio=_ratio(told, price.max_multiplier, "maxMultiplier"),
        lowest_impact_ratio=_ratio(told, price.min_impact_multiplier, "minImpactMultiplier"),
        highest_impact_ratio=_ratio(told, price.max_impact_multiplier, "maxImpactMultiplier"),
        initial_margin_factor=_factor(told, told.imf_function),
        maintenance_margin_factor=_factor(told, told.mmf_function),
    )


def _instrument(told: MarketRow, kind: MarketKind) -> Instrument:
    """Take the filters over. There is no least notional (§5.1), and no count of open orders
    is documented: ``ORDER_LIMIT`` tells when there are too many."""
    price, quantity = told.filters.price, told.filters.quantity
    tick = _positive(told, price.tick_size, "tickSize")
    step = _positive(told, quantity.step_size, "stepSize")
    max_lots = _units(told, quantity.max_quantity, step, "maxQuantity") or _UNBOUNDED
    maker, taker = _BASE_FEES[kind]
    is_perpetual = kind is MarketKind.PERP
    initial = _base(told, told.imf_function) if is_perpetual else Decimal(0)
    interval_ms = told.funding_interval or 0
    return Instrument(
        venue=VENUE,
        symbol=Symbol(told.symbol),
        kind=kind,
        base=told.base_symbol,
        quote=told.quote_symbol,
        tick_size=tick,
        lot_size=step,
        min_lots=max(1, _units_up(told, quantity.min_quantity, step, "minQuantity")),
        max_lots=max_lots,
        market_max_lots=max_lots,
        min_price_ticks=max(1, _units_up(told, price.min_price, tick, "minPrice")),
        max_price_ticks=_units(told, price.max_price, tick, "maxPrice") or _UNBOUNDED,
        maker_fee=maker,
        taker_fee=taker,
        settle=SETTLE if is_perpetual else "",
        max_leverage=1 / initial if initial else Decimal(1),
        maintenance_margin=_base(told, told.mmf_function) if is_perpetual else Decimal(0),
        funding_interval_s=interval_ms // _MS_PER_S if is_perpetual else 0,
    )


def _number(told: MarketRow, text: Text, field: str) -> Decimal:
    return amount(text, f"{told.symbol} {field}").normalize() if text else Decimal(0)


def _positive(told: MarketRow, text: str, field: str) -> Decimal:
    value = _number(told, text, field)
    if not value:
        raise DataError(f"{told.symbol} {field} = {text!r} is no grid")
    return value


def _units(told: MarketRow, text: Text, unit: Decimal, field: str) -> int:
    return int(_number(told, text, field) / unit)


def _units_up(told: MarketRow, text: Text, unit: Decimal, field: str) -> int:
    return int((_number(told, text, field) / unit).to_integral_value(ROUND_CEILING))


def _ratio(told: MarketRow, text: Text, field: str) -> Decimal | None:
    return amount(text, f"{told.symbol} {field}") if text else None


def _base(told: MarketRow, function: MarginFunction | None) -> Decimal:
    return _number(told, function.base, "margin base") if function is not None else Decimal(0)


def _factor(told: MarketRow, function: MarginFunction | None) -> Decimal:
    return _number(told, function.factor, "margin factor") if function is not None else Decimal(0)
