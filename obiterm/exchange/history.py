"""Prints of the time before a simulated market opens, so that charts are not empty."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from obiterm.core.values import NS_PER_S, Side
from obiterm.exchange.api import MarketSpec, PublicTrade

HISTORY_MINUTES = 90
_MEAN_GAP_S = 1.2
_MOVE_PER_PRINT = 6e-5
"""Standard deviation of the price change from one print to the next, as a fraction."""
_PRINT_QUOTE = 900.0
"""Median quote value of a print."""


def prints_before(
    rng: Random,
    spec: MarketSpec,
    price_at: Callable[[int], float],
    end_ns: int,
    last_id: int,
) -> list[PublicTrade]:
    """Return prints, oldest first, that end at ``price_at(end_ns)`` at ``end_ns``.

    It covers ``HISTORY_MINUTES`` and its trade ids end with ``last_id``. ``price_at``
    returns ticks; it is asked from the present backwards.
    """
    trades: list[PublicTrade] = []
    time_ns = end_ns
    oldest_ns = end_ns - HISTORY_MINUTES * 60 * NS_PER_S
    lot_quote = float(spec.tick_size * spec.lot_size)
    while time_ns > oldest_ns:
        ticks = max(1, round(price_at(time_ns)))
        lots = max(1, round(rng.lognormvariate(0.0, 1.2) * _PRINT_QUOTE / (lot_quote * ticks)))
        trade_id = last_id - len(trades)
        trades.append(
            PublicTrade(
                symbol=spec.symbol,
                trade_id=trade_id,
                price_ticks=ticks,
                lots=lots,
                aggressor=Side.BUY if rng.random() < 0.5 else Side.SELL,
                time_ns=time_ns,
                buyer_order_id=2 * trade_id,
                seller_order_id=2 * trade_id + 1,
            )
        )
        time_ns -= 1 + int(rng.expovariate(1 / _MEAN_GAP_S) * NS_PER_S)
    trades.reverse()
    return trades


def walk_back(rng: Random, last_ticks: int) -> Callable[[int], float]:
    """Return a random walk that ends at ``last_ticks``; each call is a step into the past.

    So the present is given and only the past is made up.
    """
    price = float(last_ticks)

    def step(time_ns: int) -> float:
        nonlocal price
        now = price
        price *= 1.0 + rng.gauss(0.0, _MOVE_PER_PRINT)
        return now

    return step
