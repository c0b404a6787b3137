"""A whole simulated venue on the order-flow model."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from obiterm.core.values import Side
from obiterm.exchange.api import DepthDelta, MarketSpec, PublicTrade, Stp
from obiterm.exchange.desk import Market
from obiterm.exchange.flow import FlowModel
from obiterm.exchange.history import prints_before
from obiterm.exchange.matching import HOUSE, FifoBook, Match, Resting, Taker, sweep
from obiterm.exchange.specs import market_spec, opening_price
from obiterm.exchange.spoof import Spoof
from obiterm.exchange.trading_desk import TradingDesk

_FIRST_UPDATE_ID = 1_000_000_000
_FIRST_ORDER_ID = 10_000_000
_LAST_OLD_TRADE_ID = 3_000_000


class SimVenue(TradingDesk):
    """``VenueCore`` whose liquidity is a seeded order-flow model in a matching book.

    Each step of the flow and each request yields its own ``DepthDelta`` with
    contiguous update ids (one id per changed level); the dialect batches them.
    """

    def __init__(
        self,
        specs: Sequence[MarketSpec],
        *,
        seed: int,
        start_ns: int,
        opening: dict[str, Decimal] | None = None,
    ) -> None:
        super().__init__(_FIRST_ORDER_ID, _LAST_OLD_TRADE_ID + 1)
        self._flows: dict[str, FlowModel] = {}
        self._now_ns = start_ns
        for spec in specs:
            price = (opening or {}).get(spec.symbol)
            if price is None:
                price = opening_price(spec.symbol)
            self._open_market(spec, round(price / spec.tick_size), seed, start_ns)

    @classmethod
    def named(cls, symbols: Sequence[str], *, seed: int, start_ns: int) -> SimVenue:
        """Open the built-in markets of these names; raise ``UsageError`` for an unknown one."""
        return cls([market_spec(symbol) for symbol in symbols], seed=seed, start_ns=start_ns)

    def _open_market(self, spec: MarketSpec, opening_ticks: int, seed: int, start_ns: int) -> None:
        book = FifoBook()
        market = Market(spec, book)
        market.update_id = _FIRST_UPDATE_ID
        self._list_market(market)
        rng = Random(f"{seed}/{spec.symbol}/history")  # noqa: S311 - a market model
        for trade in prints_before(rng, spec, opening_ticks, start_ns, _LAST_OLD_TRADE_ID):
            market.tape.add(trade)
        house = _HousePort(self, market, book)
        self._flows[spec.symbol] = FlowModel(
            house, spec, opening_ticks, seed=f"{seed}/{spec.symbol}/flow", start_ns=start_ns
        )
        book.take_changes()
        market.last_top = _touch(market)

    # -- time -------------------------------------------------------------------

    def start(self) -> None:
        """Do nothing: an order-flow market does not wait for its audience."""

    def advance(self, now_ns: int) -> None:
        """Run the flow up to ``now_ns``; every step happens at its own time."""
        while (symbol := self._next_symbol()) is not None:
            flow, market = self._flows[symbol], self._markets[symbol]
            step_ns = flow.next_ns
            if step_ns > now_ns:
                break
            self._now_ns = step_ns
            flow.step()
            market.tape.roll(step_ns)
            self._conclude(market, step_ns)
        self._now_ns = max(self._now_ns, now_ns)

    def next_event_ns(self) -> int | None:
        """Return when the house acts next; a flow model never ends."""
        symbol = self._next_symbol()
        return None if symbol is None else self._flows[symbol].next_ns

    def _next_symbol(self) -> str | None:
        return min(self._flows, key=lambda symbol: self._flows[symbol].next_ns, default=None)

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

    def spoofs(self, symbol: str) -> list[Spoof]:
        """Return every spoofed wall so far: the truth for a detector."""
        self._market(symbol)
        return list(self._flows[symbol].spoofer.spoofs)

    # -- what trading does here -------------------------------------------------

    def house_take(
        self, market: Market, book: FifoBook, side: Side, limit_ticks: int, lots: int
    ) -> None:
        """Let the house trade without funds; what finds no counterparty vanishes."""
        taker = Taker(self._take_order_id(), HOUSE, side, limit_ticks, lots, Stp.NONE)
        self._apply(market, taker, None, sweep(book, taker), self._now_ns)

    def house_add(self, book: FifoBook, side: Side, ticks: int, lots: int) -> int:
        """Let the house rest an order."""
        order_id = self._take_order_id()
        book.rest(Resting(order_id, HOUSE, side, ticks, lots))
        return order_id

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
        book = market.book
        if not isinstance(book, FifoBook):
            raise TypeError("a flow market trades in a matching book")
        bids, asks = book.take_changes()
        changed = len(bids) + len(asks)
        if not changed:
            return
        first_id = market.update_id + 1
        market.update_id += changed
        symbol = market.spec.symbol
        self._outputs.append(DepthDelta(symbol, first_id, market.update_id, bids, asks, now_ns))
        touch = _touch(market)
        if touch != market.last_top:
            market.last_top = touch
            self._outputs.append(market.top())


class _HousePort:
    """The house's door into one market."""

    def __init__(self, venue: SimVenue, market: Market, book: FifoBook) -> None:
        self._venue = venue
        self._market = market
        self.book = book

    def add(self, side: Side, ticks: int, lots: int) -> int:
        return self._venue.house_add(self.book, side, ticks, lots)

    def cancel(self, order_id: int) -> None:
        self.book.remove(order_id)

    def take(self, side: Side, limit_ticks: int, lots: int) -> None:
        self._venue.house_take(self._market, self.book, side, limit_ticks, lots)


def _touch(market: Market) -> tuple[int, int, int, int]:
    return (*market.book.best(Side.BUY), *market.book.best(Side.SELL))
