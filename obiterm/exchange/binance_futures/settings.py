"""What an account may do and how it keeps positions: modes, leverage, fees (binance.md §9.1)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import MarketSpec, Refusal, Why
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.positions import NOTIONAL_CAP, asked_symbol
from obiterm.exchange.binance_futures.refusals import from_refusal
from obiterm.exchange.wire.office import Json


def may_trade(call: Call) -> bool:
    """Tell whether the key may trade."""
    return call.credential is not None and call.credential.may_trade


def account_config(office: FuturesOffice, call: Call) -> Json:
    """Return what the account may do and how it keeps positions."""
    return {
        "feeTier": 0,
        "canTrade": may_trade(call),
        "canDeposit": False,
        "canWithdraw": call.credential is not None and call.credential.may_withdraw,
        "dualSidePosition": office.venue.hedge_mode(call.account),
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(office: FuturesOffice, call: Call) -> list[Json]:
    """Return margin type and leverage, market by market."""
    symbol = asked_symbol(office, call)
    return [
        {
            "symbol": name,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": int(office.venue.leverage(call.account, name)),
            "maxNotionalValue": str(NOTIONAL_CAP),
        }
        for name in ([symbol] if symbol else office.scales)
    ]


def brackets(office: FuturesOffice, call: Call) -> object:
    """Return the leverage brackets: one for each market."""
    symbol = asked_symbol(office, call)
    found = [_bracket(office.scale(name).spec) for name in ([symbol] if symbol else office.scales)]
    return found[0] if symbol else found


def _bracket(spec: MarketSpec) -> Json:
    return {
        "symbol": spec.symbol,
        "notionalCoef": 1.0,
        "brackets": [
            {
                "bracket": 1,
                "initialLeverage": int(spec.max_leverage),
                "notionalCap": NOTIONAL_CAP,
                "notionalFloor": 0,
                "maintMarginRatio": float(spec.maintenance_margin),
                "cum": 0.0,
            }
        ],
    }


def commission(office: FuturesOffice, call: Call) -> Json:
    """Return the fee rates of a market."""
    symbol = call.params.need_symbol()
    spec = office.scale(symbol).spec
    return {
        "symbol": symbol,
        "makerCommissionRate": format(spec.maker_fee, "f"),
        "takerCommissionRate": format(spec.taker_fee, "f"),
        "rpiCommissionRate": "0",
    }


def set_leverage(office: FuturesOffice, call: Call) -> Json:
    """Change the leverage of a market."""
    symbol = call.params.need_symbol()
    office.scale(symbol)
    call.params.need("leverage")
    leverage = call.params.get_int("leverage") or 0
    office.venue.set_leverage(call.account, symbol, Decimal(leverage), call.now_ns)
    office.tell_leverage(call.account, symbol, leverage, call.now_ns)
    return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": str(NOTIONAL_CAP)}


def set_margin_type(office: FuturesOffice, call: Call) -> Json:
    """Refuse: margin is crossed already (-4046), and isolated margin does not exist here."""
    office.scale(call.params.need_symbol())
    wanted = call.params.need("marginType")
    if wanted == "CROSSED":
        raise ApiError(400, -4046, "No need to change margin type.")
    if wanted != "ISOLATED":
        raise ApiError(400, -1130, "Data sent for parameter 'marginType' is not valid.")
    raise ApiError(400, -1020, "This operation is not supported.")


def get_mode(office: FuturesOffice, call: Call) -> Json:
    """Tell the position mode."""
    return {"dualSidePosition": office.venue.hedge_mode(call.account)}


def set_mode(office: FuturesOffice, call: Call) -> Json:
    """Change the position mode of the account, all markets together."""
    call.params.need("dualSidePosition")
    hedged = call.params.get_flag("dualSidePosition")
    if hedged == office.venue.hedge_mode(call.account):
        raise ApiError(400, -4059, "No need to change position side.")
    try:
        office.venue.set_hedge_mode(call.account, hedged=hedged)
    except Refusal as refusal:
        if refusal.why is Why.POSITION_MODE and office.venue.open_orders(call.account):
            words = "Position side cannot be changed if there exists open orders."
            raise ApiError(400, -4067, words) from refusal
        raise from_refusal(refusal) from refusal
    return {"code": 200, "msg": "success"}


def get_multi_assets(office: FuturesOffice, call: Call) -> Json:
    """Tell that assets do not carry each other."""
    return {"multiAssetsMargin": False}


def set_multi_assets(office: FuturesOffice, call: Call) -> Json:
    """Refuse: single-asset mode is on already (-4171), and there is no other."""
    call.params.need("multiAssetsMargin")
    if call.params.get_flag("multiAssetsMargin"):
        raise ApiError(400, -1020, "This operation is not supported.")
    raise ApiError(400, -4171, "No need to change multi-assets mode.")


def order_limits(office: FuturesOffice, call: Call) -> list[Json]:
    """Return how many orders count now."""
    return office.limits.order_rules(call.account, call.now_ns)
