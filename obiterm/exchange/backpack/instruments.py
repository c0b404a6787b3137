"""Markets, assets and margin functions as the venue describes them (backpack.md §5.1)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import MarketSpec
from obiterm.exchange.backpack.wire import Json, amount, utc_text

ASSETS = {"USDC": "USD Coin", "SOL": "Solana", "BTC": "Bitcoin", "ETH": "Ethereum"}
"""Display names by symbol."""
FUNDING_BOUND_BPS = "100"


def market_row(spec: MarketSpec, listed_ns: int) -> Json:
    """Describe a market with its filters."""
    perpetual = spec.is_perpetual
    band = spec.mark_band if perpetual else Decimal(0)
    return {
        "symbol": spec.symbol,
        "baseSymbol": spec.base,
        "quoteSymbol": spec.quote,
        "marketType": "PERP" if perpetual else "SPOT",
        "rwaMarketType": None,
        "createdAt": utc_text(listed_ns),
        "visible": True,
        "orderBookState": "Open",
        "fundingInterval": spec.funding_interval_s * 1000 if perpetual else None,
        "fundingRateLowerBound": f"-{FUNDING_BOUND_BPS}" if perpetual else None,
        "fundingRateUpperBound": FUNDING_BOUND_BPS if perpetual else None,
        "openInterestLimit": "4000000" if perpetual else "0",
        "positionLimitWeight": None,
        "imfFunction": imf_function(spec) if perpetual else None,
        "mmfFunction": mmf_function(spec) if perpetual else None,
        "filters": {
            "price": {
                "minPrice": amount(spec.tick_size * spec.min_price_ticks),
                "maxPrice": amount(spec.tick_size * spec.max_price_ticks),
                "tickSize": amount(spec.tick_size),
                "maxMultiplier": amount(1 + band if perpetual else spec.multiplier_up),
                "minMultiplier": amount(1 - band if perpetual else spec.multiplier_down),
                "maxImpactMultiplier": amount(1 + band if perpetual else spec.multiplier_up),
                "minImpactMultiplier": amount(1 - band if perpetual else spec.multiplier_down),
                "meanMarkPriceBand": _band(band) if perpetual else None,
                "meanPremiumBand": {"tolerancePct": "0.05"} if perpetual else None,
                "borrowEntryFeeMaxMultiplier": None,
                "borrowEntryFeeMinMultiplier": None,
            },
            "quantity": {
                "minQuantity": amount(spec.lot_size * spec.min_lots),
                "maxQuantity": amount(spec.lot_size * spec.max_lots),
                "stepSize": amount(spec.lot_size),
            },
        },
    }


def _band(band: Decimal) -> Json:
    return {"maxMultiplier": amount(1 + band), "minMultiplier": amount(1 - band)}


def imf_function(spec: MarketSpec) -> Json:
    """Return the initial margin function; margin here does not grow with the notional."""
    return {"type": "sqrt", "base": amount(1 / spec.max_leverage), "factor": "0"}


def mmf_function(spec: MarketSpec) -> Json:
    """Return the maintenance margin function."""
    return {"type": "sqrt", "base": amount(spec.maintenance_margin), "factor": "0"}


def asset_row(name: str) -> Json:
    """Describe an asset; nothing can be deposited or withdrawn."""
    return {
        "symbol": name,
        "displayName": ASSETS.get(name, name),
        "coingeckoId": None,
        "tokens": [
            {
                "blockchain": "Solana",
                "displayName": ASSETS.get(name, name),
                "contractAddress": None,
                "depositEnabled": False,
                "minimumDeposit": "0",
                "withdrawEnabled": False,
                "minimumWithdrawal": "0",
                "maximumWithdrawal": None,
                "withdrawalFee": "0",
                "nativeDecimals": "9",
            }
        ],
    }


def weight(name: str) -> str:
    """Return how much of an asset's value counts as collateral: all of USDC, of others none."""
    return "1" if name == "USDC" else "0"


def collateral_row(name: str) -> Json:
    """Describe what an asset counts as collateral."""
    flat: Json = {"type": "sqrt", "base": "0", "factor": "0"}
    return {
        "symbol": name,
        "imfFunction": flat,
        "mmfFunction": flat,
        "haircutFunction": {"weight": weight(name), "kind": {"type": "identity"}},
    }
