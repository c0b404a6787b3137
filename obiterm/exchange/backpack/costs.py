"""What each position has cost beside its price: fees and funding since it was opened."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import FundingPayment, OrderUpdate, Output, PositionUpdate

_ZERO = Decimal(0)


class Cost:
    """Running sums of one position. Mutable."""

    __slots__ = ("fees", "funding", "last_fee", "opened_ns")

    def __init__(self) -> None:
        self.opened_ns = 0
        self.fees = self.funding = self.last_fee = _ZERO


class Costs:
    """The sums of all positions; a sink of the office that must hear the market first."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Cost] = {}

    def of(self, account: str, symbol: str) -> Cost:
        """Return the sums of a position, those of the last one while it is flat."""
        return self._of.setdefault((account, symbol), Cost())

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Add up fees and funding."""
        for output in outputs:
            if isinstance(output, OrderUpdate) and output.fill is not None:
                cost = self.of(output.fill.account, output.fill.symbol)
                cost.last_fee = output.fill.fee
                cost.fees += output.fill.fee
            elif isinstance(output, FundingPayment):
                self.of(output.account, output.symbol).funding += output.amount
            elif isinstance(output, PositionUpdate):
                position = output.position
                cost = self.of(position.account, position.symbol)
                if position.opened_ns != cost.opened_ns:
                    # The fill that opened it is the last one that was told.
                    cost.opened_ns = position.opened_ns
                    cost.fees, cost.funding = cost.last_fee, _ZERO
