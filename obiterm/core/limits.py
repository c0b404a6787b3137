"""Limits of one account that the risk gate enforces (R28 R47)."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class RiskLimits(BaseModel):
    """How much an account may risk. Amounts are in the quote currency; 0 forbids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_order_notional: Decimal = Field(
        Decimal(10_000), ge=0, description="largest single order, quote"
    )
    max_position_notional: Decimal = Field(
        Decimal(25_000), ge=0, description="largest position per symbol, quote"
    )
    max_exposure_notional: Decimal = Field(
        Decimal(50_000), ge=0, description="positions and open entries of all symbols, quote"
    )
    max_leverage: Decimal = Field(
        Decimal(1),
        ge=1,
        le=125,
        description="perpetuals and open entries on them at most so many times the settle asset "
        "held; an order needs this part of its value free (Q21)",
    )
    max_open_orders: int = Field(40, ge=1, le=200, description="open orders per account")
    max_orders_per_10s: int = Field(40, ge=1, le=300, description="new orders in any 10 s")
    price_collar_bps: Decimal = Field(
        Decimal(200), gt=0, le=5_000, description="largest distance from mid and last price, bps"
    )
    max_daily_loss: Decimal = Field(
        Decimal(500), gt=0, description="realised + unrealised loss since 00:00 UTC, quote"
    )
    max_spread_bps: Decimal = Field(
        Decimal(20), gt=0, le=5_000, description="widest spread for an entry, bps"
    )
    max_book_age_ms: int = Field(
        2_000, ge=100, le=60_000, description="oldest book on which an entry may be sent, ms"
    )
    max_clock_offset_ms: int = Field(
        1_000,
        ge=10,
        le=60_000,
        description="how far off the machine clock may be for entries, ms; requests are corrected",
    )
