"""instruments-info as instruments of both categories (bybit.md §4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.venues.bybit.envelope import result_of
from obiterm.venues.bybit.messages import Text, lenient, read
from obiterm.venues.bybit.reference import Fees
from obiterm.venues.bybit.reference_messages import MarketPage, MarketRow, RiskPage
from obiterm.venues.bybit.symbols import Category, symbol_of
from obiterm.venues.common.scale import amount
from obiterm.venues.common.sift import sift

VENUE = "bybit"
"""Name of this venue in instruments and on the screen."""

BASE_FEES = {
    Category.SPOT: Fees(maker=Decimal("0.001"), taker=Decimal("0.001"), is_told=False),
    Category.LINEAR: Fees(maker=Decimal("0.0002"), taker=Decimal("0.00055"), is_told=False),
}
"""Fees of an account without VIP level (§14); the account's own replace them where told."""

_UNBOUNDED = 2**53
_TRADING = "Trading"
_PERPETUAL = "LinearPerpetual"
_MAX_OPEN_ORDERS = 500
_S_PER_MINUTE = 60
_S_PER_HOUR = 3600
_MOST_HOURS = 24
"""``fundingInterval`` is in minutes and at least an hour; copies of the page have it in hours."""
_HALF = Decimal("0.5")
_PERCENT = Decimal(100)


class Market(msgspec.Struct, frozen=True):
    """One market and what it allows."""

    instrument: Instrument
    category: Category
    status: str
    """``PreLaunch``, ``Trading``, ``Delivering``, ``Closed``; the venue adds values."""
    post_only_max_lots: int
    delivery_ns: int
    """When a perpetual will be taken off the market, Unix ns; 0 = not planned."""
    funding_cap: Decimal
    """Largest funding rate either way, fraction; 0 on spot."""
    price_limit_x: Decimal
    price_limit_y: Decimal
    """How far from index and mark a limit may lie, fractions (§11); 0 where not told."""

    @property
    def is_trading(self) -> bool:
        """True when new orders are taken."""
        return self.status == _TRADING


class Listing(msgspec.Struct, frozen=True):
    """One page of what a category offers; ``cursor`` leads to the next, empty on the last."""

    markets: dict[Symbol, Market]
    cursor: str = ""
    damaged: dict[str, str] = {}
    """Markets that could not be read, with the reason."""

    @property
    def instruments(self) -> dict[Symbol, Instrument]:
        """Instruments by our symbols."""
        return {symbol: market.instrument for symbol, market in self.markets.items()}

    def joined(self, other: Listing) -> Listing:
        """Return both pages as one, with the other's cursor; categories do not clash."""
        damaged = {**self.damaged, **other.damaged}
        return Listing({**self.markets, **other.markets}, other.cursor, damaged)


_read_page = lenient(MarketPage)
_read_risk = lenient(RiskPage)


def instruments_info(category: Category, status: int, body: bytes) -> Listing:
    """Read a page of markets; raises the venue's refusal, ``DataError`` for a damaged one.

    A page is damaged when none of its markets is readable.
    Dated futures and markets with a dot in their name are left out.
    """
    page = read(_read_page, result_of(status, body, "instruments-info"), "instruments-info")
    rows = page.rows or []
    wanted = [row for row in rows if _is_wanted(category, row)]
    markets, damaged = sift(
        wanted, lambda row: symbol_of(category, row.symbol), lambda row: _market(category, row)
    )
    cursor = (page.next_page_cursor or "") if rows else ""
    by_symbol = {market.instrument.symbol: market for market in markets}
    return Listing(by_symbol, cursor, damaged)


def maintenance_margins(status: int, body: bytes) -> dict[Symbol, Decimal]:
    """Read ``risk-limit``: the maintenance margin fraction of each symbol's lowest bracket.

    The venue's page shows percent (0.5), some answers a fraction (0.005): the initial margin
    of a bracket is one over its leverage, which tells them apart.
    """
    page = read(_read_risk, result_of(status, body, "risk-limit"), "risk-limit")
    margins: dict[Symbol, Decimal] = {}
    for row in page.rows or []:
        symbol = symbol_of(Category.LINEAR, row.symbol)
        if not row.is_lowest_risk and symbol in margins:
            continue
        initial = _number(row.symbol, row.initial_margin, "initialMargin")
        leverage = _number(row.symbol, row.max_leverage, "maxLeverage")
        margin = _number(row.symbol, row.maintenance_margin, "maintenanceMargin")
        margins[symbol] = margin / _PERCENT if initial * leverage > _PERCENT / 2 else margin
    return margins


def with_margin(instrument: Instrument, margins: Mapping[Symbol, Decimal]) -> Instrument:
    """Return an instrument with the maintenance margin that ``risk-limit`` told."""
    margin = margins.get(instrument.symbol)
    if margin is None:
        return instrument
    return msgspec.structs.replace(instrument, maintenance_margin=margin)


def with_fees(instrument: Instrument, fees: Fees) -> Instrument:
    """Return an instrument with the account's own fees."""
    return msgspec.structs.replace(instrument, maker_fee=fees.maker, taker_fee=fees.taker)


def tradable(markets: Iterable[Market]) -> list[Market]:
    """Return the markets that take orders, those about to be taken off left out."""
    return [market for market in markets if market.is_trading and not market.delivery_ns]


def _is_wanted(category: Category, row: MarketRow) -> bool:
    if "." in row.symbol or not row.symbol:
        return False
    return category is Category.SPOT or (row.contract_type or _PERPETUAL) == _PERPETUAL


def _market(category: Category, row: MarketRow) -> Market:
    instrument = _spot(row) if category is Category.SPOT else _linear(row)
    lots = row.lot_size_filter
    maker_text = lots.post_only_max_order_qty or lots.post_only_max_limit_order_size
    maker_lots = _units(row, maker_text, instrument.lot_size, "postOnlyMaxOrderQty")
    limits = row.risk_parameters
    return Market(
        instrument=instrument,
        category=category,
        status=row.status,
        post_only_max_lots=maker_lots or instrument.max_lots,
        delivery_ns=int(_number(row.symbol, row.delivery_time, "deliveryTime")) * NS_PER_MS,
        funding_cap=_number(row.symbol, row.upper_funding_rate, "upperFundingRate"),
        price_limit_x=_number(row.symbol, limits.price_limit_ratio_x, "priceLimitRatioX"),
        price_limit_y=_number(row.symbol, limits.price_limit_ratio_y, "priceLimitRatioY"),
    )


def _spot(row: MarketRow) -> Instrument:
    """Take spot rules over: the least order is told in quote, ``minOrderQty`` is dead (§4.2)."""
    lots = row.lot_size_filter
    step = _unit(row, lots.base_precision, "basePrecision")
    max_text = lots.max_limit_order_qty or lots.max_order_qty
    max_lots = _units(row, max_text, step, "maxLimitOrderQty") or _UNBOUNDED
    market_text = lots.max_market_order_qty or lots.max_order_qty
    market_lots = _units(row, market_text, step, "maxMarketOrderQty") or max_lots
    fees = BASE_FEES[Category.SPOT]
    return Instrument(
        venue=VENUE,
        symbol=symbol_of(Category.SPOT, row.symbol),
        kind=Category.SPOT.kind,
        base=row.base_coin,
        quote=row.quote_coin,
        tick_size=_unit(row, row.price_filter.tick_size, "tickSize"),
        lot_size=step,
        max_lots=max_lots,
        market_max_lots=min(market_lots, max_lots),
        min_notional=_number(row.symbol, lots.min_order_amt, "minOrderAmt"),
        max_open_orders=_MAX_OPEN_ORDERS,
        maker_fee=fees.maker,
        taker_fee=fees.taker,
    )


def _linear(row: MarketRow) -> Instrument:
    """Take a perpetual's rules over.

    Maintenance margin is told elsewhere (``risk-limit``); until then it is half of the initial
    margin at the highest leverage, the venue's rule for the lowest bracket.
    """
    lots, prices = row.lot_size_filter, row.price_filter
    step = _unit(row, lots.qty_step, "qtyStep")
    tick = _unit(row, prices.tick_size, "tickSize")
    max_lots = _units(row, lots.max_order_qty, step, "maxOrderQty") or _UNBOUNDED
    market_lots = _units(row, lots.max_mkt_order_qty, step, "maxMktOrderQty") or max_lots
    max_leverage = _number(row.symbol, row.leverage_filter.max_leverage, "maxLeverage")
    fees = BASE_FEES[Category.LINEAR]
    return Instrument(
        venue=VENUE,
        symbol=symbol_of(Category.LINEAR, row.symbol),
        kind=Category.LINEAR.kind,
        base=row.base_coin,
        quote=row.quote_coin,
        tick_size=tick,
        lot_size=step,
        min_lots=max(1, _units_up(row, lots.min_order_qty, step, "minOrderQty")),
        max_lots=max_lots,
        market_max_lots=min(market_lots, max_lots),
        min_price_ticks=max(1, _units_up(row, prices.min_price, tick, "minPrice")),
        max_price_ticks=_units(row, prices.max_price, tick, "maxPrice") or _UNBOUNDED,
        min_notional=_number(row.symbol, lots.min_notional_value, "minNotionalValue"),
        max_open_orders=_MAX_OPEN_ORDERS,
        maker_fee=fees.maker,
        taker_fee=fees.taker,
        settle=row.settle_coin or row.quote_coin,
        max_leverage=max(Decimal(1), max_leverage),
        maintenance_margin=_HALF / max_leverage if max_leverage else Decimal(0),
        funding_interval_s=_funding_s(row.funding_interval or 0),
    )


def _funding_s(interval: int) -> int:
    return interval * (_S_PER_HOUR if interval <= _MOST_HOURS else _S_PER_MINUTE)


def _unit(row: MarketRow, text: Text, field: str) -> Decimal:
    """Read a grid, which a market cannot be without."""
    value = _number(row.symbol, text, field)
    if value <= 0:
        raise DataError(f"{row.symbol} {field} = {text!r} is no grid")
    return value


def _number(name: str, text: Text, field: str) -> Decimal:
    return amount(text or "0", f"{name} {field}").normalize()


def _units(row: MarketRow, text: Text, unit: Decimal, field: str) -> int:
    return int(_number(row.symbol, text, field) / unit)


def _units_up(row: MarketRow, text: Text, unit: Decimal, field: str) -> int:
    return int((_number(row.symbol, text, field) / unit).to_integral_value(ROUND_CEILING))
