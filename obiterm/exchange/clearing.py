"""Marks, funding and liquidation: what the house does to positions as time goes by."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.amending import AmendingDesk
from obiterm.exchange.api import (
    Cause,
    FundingPayment,
    FundingRate,
    Kind,
    NewOrder,
    Origin,
    Status,
    Stp,
)
from obiterm.exchange.desk import Market
from obiterm.exchange.marks import MARK_STEP_NS
from obiterm.exchange.matching import HOUSE, MARKET_PRICE, Match, Resting, Sweep, Taker
from obiterm.exchange.positions import Holding
from obiterm.exchange.settlement import FEE_STEP

LIQUIDATION_PREFIX = "autoclose-"
"""Client ids of orders by which the house closes positions (binance.md §11.3)."""


class ClearingDesk(AmendingDesk):
    """A desk that keeps marks, pays funding and closes what cannot be carried."""

    def __init__(self, first_order_id: int, first_trade_id: int) -> None:
        super().__init__(first_order_id, first_trade_id)
        self._next_payment_id = 1

    @abstractmethod
    def _index(self, market: Market, now_ns: int) -> Decimal:
        """Return what the base of a market is worth beyond this venue."""

    @property
    def _has_perpetuals(self) -> bool:
        return any(market.marks is not None for market in self._markets.values())

    @staticmethod
    def _next_mark_ns(now_ns: int) -> int:
        return now_ns - now_ns % MARK_STEP_NS + MARK_STEP_NS

    def _tick_marks(self, now_ns: int) -> None:
        """Move every mark, pay funding that is due, close accounts that fell short."""
        for market in self._markets.values():
            if market.marks is None:
                continue
            while (rate := market.marks.end_interval(now_ns)) is not None:
                self._pay_funding(market, rate, now_ns)
            if market.marks.step(now_ns, self._index(market, now_ns), market.middle()):
                self._outputs.append(market.marks.told(now_ns))
            self._conclude(market, now_ns)
        for account in self.book_of_positions.carriers():
            self._liquidate_if_short(account, now_ns)

    # -- funding ----------------------------------------------------------------

    def _pay_funding(self, market: Market, rate: FundingRate, now_ns: int) -> None:
        """Longs pay shorts when the rate is positive: notional at mark x rate."""
        settle = market.spec.settle
        for account in self.book_of_positions.carriers():
            for holding in self.book_of_positions.all_of(account):
                if holding.spec.symbol != market.spec.symbol or not holding.lots:
                    continue
                value = market.spec.lot_size * holding.lots * rate.mark
                amount = (-value * rate.rate).quantize(FEE_STEP)
                held = self.treasury.account(account)
                self.treasury.transfer(held, settle, amount, Cause.FUNDING)
                payment = FundingPayment(
                    payment_id=self._next_payment_id,
                    account=account,
                    symbol=market.spec.symbol,
                    side=holding.side,
                    lots=holding.lots,
                    rate=rate.rate,
                    mark=rate.mark,
                    amount=amount,
                    asset=settle,
                    time_ns=rate.time_ns,
                )
                self._next_payment_id += 1
                self._payments.setdefault(account, []).append(payment)
                self._outputs.append(payment)
                self.book_of_positions.touch(holding, Cause.FUNDING)
        self._flush_balances(now_ns)

    # -- liquidation ------------------------------------------------------------

    def _liquidate_if_short(self, account: str, now_ns: int) -> None:
        """Close all positions of a settle asset whose equity is below the maintenance margin."""
        holdings = [one for one in self.book_of_positions.all_of(account) if one.lots]
        for asset in dict.fromkeys(one.spec.settle for one in holdings):
            state = self.collateral(account, asset)
            if state.equity >= state.maintenance_margin:
                continue
            self._end_orders(account, asset, now_ns)
            for holding in holdings:
                if holding.spec.settle == asset:
                    self._close_out(holding, now_ns)
            self._cover_debt(account, asset, now_ns)

    def _end_orders(self, account: str, asset: str, now_ns: int) -> None:
        """Cancel what binds the asset: orders of its perpetuals, spot orders that lock it."""
        for order in self._orders.open_of(account):
            market = self._market(order.symbol)
            spec = market.spec
            if asset in (spec.settle, spec.quote) and self._orders.is_open(order):
                order.expiry_reason = Origin.LIQUIDATION.value
                self._end(market, order, Status.CANCELED, now_ns)
                self._conclude(market, now_ns)

    def _close_out(self, holding: Holding, now_ns: int) -> None:
        """Sell a position into the book; the house takes over at mark what finds nobody."""
        market = self._market(holding.spec.symbol)
        side = Side.SELL if holding.lots > 0 else Side.BUY
        lots, mark = abs(holding.lots), holding.marks.mark
        request = NewOrder(
            symbol=market.spec.symbol,
            side=side,
            kind=Kind.MARKET,
            client_id=f"{LIQUIDATION_PREFIX}{self._next_order_id}",
            lots=lots,
            stp=Stp.NONE,
            reduce_only=True,
            position_side=holding.side,
        )
        order = self._accept(holding.account, request, lots, now_ns)
        order.origin = Origin.LIQUIDATION
        self._report(order, "NEW")
        owner = self.treasury.account(holding.account).owner
        taker = Taker(order.order_id, owner, side, MARKET_PRICE, lots, Stp.NONE)
        self._apply(market, taker, order, Sweep(market.book, taker), now_ns)
        left = order.lots - order.filled_lots
        if left:
            ticks = max(1, round(mark / market.spec.tick_size))
            house = Resting(self._take_order_id(), HOUSE, side.opposite, ticks, left)
            self._fill(
                market, order, Match(house, left), self._take_trade_id(), now_ns, is_maker=False
            )
        held = self.treasury.account(holding.account)
        fee = market.spec.lot_size * lots * mark * market.spec.liquidation_fee
        self.treasury.charge(held, market.spec.settle, fee.quantize(FEE_STEP))
        held.cause = Cause.LIQUIDATION
        self.book_of_positions.touch(holding, Cause.LIQUIDATION)
        self._conclude(market, now_ns)

    def _cover_debt(self, account: str, asset: str, now_ns: int) -> None:
        """Let the house pay what the account still owes."""
        held = self.treasury.account(account)
        debt = -held.free_of(asset)
        if debt > ZERO:
            self.treasury.transfer(held, asset, debt, Cause.INSURANCE)
            self._flush_balances(now_ns)
