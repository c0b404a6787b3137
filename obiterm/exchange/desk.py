"""Orders, money and reports of a simulated venue, whatever its liquidity is.

``Desk`` holds the accounts and answers questions; ``trading_desk.TradingDesk``
adds placing and cancelling. Nothing here reads a clock.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import Treasury
from obiterm.exchange.api import (
    BalanceUpdate,
    Candle,
    Collateral,
    Fill,
    MarketSpec,
    Order,
    OrderList,
    OrderUpdate,
    Output,
    PositionUpdate,
    PublicTrade,
    Refusal,
    Top,
    Why,
)
from obiterm.exchange.candles import Tape
from obiterm.exchange.marks import MarkModel
from obiterm.exchange.matching import HOUSE, Liquidity
from obiterm.exchange.positions import Positions
from obiterm.exchange.registry import Orders
from obiterm.exchange.settlement import MarginSettlement, Settlement, SpotSettlement
from obiterm.exchange.triggers import Prices, Triggers


class Market:
    """One listed market: its filters, liquidity, money, tape and waiting stops.

    ``marks`` is ``None`` on spot.
    """

    def __init__(
        self, spec: MarketSpec, book: Liquidity, money: Settlement, marks: MarkModel | None
    ) -> None:
        self.spec = spec
        self.book = book
        self.money = money
        self.marks = marks
        self.tape = Tape(spec)
        self.waiting = Triggers()
        self.unit = spec.tick_size * spec.lot_size
        """Quote value of one lot at one tick."""
        self.update_id = 0
        self.last_top = (0, 0, 0, 0)

    def prices(self) -> Prices:
        """Return what waiting orders look at."""
        last, marks = self.tape.last_ticks, self.marks
        if marks is None:
            return Prices(last)
        tick = self.spec.tick_size
        return Prices(last, marks.mark / tick, marks.index / tick)

    def reference(self) -> Decimal:
        """Return the price that filters use: mark, or the five-minute average on spot."""
        return self.tape.average_price() if self.marks is None else self.marks.mark

    def middle(self) -> Decimal:
        """Return the middle of the book in quote, the last price for a one-sided book."""
        bid, ask = self.book.best(Side.BUY)[0], self.book.best(Side.SELL)[0]
        if bid and ask:
            return self.spec.tick_size * (bid + ask) / 2
        return self.spec.tick_size * self.tape.last_ticks

    def top(self) -> Top:
        """Return best bid and ask now."""
        bid_ticks, bid_lots = self.book.best(Side.BUY)
        ask_ticks, ask_lots = self.book.best(Side.SELL)
        return Top(self.spec.symbol, self.update_id, bid_ticks, bid_lots, ask_ticks, ask_lots)


class Desk:
    """Accounts, orders, fills and outputs; the questions of ``VenueCore``."""

    def __init__(self, first_order_id: int, first_trade_id: int) -> None:
        self.markets: dict[str, MarketSpec] = {}
        self.recorded_streams: set[str] = set()
        """Streams that leave as ``Verbatim``; empty for a flow model."""
        self.treasury = Treasury()
        self.book_of_positions = Positions()
        self._markets: dict[str, Market] = {}
        self._orders = Orders()
        self._fills: dict[str, list[Fill]] = {}
        self._self_trades: list[dict[str, object]] = []
        self._outputs: list[Output] = []
        self._next_order_id = first_order_id
        self._next_trade_id = first_trade_id
        self._next_execution_id = 1
        self._next_list_id = 1

    # -- accounts ---------------------------------------------------------------

    def add_account(self, name: str, balances: dict[str, Decimal], owner: str = "") -> None:
        """Create a funded account; accounts of one ``owner`` count as self to each other."""
        if name == HOUSE:
            raise ValueError("an account needs a name")
        account = self.treasury.open(name, owner or name, balances)
        account.reserved = partial(self.book_of_positions.reserved, name)
        self._orders.enroll(name)
        self._fills[name] = []

    @property
    def accounts(self) -> list[str]:
        """Names of the accounts, oldest first."""
        return list(self.treasury.accounts)

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Return ``asset -> (free, locked)``."""
        held = self.treasury.account(account)
        return {asset: (held.free_of(asset), held.locked_of(asset)) for asset in held.free}

    # -- orders -----------------------------------------------------------------

    def find_order(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
    ) -> Order:
        """Return the newest matching order, open or not. Raise ``Refusal``."""
        self._market(symbol)
        return self._orders.find(account, symbol, order_id, client_id)

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Return open orders, oldest first."""
        return self._orders.open_of(account, symbol)

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        """Return every order of the account on a symbol, oldest first."""
        return self._orders.all_of(account, symbol)

    def order_list(self, account: str, list_id: int) -> OrderList:
        """Return an order list. Raise ``Refusal``."""
        return self._orders.order_list(account, list_id)

    def fills(self, account: str, symbol: str | None = None) -> list[Fill]:
        """Return fills, oldest first."""
        fills = self._fills[account]
        return [fill for fill in fills if symbol is None or fill.symbol == symbol]

    def self_trades(self) -> list[dict[str, object]]:
        """Return fills in which one owner met itself."""
        return list(self._self_trades)

    # -- market data ------------------------------------------------------------

    def top(self, symbol: str) -> Top:
        """Return best bid and ask (0 ticks, 0 lots for an empty side)."""
        return self._market(symbol).top()

    def trades(self, symbol: str, limit: int) -> list[PublicTrade]:
        """Return the newest prints, oldest first."""
        return self._market(symbol).tape.trades(limit)

    def candles(self, symbol: str, interval_ms: int) -> list[Candle]:
        """Return candles, oldest first; the last one is still open."""
        return self._market(symbol).tape.candles(interval_ms)

    def average_price(self, symbol: str) -> Decimal:
        """Return the five-minute volume-weighted price that filters use."""
        return self._market(symbol).tape.average_price()

    def drain(self) -> list[Output]:
        """Return and forget the queued outputs, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # -- shared by the rooms of the desk ----------------------------------------

    def _market(self, symbol: str) -> Market:
        market = self._markets.get(symbol)
        if market is None:
            raise Refusal(Why.UNKNOWN_SYMBOL, symbol)
        return market

    def _list_market(
        self, spec: MarketSpec, book: Liquidity, start_ns: int, index: Decimal
    ) -> Market:
        """Open a market; ``index`` is what a perpetual's base is worth at the start."""
        marks, money = None, None
        if spec.is_perpetual:
            marks = MarkModel(spec, index, start_ns)
            money = MarginSettlement(marks, self.treasury, self.book_of_positions)
        market = Market(spec, book, money or SpotSettlement(spec, self.treasury), marks)
        self._markets[spec.symbol] = market
        self.markets[spec.symbol] = spec
        return market

    def _take_order_id(self) -> int:
        order_id = self._next_order_id
        self._next_order_id += 1
        return order_id

    def _take_trade_id(self) -> int:
        trade_id = self._next_trade_id
        self._next_trade_id += 1
        return trade_id

    def _report(
        self, order: Order, execution: str, fill: Fill | None = None, cancel_client_id: str = ""
    ) -> None:
        self._outputs.append(
            OrderUpdate(
                order=msgspec.structs.replace(order),
                execution=execution,
                execution_id=self._next_execution_id,
                fill=fill,
                cancel_client_id=cancel_client_id,
            )
        )
        self._next_execution_id += 1

    def _flush_balances(self, now_ns: int) -> None:
        """Queue what changed: balances, then positions, account by account."""
        for account in self.treasury.accounts.values():
            if account.touched:
                cause = account.cause
                self._outputs.append(
                    BalanceUpdate(account.name, account.take_touched(), now_ns, cause)
                )
        for holding, cause in self.book_of_positions.take_touched():
            position = holding.show(self.collateral(holding.account, holding.spec.settle))
            self._outputs.append(PositionUpdate(position, cause, now_ns))

    def collateral(self, account: str, asset: str) -> Collateral:
        """Return what the account holds of a settle asset and what its positions ask of it."""
        held = self.treasury.account(account)
        locked = held.locked_of(asset)
        return self.book_of_positions.collateral(
            account, asset, held.free_of(asset) + locked, locked
        )

    def _settle_fill(
        self,
        market: Market,
        order: Order,
        ticks: int,
        lots: int,
        trade_id: int,
        now_ns: int,
        *,
        is_maker: bool,
    ) -> Fill:
        """Move the money of one side of a trade and record its fill."""
        settled = market.money.fill(order, ticks, lots, now_ns, is_maker=is_maker)
        quote = market.unit * (ticks * lots)
        order.filled_lots += lots
        order.filled_quote += quote
        order.updated_ns = now_ns
        fill = Fill(
            trade_id=trade_id,
            order_id=order.order_id,
            account=order.account,
            symbol=market.spec.symbol,
            side=order.side,
            client_id=order.client_id,
            price_ticks=ticks,
            lots=lots,
            quote=quote,
            fee=settled.fee,
            fee_asset=settled.fee_asset,
            is_maker=is_maker,
            time_ns=now_ns,
            realised=settled.realised,
            position_side=order.position_side,
            closed_lots=settled.closed_lots,
        )
        self._fills[order.account].append(fill)
        return fill
