"""A whole simulated venue on the order-flow model."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from obiterm.core.values import Side
from obiterm.exchange.api import MarketSpec
from obiterm.exchange.flow import FlowModel
from obiterm.exchange.history import prints_before
from obiterm.exchange.matching_venue import LAST_OLD_TRADE_ID, MatchingVenue
from obiterm.exchange.specs import market_spec, opening_price
from obiterm.exchange.spoof import Spoof


class SimVenue(MatchingVenue):
    """``VenueCore`` whose liquidity is a seeded order-flow model in a matching book.

    Args:
        specs: the markets to list.
        seed: same seed and same calls, same market.
        start_ns: when it opens; an hour and a half of prints and candles lie before.
        opening: price per symbol at the start, in quote, where it is not the built-in one.
    """

    def __init__(
        self,
        specs: Sequence[MarketSpec],
        *,
        seed: int,
        start_ns: int,
        opening: dict[str, Decimal] | None = None,
    ) -> None:
        super().__init__(specs, start_ns=start_ns)
        self._flows: dict[str, FlowModel] = {}
        for spec in specs:
            price = (opening or {}).get(spec.symbol)
            if price is None:
                price = opening_price(spec.symbol)
            self._open_market(spec, round(price / spec.tick_size), seed, start_ns)

    @classmethod
    def named(cls, symbols: Sequence[str], *, seed: int, start_ns: int) -> SimVenue:
        """Open the built-in markets of these names; raise ``UsageError`` for an unknown one."""
        return cls([market_spec(symbol) for symbol in symbols], seed=seed, start_ns=start_ns)

    def _open_market(self, spec: MarketSpec, opening_ticks: int, seed: int, start_ns: int) -> None:
        market = self._market(spec.symbol)
        rng = Random(f"{seed}/{spec.symbol}/history")  # noqa: S311 - a market model
        for trade in prints_before(rng, spec, opening_ticks, start_ns, LAST_OLD_TRADE_ID):
            market.tape.add(trade)
        self._flows[spec.symbol] = FlowModel(
            self.house(spec.symbol),
            spec,
            opening_ticks,
            seed=f"{seed}/{spec.symbol}/flow",
            start_ns=start_ns,
        )
        # What rests at the opening is no change of the book: nobody has seen it before.
        self._books[spec.symbol].take_changes()
        market.last_top = (*market.book.best(Side.BUY), *market.book.best(Side.SELL))

    def advance(self, now_ns: int) -> None:
        """Run the flow up to ``now_ns``; every step happens at its own time."""
        while (symbol := self._next_symbol()) is not None:
            flow, market = self._flows[symbol], self._markets[symbol]
            step_ns = flow.next_ns
            if step_ns > now_ns:
                break
            self._now_ns = step_ns
            market.tape.roll(step_ns)
            flow.step()
            self._conclude(market, step_ns)
        self._now_ns = max(self._now_ns, now_ns)

    def next_event_ns(self) -> int | None:
        """Return when the house acts next; a flow model never ends."""
        symbol = self._next_symbol()
        return None if symbol is None else self._flows[symbol].next_ns

    def spoofs(self, symbol: str) -> list[Spoof]:
        """Return every spoofed wall so far: the truth for a detector."""
        self._market(symbol)
        return list(self._flows[symbol].spoofer.spoofs)

    def _next_symbol(self) -> str | None:
        return min(self._flows, key=lambda symbol: self._flows[symbol].next_ns, default=None)
