"""What perpetual futures add to the words of the exchange core.

Positions, collateral, marks and funding. Quantities are signed lots, prices and
amounts ``Decimal`` in the settle asset.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec


class TriggerBy(Enum):
    """The price that a waiting order looks at. Spot has only the last trade."""

    LAST = "LAST"
    MARK = "MARK"
    INDEX = "INDEX"


class PositionSide(Enum):
    """Which leg an order acts on: ``BOTH`` is the net position of one-way mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class Origin(Enum):
    """Who made an order."""

    USER = "USER"
    LIQUIDATION = "LIQUIDATION"
    """The house closes what the account cannot carry."""


class Cause(Enum):
    """Why balances or a position changed."""

    TRADE = "TRADE"
    FUNDING = "FUNDING"
    LIQUIDATION = "LIQUIDATION"
    INSURANCE = "INSURANCE"
    """The house paid what a liquidated account still owed."""
    SETTINGS = "SETTINGS"
    """Leverage or position mode were changed."""


class Position(msgspec.Struct, frozen=True):
    """One position as it stands at the mark price of the moment."""

    account: str
    symbol: str
    side: PositionSide
    lots: int
    """> 0 long, < 0 short, 0 flat."""
    entry: Decimal
    """Average entry price; 0 when flat."""
    mark: Decimal
    notional: Decimal
    """Signed value at mark."""
    unrealised: Decimal
    realised: Decimal
    """P&L settled since the position was opened from flat, before fees and funding."""
    leverage: Decimal
    initial_margin: Decimal
    """Of the position and its open orders."""
    position_margin: Decimal
    """Of the position alone."""
    maintenance_margin: Decimal
    liquidation_price: Decimal
    """Estimate with everything else unchanged; 0 when there is none."""
    bid_notional: Decimal
    """Value of open buys that may open a position."""
    ask_notional: Decimal
    opened_ns: int
    updated_ns: int


class Collateral(msgspec.Struct, frozen=True):
    """What an account holds of a settle asset, and what its positions ask of it."""

    asset: str
    wallet: Decimal
    """Free and locked together; realised P&L, fees and funding are in it."""
    locked: Decimal
    """Held by spot orders."""
    unrealised: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance_margin: Decimal

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised P&L."""
        return self.wallet + self.unrealised

    @property
    def initial_margin(self) -> Decimal:
        """Margin of positions and open orders."""
        return self.position_margin + self.order_margin

    @property
    def available(self) -> Decimal:
        """What new orders may use; unrealised losses count, gains do not. Never negative."""
        left = self.wallet - self.locked + min(Decimal(0), self.unrealised) - self.initial_margin
        return max(Decimal(0), left)


class PositionUpdate(msgspec.Struct, frozen=True):
    """A position changed (not: its mark moved)."""

    position: Position
    cause: Cause
    time_ns: int


class FundingRate(msgspec.Struct, frozen=True):
    """The rate of one interval that has ended."""

    symbol: str
    rate: Decimal
    mark: Decimal
    time_ns: int


class FundingPayment(msgspec.Struct, frozen=True):
    """What one position received (> 0) or paid (< 0) at the end of an interval."""

    payment_id: int
    account: str
    symbol: str
    side: PositionSide
    lots: int
    rate: Decimal
    mark: Decimal
    amount: Decimal
    asset: str
    time_ns: int


class MarkPrice(msgspec.Struct, frozen=True):
    """Mark, index and funding of a perpetual."""

    symbol: str
    mark: Decimal
    index: Decimal
    rate: Decimal
    """Estimate for the running interval, as a fraction."""
    next_funding_ns: int
    time_ns: int
