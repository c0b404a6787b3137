"""Hard limits of one account: units, bounds, defaults and help (R28 R47 R51).

The model lives here because profiles (``config``) write it and the risk gate
(``trading``) obeys it. No mode switches a limit off; a wider one is a deliberate
edit of the profile.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

QuoteAmount = Annotated[Decimal, Field(gt=0, le=Decimal(1_000_000_000), allow_inf_nan=False)]
"""A positive amount of the quote currency."""


class RiskLimits(BaseModel):
    """What the risk gate of one account lets through."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    max_order_notional: QuoteAmount = Field(
        default=Decimal(1_000),
        description="Largest price x quantity of one order, in quote.",
    )
    max_position_notional: QuoteAmount = Field(
        default=Decimal(2_000),
        description="Largest position on one symbol, working entries included, in quote.",
    )
    max_exposure_notional: QuoteAmount = Field(
        default=Decimal(5_000),
        description="Largest sum of positions over all symbols, in quote.",
    )
    max_open_orders: int = Field(
        default=20, ge=1, le=200, description="Most orders at the venue at once."
    )
    max_orders_per_10s: int = Field(
        default=40,
        ge=1,
        le=1_000,
        description="Most new orders in ten seconds. Cancels and panic orders are not counted.",
    )
    price_collar_bps: float = Field(
        default=100.0,
        ge=1.0,
        le=2_000.0,
        description="Farthest limit price beyond the best opposite price, in basis points.",
    )
    max_daily_loss: QuoteAmount = Field(
        default=Decimal(100),
        description="Loss of own fills since 00:00 UTC, fees in, that halts entries, in quote.",
    )
    max_spread_bps: float = Field(
        default=20.0,
        ge=0.01,
        le=1_000.0,
        description="Widest spread in which an entry may be sent, in basis points of the mid.",
    )
    max_book_age_ms: int = Field(
        default=2_000,
        ge=100,
        le=60_000,
        description="Oldest book on which an entry may be sent, in milliseconds.",
    )
    max_clock_offset_ms: int = Field(
        default=1_000,
        ge=10,
        le=5_000,
        description="Largest difference to the venue clock at which trading goes on (R14), in ms.",
    )
