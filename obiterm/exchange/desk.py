"""Orders, money and reports of a simulated venue, whatever its liquidity is.

``Desk`` holds the accounts and answers questions; ``trading_desk.TradingDesk``
adds placing and cancelling. Nothing here reads a clock.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO, Account, Treasury
from obiterm.exchange.api import (
    BalanceUpdate,
    Candle,
    Fill,
    MarketSpec,
    Order,
    OrderList,
    OrderUpdate,
    Output,
    PublicTrade,
    Refusal,
    Top,
    Why,
)
from obiterm.exchange.candles import Tape
from obiterm.exchange.matching import HOUSE, Liquidity
from obiterm.exchange.registry import Orders
from obiterm.exchange.triggers import Triggers

_FEE_STEP = Decimal("0.00000001")


class Market:
    """One listed market: its filters, liquidity, tape and waiting stops."""

    def __init__(self, spec: MarketSpec, book: Liquidity) -> None:
        self.spec = spec
        self.book = book
        self.tape = Tape(spec)
        self.waiting = Triggers()
        self.unit = spec.tick_size * spec.lot_size
        """Quote value of one lot at one tick."""
        self.update_id = 0
        self.last_top = (0, 0, 0, 0)

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
        self._markets: dict[str, Market] = {}
        self._orders = Orders()
        self._locks: dict[int, Decimal] = {}
        """Locked amount by order id; an order list's lock sits under its first leg."""
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
        self.treasury.open(name, owner or name, balances)
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

    def _list_market(self, market: Market) -> None:
        self._markets[market.spec.symbol] = market
        self.markets[market.spec.symbol] = market.spec

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
        for account in self.treasury.accounts.values():
            if account.touched:
                self._outputs.append(BalanceUpdate(account.name, account.take_touched(), now_ns))

    def _lock_asset(self, order: Order, market: Market) -> str:
        return market.spec.quote if order.side is Side.BUY else market.spec.base

    def _release(self, order: Order, market: Market) -> None:
        """Give back what an ended order still holds."""
        left = self._locks.pop(order.order_id, ZERO)
        if left:
            account = self.treasury.account(order.account)
            account.unlock(self._lock_asset(order, market), left)

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
        """Move the money of one side of a trade and record its fill.

        A buy reserved its limit price; what a better price saves is free at once.
        """
        spec = market.spec
        account = self.treasury.account(order.account)
        base, quote = spec.lot_size * lots, market.unit * (ticks * lots)
        rate = spec.maker_fee if is_maker else spec.taker_fee
        if order.side is Side.BUY:
            fee, fee_asset = (base * rate).quantize(_FEE_STEP), spec.base
            self.treasury.exchange(account, (spec.quote, quote), (spec.base, base), fee)
            self._locks[order.order_id] -= quote
            if order.price_ticks > ticks:
                self._give_back(account, order, market, (order.price_ticks - ticks) * lots)
        else:
            fee, fee_asset = (quote * rate).quantize(_FEE_STEP), spec.quote
            self.treasury.exchange(account, (spec.base, base), (spec.quote, quote), fee)
            self._locks[order.order_id] -= base
        order.filled_lots += lots
        order.filled_quote += quote
        order.updated_ns = now_ns
        fill = Fill(
            trade_id=trade_id,
            order_id=order.order_id,
            account=order.account,
            symbol=spec.symbol,
            side=order.side,
            client_id=order.client_id,
            price_ticks=ticks,
            lots=lots,
            quote=quote,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            time_ns=now_ns,
        )
        self._fills[order.account].append(fill)
        return fill

    def _give_back(self, account: Account, order: Order, market: Market, units: int) -> None:
        saved = market.unit * units
        self._locks[order.order_id] -= saved
        account.unlock(market.spec.quote, saved)
