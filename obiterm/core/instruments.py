"""An instrument and its exact arithmetic between decimals, ticks and lots."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

import msgspec

from obiterm.core.values import MarketKind, Symbol


class Instrument(msgspec.Struct, frozen=True):
    """One market of one venue, with the filters that bound its orders.

    A price is a whole number of ticks and a size a whole number of lots
    everywhere inside; decimals appear only at the edges.
    """

    venue: str
    symbol: Symbol
    kind: MarketKind
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_lots: int = 1
    max_lots: int = 2**53
    market_max_lots: int = 2**53
    min_price_ticks: int = 1
    max_price_ticks: int = 2**53
    min_notional: Decimal = Decimal(0)
    """Least price x quantity, in quote."""
    max_open_orders: int = 200
    maker_fee: Decimal = Decimal("0.001")
    """Fraction of the traded amount."""
    taker_fee: Decimal = Decimal("0.001")
    settle: str = ""
    """Asset of margin and P&L of a perpetual; empty on spot."""
    max_leverage: Decimal = Decimal(1)
    """Highest leverage of the first bracket; 1 on spot."""
    maintenance_margin: Decimal = Decimal(0)
    """Maintenance margin fraction of the first bracket; 0 on spot."""
    funding_interval_s: int = 0
    """Seconds between funding payments; 0 on spot."""

    @property
    def money(self) -> str:
        """The asset that pays for it and that it earns: quote on spot, else the settle asset."""
        return self.settle or self.quote

    @property
    def is_perpetual(self) -> bool:
        """True for a perpetual future."""
        return self.kind is MarketKind.PERP

    def price(self, ticks: int) -> Decimal:
        """Return the decimal price of ``ticks``."""
        return self.tick_size * ticks

    def quantity(self, lots: int) -> Decimal:
        """Return the base quantity of ``lots``."""
        return self.lot_size * lots

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Return price x quantity in quote."""
        return self.tick_size * self.lot_size * (ticks * lots)

    def ticks(self, price: Decimal) -> int:
        """Return the exact ticks of ``price``; raise ``ValueError`` if it is off the grid."""
        return _exact(price, self.tick_size, "price")

    def lots(self, quantity: Decimal) -> int:
        """Return the exact lots of ``quantity``; raise ``ValueError`` if it is off the grid."""
        return _exact(quantity, self.lot_size, "quantity")

    def ticks_down(self, price: Decimal) -> int:
        """Return the highest tick not above ``price`` (passive buy)."""
        return int((price / self.tick_size).to_integral_value(ROUND_FLOOR))

    def ticks_up(self, price: Decimal) -> int:
        """Return the lowest tick not below ``price`` (passive sell)."""
        return int((price / self.tick_size).to_integral_value(ROUND_CEILING))

    def lots_down(self, quantity: Decimal) -> int:
        """Return the most lots that ``quantity`` covers."""
        return int((quantity / self.lot_size).to_integral_value(ROUND_DOWN))

    @property
    def price_decimals(self) -> int:
        """Digits after the point that a price needs."""
        return _decimals(self.tick_size)

    @property
    def quantity_decimals(self) -> int:
        """Digits after the point that a quantity needs."""
        return _decimals(self.lot_size)


def _exact(value: Decimal, unit: Decimal, what: str) -> int:
    if not value.is_finite():
        raise ValueError(f"{what} {value} is not a number")
    quotient = value / unit
    whole = int(quotient)
    if whole != quotient:
        raise ValueError(f"{what} {value} is not a multiple of {unit}")
    return whole


def _decimals(unit: Decimal) -> int:
    exponent = unit.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
