"""Placing, matching, triggering and cancelling, over any ``Liquidity``.

A request is checked (filters, client id, post-only, trigger, funds), its funds
are locked, and only then does it meet the book. Every operation ends with
triggered stops, balance reports and the book's own publication.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.api import (
    NO_ID,
    ListUpdate,
    NewOrder,
    Order,
    OrderList,
    Refusal,
    Status,
    Tif,
    Why,
)
from obiterm.exchange.desk import Market
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS
from obiterm.exchange.intake import Intake
from obiterm.exchange.matching import (
    HOUSE,
    MARKET_PRICE,
    Match,
    Prevented,
    Resting,
    Swept,
    Taker,
    quote_budget,
    quote_lots,
    sweep,
)
from obiterm.exchange.registry import FINAL


class TradingDesk(Intake, ABC):
    """A desk that trades. Subclasses say how trades are printed and books published."""

    # -- requests ---------------------------------------------------------------

    def place(self, account: str, request: NewOrder, now_ns: int, *, test: bool = False) -> Order:
        """Check filters and funds, then match (not with ``test``). Raise ``Refusal``."""
        market = self._market(request.symbol)
        owner = self.treasury.account(account).owner
        self._check(account, market, request)
        plan = self._plan(owner, market, request)
        held = self.treasury.account(account)
        asset = market.spec.quote if request.side is Side.BUY else market.spec.base
        if held.free_of(asset) < plan.lock:
            raise Refusal(Why.INSUFFICIENT_BALANCE, asset)
        if test:
            return self._draft(account, request, plan.lots, now_ns, NO_ID)
        order = self._accept(account, request, plan.lots, now_ns)
        held.lock(asset, plan.lock)
        self._locks[order.order_id] = plan.lock
        self._report(order, "NEW")
        self._start(market, order, now_ns)
        self._conclude(market, now_ns)
        return order

    def cancel(
        self,
        account: str,
        symbol: str,
        now_ns: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_client_id: str = "",
        only_status: Status | None = None,
    ) -> Order:
        """Cancel one order (and its list). Raise ``Refusal`` (``UNKNOWN_ORDER``)."""
        market = self._market(symbol)
        order = self._orders.find_open(account, symbol, order_id, client_id)
        if only_status is not None and order.status is not only_status:
            raise Refusal(Why.CANCEL_RESTRICTION, order.status.value)
        siblings = self._orders.siblings(order)
        self._end(market, order, Status.CANCELED, now_ns, cancel_client_id=cancel_client_id)
        for sibling in siblings:
            self._end(market, sibling, Status.CANCELED, now_ns)
        self._conclude(market, now_ns)
        return order

    def cancel_all(self, account: str, symbol: str, now_ns: int) -> list[Order]:
        """Cancel all open orders on a symbol. Raise ``Refusal`` (``NOTHING_OPEN``)."""
        market = self._market(symbol)
        orders = self._orders.open_of(account, symbol)
        if not orders:
            raise Refusal(Why.NOTHING_OPEN)
        for order in orders:
            self._end(market, order, Status.CANCELED, now_ns)
        self._conclude(market, now_ns)
        return orders

    # -- life of an order -------------------------------------------------------

    def _accept(self, account: str, request: NewOrder, lots: int, now_ns: int) -> Order:
        order = self._draft(account, request, lots, now_ns, self._take_order_id())
        self._orders.add(order)
        return order

    def _start(self, market: Market, order: Order, now_ns: int) -> None:
        """Let an accepted order wait for its trigger, or trade."""
        if order.kind in ALGO_KINDS:
            market.waiting.add(order)
        else:
            self._trade(market, order, order.lots, now_ns)

    def _trigger(self, market: Market, order: Order, now_ns: int) -> None:
        """Turn a waiting order into a live one; a market order may need more funds by now."""
        order.triggered = True
        order.working_ns = order.updated_ns = now_ns
        self._engage(market, order, now_ns)
        self._report(order, "NEW")
        lots = order.lots
        if order.kind in MARKET_KINDS and order.side is Side.BUY:
            lots = self._fund_triggered_buy(market, order)
        self._trade(market, order, lots, now_ns)

    def _fund_triggered_buy(self, market: Market, order: Order) -> int:
        """Lock what the book asks above the trigger price; return the lots that funds cover."""
        account = self.treasury.account(order.account)
        taker = self._taker(order, order.lots)
        quoted = quote_lots(market.book, taker)
        missing = market.unit * quoted.cost - self._locks[order.order_id]
        if missing <= 0:
            return order.lots
        if account.free_of(market.spec.quote) < missing:
            missing = account.free_of(market.spec.quote)
        account.lock(market.spec.quote, missing)
        self._locks[order.order_id] += missing
        budget = int(self._locks[order.order_id] / market.unit)
        if budget >= quoted.cost:
            return order.lots
        return quote_budget(market.book, taker, budget).lots

    def _taker(self, order: Order, lots: int) -> Taker:
        owner = self.treasury.account(order.account).owner
        limit = MARKET_PRICE if order.kind in MARKET_KINDS else order.price_ticks
        return Taker(order.order_id, owner, order.side, limit, lots, order.stp)

    def _trade(self, market: Market, order: Order, lots: int, now_ns: int) -> None:
        """Sweep the book with ``lots`` of the order, then rest or end what is left."""
        taker = self._taker(order, lots)
        if order.tif is Tif.FOK and quote_lots(market.book, taker).exhausted:
            self._expire(market, order, "UNFILLED_FOK_ORDER_EXPIRED", now_ns)
            return
        swept = sweep(market.book, taker)
        self._apply(market, taker, order, swept, now_ns)
        left = order.lots - order.filled_lots
        if swept.taker_expired:
            self._end(market, order, Status.EXPIRED_IN_MATCH, now_ns, execution="TRADE_PREVENTION")
        elif left == 0:
            return
        elif order.kind in MARKET_KINDS:
            self._expire(market, order, "INSUFFICIENT_LIQUIDITY", now_ns)
        elif order.tif is not Tif.GTC:
            self._expire(market, order, "UNFILLED_IOC_QUANTITY_EXPIRED", now_ns)
        else:
            market.book.rest(
                Resting(order.order_id, taker.owner, order.side, order.price_ticks, left)
            )

    def _apply(
        self, market: Market, taker: Taker, order: Order | None, swept: Swept, now_ns: int
    ) -> None:
        """Settle the steps of a sweep; ``order`` is ``None`` for a house taker."""
        for step in swept.steps:
            if isinstance(step, Prevented):
                if step.maker_expires:
                    self._expire_maker(market, step.maker, now_ns)
                continue
            maker_order = self._orders.by_id.get(step.maker.order_id)
            trade_id = self._print(market, step, taker, now_ns)
            if maker_order is not None:
                self._fill(market, maker_order, step, trade_id, now_ns, is_maker=True)
            if order is not None:
                self._fill(market, order, step, trade_id, now_ns, is_maker=False)
            if step.maker.owner == taker.owner != HOUSE:
                self._note_self_trade(market, step, taker, trade_id, now_ns)

    def _fill(
        self,
        market: Market,
        order: Order,
        step: Match,
        trade_id: int,
        now_ns: int,
        *,
        is_maker: bool,
    ) -> None:
        self._engage(market, order, now_ns)
        fill = self._settle_fill(
            market, order, step.maker.ticks, step.lots, trade_id, now_ns, is_maker=is_maker
        )
        whole = order.filled_lots == order.lots
        order.status = Status.FILLED if whole else Status.PARTIALLY_FILLED
        self._report(order, "TRADE", fill)
        if whole:
            self._orders.close(order)
            self._release(order, market)
            self._close_list(order, now_ns)

    def _expire_maker(self, market: Market, maker: Resting, now_ns: int) -> None:
        order = self._orders.by_id[maker.order_id]
        for sibling in self._orders.siblings(order):
            self._expire(market, sibling, "OCO_TRIGGER", now_ns)
        self._end(market, order, Status.EXPIRED_IN_MATCH, now_ns, execution="TRADE_PREVENTION")

    def _expire(self, market: Market, order: Order, reason: str, now_ns: int) -> None:
        order.expiry_reason = reason
        self._end(market, order, Status.EXPIRED, now_ns)

    def _end(
        self,
        market: Market,
        order: Order,
        status: Status,
        now_ns: int,
        *,
        execution: str = "",
        cancel_client_id: str = "",
    ) -> None:
        """Take an open order off the market, give back its lock and report it."""
        market.book.remove(order.order_id)
        market.waiting.remove(order.order_id)
        order.status = status
        order.updated_ns = now_ns
        self._orders.close(order)
        self._release(order, market)
        self._report(order, execution or status.value, cancel_client_id=cancel_client_id)
        self._close_list(order, now_ns)

    # -- order lists ------------------------------------------------------------

    def place_oco(
        self, account: str, above: NewOrder, below: NewOrder, list_client_id: str, now_ns: int
    ) -> OrderList:
        """Place two orders of which one cancels the other; they lock once, the larger.

        Raise ``Refusal``; ``LIST_PRICES`` when the legs do not stand around the last price.
        """
        market = self._market(above.symbol)
        self._check_list(account, market, above, below)
        owner = self.treasury.account(account).owner
        lock = max(self._plan(owner, market, leg).lock for leg in (above, below))
        self.treasury.account(account).lock(
            market.spec.quote if above.side is Side.BUY else market.spec.base, lock
        )
        list_id = self._next_list_id
        self._next_list_id += 1
        legs = [
            self._accept(account, msgspec.structs.replace(leg, list_id=list_id), leg.lots, now_ns)
            for leg in (above, below)
        ]
        self._locks[legs[0].order_id], self._locks[legs[1].order_id] = lock, ZERO
        order_list = OrderList(
            list_id, account, above.symbol, list_client_id, [leg.order_id for leg in legs]
        )
        self._orders.lists[list_id] = order_list
        self._report_list(order_list, now_ns)
        for leg in legs:
            self._report(leg, "NEW")
        for leg in legs:
            self._start(market, leg, now_ns)
        self._conclude(market, now_ns)
        return order_list

    def _engage(self, market: Market, order: Order, now_ns: int) -> None:
        """A leg starts to trade: the other leg expires and the list's lock moves over."""
        siblings = self._orders.siblings(order)
        if not siblings:
            return
        pooled = sum((self._locks[leg.order_id] for leg in (order, *siblings)), ZERO)
        owed = self._need(market, order)
        self._locks[order.order_id] = owed
        for sibling in siblings:
            self._locks[sibling.order_id] = ZERO
        self._locks[siblings[0].order_id] = pooled - owed
        for sibling in siblings:
            self._expire(market, sibling, "OCO_TRIGGER", now_ns)

    def _need(self, market: Market, order: Order) -> Decimal:
        left = order.lots - order.filled_lots
        if order.side is Side.SELL:
            return market.spec.lot_size * left
        price = order.trigger_ticks if order.kind in MARKET_KINDS else order.price_ticks
        return market.unit * (price * left)

    def _close_list(self, order: Order, now_ns: int) -> None:
        order_list = self._orders.lists.get(order.list_id)
        if order_list is None or order_list.done:
            return
        if all(self._orders.by_id[leg].status in FINAL for leg in order_list.order_ids):
            order_list.done = True
            self._report_list(order_list, now_ns)

    def _report_list(self, order_list: OrderList, now_ns: int) -> None:
        legs = [msgspec.structs.replace(self._orders.by_id[i]) for i in order_list.order_ids]
        self._outputs.append(ListUpdate(msgspec.structs.replace(order_list), legs, now_ns))

    # -- end of every operation -------------------------------------------------

    def _conclude(self, market: Market, now_ns: int) -> None:
        """Trigger what the last price reached, then report balances and the book."""
        while True:
            fired = market.waiting.next_fired(market.tape.last_ticks)
            if fired is None:
                break
            self._trigger(market, fired, now_ns)
        self._flush_balances(now_ns)
        self._publish(market, now_ns)

    def _note_self_trade(
        self, market: Market, step: Match, taker: Taker, trade_id: int, now_ns: int
    ) -> None:
        self._self_trades.append(
            {
                "symbol": market.spec.symbol,
                "trade_id": trade_id,
                "owner": taker.owner,
                "maker_order_id": step.maker.order_id,
                "taker_order_id": taker.order_id,
                "price": str(market.spec.tick_size * step.maker.ticks),
                "quantity": str(market.spec.lot_size * step.lots),
                "time_ns": now_ns,
            }
        )

    @abstractmethod
    def _print(self, market: Market, step: Match, taker: Taker, now_ns: int) -> int:
        """Put a trade on the tape where this venue does so; return its id."""

    @abstractmethod
    def _publish(self, market: Market, now_ns: int) -> None:
        """Queue the book's changes where this venue does so."""
