"""The table of operations of the futures (binance.md §9.1, §10.4, §11.4)."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.exchange.binance import market as spot_market
from obiterm.exchange.binance import sessions
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.operation import Operation, Weight, cost
from obiterm.exchange.binance.params import Params
from obiterm.exchange.binance_futures import (
    account,
    algo,
    history,
    market,
    orders,
    positions,
    settings,
    user_data,
)
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.order_request import ALGO_PARAMS, ORDER_PARAMS

Entry = Operation[FuturesOffice]
Handler = Callable[[FuturesOffice, Call], object]

_SPANS = ("startTime", "endTime", "limit")
_IDS = ("symbol", "orderId", "origClientOrderId")
_ID_LISTS = ("orderIdList", "origClientOrderIdList")
_MODIFY = frozenset(
    {*_IDS, "side", "quantity", "price", "priceMatch", "modifyId", "reduceOnly", "positionSide"}
)


def _open(name: str, handler: Handler, weight: int | Weight, *known: str) -> Entry:
    return Operation(name, handler, cost(weight), frozenset(known))


def _keyed(name: str, handler: Handler, *known: str) -> Entry:
    return Operation(name, handler, cost(1), frozenset(known), keyed=True)


def _signed(name: str, handler: Handler, weight: int | Weight, *known: str) -> Entry:
    return Operation(name, handler, cost(weight), frozenset(known), signed=True)


def _trade(
    name: str, handler: Handler, known: frozenset[str], *, weight: int = 0, adds: int = 0
) -> Entry:
    return Operation(
        name,
        handler,
        cost(weight),
        known,
        signed=True,
        order_call=True,
        keeps_weight=True,
        new_orders=adds,
        tells_orders=True,
    )


def _by_symbol(one: int, all_: int) -> Weight:
    def weight(params: Params) -> int:
        return one if "symbol" in params else all_

    return weight


def _status(office: BackOffice, call: Call) -> object:
    """Return the session without the subscriptions that only spot has."""
    told = sessions.session_status(office, call)
    told.pop("userDataStream")
    return told


def _logon(office: BackOffice, call: Call) -> object:
    told = sessions.logon(office, call)
    told.pop("userDataStream")
    return told


def _logout(office: BackOffice, call: Call) -> object:
    told = sessions.logout(office, call)
    told.pop("userDataStream")
    return told


_PUBLIC: tuple[Entry, ...] = (
    _open("ping", spot_market.ping, 1),
    _open("time", spot_market.server_time, 1),
    _open("exchangeInfo", market.exchange_info, 1),
    _open("depth", market.depth, market.depth_weight, "symbol", "limit"),
    _open("trades", market.trades, 5, "symbol", "limit"),
    _open("aggTrades", market.aggregate_trades, 20, "symbol", "fromId", *_SPANS),
    _open("klines", spot_market.klines, market.klines_weight, "symbol", "interval", *_SPANS),
    _open("ticker.24hr", spot_market.day_ticker, _by_symbol(1, 40), "symbol"),
    _open("ticker.price", market.price_ticker, _by_symbol(1, 2), "symbol"),
    _open("ticker.book", market.book_ticker, _by_symbol(2, 5), "symbol"),
    _open("premiumIndex", market.premium_index, _by_symbol(1, 10), "symbol"),
    _open("fundingRate", market.funding_rates, 1, "symbol", *_SPANS),
    _open("fundingInfo", market.funding_info, 0),
    _open("openInterest", market.open_interest, 1, "symbol"),
)
_TRADING: tuple[Entry, ...] = (
    _trade("order.place", orders.place, ORDER_PARAMS, adds=1),
    _signed("order.test", orders.test, 0, *ORDER_PARAMS),
    _trade("order.modify", orders.modify, _MODIFY, adds=1),
    _trade("order.cancel", orders.cancel, frozenset(_IDS), weight=1),
    _signed("order.status", orders.status, 1, *_IDS),
    _trade("orders.cancelAll", orders.cancel_all, frozenset({"symbol"}), weight=1),
    _trade("orders.countdown", orders.countdown, frozenset({"symbol", "countdownTime"}), weight=10),
    _trade("batch.place", orders.place_batch, frozenset({"batchOrders"}), adds=5),
    _trade("batch.modify", orders.modify_batch, frozenset({"batchOrders"}), adds=5),
    _trade(
        "batch.cancel",
        orders.cancel_batch,
        frozenset({"symbol", *_ID_LISTS, *(name.lower() for name in _ID_LISTS)}),
        weight=1,
    ),
    _signed("openOrder", orders.open_order, 1, *_IDS),
    _signed("openOrders", orders.open_orders, _by_symbol(1, 40), "symbol"),
    _signed("allOrders", orders.all_orders, 5, "symbol", "orderId", *_SPANS),
    _trade("algoOrder.place", algo.place, ALGO_PARAMS, adds=1),
    _trade("algoOrder.cancel", algo.cancel, frozenset({"algoId", "clientAlgoId"}), weight=1),
    _trade("algoOrders.cancelAll", algo.cancel_all, frozenset({"symbol"}), weight=1),
    _signed("algoOrder.status", algo.status, 1, "algoId", "clientAlgoId"),
    _signed("openAlgoOrders", algo.open_algos, _by_symbol(1, 40), "symbol", "algoType", "algoId"),
    _signed("allAlgoOrders", algo.all_algos, 5, "symbol", "algoId", *_SPANS),
)
_ACCOUNT: tuple[Entry, ...] = (
    _signed("account.status", account.account_v2, 5),
    _signed("v2/account.status", account.account_v3, 5),
    _signed("account.balance", account.balances, 5),
    _signed("v2/account.balance", account.balances, 5),
    _signed("account.position", positions.risk_v2, 5, "symbol"),
    _signed("v2/account.position", positions.risk_v3, 5, "symbol"),
    _signed("accountConfig", settings.account_config, 5),
    _signed("symbolConfig", settings.symbol_config, 5, "symbol"),
    _signed("leverageBracket", settings.brackets, 1, "symbol"),
    _signed("commissionRate", settings.commission, 20, "symbol"),
    _trade("leverage", settings.set_leverage, frozenset({"symbol", "leverage"}), weight=1),
    _trade("marginType", settings.set_margin_type, frozenset({"symbol", "marginType"}), weight=1),
    _signed("positionMode", settings.get_mode, 30),
    _trade("positionMode.set", settings.set_mode, frozenset({"dualSidePosition"}), weight=1),
    _signed("multiAssets", settings.get_multi_assets, 30),
    _trade(
        "multiAssets.set", settings.set_multi_assets, frozenset({"multiAssetsMargin"}), weight=1
    ),
    _signed("rateLimit", settings.order_limits, 1),
    _signed("userTrades", history.user_trades, 5, "symbol", "orderId", "fromId", *_SPANS),
    _signed("income", history.income, 30, "symbol", "incomeType", *_SPANS),
    _signed(
        "forceOrders", history.force_orders, _by_symbol(20, 50), "symbol", "autoCloseType", *_SPANS
    ),
    _keyed("userDataStream.start", user_data.start),
    _keyed("userDataStream.ping", user_data.keep_alive, "listenKey"),
    _keyed("userDataStream.stop", user_data.close, "listenKey"),
)
_SESSION: tuple[Entry, ...] = (
    Operation("session.logon", _logon, cost(2), signed=True),
    Operation("session.status", _status, cost(2)),
    Operation("session.logout", _logout, cost(2)),
)

OPERATIONS: dict[str, Entry] = {
    entry.name: entry for entry in (*_PUBLIC, *_TRADING, *_ACCOUNT, *_SESSION)
}
_METHODS = (
    *("ping", "time", "depth", "ticker.price", "ticker.book"),
    *("order.place", "order.modify", "order.cancel", "order.status"),
    *("algoOrder.place", "algoOrder.cancel"),
    *("account.status", "v2/account.status", "account.balance", "v2/account.balance"),
    *("account.position", "v2/account.position"),
    *("userDataStream.start", "userDataStream.ping", "userDataStream.stop"),
    *("session.logon", "session.status", "session.logout"),
)
METHODS: dict[str, Entry] = {name: OPERATIONS[name] for name in _METHODS}
"""What the WebSocket API answers."""

_PATHS: tuple[tuple[str, str, str], ...] = (
    ("GET", "v1/ping", "ping"),
    ("GET", "v1/time", "time"),
    ("GET", "v1/exchangeInfo", "exchangeInfo"),
    ("GET", "v1/depth", "depth"),
    ("GET", "v1/trades", "trades"),
    ("GET", "v1/historicalTrades", "trades"),
    ("GET", "v1/aggTrades", "aggTrades"),
    ("GET", "v1/klines", "klines"),
    ("GET", "v1/ticker/24hr", "ticker.24hr"),
    ("GET", "v1/ticker/price", "ticker.price"),
    ("GET", "v2/ticker/price", "ticker.price"),
    ("GET", "v1/ticker/bookTicker", "ticker.book"),
    ("GET", "v1/premiumIndex", "premiumIndex"),
    ("GET", "v1/fundingRate", "fundingRate"),
    ("GET", "v1/fundingInfo", "fundingInfo"),
    ("GET", "v1/openInterest", "openInterest"),
    ("POST", "v1/order", "order.place"),
    ("POST", "v1/order/test", "order.test"),
    ("PUT", "v1/order", "order.modify"),
    ("DELETE", "v1/order", "order.cancel"),
    ("GET", "v1/order", "order.status"),
    ("DELETE", "v1/allOpenOrders", "orders.cancelAll"),
    ("POST", "v1/countdownCancelAll", "orders.countdown"),
    ("POST", "v1/batchOrders", "batch.place"),
    ("PUT", "v1/batchOrders", "batch.modify"),
    ("DELETE", "v1/batchOrders", "batch.cancel"),
    ("GET", "v1/openOrder", "openOrder"),
    ("GET", "v1/openOrders", "openOrders"),
    ("GET", "v1/allOrders", "allOrders"),
    ("POST", "v1/algoOrder", "algoOrder.place"),
    ("DELETE", "v1/algoOrder", "algoOrder.cancel"),
    ("GET", "v1/algoOrder", "algoOrder.status"),
    ("DELETE", "v1/algoOpenOrders", "algoOrders.cancelAll"),
    ("GET", "v1/openAlgoOrders", "openAlgoOrders"),
    ("GET", "v1/allAlgoOrders", "allAlgoOrders"),
    ("GET", "v2/account", "account.status"),
    ("GET", "v3/account", "v2/account.status"),
    ("GET", "v2/balance", "account.balance"),
    ("GET", "v3/balance", "v2/account.balance"),
    ("GET", "v2/positionRisk", "account.position"),
    ("GET", "v3/positionRisk", "v2/account.position"),
    ("GET", "v1/accountConfig", "accountConfig"),
    ("GET", "v1/symbolConfig", "symbolConfig"),
    ("GET", "v1/leverageBracket", "leverageBracket"),
    ("GET", "v1/commissionRate", "commissionRate"),
    ("POST", "v1/leverage", "leverage"),
    ("POST", "v1/marginType", "marginType"),
    ("GET", "v1/positionSide/dual", "positionMode"),
    ("POST", "v1/positionSide/dual", "positionMode.set"),
    ("GET", "v1/multiAssetsMargin", "multiAssets"),
    ("POST", "v1/multiAssetsMargin", "multiAssets.set"),
    ("GET", "v1/rateLimit/order", "rateLimit"),
    ("GET", "v1/userTrades", "userTrades"),
    ("GET", "v1/income", "income"),
    ("GET", "v1/forceOrders", "forceOrders"),
    ("POST", "v1/listenKey", "userDataStream.start"),
    ("PUT", "v1/listenKey", "userDataStream.ping"),
    ("DELETE", "v1/listenKey", "userDataStream.stop"),
)
ROUTES: dict[tuple[str, str], Entry] = {
    (method, f"/fapi/{path}"): OPERATIONS[name] for method, path, name in _PATHS
}
