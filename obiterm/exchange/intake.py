"""What a simulated venue checks before it accepts an order, and what it locks."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.api import NO_ID, Kind, NewOrder, Order, Refusal, Why
from obiterm.exchange.desk import Desk, Market
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS, STOP_KINDS, check, check_lots
from obiterm.exchange.matching import MARKET_PRICE, Taker, quote_budget, quote_lots
from obiterm.exchange.triggers import fires

_PROFIT_KINDS = frozenset(
    {Kind.LIMIT_MAKER, Kind.TAKE_PROFIT_MARKET, Kind.TAKE_PROFIT_LIMIT},
)


class Plan(msgspec.Struct, frozen=True):
    """What an accepted request trades and locks."""

    lots: int
    lock: Decimal


class Intake(Desk):
    """Checks and plans of requests; nothing here changes anything."""

    def _check(
        self, account: str, market: Market, request: NewOrder, *, beside: NewOrder | None = None
    ) -> None:
        """Raise ``Refusal`` for what may not be accepted; ``beside`` is placed with it."""
        spec = market.spec
        standing = self._orders.standing(self.treasury.account(account), spec)
        if beside is not None:
            standing = msgspec.structs.replace(
                standing,
                open_orders=standing.open_orders + 1,
                algo_orders=standing.algo_orders + (beside.kind in ALGO_KINDS),
            )
        check(spec, request, market.tape.average_price(), standing)
        if self._orders.client_id_is_open(account, request.client_id):
            raise Refusal(Why.DUPLICATE_CLIENT_ID, request.client_id)
        if request.kind in ALGO_KINDS and fires(request, market.tape.last_ticks):
            raise Refusal(Why.WOULD_TRIGGER)
        if request.kind is Kind.LIMIT_MAKER:
            met = next(market.book.walk(request.side, request.price_ticks), None)
            if met is not None:
                raise Refusal(Why.WOULD_TAKE)

    def _plan(self, owner: str, market: Market, request: NewOrder) -> Plan:
        """Find lots and lock: limit price x lots, trigger x lots, or what the book asks now."""
        if request.kind is Kind.MARKET:
            return self._plan_market(owner, market, request)
        if request.side is Side.SELL:
            return Plan(request.lots, market.spec.lot_size * request.lots)
        price = request.trigger_ticks if request.kind in MARKET_KINDS else request.price_ticks
        return Plan(request.lots, market.unit * (price * request.lots))

    def _plan_market(self, owner: str, market: Market, request: NewOrder) -> Plan:
        spec = market.spec
        taker = Taker(NO_ID, owner, request.side, MARKET_PRICE, request.lots, request.stp)
        if request.quote_qty is None:
            quoted, lots = quote_lots(market.book, taker), request.lots
        else:
            budget = int(request.quote_qty / market.unit)
            quoted = quote_budget(market.book, taker, budget)
            lots = quoted.lots
            if quoted.exhausted and lots:
                # The rest of the budget finds nothing: one lot stays open and expires.
                lots += 1
        if quoted.exhausted and quoted.lots == 0:
            raise Refusal(Why.NO_LIQUIDITY)
        if request.quote_qty is not None:
            check_lots(spec, request.kind, lots)
        if request.side is Side.BUY:
            return Plan(lots, market.unit * quoted.cost)
        sold = quoted.lots if request.quote_qty is not None else request.lots
        return Plan(lots, spec.lot_size * sold)

    def _draft(
        self, account: str, request: NewOrder, lots: int, now_ns: int, order_id: int
    ) -> Order:
        return Order(
            order_id=order_id,
            account=account,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            client_id=request.client_id,
            lots=lots,
            price_ticks=request.price_ticks,
            trigger_ticks=request.trigger_ticks,
            tif=request.tif,
            stp=request.stp,
            created_ns=now_ns,
            updated_ns=now_ns,
            working_ns=-1 if request.kind in ALGO_KINDS else now_ns,
            quote_qty=request.quote_qty if request.quote_qty is not None else ZERO,
            list_id=request.list_id,
        )

    def _check_list(self, account: str, market: Market, above: NewOrder, below: NewOrder) -> None:
        protective, profit = (above, below) if above.side is Side.BUY else (below, above)
        last = market.tape.last_ticks
        fits = (
            above.symbol == below.symbol
            and above.side is below.side
            and above.lots == below.lots
            and above.client_id != below.client_id
            and protective.kind in STOP_KINDS
            and profit.kind in _PROFIT_KINDS
            and _list_price(above) > last > _list_price(below)
        )
        if not fits:
            raise Refusal(Why.LIST_PRICES)
        self._check(account, market, above)
        self._check(account, market, below, beside=above)


def _list_price(leg: NewOrder) -> int:
    return leg.trigger_ticks if leg.kind in ALGO_KINDS else leg.price_ticks
