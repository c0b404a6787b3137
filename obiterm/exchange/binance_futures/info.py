"""``exchangeInfo`` of the futures: markets and filters (binance.md §9.1).

It tells the truth about this exchange: trailing stops and GTD are not in it.
"""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import MarketSpec
from obiterm.exchange.binance.wire import Scale
from obiterm.exchange.binance_futures.office import places_of
from obiterm.exchange.wire.office import Json

DELIVERY_MS = 4_133_404_800_000
ONBOARD_MS = 1_569_398_400_000
ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX")


def market_info(spec: MarketSpec, scale: Scale) -> Json:
    """Write one market."""
    return {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        "status": "TRADING",
        "maintMarginPercent": f"{spec.maintenance_margin * 100:.4f}",
        "requiredMarginPercent": f"{100 / spec.max_leverage:.4f}",
        "baseAsset": spec.base,
        "quoteAsset": spec.quote,
        "marginAsset": spec.settle,
        "pricePrecision": places_of(spec.tick_size),
        "quantityPrecision": places_of(spec.lot_size),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": _text(spec.liquidation_fee, 6),
        "marketTakeBound": _text(spec.mark_band, 2),
        "maxMoveOrderLimit": 10000,
        "filters": filters(spec, scale),
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": list(TIMES_IN_FORCE),
        "permissionSets": [],
    }


def filters(spec: MarketSpec, scale: Scale) -> list[Json]:
    """Write the filters of a market."""
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": scale.price(spec.min_price_ticks),
            "maxPrice": scale.price(spec.max_price_ticks),
            "tickSize": format(spec.tick_size, "f"),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": scale.size(spec.min_lots),
            "maxQty": scale.size(spec.max_lots),
            "stepSize": format(spec.lot_size, "f"),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": scale.size(spec.min_lots),
            "maxQty": scale.size(spec.market_max_lots),
            "stepSize": format(spec.lot_size, "f"),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": spec.max_open_orders},
        {"filterType": "MIN_NOTIONAL", "notional": format(spec.min_notional, "f")},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": _text(1 + spec.mark_band, 4),
            "multiplierDown": _text(1 - spec.mark_band, 4),
            "multiplierDecimal": "4",
        },
    ]


def _text(value: Decimal, places: int) -> str:
    return f"{value:.{places}f}"


def assets(specs: list[MarketSpec]) -> list[Json]:
    """Write the assets that carry margin."""
    names = dict.fromkeys(spec.settle for spec in specs)
    return [{"asset": name, "marginAvailable": True, "autoAssetExchange": "0"} for name in names]
