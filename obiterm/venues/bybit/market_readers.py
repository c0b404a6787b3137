"""One reader per stream: a frame in, events out, with the instrument built in (bybit.md §8)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from obiterm.core.errors import DataError
from obiterm.core.events import (
    CandleClosed,
    DepthChanged,
    DepthSnapshotted,
    FundingChanged,
    MarketEvent,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Side, Symbol
from obiterm.venues.bybit.market_messages import (
    read_book,
    read_candles,
    read_ticker,
    read_trades,
)
from obiterm.venues.bybit.trade_ids import trade_id
from obiterm.venues.common.scale import Scale, amount, decimal

Reader = Callable[[bytes, int], list[MarketEvent]]
"""Takes a frame and our Unix time of arrival; raises ``msgspec.DecodeError`` or ``DataError``."""

_RESTART = 1
"""Number of the snapshot after the venue's service was restarted, whatever it is called."""
_NAN = Decimal("NaN")
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}


class BookState:
    """What one book stream remembers.

    Attributes:
        last_id: number of the last frame.
        lenient: True once the numbers proved to have holes without a loss: a frame then counts
            as following the one before, whatever its number.
        skipped_ids: numbers that were missing since.
    """

    __slots__ = ("last_id", "lenient", "skipped_ids")

    def __init__(self) -> None:
        self.last_id = 0
        self.lenient = False
        self.skipped_ids = 0


def book_reader(symbol: Symbol, scale: Scale, depth: int, state: BookState) -> Reader:
    """Read ``orderbook``: snapshots replace, deltas set absolute sizes (§8.1)."""
    decode = read_book(scale).decode
    per_price, per_quantity = scale.per_price, scale.per_quantity

    def reader(data: bytes, received_ns: int) -> list[MarketEvent]:
        frame = decode(data)
        book = frame.data
        bids = [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in book.bids]
        asks = [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in book.asks]
        event_ns = (frame.cts or frame.ts) * NS_PER_MS
        update_id = book.update_id
        if frame.type == "snapshot" or update_id == _RESTART:
            bids.sort(reverse=True)
            asks.sort()
            state.last_id = update_id
            return [DepthSnapshotted(symbol, update_id, bids, asks, event_ns, received_ns, depth)]
        first_id = update_id
        if state.lenient and update_id > state.last_id:
            first_id = state.last_id + 1
            state.skipped_ids += update_id - first_id
        state.last_id = update_id
        return [DepthChanged(symbol, first_id, update_id, bids, asks, event_ns, received_ns)]

    return reader


def trade_reader(symbol: Symbol, scale: Scale) -> Reader:
    """Read ``publicTrade``; block trades are agreed beside the book and left out (§8.3)."""
    decode = read_trades(scale).decode
    per_price, per_quantity = scale.per_price, scale.per_quantity

    def reader(data: bytes, received_ns: int) -> list[MarketEvent]:
        return [
            Traded(
                symbol,
                trade_id(row.trade_id),
                int(row.price * per_price + 0.5),
                int(row.quantity * per_quantity + 0.5),
                _aggressor(row.side),
                row.trade_ms * NS_PER_MS,
                received_ns,
            )
            for row in decode(data).data
            if not row.is_block
        ]

    return reader


def ticker_reader(instrument: Instrument) -> Reader:
    """Read a perpetual's ``tickers``: deltas are merged, only news of mark or funding is told."""
    symbol, tick_size = instrument.symbol, instrument.tick_size
    mark_ticks, rate, next_funding_ns = 0, _NAN, 0

    def reader(data: bytes, received_ns: int) -> list[MarketEvent]:
        nonlocal mark_ticks, rate, next_funding_ns
        frame = read_ticker.decode(data)
        told = frame.data
        before = (mark_ticks, rate, next_funding_ns)
        if told.mark_price:
            price = amount(told.mark_price, "markPrice") / tick_size
            mark_ticks = int(price.to_integral_value(ROUND_HALF_UP))
        if told.funding_rate is not None:
            rate = decimal(told.funding_rate, "fundingRate") if told.funding_rate else _NAN
        if told.next_funding_time is not None:
            next_funding_ns = _milliseconds(told.next_funding_time) * NS_PER_MS
        is_same = (mark_ticks, next_funding_ns) == (before[0], before[2])
        if not mark_ticks or (is_same and (rate == before[1] or rate.is_nan())):
            return []
        event_ns = frame.ts * NS_PER_MS
        return [FundingChanged(symbol, mark_ticks, rate, next_funding_ns, event_ns, received_ns)]

    return reader


def candle_reader(instrument: Instrument, length_s: int) -> Reader:
    """Read ``kline``: only candles that are complete (§8.5)."""
    symbol, tick_size, lot_size = instrument.symbol, instrument.tick_size, instrument.lot_size

    def ticks(text: str) -> int:
        return round(amount(text, "candle price") / tick_size)

    def reader(data: bytes, received_ns: int) -> list[MarketEvent]:
        return [
            CandleClosed(
                symbol=symbol,
                timeframe_s=length_s,
                open_ns=row.start * NS_PER_MS,
                open_ticks=ticks(row.open),
                high_ticks=ticks(row.high),
                low_ticks=ticks(row.low),
                close_ticks=ticks(row.close),
                lots=round(amount(row.volume, "volume") / lot_size),
                received_ns=received_ns,
            )
            for row in read_candles.decode(data).data
            if row.confirm
        ]

    return reader


def _aggressor(text: str) -> Side:
    side = _SIDES.get(text)
    if side is None:
        raise DataError(f"side of a trade = {text!r} is neither Buy nor Sell")
    return side


def _milliseconds(text: str) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise DataError(f"nextFundingTime = {text!r} is no number of milliseconds")
    return int(text)
