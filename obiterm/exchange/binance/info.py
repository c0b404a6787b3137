"""``exchangeInfo``: markets, filters, flags (binance.md §6.1).

Flags tell the truth about this exchange: what it does not do (iceberg, trailing,
amend, OTO) is marked so, and refused when tried.
"""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import MarketSpec, Stp
from obiterm.exchange.binance.wire import KINDS, Scale, amount
from obiterm.exchange.wire.office import Json


def market_info(spec: MarketSpec) -> Json:
    """Write one market of ``exchangeInfo``."""
    return {
        "symbol": spec.symbol,
        "status": "TRADING",
        "baseAsset": spec.base,
        "baseAssetPrecision": 8,
        "quoteAsset": spec.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(KINDS),
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(spec),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": Stp.EXPIRE_MAKER.value,
        "allowedSelfTradePreventionModes": [mode.value for mode in Stp],
    }


def filters(spec: MarketSpec) -> list[Json]:
    """Write the filters of a market, in the venue's order."""
    scale = Scale(spec)
    up, down = _factor(spec.multiplier_up), _factor(spec.multiplier_down)
    out: list[Json] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": scale.price(spec.min_price_ticks),
            "maxPrice": scale.price(spec.max_price_ticks),
            "tickSize": amount(spec.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": scale.size(spec.min_lots),
            "maxQty": scale.size(spec.max_lots),
            "stepSize": amount(spec.lot_size),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": scale.size(spec.market_max_lots),
            "stepSize": "0.00000000",
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": amount(spec.min_notional),
            "applyMinToMarket": True,
            "maxNotional": amount(spec.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": spec.max_open_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": spec.max_algo_orders},
    ]
    if spec.max_position is not None:
        out.append({"filterType": "MAX_POSITION", "maxPosition": amount(spec.max_position)})
    return out


def _factor(value: Decimal) -> str:
    return format(value.normalize(), "f")
