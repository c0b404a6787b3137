"""What a simulated venue checks before it accepts an order, and what it locks."""

from __future__ import annotations

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.api import (
    NO_ID,
    Kind,
    NewOrder,
    Order,
    PositionSide,
    Refusal,
    TriggerBy,
    Why,
)
from obiterm.exchange.desk import Market
from obiterm.exchange.filters import (
    ALGO_KINDS,
    MARKET_KINDS,
    STOP_KINDS,
    check,
    check_lots,
    check_perpetual,
)
from obiterm.exchange.matching import MARKET_PRICE, Taker, quote_budget, quote_lots, reaches
from obiterm.exchange.perpetual_desk import PerpetualDesk
from obiterm.exchange.settlement import Plan
from obiterm.exchange.triggers import fires

_PROFIT_KINDS = frozenset(
    {Kind.LIMIT_MAKER, Kind.TAKE_PROFIT_MARKET, Kind.TAKE_PROFIT_LIMIT},
)


class Intake(PerpetualDesk):
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
        check_market = check_perpetual if spec.is_perpetual else check
        check_market(spec, request, market.reference(), standing)
        if self._orders.client_id_is_open(account, request.client_id):
            raise Refusal(Why.DUPLICATE_CLIENT_ID, request.client_id)
        if request.kind in ALGO_KINDS and fires(request, market.prices()):
            raise Refusal(Why.WOULD_TRIGGER)
        if request.kind is Kind.LIMIT_MAKER:
            met = next(market.book.walk(request.side, request.price_ticks), None)
            if met is not None:
                raise Refusal(Why.WOULD_TAKE)

    def _fit(self, account: str, market: Market, request: NewOrder) -> NewOrder:
        """Check what only perpetuals have, and cut a reducing order to what it can close.

        Raise ``Refusal``: ``NOT_SUPPORTED`` on spot, ``POSITION_SIDE``, ``REDUCE_ONLY``.
        """
        is_leg = request.position_side is not PositionSide.BOTH
        if market.marks is None:
            if request.reduces or is_leg or request.trigger_by is not TriggerBy.LAST:
                raise Refusal(Why.NOT_SUPPORTED, "spot")
            return request
        if is_leg != self.hedge_mode(account) or (is_leg and request.reduce_only):
            raise Refusal(Why.POSITION_SIDE)
        if request.close_fraction is not None and request.kind not in ALGO_KINDS:
            raise Refusal(Why.NOT_SUPPORTED, "close_fraction")
        if not request.reduces or request.kind in ALGO_KINDS:
            return request
        room = self._holding(account, market, request.position_side).closable(request.side)
        facing = market.book.best(request.side.opposite)[0]
        if request.kind in (Kind.LIMIT, Kind.LIMIT_MAKER) and not (
            facing and reaches(request.side, request.price_ticks, facing)
        ):
            room -= self._reducing_ahead(account, market, request)
        if room <= 0:
            raise Refusal(Why.REDUCE_ONLY)
        if request.quote_qty is not None:
            return request
        return msgspec.structs.replace(request, lots=min(request.lots, room))

    def _reducing_ahead(self, account: str, market: Market, request: NewOrder) -> int:
        """Return the lots of resting reducing orders that are priced as well or better."""
        return sum(
            order.lots - order.filled_lots
            for order in self._reducers(account, market, request.position_side, request.side)
            if reaches(request.side.opposite, request.price_ticks, order.price_ticks)
        )

    def _reducers(
        self, account: str, market: Market, position_side: PositionSide, side: Side
    ) -> list[Order]:
        """Return resting orders that only reduce a position, the best price first."""
        orders = [
            order
            for order in self._orders.open_of(account, market.spec.symbol)
            if order.side is side
            and order.position_side is position_side
            and order.reduces
            and market.book.find(order.order_id) is not None
        ]
        return sorted(orders, key=lambda order: -side.sign * order.price_ticks)

    def _plan(self, owner: str, market: Market, request: NewOrder) -> Plan:
        """Find lots and cost: limit price x lots, trigger x lots, or what the book asks now."""
        if request.kind is Kind.MARKET:
            return self._plan_market(owner, market, request)
        price = request.trigger_ticks if request.kind in MARKET_KINDS else request.price_ticks
        return Plan(request.lots, price * request.lots, request.lots)

    def _plan_market(self, owner: str, market: Market, request: NewOrder) -> Plan:
        spec, limit = market.spec, self._market_limit(market, request.side)
        taker = Taker(NO_ID, owner, request.side, limit, request.lots, request.stp)
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
        sold = quoted.lots if request.quote_qty is not None else request.lots
        return Plan(lots, quoted.cost, sold)

    def _market_limit(self, market: Market, side: Side) -> int:
        """Return the worst price of a market order: the band around the mark, none on spot."""
        if market.marks is None:
            return MARKET_PRICE
        edge = market.marks.mark * (1 + side.sign * market.spec.mark_band)
        return max(1, int(edge / market.spec.tick_size))

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
            trigger_by=request.trigger_by,
            reduce_only=request.reduce_only,
            close_fraction=request.close_fraction,
            dies_with_position=request.dies_with_position,
            position_side=request.position_side,
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
