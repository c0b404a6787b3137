"""Funding payments, booked apart from fills and fees (T35)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from obiterm.core.events import FundingPaid
from obiterm.core.instruments import Instrument
from obiterm.core.values import Symbol

_ZERO = Decimal(0)


class FundingBook:
    """What an account has received (> 0) and paid (< 0), each payment once.

    Attributes:
        by_symbol: sums in the money of each market (its settle asset).
        total: the sum of them.
        other: sums in assets that are not a market's money, by asset; without a price here
            they are in no result.
    """

    def __init__(self, instruments: Mapping[Symbol, Instrument]) -> None:
        self.by_symbol: dict[Symbol, Decimal] = {}
        self.total = _ZERO
        self.other: dict[str, Decimal] = {}
        self._instruments = instruments
        self._known: set[str] = set()

    def book(self, event: FundingPaid) -> Decimal | None:
        """Book a payment; return what it adds to the result, ``None`` when it was known."""
        if event.payment_id in self._known:
            return None
        self._known.add(event.payment_id)
        instrument = self._instruments.get(event.symbol)
        if instrument is None or event.asset != instrument.money:
            self.other[event.asset] = self.other.get(event.asset, _ZERO) + event.amount
            return _ZERO
        self.by_symbol[event.symbol] = self.by_symbol.get(event.symbol, _ZERO) + event.amount
        self.total += event.amount
        return event.amount
