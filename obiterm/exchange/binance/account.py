"""Account operations: balances, fees, trades, limits, key permissions (binance.md §4.4, §6.2)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Fill, MarketSpec
from obiterm.exchange.binance import errors, wire
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.info import filters
from obiterm.exchange.binance.orders import time_range
from obiterm.exchange.binance.selection import own_fills
from obiterm.exchange.binance.wire import ZERO
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.office import Json


def _key(call: Call) -> Credential:
    if call.credential is None:
        raise errors.missing("apiKey")
    return call.credential


def _bips(rate: Decimal) -> int:
    return int(rate * 10_000)


def account(office: BackOffice, call: Call) -> Json:
    """Return balances, rates and permissions."""
    spec = next(iter(office.venue.markets.values()))
    skip_zero = call.params.get_flag("omitZeroBalances")
    fills = office.venue.fills(call.account)
    return {
        "makerCommission": _bips(spec.maker_fee),
        "takerCommission": _bips(spec.taker_fee),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(spec.maker_fee, spec.taker_fee),
        "canTrade": _key(call).may_trade,
        "canWithdraw": _key(call).may_withdraw,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": wire.ms(fills[-1].time_ns if fills else call.now_ns),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": wire.amount(free), "locked": wire.amount(locked)}
            for asset, (free, locked) in sorted(office.venue.balances(call.account).items())
            if not skip_zero or free or locked
        ],
        "permissions": ["SPOT"],
        "uid": office.uids[call.account],
    }


def _rates(maker: Decimal, taker: Decimal) -> Json:
    return {
        "maker": wire.amount(maker),
        "taker": wire.amount(taker),
        "buyer": ZERO,
        "seller": ZERO,
    }


def commission(office: BackOffice, call: Call) -> Json:
    """Return the fee rates of a symbol; there is no discount here."""
    symbol = call.params.need_symbol()
    spec: MarketSpec = office.scale(symbol).spec
    none = _rates(Decimal(0), Decimal(0))
    return {
        "symbol": symbol,
        "standardCommission": _rates(spec.maker_fee, spec.taker_fee),
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": ZERO,
        },
    }


def my_trades(office: BackOffice, call: Call) -> list[Json]:
    """Return own fills of a symbol, oldest first, by order, id or time."""
    scale = office.scale(call.params.need_symbol())
    return [
        wire.my_trade(fill, scale, _list_id(office, call.account, fill))
        for fill in own_fills(office, call, time_range(call.params))
    ]


def _list_id(office: BackOffice, name: str, fill: Fill) -> int:
    return office.venue.find_order(name, fill.symbol, order_id=fill.order_id).list_id


def order_limits(office: BackOffice, call: Call) -> list[Json]:
    """Return how many unfilled orders count now."""
    return office.limits.order_rules(call.account, call.now_ns)


def api_restrictions(office: BackOffice, call: Call) -> Json:
    """Return what the key may do."""
    key = _key(call)
    return {
        "ipRestrict": True,
        "createTime": wire.ms(call.now_ns),
        "enableReading": True,
        "enableWithdrawals": key.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": key.may_trade,
        "enablePortfolioMarginTrading": False,
    }


def coins(office: BackOffice, call: Call) -> list[Json]:
    """Return the account's coins; no network moves them in or out."""
    rows: list[Json] = []
    for asset, (free, locked) in sorted(office.venue.balances(call.account).items()):
        amounts: Json = {"free": wire.amount(free), "locked": wire.amount(locked)}
        nothing = dict.fromkeys(("freeze", "withdrawing", "ipoing", "ipoable", "storage"), "0")
        rows.append(
            {
                "coin": asset,
                "name": asset,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "isLegalMoney": False,
                "trading": True,
                "networkList": [],
            }
            | amounts
            | nothing
        )
    return rows


def no_margin_pairs(office: BackOffice, call: Call) -> list[Json]:
    """Return no margin pairs: the exchange is spot only."""
    return []


def trade_fees(office: BackOffice, call: Call) -> list[Json]:
    """Return the fee rates of one market or of all."""
    symbol = call.params.get_symbol()
    specs = [office.scale(name).spec for name in ([symbol] if symbol else office.scales)]
    return [
        {
            "symbol": spec.symbol,
            "makerCommission": wire.amount(spec.maker_fee),
            "takerCommission": wire.amount(spec.taker_fee),
        }
        for spec in specs
    ]


def my_filters(office: BackOffice, call: Call) -> Json:
    """Return the filters that apply to the account; the exchange has none beside the market's."""
    spec = office.scale(call.params.need_symbol()).spec
    return {"exchangeFilters": [], "symbolFilters": filters(spec), "assetFilters": []}


def user_stream_gone(office: BackOffice, call: Call) -> Json:
    """Refuse listen keys: they were removed (HTTP 410, binance.md §1)."""
    raise ApiError(
        410,
        -1020,
        "This endpoint has been retired; subscribe to user data on the WebSocket API.",
    )
