"""One reader per stream and instrument: a frame becomes an event (backpack.md §8.3)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from obiterm.core.events import (
    CandleClosed,
    FundingChanged,
    MarketEvent,
    TopChanged,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, NS_PER_US, Symbol
from obiterm.venues.backpack.market_messages import (
    DepthUpdate,
    Trade,
    read_candle,
    read_mark,
    read_top,
)
from obiterm.venues.backpack.times import moment_ns
from obiterm.venues.common import streams
from obiterm.venues.common.scale import Scale, amount, decimal, lots_down, near_ticks

Reader = Callable[[bytes, int], MarketEvent | None]
"""Takes a frame and its Unix time of arrival in ns; ``None``: nothing happened."""

UNKNOWN_RATE = Decimal("NaN")


def depth_reader(symbol: Symbol, scale: Scale) -> Reader:
    """Read changes of a book; empty ones count in its sequence too."""
    decode = streams.depth_decoder(scale, DepthUpdate).decode
    return streams.depth_reader(symbol, scale, decode, lambda update: update.event_us * NS_PER_US)


def top_reader(symbol: Symbol, scale: Scale) -> Reader:
    """Read best bid and ask; a book with an empty side has no top."""
    decode = read_top(scale).decode
    per_price, per_quantity = scale.per_price, scale.per_quantity

    def reader(data: bytes, received_ns: int) -> MarketEvent | None:
        top = decode(data).data
        if (
            top.bid is None
            or top.bid_quantity is None
            or top.ask is None
            or top.ask_quantity is None
        ):
            return None
        return TopChanged(
            symbol,
            top.update_id,
            int(top.bid * per_price + 0.5),
            int(top.bid_quantity * per_quantity + 0.5),
            int(top.ask * per_price + 0.5),
            int(top.ask_quantity * per_quantity + 0.5),
            received_ns,
        )

    return reader


def trade_reader(symbol: Symbol, scale: Scale) -> Reader:
    """Read public trades; those of liquidations are among them."""
    decode = streams.trade_decoder(scale, Trade).decode
    return streams.trade_reader(
        symbol, scale, decode, lambda trade: (trade.engine_us or trade.event_us) * NS_PER_US
    )


def mark_reader(instrument: Instrument) -> Reader:
    """Read mark price and funding of a perpetual."""
    decode = read_mark.decode

    def reader(data: bytes, received_ns: int) -> MarketEvent:
        mark = decode(data).data
        return FundingChanged(
            instrument.symbol,
            mark_ticks(instrument, mark.price, "p"),
            funding_rate(mark.rate, "f"),
            (mark.next_funding_ms or 0) * NS_PER_MS,
            (mark.engine_us or mark.event_us) * NS_PER_US,
            received_ns,
        )

    return reader


def candle_reader(instrument: Instrument, timeframe_s: int) -> Reader:
    """Read closed candles; those still open, and those without a trade, are let go."""
    decode = read_candle.decode

    def reader(data: bytes, received_ns: int) -> MarketEvent | None:
        candle = decode(data).data
        if not candle.closed:
            return None
        prices = (candle.open, candle.high, candle.low, candle.close)
        return closed_candle(
            instrument, timeframe_s, candle.start, prices, candle.volume, received_ns
        )

    return reader


def closed_candle(
    instrument: Instrument,
    timeframe_s: int,
    start: int | str,
    prices: tuple[str | None, str | None, str | None, str | None],
    volume: str | None,
    received_ns: int,
) -> CandleClosed | None:
    """Return a candle of ``(open, high, low, close)``; ``None`` when nothing was traded."""
    ticks = [near_ticks(instrument, price, "price") for price in prices if price is not None]
    if len(ticks) != len(prices):
        return None
    return CandleClosed(
        instrument.symbol,
        timeframe_s,
        moment_ns(start, "start"),
        ticks[0],
        ticks[1],
        ticks[2],
        ticks[3],
        lots_down(instrument, volume or "0", "volume"),
        received_ns,
    )


def mark_ticks(instrument: Instrument, text: str, field: str) -> int:
    """Return a mark price on the tick grid, rounded half up."""
    return int((amount(text, field) / instrument.tick_size).to_integral_value(ROUND_HALF_UP))


def funding_rate(text: str | None, field: str) -> Decimal:
    """Return a funding rate as a fraction; NaN where the market has none."""
    return decimal(text, field) if text else UNKNOWN_RATE
