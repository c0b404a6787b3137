"""What drives the order flow of one market: a fair price and a pressure.

Both follow the path that all venues share (``latent``), later or earlier by the
venue's lag, with a little noise of the market's own, so that venues differ by some
ticks and lead or trail each other, and arbitrage never opens wide.
"""

from __future__ import annotations

from random import Random

import msgspec

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.exchange.latent import LatentPath

_NOISE = 1.2e-5
"""Standard deviation of the market's own deviation, as a fraction of the price."""
_NOISE_TIME_S = 1.5
_BURST_RATE = 5.0


class Climate(msgspec.Struct, frozen=True):
    """Where a market stands in the shared weather."""

    path: LatentPath
    lag_ms: int = 0
    """How far it trails the path."""
    has_basis: bool = False
    """A perpetual trades off its index."""

    def factor(self, time_ns: int) -> float:
        """Return what the market is worth at a time, without its own noise."""
        factor = self.path.factor(time_ns - self.lag_ms * NS_PER_MS)
        return factor * (1.0 + self.path.basis(time_ns)) if self.has_basis else factor


class Weather:
    """The state that house traders share."""

    def __init__(self, rng: Random, climate: Climate, own_ticks: float, start_ns: int) -> None:
        self._rng = rng
        self._climate = climate
        self._own_ticks = own_ticks
        self._noise = 0.0
        self._last_ns = start_ns
        self.fair = self.fair_at(start_ns)
        """Price, in ticks, around which the house quotes."""
        self.pressure = 0.0
        """-1 (sellers) … +1 (buyers)."""

    def fair_at(self, time_ns: int) -> float:
        """Return the price in ticks at any time, without the market's own noise."""
        return self._own_ticks * self._climate.factor(time_ns)

    def advance(self, now_ns: int) -> None:
        """Move fair price and pressure up to ``now_ns``."""
        dt_s = (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        share = min(1.0, dt_s / _NOISE_TIME_S)
        shock = self._rng.gauss(0.0, _NOISE * (2.0 * share) ** 0.5)
        self._noise += shock - self._noise * share
        self.fair = max(2.0, self.fair_at(now_ns) * (1.0 + self._noise))
        self.pressure = self._climate.path.pressure(now_ns - self._climate.lag_ms * NS_PER_MS)

    def rate(self, now_ns: int) -> float:
        """Return the factor on the event rate: more in bursts and in trends."""
        bursting = self._climate.path.bursting(now_ns)
        return (_BURST_RATE if bursting else 1.0) + abs(self.pressure)
