"""A simulated venue on a recorded market: the public sees the recording, unchanged.

Our orders are not in the public book; they wait inside it (``queue_model``) and
fill when the recording reaches their place. Prints, candles and the average
price are the recorded ones and carry recorded times; orders and fills carry the
caller's clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random

from obiterm.core.errors import DataError
from obiterm.core.values import NS_PER_MS, Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.api import DepthDelta, MarketSpec, PublicTrade, Top, Verbatim
from obiterm.exchange.capture import (
    CaptureKind,
    CaptureLine,
    DepthData,
    Snapshot,
    TickerData,
    TradeData,
    identify,
    read_capture,
    survey_capture,
)
from obiterm.exchange.clearing import ClearingDesk
from obiterm.exchange.desk import Market
from obiterm.exchange.grid import Grid
from obiterm.exchange.history import prints_before, walk_back
from obiterm.exchange.matching import HOUSE, MARKET_PRICE, Match, Taker
from obiterm.exchange.playback import Playback
from obiterm.exchange.queue_model import RECORDED, QueuedBook
from obiterm.exchange.recorded_book import RecordedBook
from obiterm.exchange.specs import market_spec

_FIRST_ORDER_ID = 10_000_000
_FIRST_OWN_TRADE_ID = 10**12
"""Own executions are not prints of the recording; their ids stand apart from its ids."""

Levels = list[tuple[int, int]]


class ReplayVenue(ClearingDesk):
    """``VenueCore`` whose liquidity is a recorded Binance spot market.

    Args:
        path: the capture; it is read through once at the start, so that damage is
            found before anybody trades.
        symbol: the market that is wanted, or ``None`` for the one that is recorded.
        speed: recorded seconds per second of the caller's clock; ``None`` when the
            caller steps ``advance(next_event_ns())`` in recorded time.
        derived: also queue ``DepthDelta``, ``Top`` and ``PublicTrade`` beside the
            verbatim messages, for streams that the recording does not have.

    Raises ``UsageError`` for a missing file, another venue's, market's or symbol's
    capture, and ``DataError`` for a damaged one.
    """

    def __init__(
        self,
        path: Path,
        *,
        symbol: str | None = None,
        speed: float | None = 1.0,
        derived: bool = False,
    ) -> None:
        super().__init__(_FIRST_ORDER_ID, _FIRST_OWN_TRADE_ID)
        kind = CaptureKind("binance", "spot", symbol or identify(path).symbol)
        survey = survey_capture(path, kind)
        self.lines = survey.lines
        """Lines of the capture."""
        self.recorded_streams |= survey.streams
        self._path = path
        self._derived = derived
        self._spec = market_spec(kind.symbol)
        self._prices = Grid(self._spec.tick_size)
        self._sizes = Grid(self._spec.lot_size)
        self._playback = Playback(read_capture(path, kind), speed)
        self._passed_snapshot = False
        snapshot = survey.snapshot
        self._snapshot_id = snapshot.last_id
        self._snapshot_bids = self._levels(snapshot.bids)
        self._snapshot_asks = self._levels(snapshot.asks)
        self._public = RecordedBook(snapshot.last_id)
        for side, levels in (
            (self._public.bids, self._snapshot_bids),
            (self._public.asks, self._snapshot_asks),
        ):
            for ticks, lots in levels:
                side.set(ticks, lots)
        self._book = QueuedBook(self._public)
        self._listed = self._list_market(self._spec, self._book, self._playback.first_ns, ZERO)
        self._make_history(survey.first_trade)

    # -- opening ----------------------------------------------------------------

    def _make_history(self, first: TradeData | None) -> None:
        """Make up the hour before, ending at the first recorded price; always the same."""
        if first is not None:
            ticks, end_ns = self._prices.whole(first.price), first.trade_ms * NS_PER_MS
            last_id = first.trade_id - 1
        else:
            ticks, end_ns = self._snapshot_bids[0][0], self._playback.first_ns
            last_id = _FIRST_OWN_TRADE_ID - 1
        rng = Random(f"{self._spec.symbol}/{last_id}")  # noqa: S311 - a made-up past
        past = walk_back(rng, ticks)
        for trade in prints_before(rng, self._spec, past, end_ns - NS_PER_MS, last_id):
            self._listed.tape.add(trade)

    def _levels(self, rows: Iterable[tuple[str, str]]) -> Levels:
        price, size = self._prices.whole, self._sizes.floor
        return [(price(ticks), size(lots)) for ticks, lots in rows]

    # -- time -------------------------------------------------------------------

    def start(self) -> None:
        """Let playback begin; before that nothing is played (see ``playback``)."""
        self._playback.open_start()

    def advance(self, now_ns: int) -> None:
        """Play every line that is due; raise ``DataError`` for an impossible one."""
        for line, wall_ns in self._playback.due(now_ns):
            try:
                self._play(line, wall_ns)
            except ValueError as error:
                raise DataError(f"{self._path}: line {line.number}: {error}") from error

    def next_event_ns(self) -> int | None:
        """Return when the next line is due on the caller's clock; ``None`` at the end.

        At a gate it is a moment from now: ask again.
        """
        return self._playback.next_ns()

    @property
    def gaps(self) -> int:
        """Holes in the recorded update ids so far."""
        return self._public.gaps

    # -- the recording ----------------------------------------------------------

    def _play(self, line: CaptureLine, now_ns: int) -> None:
        if line.stream:
            self._outputs.append(Verbatim(line.stream, line.data, now_ns))
        event = line.event
        if isinstance(event, DepthData):
            self._play_depth(event, line.time_ns, now_ns)
        elif isinstance(event, TickerData):
            self._play_ticker(event, line.time_ns, now_ns)
        elif isinstance(event, TradeData):
            self._play_trade(event, line.time_ns, now_ns)
        elif isinstance(event, Snapshot):
            self._passed_snapshot = True

    def _play_depth(self, event: DepthData, recorded_ns: int, now_ns: int) -> None:
        if not self._public.accepts(event.first_id, event.last_id):
            return
        bids, asks = self._levels(event.bids), self._levels(event.asks)
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            half = self._public.side(side)
            before = half.sizes
            for ticks, lots in levels:
                changed = before.get(ticks, 0) != lots
                half.set(ticks, lots)
                self._book.on_level(side, ticks, changed=changed, time_ns=recorded_ns)
        self._listed.update_id = self._public.update_id
        self._listed.tape.roll(event.event_ms * NS_PER_MS)
        if self._derived:
            self._outputs.append(
                DepthDelta(self._spec.symbol, event.first_id, event.last_id, bids, asks, now_ns)
            )
        self._react(self._book.on_book(), Side.SELL, now_ns)

    def _play_ticker(self, event: TickerData, recorded_ns: int, now_ns: int) -> None:
        price, size = self._prices.whole, self._sizes.floor
        bid = (price(event.bid), size(event.bid_size))
        ask = (price(event.ask), size(event.ask_size))
        old_bid, old_ask = self._public.best(Side.BUY), self._public.best(Side.SELL)
        if not self._public.set_touch(event.update_id, bid, ask):
            return
        self._listed.update_id = self._public.update_id
        self._book.on_touch(Side.BUY, changed=bid != old_bid, time_ns=recorded_ns)
        self._book.on_touch(Side.SELL, changed=ask != old_ask, time_ns=recorded_ns)
        if self._derived:
            self._outputs.append(Top(self._spec.symbol, event.update_id, *bid, *ask))
        self._react(self._book.on_book(), Side.SELL, now_ns)

    def _play_trade(self, event: TradeData, recorded_ns: int, now_ns: int) -> None:
        trade = PublicTrade(
            symbol=self._spec.symbol,
            trade_id=event.trade_id,
            price_ticks=self._prices.whole(event.price),
            lots=self._sizes.whole(event.quantity),
            aggressor=Side.SELL if event.buyer_is_maker else Side.BUY,
            time_ns=event.trade_ms * NS_PER_MS,
            buyer_order_id=2 * event.trade_id,
            seller_order_id=2 * event.trade_id + 1,
        )
        self._listed.tape.add(trade)
        if self._derived:
            self._outputs.append(trade)
        matches = self._book.on_trade(trade.price_ticks, trade.lots, trade.aggressor, recorded_ns)
        self._react(matches, trade.aggressor, now_ns)
        self._conclude(self._listed, now_ns)

    def _react(self, matches: list[Match], aggressor: Side, now_ns: int) -> None:
        """Settle the fills that the recording caused."""
        if not matches:
            return
        taker = Taker(RECORDED, HOUSE, aggressor, MARKET_PRICE, 0)
        self._apply(self._listed, taker, None, matches, now_ns)
        self._conclude(self._listed, now_ns)

    # -- market data ------------------------------------------------------------

    def depth(self, symbol: str, limit: int) -> tuple[int, Levels, Levels]:
        """Return the recorded snapshot until playback has passed it, then the book as it is.

        Asking opens the gate at the snapshot (see ``playback``).
        """
        self._market(symbol)
        self._playback.open_snapshot()
        return self.peek(symbol, limit)

    def peek(self, symbol: str, limit: int) -> tuple[int, Levels, Levels]:
        """Return the same as ``depth`` without opening the gate."""
        self._market(symbol)
        if not self._passed_snapshot:
            return self._snapshot_id, self._snapshot_bids[:limit], self._snapshot_asks[:limit]
        bids, asks = self._public.bids.top(limit), self._public.asks.top(limit)
        return self._public.last_id, bids, asks

    def ahead_of(self, order_id: int) -> int | None:
        """Return the recorded lots before a resting order, ``None`` when it does not rest."""
        return self._book.ahead_of(order_id)

    def _index(self, market: Market, now_ns: int) -> Decimal:
        """Return the middle of the recorded book."""
        return market.middle()

    # -- what trading does here -------------------------------------------------

    def _print(self, market: Market, step: Match, taker: Taker, now_ns: int) -> int:
        """Give an own execution its id; the recorded tape does not learn of it."""
        return self._take_trade_id()

    def _publish(self, market: Market, now_ns: int) -> None:
        """Publish nothing: the public book is the recorded one."""


def recorded_market(path: Path) -> MarketSpec:
    """Return the market that a capture was recorded from. Raise as ``ReplayVenue``."""
    return market_spec(identify(path).symbol)
