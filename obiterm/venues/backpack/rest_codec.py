"""REST replies of Backpack as books, events and facts (backpack.md §5–§7)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import (
    AccountReconciled,
    CandleClosed,
    DepthSnapshotted,
    Filled,
    FundingChanged,
    FundingPaid,
    Level,
    PositionReported,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, NS_PER_US, Side, Symbol
from obiterm.venues.backpack.client_ids import ClientIds
from obiterm.venues.backpack.errors import NOT_RESTING, as_error
from obiterm.venues.backpack.holdings import Balances, funding, positions
from obiterm.venues.backpack.market_messages import Snapshot, read_snapshot
from obiterm.venues.backpack.market_readers import closed_candle, funding_rate, mark_ticks
from obiterm.venues.backpack.messages import (
    CandleRow,
    ErrorBody,
    FillRow,
    FundingRateRow,
    FundingRow,
    MarkRow,
    OrderRow,
    PositionRow,
    StatusBody,
    StrategyRow,
    TradeRow,
    decoder,
    read,
)
from obiterm.venues.backpack.replies import Asked, Outcome, failed, succeeded
from obiterm.venues.backpack.times import moment_ns
from obiterm.venues.backpack.translate import Failure, Translator
from obiterm.venues.common.scale import Scale, decimal, exact_lots, near_ticks

_HTTP_OK = 200
_HTTP_LAST_OK = 299
_HTTP_NOT_FOUND = 404
_MS_PER_S = 1000
_NO_TRADE_ID = -1

_read_error = decoder(ErrorBody)
_read_orders = decoder(list[OrderRow])
_read_fills = decoder(list[FillRow])
_read_strategies = decoder(list[StrategyRow])
_read_positions = decoder(list[PositionRow])
_read_funding = decoder(list[FundingRow])
_read_marks = decoder(list[MarkRow])
_read_trades = decoder(list[TradeRow])
_read_candles = decoder(list[CandleRow])
_read_rates = decoder(list[FundingRateRow])
_read_status = decoder(StatusBody)


class RestCodec:
    """Reads REST replies of one account. Methods raise ``DataError`` for damaged bodies."""

    def __init__(self, instruments: Mapping[Symbol, Instrument], ids: ClientIds) -> None:
        self._instruments = instruments
        self._translator = Translator(instruments, ids)
        self._snapshots: dict[Symbol, tuple[Scale, msgspec.json.Decoder[Snapshot]]] = {}

    # ── orders ──────────────────────────────────────────────────────────────

    def outcome(self, asked: Asked, status: int, body: bytes, received_ns: int) -> Outcome:
        """Say what the answer to an order request means, success or refusal."""
        if is_success(status):
            return succeeded(asked, status, body, self._translator, received_ns)
        error = _error(status, body)
        failure = Failure(status, error.code or "", error.message or "")
        return failed(asked, failure, received_ns)

    def open_orders(self, body: bytes) -> list[LiveOrder]:
        """Read open orders; those on symbols that we do not know are left out."""
        return self._translator.live_orders(read(_read_orders, body, "open orders"))

    def fills(self, body: bytes, received_ns: int) -> tuple[list[Filled], int]:
        """Read a page of own fills, in the venue's order, and how many rows it has.

        Rows of markets that we do not know are counted and left out, so are fills without a
        trade id: the system's, before November 2025.
        """
        rows = read(_read_fills, body, "fills")
        ours = [row for row in rows if row.trade_id]
        return self._translator.fills(ours, {}, received_ns), len(rows)

    # ── account ─────────────────────────────────────────────────────────────

    def positions(self, status: int, body: bytes, received_ns: int) -> list[PositionReported]:
        """Read the positions on the markets we trade."""
        return positions(_position_rows(status, body), self._instruments, received_ns)

    def funding_payments(self, body: bytes, received_ns: int) -> list[FundingPaid]:
        """Read funding payments on the markets we trade, in the venue's order."""
        rows = read(_read_funding, body, "funding history")
        return [
            funding(row, received_ns) for row in rows if Symbol(row.symbol) in self._instruments
        ]

    def reconciled(
        self,
        balances: Balances,
        orders_body: bytes,
        held: list[PositionReported],
        received_ns: int,
    ) -> AccountReconciled:
        """Join the venue's word on an account. ``balances``: see ``holdings.spendable``."""
        return AccountReconciled(
            balances=[(asset, free, locked) for asset, (free, locked) in balances.items()],
            open_orders=self.open_orders(orders_body),
            received_ns=received_ns,
            positions=held,
        )

    # ── market data ─────────────────────────────────────────────────────────

    def depth(self, symbol: Symbol, body: bytes, received_ns: int) -> DepthSnapshotted:
        """Read a book. The venue sends bids worst first (§1.1); here the best is first.

        At most 1,000 levels a side: what lies beyond is unknown until it changes.
        """
        known = self._snapshots.get(symbol)
        if known is None:
            scale = Scale(self._instruments[symbol])
            known = self._snapshots[symbol] = (scale, read_snapshot(scale))
        scale, source = known
        book = read(source, body, f"depth of {symbol}")
        bids = _side(book.bids, scale)
        bids.reverse()
        return DepthSnapshotted(
            symbol,
            book.last_id,
            bids,
            _side(book.asks, scale),
            book.timestamp * NS_PER_US or received_ns,
            received_ns,
        )

    def marks(self, body: bytes, received_ns: int) -> list[FundingChanged]:
        """Read mark prices and funding of the perpetuals we trade."""
        known = (
            (self._instruments.get(Symbol(row.symbol)), row)
            for row in read(_read_marks, body, "mark prices")
        )
        return [
            FundingChanged(
                instrument.symbol,
                mark_ticks(instrument, row.mark_price, "markPrice"),
                funding_rate(row.funding_rate, "fundingRate"),
                (row.next_funding_timestamp or 0) * NS_PER_MS,
                received_ns,
                received_ns,
            )
            for instrument, row in known
            if instrument is not None
        ]

    def trades(self, symbol: Symbol, body: bytes, received_ns: int) -> list[Traded]:
        """Read public trades, in the venue's order."""
        instrument = self._instruments[symbol]
        return [
            Traded(
                symbol,
                _NO_TRADE_ID if row.id is None else row.id,
                near_ticks(instrument, row.price, "price"),
                exact_lots(instrument, row.quantity, "quantity"),
                Side.SELL if row.is_buyer_maker else Side.BUY,
                row.timestamp * NS_PER_MS,
                received_ns,
            )
            for row in read(_read_trades, body, f"trades of {symbol}")
        ]

    def candles(
        self, symbol: Symbol, timeframe_s: int, body: bytes, received_ns: int
    ) -> list[CandleClosed]:
        """Read candles that were over at ``received_ns``; those without a trade are left out."""
        instrument = self._instruments[symbol]
        closed: list[CandleClosed] = []
        for row in read(_read_candles, body, f"candles of {symbol}"):
            start_ns = moment_ns(row.start, "start")
            if start_ns + timeframe_s * NS_PER_S > received_ns:
                continue
            prices = (row.open, row.high, row.low, row.close)
            candle = closed_candle(
                instrument, timeframe_s, row.start, prices, row.volume, received_ns
            )
            if candle is not None:
                closed.append(candle)
        return closed


def listed_orders(body: bytes) -> list[ListedOrder]:
    """Read the account's open orders on every market, those that wait for a trigger too."""
    return [
        ListedOrder(
            Symbol(row.symbol),
            f"#{row.id}",
            row.side,
            row.quantity or row.trigger_quantity or row.quote_quantity or "0",
        )
        for row in read(_read_orders, body, "open orders")
    ]


def listed_positions(status: int, body: bytes) -> list[ListedPosition]:
    """Read the account's open positions on every market."""
    told = [
        ListedPosition(Symbol(row.symbol), decimal(row.net_quantity, "netQuantity"))
        for row in _position_rows(status, body)
    ]
    return [position for position in told if position.quantity]


def _position_rows(status: int, body: bytes) -> list[PositionRow]:
    """Read rows of positions; without any the venue answers 404 or an empty list (§6.4)."""
    if status == _HTTP_NOT_FOUND and _error(status, body).code == NOT_RESTING:
        return []
    check(status, {}, body)
    return read(_read_positions, body, "positions")


def funding_rates(body: bytes) -> list[tuple[int, Decimal]]:
    """Read past funding: ``(end of the interval in ns, rate as a fraction)``."""
    return [
        (
            moment_ns(row.interval_end_timestamp, "intervalEndTimestamp"),
            decimal(row.funding_rate, "fundingRate"),
        )
        for row in read(_read_rates, body, "funding rates")
    ]


def server_time(body: bytes) -> int:
    """Read the venue's time, Unix ms; it is bare text."""
    text = body.strip().strip(b'"')
    if not text.isdigit():
        raise DataError(f"time: {text[:40]!r} is not a number")
    return int(text)


def strategy_symbols(body: bytes) -> set[Symbol]:
    """Read on which markets the venue runs scheduled orders (§12)."""
    return {Symbol(row.symbol) for row in read(_read_strategies, body, "strategies")}


def maintenance(body: bytes) -> str:
    """Return why the venue is not available; empty when it is."""
    told = read(_read_status, body, "status")
    if told.status == "Ok":
        return ""
    return f"{told.status} {told.message or ''}".strip() or "no status"


def is_success(status: int) -> bool:
    """Tell 200, 202 and 204 from refusals."""
    return _HTTP_OK <= status <= _HTTP_LAST_OK


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise the venue's refusal unless the call succeeded; header names are lower-case."""
    if is_success(status):
        return
    error = _error(status, body)
    seconds = headers.get("retry-after", "")
    retry_after_ms = int(seconds) * _MS_PER_S if seconds.isdigit() else 0
    raise as_error(status, error.code or "", error.message or "", retry_after_ms=retry_after_ms)


def _side(levels: list[tuple[float, float]], scale: Scale) -> list[Level]:
    """Return levels by rising price, without empty ones."""
    scale.check_prices(levels, "depth")
    per_price, per_quantity = scale.per_price, scale.per_quantity
    side = [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in levels]
    side = [level for level in side if level[1]]
    side.sort()
    return side


def _error(status: int, body: bytes) -> ErrorBody:
    """Read an error; the firewall in front answers with pages that are not JSON (§4)."""
    try:
        return _read_error.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body[:200].decode("utf-8", "replace").strip()
        is_page = not text or text.startswith(("<", "{"))
        return ErrorBody(message=f"HTTP {status}" if is_page else f"HTTP {status} {text}")
