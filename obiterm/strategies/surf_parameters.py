"""Parameters of ``surf``, with units, bounds and help."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from obiterm.core.errors import ConfigError
from obiterm.core.values import MarketKind
from obiterm.strategies.base import Parameters


class SurfParameters(Parameters):
    """What ``surf`` trades on, how it enters, how it protects and how it leaves."""

    direction: Literal["long", "short", "both"] = Field(
        "long", description="Which sides may be opened; spot: long only."
    )
    obi_levels: int = Field(
        20, ge=1, le=100, description="Levels a side over which imbalance (OBI) is taken (Q17)."
    )
    enter_obi: float = Field(
        0.40, gt=0, lt=1, description="Enter above this OBI, strictly (short: below minus this)."
    )
    hold_obi: float = Field(
        0.25, ge=0, lt=1, description="Withdraw a resting entry when OBI falls below this (Q15)."
    )
    exit_obi: float = Field(
        0.50,
        gt=0,
        le=1,
        description="Guard: leave when OBI of the opposite sign reaches this (Q16).",
    )
    confirm_updates: int = Field(
        3, ge=1, le=10_000, description="Guard: leave after so many book updates in a row."
    )
    confirm_ms: int = Field(
        300,
        ge=0,
        le=600_000,
        description="Guard: or after so many ms, whichever is first; 0 = off.",
    )
    offset_ticks: int = Field(
        0,
        ge=-10_000,
        le=10_000,
        description="Entry price from the own best, ticks: - behind, 0 join, + improve (Q14).",
    )
    reprice_ticks: int = Field(
        5, ge=0, le=100_000, description="Leave a resting entry alone within so many ticks."
    )
    entry_timeout_ms: int = Field(
        10_000, ge=0, le=86_400_000, description="Withdraw an entry after so many ms; 0 = never."
    )
    quantity: Decimal = Field(
        Decimal(0), ge=0, description="Size of an entry, base; 0 = by share_of_balance."
    )
    share_of_balance: Decimal = Field(
        Decimal("0.05"),
        gt=0,
        le=1,
        description="Size of an entry as a share of the free quote balance.",
    )
    stop_bps: Decimal = Field(
        Decimal(50),
        gt=0,
        lt=10_000,
        description="Protective stop at the venue, bps from the average entry price (Q18).",
    )
    stop_grace_ms: int = Field(
        500,
        ge=0,
        le=60_000,
        description="Leave at market when the price is beyond the stop for so many ms.",
    )
    take_profit_bps: Decimal = Field(
        Decimal(0),
        ge=0,
        lt=10_000,
        description="Leave at this profit, bps of the average price; 0 = off.",
    )
    trail_start_bps: Decimal = Field(
        Decimal(30), ge=0, lt=10_000, description="Profit from which the stop trails, bps."
    )
    trail_bps: Decimal = Field(
        Decimal(20),
        ge=0,
        lt=10_000,
        description="Distance of the trailing stop from the best price, bps; 0 = off.",
    )
    trail_step_bps: Decimal = Field(
        Decimal(2),
        ge=0,
        lt=1_000,
        description="Move the resting stop only by steps above this, bps.",
    )
    max_hold_s: int = Field(
        0, ge=0, le=31_536_000, description="Leave after so many seconds; 0 = off."
    )
    cooldown_ms: int = Field(
        2_000,
        ge=0,
        le=86_400_000,
        description="No entry for so many ms after an exit or a timeout.",
    )
    min_atr_bps: Decimal = Field(
        Decimal(0),
        ge=0,
        lt=10_000,
        description="No entry below this average true range, bps; 0 = off (Q20).",
    )
    max_atr_bps: Decimal = Field(
        Decimal(0),
        ge=0,
        lt=10_000,
        description="No entry above this average true range, bps; 0 = off (Q20).",
    )

    def check_kind(self, kind: MarketKind) -> None:
        """Refuse shorts on spot."""
        if kind is MarketKind.SPOT and self.direction != "long":
            raise ConfigError("direction", self.direction, "'long'", hint="spot has no shorts")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.hold_obi > self.enter_obi:
            raise ValueError(f"hold_obi {self.hold_obi} must not exceed enter_obi {self.enter_obi}")
        if self.max_atr_bps and self.min_atr_bps > self.max_atr_bps:
            raise ValueError(
                f"min_atr_bps {self.min_atr_bps} must not exceed max_atr_bps {self.max_atr_bps}"
            )
        return self
