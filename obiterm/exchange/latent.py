"""The price that all simulated venues share, as a function of seed, asset and wall time.

Time is cut into chapters of ten minutes on a grid from the Unix epoch. A chapter is
made whole, in steps of a tenth of a second, from a generator of its own, and then
bent so that it meets its neighbours (a bridge). So two processes agree about any
moment whenever they were started, and nothing has to be passed between them.

Inside a chapter regimes follow each other: quiet, or a trend of some seconds.
Pressure (what books show as imbalance) builds up about a second before the price
drifts, and some trends only pretend, so that imbalance predicts the move mildly.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from math import exp, pi, sin
from random import Random

from obiterm.core.values import NS_PER_S

CHAPTER_S = 600
STEPS_PER_S = 10
_STEPS = CHAPTER_S * STEPS_PER_S
_STEP_NS = NS_PER_S // STEPS_PER_S
_CHAPTER_NS = CHAPTER_S * NS_PER_S

_QUIET_S = (0.3, 1.2)
_TREND_S = (2.2, 5.0)
_DRIFT = (4e-5, 9e-5)
"""Trend speed, fraction of the price per second."""
_NOISE = 2.6e-5
"""Standard deviation of the price over one second, as a fraction."""
_LEAD_S = 0.9
_PRESSURE_TIME_S = 0.5
_PRETENCE = 0.15
"""Share of trends whose drift goes against the pressure."""
_RANGE = 0.01
"""Fraction around a chapter's start beyond which trends turn back."""
_TURN = 0.3
"""How much likelier than not a trend goes the other way than the one before."""
_BURST_PER_S = 0.12
_BURST_S = (0.2, 0.6)
_ANCHOR = 0.0025
"""Standard deviation of a chapter's first price around the asset's own, as a fraction."""
_MOST_ANCHOR = 0.01
_BASIS = ((3e-4, 5 * 3600), (3e-4, 2820), (1e-4, 430))
"""Swings of a perpetual around its index: size as a fraction, period in seconds."""


class Chapter:
    """Ten minutes of one asset; grid points from its first moment to its last."""

    __slots__ = ("bursting", "logs", "pressures")

    def __init__(self) -> None:
        self.logs = array("d", bytes(8 * (_STEPS + 1)))
        """Logarithm of price / the asset's own price."""
        self.pressures = array("d", bytes(8 * (_STEPS + 1)))
        self.bursting = bytearray(_STEPS + 1)


class _Regimes:
    """What drives the steps of one chapter."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.target = 0.0
        self._drift = 0.0
        self._drift_from = 0
        self._until = 0
        self._trending = True
        self._last_sign = 0.0

    def drift(self, step: int, log: float) -> float:
        """Return the drift per second at a step; begins the next regime when it is time."""
        if step >= self._until:
            self._next(step, log)
        return self._drift if step >= self._drift_from else 0.0

    def _next(self, step: int, log: float) -> None:
        rng = self._rng
        self._trending = not self._trending
        if not self._trending:
            self.target, self._drift = rng.uniform(-0.2, 0.2), 0.0
            self._until = step + _steps(rng.uniform(*_QUIET_S))
            return
        chance = 0.5 - 0.5 * log / _RANGE - 0.5 * _TURN * self._last_sign
        sign = 1.0 if rng.random() < min(1.0, max(0.0, chance)) else -1.0
        self._last_sign = sign
        self.target = sign * rng.uniform(0.65, 1.0)
        pretends = rng.random() < _PRETENCE
        self._drift = sign * rng.uniform(*_DRIFT) * (-0.5 if pretends else 1.0)
        self._drift_from = step + _steps(_LEAD_S)
        self._until = step + _steps(rng.uniform(*_TREND_S))


def _steps(span_s: float) -> int:
    return max(1, round(span_s * STEPS_PER_S))


@lru_cache(maxsize=48)
def _chapter(seed: str, asset: str, number: int) -> Chapter:
    rng = Random(f"{seed}/{asset}/{number}")  # noqa: S311 - a market model
    chapter, regimes = Chapter(), _Regimes(rng)
    dt_s = 1.0 / STEPS_PER_S
    shock, follow = _NOISE * dt_s**0.5, dt_s / _PRESSURE_TIME_S
    log = pressure = 0.0
    burst_until = 0
    for step in range(_STEPS + 1):
        chapter.logs[step] = log
        chapter.pressures[step] = pressure
        if rng.random() < _BURST_PER_S * dt_s:
            burst_until = step + _steps(rng.uniform(*_BURST_S))
        chapter.bursting[step] = step < burst_until
        log += regimes.drift(step, log) * dt_s + rng.gauss(0.0, shock)
        pressure += (regimes.target - pressure) * follow
    first, last = _anchor(seed, asset, number), _anchor(seed, asset, number + 1)
    slope = (last - first - chapter.logs[_STEPS]) / _STEPS
    for step in range(_STEPS + 1):
        chapter.logs[step] += first + slope * step
    return chapter


def _anchor(seed: str, asset: str, number: int) -> float:
    rng = Random(f"{seed}/{asset}/anchor/{number}")  # noqa: S311 - a market model
    return max(-_MOST_ANCHOR, min(_MOST_ANCHOR, rng.gauss(0.0, _ANCHOR)))


class LatentPath:
    """The path of one asset. Times are Unix nanoseconds."""

    def __init__(self, seed: int, asset: str) -> None:
        self._seed = str(seed)
        self._asset = asset
        rng = Random(f"{seed}/{asset}/basis")  # noqa: S311 - a market model
        self._phases = [rng.uniform(0.0, 2 * pi) for _ in _BASIS]

    def factor(self, time_ns: int) -> float:
        """Return price / the asset's own price; linear between grid points."""
        chapter, step, part = self._at(time_ns)
        logs = chapter.logs
        return exp(logs[step] + (logs[step + 1] - logs[step]) * part)

    def pressure(self, time_ns: int) -> float:
        """Return -1 (sellers) … +1 (buyers)."""
        chapter, step, part = self._at(time_ns)
        pressures = chapter.pressures
        return pressures[step] + (pressures[step + 1] - pressures[step]) * part

    def bursting(self, time_ns: int) -> bool:
        """Tell whether orders come in a burst."""
        chapter, step, _ = self._at(time_ns)
        return bool(chapter.bursting[step])

    def basis(self, time_ns: int) -> float:
        """Return how far perpetuals trade above the index, as a fraction."""
        seconds = time_ns / NS_PER_S
        return sum(
            size * sin(2 * pi * (seconds % period) / period + phase)
            for (size, period), phase in zip(_BASIS, self._phases, strict=True)
        )

    def _at(self, time_ns: int) -> tuple[Chapter, int, float]:
        number, rest_ns = divmod(time_ns, _CHAPTER_NS)
        step, part_ns = divmod(rest_ns, _STEP_NS)
        return _chapter(self._seed, self._asset, number), step, part_ns / _STEP_NS
