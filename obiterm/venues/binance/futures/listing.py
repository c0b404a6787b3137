"""exchangeInfo and leverageBracket of futures as instruments (binance.md §9.1).

Filters differ from Spot's by field: ``MIN_NOTIONAL.notional``, ``MAX_NUM_ORDERS.limit``;
``PERCENT_PRICE`` is about the mark price; ``pricePrecision`` is no tick.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.binance.futures.messages import (
    BracketRow,
    ExchangeInfo,
    FundingTermsRow,
    SymbolFilter,
    SymbolInfo,
)
from obiterm.venues.binance.futures.symbols import symbol_of
from obiterm.venues.binance.messages import RateLimit, read
from obiterm.venues.common.scale import amount, decimal
from obiterm.venues.common.sift import sift

VENUE = "binance-futures"
PERPETUAL = "PERPETUAL"
TRADIFI = "TRADIFI_PERPETUAL"
"""Perpetuals on stocks, commodities, currencies: they need a signed agreement and keep
trading hours."""

_TRADING = "TRADING"
_UNBOUNDED = 2**53
_MAX_OPEN_ORDERS = 200
_FUNDING_S = 8 * 3600
"""Interval of markets that ``fundingInfo`` does not name."""
_MAKER_FEE = Decimal("0.0002")
_TAKER_FEE = Decimal("0.0005")
"""Regular tier, until ``commissionRate`` tells the account's own (§12)."""
_S_PER_HOUR = 3600

_read_info = msgspec.json.Decoder(ExchangeInfo, strict=False)
_read_brackets = msgspec.json.Decoder(list[BracketRow] | BracketRow, strict=False)
_read_terms = msgspec.json.Decoder(list[FundingTermsRow], strict=False)


class Market(msgspec.Struct, frozen=True):
    """One perpetual and what it allows."""

    instrument: Instrument
    status: str
    """``TRADING``, ``PENDING_TRADING``, ``SETTLING``, ``CLOSE`` …; the venue adds values."""
    contract_type: str
    order_types: frozenset[str]
    time_in_force: frozenset[str]
    price_up: Decimal
    """Highest buy as a multiple of the mark price; 0 = no rule."""
    price_down: Decimal
    """Lowest sell as a multiple of the mark price; 0 = no rule."""
    trigger_protect: Decimal
    """How far mark and last price may differ for a protected stop to fire, as a fraction."""
    liquidation_fee: Decimal
    """Fraction of the notional that a liquidation costs."""

    @property
    def is_trading(self) -> bool:
        """True when new orders are taken."""
        return self.status == _TRADING

    def price_band(self, mark_ticks: int) -> tuple[int, int]:
        """Return the lowest sell and the highest buy, in ticks, at a mark price.

        A market order is cut or refused outside of it (``-4131``, ``er`` 9).
        """
        lowest = self.instrument.min_price_ticks
        highest = self.instrument.max_price_ticks
        if self.price_down:
            down = (mark_ticks * self.price_down).to_integral_value(ROUND_CEILING)
            lowest = max(lowest, int(down))
        if self.price_up:
            up = (mark_ticks * self.price_up).to_integral_value(ROUND_FLOOR)
            highest = min(highest, int(up))
        return lowest, highest


class Listing(msgspec.Struct, frozen=True):
    """What the venue offers."""

    markets: dict[Symbol, Market]
    rate_limits: list[RateLimit]
    skipped: dict[str, str]
    """The venue's names of contracts that are no perpetuals of ours, with their type."""
    damaged: dict[str, str] = {}
    """Markets that could not be read, with the reason."""

    @property
    def instruments(self) -> dict[Symbol, Instrument]:
        """Instruments by symbol."""
        return {symbol: market.instrument for symbol, market in self.markets.items()}


class FundingTerms(msgspec.Struct, frozen=True):
    """Funding of one market where it differs from the rule."""

    interval_s: int
    cap: Decimal
    floor: Decimal


def exchange_info(body: bytes, *, with_tradifi: bool = False) -> Listing:
    """Read exchangeInfo; raises ``DataError`` for a damaged body, or when no market is readable.

    Contracts with an end date are left out, and so are perpetuals on traditional assets
    unless ``with_tradifi``.
    """
    info = read(_read_info, body, "exchangeInfo")
    wanted = {PERPETUAL, TRADIFI} if with_tradifi else {PERPETUAL}
    ours = [told for told in info.symbols if told.contract_type in wanted]
    markets, damaged = sift(ours, lambda told: told.symbol, _market)
    by_symbol = {market.instrument.symbol: market for market in markets}
    skipped = {
        told.symbol: told.contract_type for told in info.symbols if told.contract_type not in wanted
    }
    return Listing(by_symbol, info.rate_limits, skipped, damaged)


def leverage_brackets(body: bytes) -> dict[Symbol, tuple[Decimal, Decimal]]:
    """Read ``(highest leverage, maintenance margin fraction)`` of each first bracket."""
    told = read(_read_brackets, body, "leverageBracket")
    rows = told if isinstance(told, list) else [told]
    terms: dict[Symbol, tuple[Decimal, Decimal]] = {}
    for row in rows:
        if not row.brackets:
            raise DataError(f"leverageBracket: {row.symbol} has no bracket")
        first = min(row.brackets, key=lambda bracket: bracket.bracket)
        terms[symbol_of(row.symbol)] = (Decimal(first.initial_leverage), first.maint_margin_ratio)
    return terms


def funding_terms(body: bytes) -> dict[Symbol, FundingTerms]:
    """Read fundingInfo: interval, cap and floor of the markets that were adjusted."""
    return {
        symbol_of(row.symbol): FundingTerms(
            interval_s=row.funding_interval_hours * _S_PER_HOUR,
            cap=decimal(row.adjusted_funding_rate_cap, "adjustedFundingRateCap"),
            floor=decimal(row.adjusted_funding_rate_floor, "adjustedFundingRateFloor"),
        )
        for row in read(_read_terms, body, "fundingInfo")
    }


def completed(
    instrument: Instrument,
    *,
    bracket: tuple[Decimal, Decimal] | None = None,
    terms: FundingTerms | None = None,
    fees: tuple[Decimal, Decimal] | None = None,
) -> Instrument:
    """Return an instrument with what other calls told: leverage, funding interval, fees."""
    changes: dict[str, Decimal | int] = {}
    if bracket is not None:
        changes |= {"max_leverage": bracket[0], "maintenance_margin": bracket[1]}
    if terms is not None:
        changes["funding_interval_s"] = terms.interval_s
    if fees is not None:
        changes |= {"maker_fee": fees[0], "taker_fee": fees[1]}
    return msgspec.structs.replace(instrument, **changes)


def _market(told: SymbolInfo) -> Market:
    filters = {each.filter_type: each for each in told.filters}
    percent = filters.get("PERCENT_PRICE", SymbolFilter("PERCENT_PRICE"))
    return Market(
        instrument=_instrument(told, filters),
        status=told.status,
        contract_type=told.contract_type,
        order_types=frozenset(told.order_types),
        time_in_force=frozenset(told.time_in_force),
        price_up=_number(told, percent.multiplier_up, "multiplierUp"),
        price_down=_number(told, percent.multiplier_down, "multiplierDown"),
        trigger_protect=_number(told, told.trigger_protect, "triggerProtect"),
        liquidation_fee=_number(told, told.liquidation_fee, "liquidationFee"),
    )


def _instrument(told: SymbolInfo, filters: dict[str, SymbolFilter]) -> Instrument:
    """Take the filters over; leverage and funding come by calls of their own (``completed``).

    Raises ``DataError`` for a market without tick or step: its orders could not be written.
    """
    price = filters.get("PRICE_FILTER", SymbolFilter("PRICE_FILTER"))
    lot = filters.get("LOT_SIZE", SymbolFilter("LOT_SIZE"))
    market_lot = filters.get("MARKET_LOT_SIZE", SymbolFilter("MARKET_LOT_SIZE"))
    notional = filters.get("MIN_NOTIONAL", SymbolFilter("MIN_NOTIONAL"))
    orders = filters.get("MAX_NUM_ORDERS", SymbolFilter("MAX_NUM_ORDERS"))
    tick = _number(told, price.tick_size, "tickSize")
    step = _number(told, lot.step_size, "stepSize")
    if not tick or not step:
        raise DataError(f"{told.symbol} has no tickSize or no stepSize")
    max_lots = int(_number(told, lot.max_qty, "maxQty") / step) or _UNBOUNDED
    market_max = int(_number(told, market_lot.max_qty, "maxQty") / step) or max_lots
    return Instrument(
        venue=VENUE,
        symbol=symbol_of(told.symbol),
        kind=MarketKind.PERP,
        base=told.base_asset,
        quote=told.quote_asset,
        tick_size=tick,
        lot_size=step,
        min_lots=max(1, _up(_number(told, lot.min_qty, "minQty") / step)),
        max_lots=max_lots,
        market_max_lots=min(market_max, max_lots),
        min_price_ticks=max(1, _up(_number(told, price.min_price, "minPrice") / tick)),
        max_price_ticks=int(_number(told, price.max_price, "maxPrice") / tick) or _UNBOUNDED,
        min_notional=_number(told, notional.notional, "notional"),
        max_open_orders=orders.limit or _MAX_OPEN_ORDERS,
        maker_fee=_MAKER_FEE,
        taker_fee=_TAKER_FEE,
        settle=told.margin_asset,
        funding_interval_s=_FUNDING_S,
    )


def _number(told: SymbolInfo, text: str, field: str) -> Decimal:
    return amount(text, f"{told.symbol} {field}").normalize()


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))
