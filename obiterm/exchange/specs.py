"""Markets that the simulated exchange lists, by venue.

Prices of an asset are the same everywhere, so that venues agree. Inside one venue
every market has a symbol of its own: where the venue names spot and perpetual alike
(Bybit's two ``BTCUSDT``), the perpetual is ``BTCUSDT.P`` here and ``wire_symbol`` is
the venue's name; the dialect maps (category, name) to it.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.errors import UsageError
from obiterm.core.values import MarketKind
from obiterm.exchange.words import MarketSpec

DEFAULT_VENUE = "binance"

_D = Decimal
_PRICES = {"BTC": _D(60_000), "ETH": _D(2_600), "SOL": _D(150)}
"""What an asset is worth, around which its path moves."""


class Listing(msgspec.Struct, frozen=True):
    """A market as a venue lists it."""

    spec: MarketSpec
    lag_ms: int = 0
    """How far its price trails the one that all venues share."""

    @property
    def price(self) -> Decimal:
        """What the base is worth, in quote, at the middle of its range."""
        return _PRICES[self.spec.base]

    def with_interval(self, interval_s: int) -> Listing:
        """Return the same market with another time between funding payments."""
        spec = msgspec.structs.replace(self.spec, funding_interval_s=interval_s)
        return msgspec.structs.replace(self, spec=spec)


def _spot(symbol: str, base: str, quote: str, tick: str, lot: str, **rest: object) -> MarketSpec:
    spec = MarketSpec(symbol, base, quote, _D(tick), _D(lot))
    return msgspec.structs.replace(spec, **rest)


def _perpetual(
    symbol: str, base: str, quote: str, tick: str, lot: str, **rest: object
) -> MarketSpec:
    spec = MarketSpec(
        symbol,
        base,
        quote,
        _D(tick),
        _D(lot),
        kind=MarketKind.PERP,
        settle=quote,
        max_leverage=_D(100),
        default_leverage=_D(10),
        maintenance_margin=_D("0.005"),
        liquidation_fee=_D("0.01"),
        maker_fee=_D("0.0002"),
        taker_fee=_D("0.0005"),
        max_algo_orders=200,
    )
    return msgspec.structs.replace(spec, **rest)


def _binance() -> list[Listing]:
    return [
        Listing(_spot("BTCUSDT", "BTC", "USDT", "0.01", "0.00001"), 40),
        Listing(_spot("ETHUSDT", "ETH", "USDT", "0.01", "0.0001", market_max_lots=28_000_000), 40),
        Listing(_spot("SOLUSDT", "SOL", "USDT", "0.01", "0.001", market_max_lots=60_000_000), 40),
    ]


def _binance_futures() -> list[Listing]:
    """Return USD-M perpetuals (binance.md §9.1)."""

    def listing(base: str, tick: str, lot: str, most: int, notional: int) -> Listing:
        spec = _perpetual(
            f"{base}USDT",
            base,
            "USDT",
            tick,
            lot,
            max_lots=most,
            market_max_lots=most // 8,
            min_notional=_D(notional),
            default_leverage=_D(20),
            max_leverage=_D(125),
            maintenance_margin=_D("0.004"),
            liquidation_fee=_D("0.0125"),
        )
        return Listing(spec, 0)

    return [
        listing("BTC", "0.10", "0.001", 1_000_000, 100),
        listing("ETH", "0.01", "0.001", 10_000_000, 20),
        listing("SOL", "0.01", "0.01", 100_000_000, 5),
    ]


def _bybit() -> list[Listing]:
    """Return spot and linear perpetuals of Bybit's unified account (bybit.md §4)."""
    spot = {"locks_on_trigger": True, "max_algo_orders": 30}

    def linear(base: str, tick: str, lot: str, most: int) -> Listing:
        spec = _perpetual(
            f"{base}USDT.P",
            base,
            "USDT",
            tick,
            lot,
            wire_symbol=f"{base}USDT",
            max_lots=most,
            market_max_lots=most // 5,
            taker_fee=_D("0.00055"),
            max_open_orders=500,
            max_algo_orders=10,
        )
        return Listing(spec, 60)

    return [
        Listing(_spot("BTCUSDT", "BTC", "USDT", "0.01", "0.000001", **spot), 90),
        Listing(_spot("ETHUSDT", "ETH", "USDT", "0.01", "0.00001", **spot), 90),
        Listing(_spot("SOLUSDT", "SOL", "USDT", "0.01", "0.001", **spot), 90),
        linear("BTC", "0.10", "0.001", 1_190_000),
        linear("ETH", "0.01", "0.01", 1_500_000),
        linear("SOL", "0.010", "0.1", 900_000),
    ]


def _backpack() -> list[Listing]:
    """Return Backpack's markets; names tell spot from perpetual (backpack.md §4)."""

    def spot(base: str, tick: str, lot: str) -> Listing:
        spec = _spot(
            f"{base}_USDC",
            base,
            "USDC",
            tick,
            lot,
            min_notional=_D(0),
            locks_on_trigger=True,
            maker_fee=_D("0.0008"),
        )
        return Listing(spec, 180)

    def perpetual(base: str, tick: str, lot: str) -> Listing:
        spec = _perpetual(
            f"{base}_USDC_PERP",
            base,
            "USDC",
            tick,
            lot,
            min_notional=_D(0),
            max_leverage=_D(50),
            maintenance_margin=_D("0.0125"),
            mark_band=_D("0.1"),
            funding_interval_s=3600,
        )
        return Listing(spec, 140)

    return [
        spot("SOL", "0.01", "0.01"),
        spot("BTC", "0.1", "0.00001"),
        perpetual("SOL", "0.01", "0.01"),
        perpetual("BTC", "0.1", "0.00001"),
        perpetual("ETH", "0.01", "0.0001"),
    ]


_VENUES = {
    "binance": _binance,
    "binance-futures": _binance_futures,
    "bybit": _bybit,
    "backpack": _backpack,
}
DEFAULT_SYMBOLS = {
    "binance": ["BTCUSDT"],
    "binance-futures": ["BTCUSDT"],
    "bybit": ["BTCUSDT", "BTCUSDT.P"],
    "backpack": ["SOL_USDC", "BTC_USDC", "SOL_USDC_PERP", "BTC_USDC_PERP"],
}
"""What a venue serves when nobody named a market."""


def every_listing(venue: str) -> list[Listing]:
    """Return every market that a venue can make; raise ``UsageError`` for an unknown venue."""
    make = _VENUES.get(venue)
    if make is None:
        raise UsageError(
            f"no simulated exchange for venue {venue!r}", hint=f"there is: {', '.join(_VENUES)}"
        )
    return make()


def listings(venue: str, names: list[str]) -> list[Listing]:
    """Return the markets of a venue that bear these names, the venue's own or the core's.

    A name that spot and perpetual share stands for both. Raise ``UsageError`` for an
    unknown venue or market, naming those that exist.
    """
    known = every_listing(venue)
    found: dict[str, Listing] = {}
    for name in names:
        named = [one for one in known if name in (one.spec.symbol, one.spec.venue_symbol)]
        if not named:
            raise UsageError(
                f"the simulated exchange lists no market {name!r}",
                hint=f"known: {', '.join(one.spec.symbol for one in known)}",
            )
        found |= {one.spec.symbol: one for one in named}
    return list(found.values())


def market_spec(symbol: str, venue: str = DEFAULT_VENUE) -> MarketSpec:
    """Return the market named ``symbol``; raise ``UsageError`` naming those that exist."""
    return listings(venue, [symbol])[0].spec
