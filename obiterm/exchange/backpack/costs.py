"""What each position has cost beside its price: fees and funding since it was opened."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Fill, FundingPayment, OrderUpdate, Output, PositionUpdate

_ZERO = Decimal(0)


class Cost:
    """Running sums of one position. Mutable."""

    __slots__ = ("fees", "funding", "lots")

    def __init__(self) -> None:
        self.lots = 0
        """Signed size as far as the fills told it."""
        self.fees = self.funding = _ZERO

    def add(self, fill: Fill) -> None:
        """Take a fill; one that leaves flat or turns through zero begins a new position."""
        before = self.lots
        self.lots += fill.lots * fill.side.sign
        if self.lots and before * self.lots <= 0:
            self.fees, self.funding = fill.fee, _ZERO
        else:
            self.fees += fill.fee


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
                self.of(output.fill.account, output.fill.symbol).add(output.fill)
            elif isinstance(output, FundingPayment):
                self.of(output.account, output.symbol).funding += output.amount
            elif isinstance(output, PositionUpdate):
                position = output.position
                self.of(position.account, position.symbol).lots = position.lots
