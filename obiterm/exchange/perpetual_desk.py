"""The questions and settings of perpetual futures: positions, leverage, marks, funding."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import (
    Cause,
    FundingPayment,
    FundingRate,
    MarkPrice,
    Position,
    PositionSide,
    Refusal,
    Why,
)
from obiterm.exchange.desk import Desk, Market
from obiterm.exchange.marks import MarkModel
from obiterm.exchange.positions import Holding


class PerpetualDesk(Desk):
    """A desk that keeps positions."""

    def __init__(self, first_order_id: int, first_trade_id: int) -> None:
        super().__init__(first_order_id, first_trade_id)
        self._now_ns = 0
        self._payments: dict[str, list[FundingPayment]] = {}

    # -- positions --------------------------------------------------------------

    def positions(self, account: str, symbol: str | None = None) -> list[Position]:
        """Return every position the account ever opened, flat ones too, at the present mark."""
        return [
            self._show(holding)
            for holding in self.book_of_positions.all_of(account)
            if symbol is None or holding.spec.symbol == symbol
        ]

    def position(
        self, account: str, symbol: str, side: PositionSide = PositionSide.BOTH
    ) -> Position:
        """Return one position, flat when there is none. Raise ``Refusal`` for a spot market."""
        return self._show(self._holding(account, self._market(symbol), side))

    def _show(self, holding: Holding) -> Position:
        return holding.show(self.collateral(holding.account, holding.spec.settle))

    def _holding(self, account: str, market: Market, side: PositionSide) -> Holding:
        return self.book_of_positions.of(account, _marks(market), side)

    # -- settings ---------------------------------------------------------------

    def leverage(self, account: str, symbol: str) -> Decimal:
        """Return the leverage of a market."""
        return self.book_of_positions.leverage(account, self._market(symbol).spec)

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, now_ns: int) -> None:
        """Change the leverage of a market.

        Raise ``Refusal``: ``LEVERAGE`` out of range, ``INSUFFICIENT_BALANCE`` when the
        higher margin is not there.
        """
        market = self._market(symbol)
        spec, book = _marks(market).spec, self.book_of_positions
        if not 1 <= leverage <= spec.max_leverage:
            raise Refusal(Why.LEVERAGE, str(spec.max_leverage))
        before = book.leverage(account, spec)
        book.set_leverage(account, spec, leverage)
        held = self.treasury.account(account)
        if leverage < before and held.free_of(spec.settle) < held.reserved(spec.settle):
            book.set_leverage(account, spec, before)
            raise Refusal(Why.INSUFFICIENT_BALANCE, spec.settle)
        for holding in book.all_of(account):
            if holding.spec.symbol == symbol:
                book.touch(holding, Cause.SETTINGS)
        self._flush_balances(now_ns)

    def hedge_mode(self, account: str) -> bool:
        """Tell whether the account keeps a long and a short leg beside each other."""
        return account in self.book_of_positions.hedged

    def set_hedge_mode(self, account: str, *, hedged: bool) -> None:
        """Change the position mode. Raise ``Refusal`` (``POSITION_MODE``) unless all is flat."""
        hedgers = self.book_of_positions.hedged
        if hedged == (account in hedgers):
            return
        orders = self._orders.open_of(account)
        busy = any(self.markets[order.symbol].is_perpetual for order in orders)
        if busy or any(held.lots for held in self.book_of_positions.all_of(account)):
            raise Refusal(Why.POSITION_MODE)
        if hedged:
            hedgers.add(account)
        else:
            hedgers.discard(account)

    # -- marks and funding ------------------------------------------------------

    def mark(self, symbol: str) -> MarkPrice:
        """Return mark, index and funding now. Raise ``Refusal`` for a spot market."""
        return _marks(self._market(symbol)).told(self._now_ns)

    def pin_mark(self, symbol: str, price: Decimal | None) -> None:
        """Hold the mark of a market at ``price`` from the next step on, or let it go."""
        _marks(self._market(symbol)).pinned = price

    def index(self, symbol: str) -> Decimal:
        """Return what the base is worth beyond this venue, in quote."""
        market = self._market(symbol)
        return market.middle() if market.marks is None else market.marks.index

    def funding_rates(self, symbol: str) -> list[FundingRate]:
        """Return the rates of past intervals, oldest first."""
        return list(_marks(self._market(symbol)).rates)

    def funding_payments(self, account: str, symbol: str | None = None) -> list[FundingPayment]:
        """Return funding received and paid, oldest first."""
        payments = self._payments.get(account, [])
        return [one for one in payments if symbol is None or one.symbol == symbol]


def _marks(market: Market) -> MarkModel:
    if market.marks is None:
        raise Refusal(Why.NOT_SUPPORTED, market.spec.symbol)
    return market.marks
