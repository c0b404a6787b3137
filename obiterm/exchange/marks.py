"""Mark price, index and funding of one perpetual.

The mark is the index moved by the smoothed distance at which the perpetual trades
from it, so that one print cannot liquidate anybody. The funding rate of an interval
is its average premium pulled towards the interest rate, as the venues do it:
``premium + clamp(interest - premium, -0.05 %, +0.05 %)``, bounded by the cap.
"""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.values import NS_PER_S
from obiterm.exchange.contracts import FundingRate, MarkPrice
from obiterm.exchange.words import MarketSpec

MARK_STEP_NS = NS_PER_S // 5
"""Time between two marks."""

_SMOOTHING_S = 10.0
_MOST_BASIS = 0.005
"""Most that the mark may stand away from the index, as a fraction."""
_INTEREST_8H = 1e-4
_INTEREST_SPAN_S = 8 * 3600
_PULL = 5e-4
_RATE_STEP = Decimal("0.00000001")
_PAST_RATES = 60


class MarkModel:
    """The mark of one market, moved by ``step``."""

    def __init__(self, spec: MarketSpec, index: Decimal, start_ns: int) -> None:
        self.spec = spec
        self._step = spec.tick_size / 100
        self.index = self.mark = self.round(index)
        self._basis = 0.0
        self._premiums = 0.0
        self._samples = 0
        self._last_ns = start_ns
        self._interval_ns = spec.funding_interval_s * NS_PER_S
        self.next_funding_ns = start_ns - start_ns % self._interval_ns + self._interval_ns
        self.pinned: Decimal | None = None
        """A mark that a test asked for; it stands until it is taken away."""
        self.rates: list[FundingRate] = []
        """Rates of past intervals, oldest first."""
        self.open_at(index)

    def open_at(self, index: Decimal) -> None:
        """Set the first index, and a past in which nothing but interest was paid."""
        self.index = self.mark = self.round(index)
        first_ns = self.next_funding_ns - _PAST_RATES * self._interval_ns
        self.rates = [
            FundingRate(self.spec.symbol, self.rate, self.mark, first_ns + n * self._interval_ns)
            for n in range(_PAST_RATES)
        ]

    @property
    def rate(self) -> Decimal:
        """The estimate for the running interval."""
        interest = _INTEREST_8H * self.spec.funding_interval_s / _INTEREST_SPAN_S
        premium = self._premiums / self._samples if self._samples else interest
        rate = premium + max(-_PULL, min(_PULL, interest - premium))
        cap = self.spec.funding_cap
        return max(-cap, min(cap, Decimal(rate).quantize(_RATE_STEP)))

    def step(self, now_ns: int, index: Decimal, middle: Decimal) -> bool:
        """Take in the index and the middle of the book; tell whether the mark moved."""
        before = self.mark
        dt_s = max(0, now_ns - self._last_ns) / NS_PER_S
        self._last_ns = max(self._last_ns, now_ns)
        premium = float(middle / index) - 1.0 if middle and index else 0.0
        premium = max(-_MOST_BASIS, min(_MOST_BASIS, premium))
        self._basis += (premium - self._basis) * min(1.0, dt_s / _SMOOTHING_S)
        self._premiums += premium
        self._samples += 1
        self.index = self.round(index)
        self.mark = self.round(index + index * Decimal(self._basis))
        if self.pinned is not None:
            self.mark = self.pinned
        return self.mark != before

    def round(self, price: Decimal) -> Decimal:
        """Cut a price to a hundredth of the tick."""
        return price.quantize(self._step)

    def pin(self, price: Decimal | None) -> None:
        """Hold the mark at ``price``, or let it go."""
        self.pinned = price
        if price is not None:
            self.mark = price

    def end_interval(self, now_ns: int) -> FundingRate | None:
        """Close the interval that ended by ``now_ns`` and return its rate, if one did."""
        if now_ns < self.next_funding_ns:
            return None
        closed = FundingRate(self.spec.symbol, self.rate, self.mark, self.next_funding_ns)
        self.rates.append(closed)
        self.next_funding_ns += self._interval_ns
        self._premiums, self._samples = 0.0, 0
        return closed

    def told(self, now_ns: int) -> MarkPrice:
        """Return what the public learns."""
        return MarkPrice(
            self.spec.symbol, self.mark, self.index, self.rate, self.next_funding_ns, now_ns
        )
