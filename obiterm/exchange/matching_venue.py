"""A venue whose accounts and house meet in matching books; it has no market of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.api import DepthDelta, MarketSpec, PublicTrade
from obiterm.exchange.clearing import ClearingDesk
from obiterm.exchange.desk import Market
from obiterm.exchange.matching import HOUSE, FifoBook, Match, Resting, Sweep, Taker

FIRST_UPDATE_ID = 1_000_000_000
FIRST_ORDER_ID = 10_000_000
LAST_OLD_TRADE_ID = 3_000_000
"""Trades of the time before the opening have ids up to this one."""


class MatchingVenue(ClearingDesk):
    """``VenueCore`` on matching books that open empty.

    Every operation yields its own ``DepthDelta`` with contiguous update ids (one id
    per changed level); the dialect batches them.

    Args:
        specs: the markets to list.
        start_ns: when it opens.
        index: what the base of each perpetual is worth, in quote, until its book has a middle.
    """

    def __init__(
        self,
        specs: Sequence[MarketSpec],
        *,
        start_ns: int,
        index: Mapping[str, Decimal] | None = None,
    ) -> None:
        super().__init__(FIRST_ORDER_ID, LAST_OLD_TRADE_ID + 1)
        self._now_ns = start_ns
        self._marks_due_ns = self._next_mark_ns(start_ns)
        self._books: dict[str, FifoBook] = {}
        for spec in specs:
            book = FifoBook()
            market = self._list_market(spec, book, start_ns, (index or {}).get(spec.symbol, ZERO))
            market.update_id = FIRST_UPDATE_ID
            self._books[spec.symbol] = book

    # -- time -------------------------------------------------------------------

    def start(self) -> None:
        """Do nothing: this market does not wait for its audience."""

    def advance(self, now_ns: int) -> None:
        """Let time pass; marks move on their own beat."""
        while self._has_perpetuals and self._marks_due_ns <= now_ns:
            self._step_marks()
        self._now_ns = max(self._now_ns, now_ns)
        for market in self._markets.values():
            market.tape.roll(self._now_ns)

    def _step_marks(self) -> None:
        self._now_ns = max(self._now_ns, self._marks_due_ns)
        self._marks_due_ns = self._next_mark_ns(self._now_ns)
        self._tick_marks(self._now_ns)

    def _index(self, market: Market, now_ns: int) -> Decimal:
        """Return the middle of the book: a market on its own is its own index."""
        marks = market.marks
        return market.middle() or (ZERO if marks is None else marks.index)

    def next_event_ns(self) -> int | None:
        """Return when the marks move; ``None`` on spot, where nothing moves by itself."""
        return self._marks_due_ns if self._has_perpetuals else None

    # -- market data ------------------------------------------------------------

    def depth(
        self, symbol: str, limit: int
    ) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Return ``(last update id, bids best first, asks best first)``."""
        market = self._market(symbol)
        book = market.book
        return market.update_id, book.levels(Side.BUY, limit), book.levels(Side.SELL, limit)

    def peek(
        self, symbol: str, limit: int
    ) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the same as ``depth``."""
        return self.depth(symbol, limit)

    # -- what trading does here -------------------------------------------------

    def _print(self, market: Market, step: Match, taker: Taker, now_ns: int) -> int:
        buys = taker.side is Side.BUY
        trade = PublicTrade(
            symbol=market.spec.symbol,
            trade_id=self._take_trade_id(),
            price_ticks=step.maker.ticks,
            lots=step.lots,
            aggressor=taker.side,
            time_ns=now_ns,
            buyer_order_id=taker.order_id if buys else step.maker.order_id,
            seller_order_id=step.maker.order_id if buys else taker.order_id,
        )
        market.tape.add(trade)
        self._outputs.append(trade)
        return trade.trade_id

    def _publish(self, market: Market, now_ns: int) -> None:
        symbol = market.spec.symbol
        bids, asks = self._books[symbol].take_changes()
        changed = len(bids) + len(asks)
        if not changed:
            return
        first_id = market.update_id + 1
        market.update_id += changed
        self._outputs.append(DepthDelta(symbol, first_id, market.update_id, bids, asks, now_ns))
        touch = (*market.book.best(Side.BUY), *market.book.best(Side.SELL))
        if touch != market.last_top:
            market.last_top = touch
            self._outputs.append(market.top())

    # -- the house --------------------------------------------------------------

    def house(self, symbol: str) -> HousePort:
        """Return the house's door into a market."""
        return HousePort(self, self._market(symbol), self._books[symbol])

    def house_take(
        self, market: Market, book: FifoBook, side: Side, limit_ticks: int, lots: int
    ) -> None:
        """Let the house trade without funds; what finds no counterparty vanishes."""
        taker = Taker(self._take_order_id(), HOUSE, side, limit_ticks, lots)
        self._apply(market, taker, None, Sweep(book, taker), self._now_ns)

    def house_add(self, book: FifoBook, side: Side, ticks: int, lots: int) -> int:
        """Let the house rest an order; it must not cross."""
        order_id = self._take_order_id()
        book.rest(Resting(order_id, HOUSE, side, ticks, lots))
        return order_id

    def house_done(self, market: Market) -> None:
        """Trigger stops and publish after the house has acted."""
        self._conclude(market, self._now_ns)


class HousePort:
    """How the house trades in one market. Call ``done`` after acting."""

    def __init__(self, venue: MatchingVenue, market: Market, book: FifoBook) -> None:
        self._venue = venue
        self._market = market
        self.book = book

    def add(self, side: Side, ticks: int, lots: int) -> int:
        """Rest an order that does not cross; return its id."""
        return self._venue.house_add(self.book, side, ticks, lots)

    def cancel(self, order_id: int) -> None:
        """Take a house order out, if it is still there."""
        self.book.remove(order_id)

    def take(self, side: Side, limit_ticks: int, lots: int) -> None:
        """Trade up to ``lots`` no worse than ``limit_ticks``; the rest vanishes."""
        self._venue.house_take(self._market, self.book, side, limit_ticks, lots)

    def done(self) -> None:
        """Publish what changed."""
        self._venue.house_done(self._market)
