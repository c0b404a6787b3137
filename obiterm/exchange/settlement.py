"""Whose money an order holds, and what a fill moves: spot, and perpetual futures.

Each market has one ``Settlement``. A spot order locks what it may pay; a perpetual
order keeps margin. What was refused has changed nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO, Account, Treasury
from obiterm.exchange.contracts import Cause, PositionSide
from obiterm.exchange.filters import ALGO_KINDS, MARKET_KINDS
from obiterm.exchange.marks import MarkModel
from obiterm.exchange.matching import Liquidity, Taker, quote_budget, quote_lots
from obiterm.exchange.positions import Holding, Positions
from obiterm.exchange.words import MarketSpec, NewOrder, Order, Refusal, Why

FEE_STEP = Decimal("0.00000001")


class Plan(msgspec.Struct, frozen=True):
    """What an accepted request trades, and at most for how much."""

    lots: int
    units: int
    """Ticks x lots that it may cost (buy) or is worth at its price (sell)."""
    sold_lots: int = 0
    """Lots that a sell hands over; less than ``lots`` where a budget decides."""


class Settled(msgspec.Struct, frozen=True):
    """What one side of a trade cost and settled."""

    fee: Decimal
    fee_asset: str
    realised: Decimal = ZERO
    closed_lots: int = 0


class Settlement(Protocol):
    """The money of one market's orders."""

    def check(self, request: NewOrder, account: Account, plan: Plan) -> None:
        """Raise ``Refusal`` (``INSUFFICIENT_BALANCE``) when funds do not cover the plan."""
        ...

    def reserve(self, order: Order, plan: Plan) -> None:
        """Hold what an accepted order needs."""
        ...

    def rearrange(self, order: Order, plan: Plan) -> None:
        """Hold what a changed order needs instead of what it holds. Raise ``Refusal``."""
        ...

    def release(self, order: Order) -> None:
        """Give back what an ended order still holds."""
        ...

    def fund(self, order: Order, book: Liquidity, taker: Taker) -> int:
        """Cover an order that just fired; return the lots that funds allow. Raise ``Refusal``."""
        ...

    def fill(self, order: Order, ticks: int, lots: int, now_ns: int, *, is_maker: bool) -> Settled:
        """Move the money of one side of a trade. ``order`` still stands as before it."""
        ...


class SpotSettlement:
    """Coins change hands; the fee is taken from what is received."""

    def __init__(self, spec: MarketSpec, treasury: Treasury) -> None:
        self._spec = spec
        self._unit = spec.tick_size * spec.lot_size
        self._treasury = treasury
        self.locks: dict[int, Decimal] = {}
        """Locked amount by order id; an order list's lock sits under its first leg."""

    def asset(self, side: Side) -> str:
        """Return what an order of ``side`` pays with."""
        return self._spec.quote if side is Side.BUY else self._spec.base

    def amount(self, request: NewOrder | Order, plan: Plan) -> Decimal:
        """Return what a plan locks."""
        waits = request.kind in ALGO_KINDS and not getattr(request, "triggered", False)
        if waits and self._spec.locks_on_trigger:
            return ZERO
        if request.side is Side.BUY:
            return self._unit * plan.units
        return self._spec.lot_size * plan.sold_lots

    def check(self, request: NewOrder, account: Account, plan: Plan) -> None:
        """Raise ``Refusal`` when the paid asset does not cover the plan."""
        asset = self.asset(request.side)
        if account.spendable(asset) < self.amount(request, plan):
            raise Refusal(Why.INSUFFICIENT_BALANCE, asset)

    def reserve(self, order: Order, plan: Plan) -> None:
        """Lock what the order may pay."""
        amount = self.amount(order, plan)
        self._account(order).lock(self.asset(order.side), amount)
        self.locks[order.order_id] = amount

    def rearrange(self, order: Order, plan: Plan) -> None:
        """Lock more or less. Raise ``Refusal``."""
        more = self.amount(order, plan) - self.locks[order.order_id]
        account, asset = self._account(order), self.asset(order.side)
        if more >= 0:
            account.lock(asset, more)
        else:
            account.unlock(asset, -more)
        self.locks[order.order_id] += more

    def release(self, order: Order) -> None:
        """Unlock what is left."""
        left = self.locks.pop(order.order_id, ZERO)
        if left:
            self._account(order).unlock(self.asset(order.side), left)

    def fund(self, order: Order, book: Liquidity, taker: Taker) -> int:
        """Lock what the book asks beyond the trigger price; return the lots that funds cover."""
        if self._spec.locks_on_trigger and not self.locks[order.order_id]:
            cost = quote_lots(book, taker).cost
            units = cost if order.kind in MARKET_KINDS else order.price_ticks * order.lots
            self.rearrange(order, Plan(order.lots, units, order.lots))
            return order.lots
        if order.side is Side.SELL or order.kind not in MARKET_KINDS:
            return order.lots
        quoted = quote_lots(book, taker)
        missing = self._unit * quoted.cost - self.locks[order.order_id]
        if missing <= 0:
            return order.lots
        account = self._account(order)
        missing = min(missing, account.spendable(self._spec.quote))
        account.lock(self._spec.quote, missing)
        self.locks[order.order_id] += missing
        budget = int(self.locks[order.order_id] / self._unit)
        if budget >= quoted.cost:
            return order.lots
        return quote_budget(book, taker, budget).lots

    def fill(self, order: Order, ticks: int, lots: int, now_ns: int, *, is_maker: bool) -> Settled:
        """Swap coins. A buy locked its limit price; what a better price saves is free at once."""
        spec, account = self._spec, self._account(order)
        base, quote = spec.lot_size * lots, self._unit * (ticks * lots)
        rate = spec.maker_fee if is_maker else spec.taker_fee
        if order.side is Side.BUY:
            fee, fee_asset = (base * rate).quantize(FEE_STEP), spec.base
            self._treasury.exchange(account, (spec.quote, quote), (spec.base, base), fee)
            self.locks[order.order_id] -= quote
            if order.price_ticks > ticks:
                saved = self._unit * ((order.price_ticks - ticks) * lots)
                self.locks[order.order_id] -= saved
                account.unlock(spec.quote, saved)
        else:
            fee, fee_asset = (quote * rate).quantize(FEE_STEP), spec.quote
            self._treasury.exchange(account, (spec.base, base), (spec.quote, quote), fee)
            self.locks[order.order_id] -= base
        return Settled(fee, fee_asset)

    def _account(self, order: Order) -> Account:
        return self._treasury.account(order.account)


class MarginSettlement:
    """Positions change; P&L and fees are settled in one asset."""

    def __init__(self, marks: MarkModel, treasury: Treasury, positions: Positions) -> None:
        self._marks = marks
        self._spec = marks.spec
        self._unit = self._spec.tick_size * self._spec.lot_size
        self._treasury = treasury
        self._positions = positions

    def holding(self, account: str, side: PositionSide) -> Holding:
        """Return the position that orders of an account act on."""
        return self._positions.of(account, self._marks, side)

    def check(self, request: NewOrder, account: Account, plan: Plan) -> None:
        """Raise ``Refusal`` when margin and fee are not available; exits always are."""
        if request.reduces or request.kind in ALGO_KINDS:
            return
        self._check(
            self.holding(account.name, request.position_side), request.side, account, plan.units
        )

    def _check(self, holding: Holding, side: Side, account: Account, units: int) -> None:
        buys = side is Side.BUY
        more = holding.margin(units if buys else 0, 0 if buys else units) - holding.margin()
        if more <= 0:
            return
        fee = self._unit * units * self._spec.taker_fee
        if account.spendable(self._spec.settle) < more + fee:
            raise Refusal(Why.INSUFFICIENT_BALANCE, self._spec.settle)

    def reserve(self, order: Order, plan: Plan) -> None:
        """Keep margin for what may open a position; a waiting order asks for none."""
        waits = order.kind in ALGO_KINDS and not order.triggered
        if not order.reduces and not waits:
            self._positions.hold(self._of(order), order, plan.units)

    def rearrange(self, order: Order, plan: Plan) -> None:
        """Keep margin for the changed order. Raise ``Refusal``."""
        if order.reduces or (order.kind in ALGO_KINDS and not order.triggered):
            return
        holding, before = self._of(order), self._positions.held_units(order)
        self._positions.hold(holding, order, 0)
        try:
            self._check(holding, order.side, self._account(order), plan.units)
        except Refusal:
            self._positions.hold(holding, order, before)
            raise
        self._positions.hold(holding, order, plan.units)

    def release(self, order: Order) -> None:
        """Stop keeping margin."""
        if self._positions.held_units(order):
            self._positions.hold(self._of(order), order, 0)

    def fund(self, order: Order, book: Liquidity, taker: Taker) -> int:
        """Check the margin of an order that just fired. Raise ``Refusal``."""
        if order.kind in MARKET_KINDS:
            units = quote_lots(book, taker).cost
        else:
            units = order.price_ticks * order.lots
        self.rearrange(order, Plan(order.lots, units))
        return order.lots

    def fill(self, order: Order, ticks: int, lots: int, now_ns: int, *, is_maker: bool) -> Settled:
        """Change the position; settle what it closed, and the fee."""
        spec, holding, account = self._spec, self._of(order), self._account(order)
        held = self._positions.held_units(order)
        if held:
            left = order.lots - order.filled_lots
            self._positions.hold(holding, order, held - held * lots // left)
        realised, closed = holding.trade(order.side, ticks, lots, now_ns)
        rate = spec.maker_fee if is_maker else spec.taker_fee
        fee = (self._unit * (ticks * lots) * rate).quantize(FEE_STEP)
        self._treasury.transfer(account, spec.settle, realised)
        self._treasury.charge(account, spec.settle, fee)
        self._positions.touch(holding, Cause.TRADE)
        return Settled(fee, spec.settle, realised, closed)

    def _of(self, order: Order) -> Holding:
        return self.holding(order.account, order.position_side)

    def _account(self, order: Order) -> Account:
        return self._treasury.account(order.account)
