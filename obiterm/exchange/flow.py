"""Seeded order flow of the house: depth, arrivals, cancels, takers, walls, spoofers.

The flow trades through a ``House`` port as everybody else does; it owns no
account and is never limited by funds. Same seed, same market: the model reads
no clock and draws every number from its own generator.
"""

from __future__ import annotations

from random import Random
from typing import Protocol

from obiterm.core.values import NS_PER_S, Side
from obiterm.exchange.api import MarketSpec
from obiterm.exchange.matching import HOUSE, FifoBook
from obiterm.exchange.spoof import Spoofer
from obiterm.exchange.weather import Weather

DEPTH_LEVELS = 1_200
"""Levels a side that the book opens with and is kept near."""

_EVENTS_PER_S = 28.0
_GRAIN = 4e-6
"""Distance scale between neighbouring levels at the touch, as a fraction of the price."""
_ORDER_QUOTE = 2_500.0
"""Median quote value of a resting order."""
_TAKE_QUOTE = 2_200.0
"""Median quote value of a market order."""
_SIZE_SIGMA = 1.15
_WALL_SHARE = 0.012
_SKEW = 0.75
"""How strongly pressure scales sizes: bids by e^(skew p), asks by e^(-skew p)."""
_NEAR = 20
"""Levels at the touch whose sizes show the pressure."""
_NEAR_SPAN = (7.0, 28.0)
"""Least and most distance, in grains, that they should cover."""
_SIDES = (Side.BUY, Side.SELL)


class House(Protocol):
    """What the flow may do in a market."""

    book: FifoBook

    def add(self, side: Side, ticks: int, lots: int) -> int:
        """Rest an order that does not cross; return its id."""
        ...

    def cancel(self, order_id: int) -> None:
        """Take a house order out, if it is still there."""
        ...

    def take(self, side: Side, limit_ticks: int, lots: int) -> None:
        """Trade up to ``lots`` no worse than ``limit_ticks``; the rest vanishes."""
        ...


class FlowModel:
    """Order flow of one market."""

    def __init__(
        self, house: House, spec: MarketSpec, weather: Weather, rng: Random, *, start_ns: int
    ) -> None:
        self._house = house
        self._book = house.book
        self._rng = rng
        self.weather = weather
        opening_ticks = round(weather.fair)
        self._grain = max(1.0, opening_ticks * _GRAIN)
        self._lot_quote = float(spec.tick_size * spec.lot_size) * opening_ticks
        self._max_lots = spec.max_lots
        self._fill_book(opening_ticks)
        typical_lots = max(1, round(_ORDER_QUOTE / self._lot_quote))
        self.spoofer = Spoofer(house, self._rng, spec.symbol, typical_lots, start_ns)
        self.next_ns = start_ns
        """When the house acts next."""
        self._schedule(start_ns)

    def step(self) -> None:
        """Act once at ``next_ns`` and plan the next time."""
        now_ns = self.next_ns
        self.weather.advance(now_ns)
        self.spoofer.step(now_ns)
        if not self._align():
            self._act()
        self._tighten()
        self._lean()
        self._keep_density()
        self._keep_depth()
        self._schedule(now_ns)

    def _schedule(self, now_ns: int) -> None:
        rate = _EVENTS_PER_S * self.weather.rate(now_ns)
        self.next_ns = now_ns + 1 + int(self._rng.expovariate(rate) * NS_PER_S)

    # -- sizes ------------------------------------------------------------------

    def _resting_lots(self, side: Side, depth: float = 0.0) -> int:
        """Draw a size: heavy-tailed, larger away from the touch, skewed by the pressure."""
        rng = self._rng
        quote = _ORDER_QUOTE * rng.lognormvariate(0.0, _SIZE_SIGMA) * (1.0 + depth)
        if rng.random() < _WALL_SHARE * depth:
            quote *= rng.uniform(10.0, 40.0)
        skew = self.weather.pressure * _SKEW * side.sign
        return self._lots(quote * 2.718281828**skew)

    def _lots(self, quote: float) -> int:
        return min(self._max_lots, max(1, round(quote / self._lot_quote)))

    # -- opening ----------------------------------------------------------------

    def _fill_book(self, opening_ticks: int) -> None:
        for side in _SIDES:
            ticks = float(opening_ticks)
            for index in range(DEPTH_LEVELS):
                gap = self._grain * (0.5 + index / 40)
                ticks -= side.sign * (1.0 + (self._rng.expovariate(1.0 / gap) if index else 0.0))
                if ticks < 1.0:
                    break
                for _ in range(1 + int(self._rng.expovariate(1.0 / 0.7))):
                    depth = min(1.0, index / 300)
                    self._rest(side, round(ticks), self._resting_lots(side, depth))

    # -- actions ----------------------------------------------------------------

    def _align(self) -> bool:
        """Move the touch towards the fair price: take what is beyond it, or step back."""
        fair = round(self.weather.fair)
        bid, ask = self._touch()
        if ask and fair > ask:
            self._move(Side.BUY, fair)
        elif bid and fair < bid:
            self._move(Side.SELL, fair)
        else:
            return False
        return True

    def _move(self, side: Side, fair: int) -> None:
        best, lots = self._book.best(side.opposite)
        if self._rng.random() < 0.5 and self._pull(side.opposite, best):
            return
        wanted = round(lots * self._rng.uniform(0.7, 3.0))
        self._house.take(side, fair, max(1, min(wanted, self._max_lots)))

    def _act(self) -> None:
        rng, pressure = self._rng, self.weather.pressure
        draw = rng.random()
        if draw < 0.42:
            self._add(Side.BUY if rng.random() < 0.5 + 0.25 * pressure else Side.SELL)
        elif draw < 0.68:
            self._cancel(Side.BUY if rng.random() < 0.5 - 0.3 * pressure else Side.SELL)
        else:
            self._take(Side.BUY if rng.random() < 0.5 + 0.22 * pressure else Side.SELL)

    def _add(self, side: Side) -> None:
        """Join or queue behind the best price, or improve it when there is room."""
        best, _ = self._book.best(side)
        if not best:
            best = round(self.weather.fair) - side.sign
        behind = 0 if self._rng.random() < 0.3 else self._distance(14.0)
        ticks = best - side.sign * behind
        self._rest(side, ticks, self._resting_lots(side, min(1.0, behind / (80 * self._grain))))

    def _cancel(self, side: Side) -> None:
        prices = self._book.side(side).prices
        if len(prices) < DEPTH_LEVELS // 2:
            return
        index = min(int(self._rng.expovariate(1 / 10.0)), len(prices) - 1)
        self._pull(side, _nth(prices, side, index), whole=False)

    def _take(self, side: Side) -> None:
        best, _ = self._book.best(side.opposite)
        if not best:
            return
        lots = self._lots(_TAKE_QUOTE * self._rng.lognormvariate(0.0, 1.3))
        reach = self._distance(6.0)
        self._house.take(side, max(1, best + side.sign * reach), lots)

    def _tighten(self) -> None:
        """Quote into a wide spread, from the side that the fair price has left behind."""
        for _ in range(3):
            bid, ask = self._touch()
            if not bid or not ask or ask - bid <= 1 + self._grain * 0.2:
                return
            fair = round(self.weather.fair)
            side = Side.BUY if fair - bid >= ask - fair else Side.SELL
            back = int(self._rng.expovariate(1.0 / (self._grain * 0.4)))
            if side is Side.BUY:
                ticks = max(bid + 1, min(fair, ask - 1) - back)
            else:
                ticks = min(ask - 1, max(fair, bid + 1) + back)
            self._rest(side, ticks, self._resting_lots(side))

    def _lean(self) -> None:
        """Show the pressure: support behind one touch, smaller quotes before the other."""
        rng, pressure = self._rng, self.weather.pressure
        if rng.random() >= abs(pressure):
            return
        side = Side.BUY if pressure > 0 else Side.SELL
        for leaning in (side, side.opposite):
            prices = self._book.side(leaning).prices
            if len(prices) > _NEAR:
                ticks = _nth(prices, leaning, rng.randrange(_NEAR))
                self._pull(leaning, ticks)
                self._rest(leaning, ticks, self._resting_lots(leaning))

    def _keep_density(self) -> None:
        """Keep the nearest levels neither empty nor crowded."""
        rng = self._rng
        for side in _SIDES:
            prices = self._book.side(side).prices
            if len(prices) <= _NEAR:
                continue
            best, last = _nth(prices, side, 0), _nth(prices, side, _NEAR - 1)
            span = abs(best - last)
            if span > self._grain * _NEAR_SPAN[1]:
                behind = int(rng.uniform(1.0, self._grain * _NEAR_SPAN[1]))
                self._rest(side, best - side.sign * behind, self._resting_lots(side))
            elif span < self._grain * _NEAR_SPAN[0]:
                self._pull(side, _nth(prices, side, rng.randrange(1, _NEAR)))

    def _keep_depth(self) -> None:
        """Thin a side that a trend left behind, extend the other one at its far end."""
        for side in _SIDES:
            prices = self._book.side(side).prices
            if len(prices) > DEPTH_LEVELS * 1.1:
                index = self._rng.randrange(30, len(prices))
                self._pull(side, _nth(prices, side, index))
            elif len(prices) < DEPTH_LEVELS * 0.9:
                far = prices[0 if side is Side.BUY else -1] if prices else 0
                gap = 1 + self._distance(DEPTH_LEVELS / 40)
                ticks = far - side.sign * gap if far else round(self.weather.fair) - side.sign
                self._rest(side, ticks, self._resting_lots(side, 1.0))

    # -- helpers ----------------------------------------------------------------

    def _rest(self, side: Side, ticks: int, lots: int) -> None:
        """Rest an order, one tick short of the other side at most."""
        facing, _ = self._book.best(side.opposite)
        if facing and (facing - ticks) * side.sign <= 0:
            ticks = facing - side.sign
        if ticks >= 1:
            self._house.add(side, ticks, lots)

    def _touch(self) -> tuple[int, int]:
        return self._book.best(Side.BUY)[0], self._book.best(Side.SELL)[0]

    def _distance(self, grains: float) -> int:
        return int(self._rng.expovariate(1.0 / (self._grain * grains)))

    def _pull(self, side: Side, ticks: int, *, whole: bool = True) -> bool:
        """Cancel house orders at a price (all, or the youngest); tell whether there were any."""
        level = self._book.side(side).levels.get(ticks)
        if level is None:
            return False
        ids = [order.order_id for order in level.queue.values() if order.owner == HOUSE]
        for order_id in ids if whole else ids[-1:]:
            self._house.cancel(order_id)
        return bool(ids)


def _nth(prices: list[int], side: Side, index: int) -> int:
    """Return the price of the level ``index`` places behind the best one."""
    return prices[-1 - index] if side is Side.BUY else prices[index]
