"""Trends and bursts that drive the order flow: a fair price and a pressure.

Regimes follow each other: quiet, or a trend of some seconds. Pressure (what the
book shows as imbalance) builds up about a second before the fair price drifts,
and some regimes only pretend, so that imbalance predicts the move mildly.
"""

from __future__ import annotations

from random import Random

from obiterm.core.values import NS_PER_S

_QUIET_S = (0.4, 1.6)
_TREND_S = (2.5, 6.5)
_DRIFT = (2.5e-5, 8e-5)
"""Trend speed, fraction of the price per second."""
_NOISE = 3e-5
"""Standard deviation of the fair price over one second, as a fraction."""
_LEAD_S = 0.9
_PRESSURE_TIME_S = 0.5
_PRETENCE = 0.15
"""Share of trends whose drift goes against the pressure."""
_RANGE = 0.01
"""Fraction around the opening price beyond which trends turn back."""
_TURN = 0.3
"""How much likelier than not a trend goes the other way than the one before."""
_BURST_PER_S = 0.12
_BURST_S = (0.2, 0.6)
_BURST_RATE = 5.0


class Weather:
    """The state that house traders share."""

    def __init__(self, rng: Random, opening_ticks: int, start_ns: int) -> None:
        self._rng = rng
        self._opening = float(opening_ticks)
        self.fair = float(opening_ticks)
        """Price, in ticks, around which the house quotes."""
        self.pressure = 0.0
        """-1 (sellers) … +1 (buyers)."""
        self._target = 0.0
        self._drift = 0.0
        self._drift_from_ns = start_ns
        self._until_ns = start_ns
        self._burst_until_ns = start_ns
        self._last_ns = start_ns
        self._trending = True
        self._last_sign = 0.0

    def advance(self, now_ns: int) -> None:
        """Move fair price and pressure up to ``now_ns``."""
        dt_s = (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        if now_ns >= self._until_ns:
            self._next_regime(now_ns)
        self.pressure += (self._target - self.pressure) * min(1.0, dt_s / _PRESSURE_TIME_S)
        drift = self._drift if now_ns >= self._drift_from_ns else 0.0
        shock = self._rng.gauss(0.0, _NOISE) * dt_s**0.5
        self.fair = max(2.0, self.fair * (1.0 + drift * dt_s + shock))
        if self._rng.random() < _BURST_PER_S * dt_s:
            self._burst_until_ns = now_ns + self._span_ns(_BURST_S)

    def rate(self, now_ns: int) -> float:
        """Return the factor on the event rate: more in bursts and in trends."""
        return (_BURST_RATE if now_ns < self._burst_until_ns else 1.0) + abs(self.pressure)

    def _next_regime(self, now_ns: int) -> None:
        rng = self._rng
        self._trending = not self._trending
        if not self._trending:
            self._target, self._drift = rng.uniform(-0.2, 0.2), 0.0
            self._until_ns = now_ns + self._span_ns(_QUIET_S)
            return
        away = (self.fair - self._opening) / (self._opening * _RANGE)
        chance = 0.5 - 0.5 * away - 0.5 * _TURN * self._last_sign
        sign = 1.0 if rng.random() < min(1.0, max(0.0, chance)) else -1.0
        self._last_sign = sign
        self._target = sign * rng.uniform(0.6, 1.0)
        pretends = rng.random() < _PRETENCE
        self._drift = sign * rng.uniform(*_DRIFT) * (-0.5 if pretends else 1.0)
        self._drift_from_ns = now_ns + int(_LEAD_S * NS_PER_S)
        self._until_ns = now_ns + self._span_ns(_TREND_S)

    def _span_ns(self, bounds_s: tuple[float, float]) -> int:
        return int(self._rng.uniform(*bounds_s) * NS_PER_S)
