"""A whole simulated venue on the order-flow model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

from obiterm.core.values import Side
from obiterm.exchange.desk import Market
from obiterm.exchange.flow import FlowModel
from obiterm.exchange.history import prints_before
from obiterm.exchange.latent import LatentPath
from obiterm.exchange.matching_venue import LAST_OLD_TRADE_ID, MatchingVenue
from obiterm.exchange.specs import DEFAULT_VENUE, Listing, listings
from obiterm.exchange.spoof import Spoof
from obiterm.exchange.weather import Climate, Weather


class SimVenue(MatchingVenue):
    """``VenueCore`` whose liquidity is a seeded order-flow model in a matching book.

    Prices follow the path that all venues of one seed share (``latent``): two venues
    that look at the same moment agree, whenever each was started.

    Args:
        listed: the markets to list.
        seed: same seed, same ``start_ns`` and same calls, same market.
        start_ns: when it opens; an hour and a half of prints and candles lie before.
        opening: price per symbol at the start, in quote, where it is not to be the shared
            one; the shared path then moves it from there.
    """

    def __init__(
        self,
        listed: Sequence[Listing],
        *,
        seed: int,
        start_ns: int,
        opening: Mapping[str, Decimal] | None = None,
    ) -> None:
        super().__init__([one.spec for one in listed], start_ns=start_ns)
        self._flows: dict[str, FlowModel] = {}
        self._shared: dict[str, tuple[LatentPath, Decimal]] = {}
        for listing in listed:
            self._open_market(listing, seed, start_ns, (opening or {}).get(listing.spec.symbol))

    @classmethod
    def named(
        cls,
        symbols: Sequence[str],
        *,
        seed: int,
        start_ns: int,
        venue: str = DEFAULT_VENUE,
        opening: Mapping[str, Decimal] | None = None,
    ) -> SimVenue:
        """Open built-in markets of a venue; raise ``UsageError`` for an unknown one."""
        return cls(listings(venue, list(symbols)), seed=seed, start_ns=start_ns, opening=opening)

    def _open_market(
        self, listing: Listing, seed: int, start_ns: int, opening: Decimal | None
    ) -> None:
        spec = listing.spec
        market = self._market(spec.symbol)
        climate = Climate(LatentPath(seed, spec.base), listing.lag_ms, spec.is_perpetual)
        price = listing.price
        if opening is not None:
            price = opening / Decimal(climate.factor(start_ns))
        self._shared[spec.symbol] = climate.path, price
        rng = Random(f"{seed}/{spec.symbol}/flow")  # noqa: S311 - a market model
        weather = Weather(rng, climate, float(price / spec.tick_size), start_ns)
        past = Random(f"{seed}/{spec.symbol}/history")  # noqa: S311 - a market model
        for trade in prints_before(past, spec, weather.fair_at, start_ns, LAST_OLD_TRADE_ID):
            market.tape.add(trade)
        if market.marks is not None:
            market.marks.open_at(self._index(market, start_ns))
        self._flows[spec.symbol] = FlowModel(
            self.house(spec.symbol), spec, weather, rng, start_ns=start_ns
        )
        # What rests at the opening is no change of the book: nobody has seen it before.
        self._books[spec.symbol].take_changes()
        market.last_top = (*market.book.best(Side.BUY), *market.book.best(Side.SELL))

    def _index(self, market: Market, now_ns: int) -> Decimal:
        """Return what all venues agree the base is worth."""
        path, price = self._shared[market.spec.symbol]
        return price * Decimal(path.factor(now_ns))

    def index(self, symbol: str) -> Decimal:
        """Return what the base is worth beyond this venue, in quote."""
        return self._index(self._market(symbol), self._now_ns)

    def advance(self, now_ns: int) -> None:
        """Run the flow up to ``now_ns``; every step happens at its own time."""
        while (symbol := self._next_symbol()) is not None:
            flow, market = self._flows[symbol], self._markets[symbol]
            step_ns = flow.next_ns
            if self._has_perpetuals and self._marks_due_ns <= min(step_ns, now_ns):
                self._step_marks()
                continue
            if step_ns > now_ns:
                break
            self._now_ns = step_ns
            market.tape.roll(step_ns)
            flow.step()
            self._conclude(market, step_ns)
        self._now_ns = max(self._now_ns, now_ns)

    def next_event_ns(self) -> int | None:
        """Return when the house acts or a mark moves next; a flow model never ends."""
        symbol = self._next_symbol()
        if symbol is None:
            return None
        flow_ns = self._flows[symbol].next_ns
        return min(flow_ns, self._marks_due_ns) if self._has_perpetuals else flow_ns

    def spoofs(self, symbol: str) -> list[Spoof]:
        """Return every spoofed wall so far: the truth for a detector."""
        self._market(symbol)
        return list(self._flows[symbol].spoofer.spoofs)

    def _next_symbol(self) -> str | None:
        return min(self._flows, key=lambda symbol: self._flows[symbol].next_ns, default=None)
