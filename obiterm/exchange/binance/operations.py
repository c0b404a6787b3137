"""The table of operations: one implementation for REST and the WebSocket API.

Weights are those of binance.md §6; a call marked ``order_call`` costs nothing
when it succeeds (binance.md §5).
"""

from __future__ import annotations

from collections.abc import Callable

from obiterm.exchange.binance import account, market, order_lists, orders
from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.operation import Operation, Weight, cost, fixed
from obiterm.exchange.binance.order_lists import OCO_PARAMS
from obiterm.exchange.binance.order_request import ORDER_PARAMS
from obiterm.exchange.binance.params import Params

Handler = Callable[[BackOffice, Call], object]


def _open(name: str, handler: Handler, weight: int | Weight, *known: str) -> Operation[BackOffice]:
    return Operation(name, handler, cost(weight), frozenset(known))


def _signed(
    name: str, handler: Handler, weight: int | Weight, *known: str
) -> Operation[BackOffice]:
    return Operation(name, handler, cost(weight), frozenset(known), signed=True)


def _order(
    name: str, handler: Handler, known: frozenset[str], *, adds: int = 0, always: bool = False
) -> Operation[BackOffice]:
    return Operation(
        name,
        handler,
        fixed(1),
        known,
        signed=True,
        order_call=True,
        new_orders=adds,
        counted_always=always,
        tells_orders=True,
    )


def _test_weight(params: Params) -> int:
    return 20 if params.get("computeCommissionRates") == "true" else 1


def _open_orders_weight(params: Params) -> int:
    return 6 if "symbol" in params else 80


def _my_trades_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20


_CANCEL_PARAMS = frozenset(
    {"symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"}
)
_REPLACE_PARAMS = ORDER_PARAMS | {
    "cancelReplaceMode",
    "cancelOrderId",
    "cancelOrigClientOrderId",
    "cancelNewClientOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
}
_SPANS = ("startTime", "endTime", "limit")

_ALL: tuple[Operation[BackOffice], ...] = (
    _open("ping", market.ping, 1),
    _open("time", market.server_time, 1),
    _open(
        "exchangeInfo",
        market.exchange_info,
        20,
        "symbol",
        "symbols",
        "permissions",
        "symbolStatus",
        "showPermissionSets",
    ),
    _open("depth", market.depth, market.depth_weight, "symbol", "limit", "symbolStatus"),
    _open("trades.recent", market.trades, 25, "symbol", "limit"),
    _open("trades.aggregate", market.aggregate_trades, 4, "symbol", "fromId", *_SPANS),
    _open("klines", market.klines, 2, "symbol", "interval", "timeZone", *_SPANS),
    _open("uiKlines", market.klines, 2, "symbol", "interval", "timeZone", *_SPANS),
    _open("avgPrice", market.average_price, 2, "symbol"),
    _open("ticker.book", market.book_ticker, market.ticker_weight, *market.TICKER_PARAMS),
    _open("ticker.price", market.price_ticker, market.ticker_weight, *market.TICKER_PARAMS),
    _open("ticker.24hr", market.day_ticker, 2, "type", *market.TICKER_PARAMS),
    _order("order.place", orders.place, ORDER_PARAMS, adds=1),
    Operation(
        "order.test",
        orders.test,
        _test_weight,
        ORDER_PARAMS | {"computeCommissionRates"},
        signed=True,
    ),
    _order("order.cancel", orders.cancel, _CANCEL_PARAMS),
    _order("order.cancelReplace", orders.replace, _REPLACE_PARAMS, adds=1, always=True),
    _order("openOrders.cancelAll", orders.cancel_all, frozenset({"symbol"})),
    _order("orderList.place.oco", order_lists.place_oco, OCO_PARAMS, adds=2),
    _order(
        "orderList.cancel",
        order_lists.cancel_list,
        frozenset({"symbol", "orderListId", "listClientOrderId", "newClientOrderId"}),
    ),
    _signed("order.status", orders.status, 4, "symbol", "orderId", "origClientOrderId"),
    _signed("openOrders.status", orders.open_orders, _open_orders_weight, "symbol"),
    _signed("allOrders", orders.all_orders, 20, "symbol", "orderId", *_SPANS),
    _signed("orderList.status", order_lists.list_status, 4, "orderListId", "origClientOrderId"),
    _signed("openOrderLists.status", order_lists.open_lists, 6),
    _signed("allOrderLists", order_lists.all_lists, 20, "fromId", *_SPANS),
    _signed("account.status", account.account, 20, "omitZeroBalances"),
    _signed("account.commission", account.commission, 20, "symbol"),
    _signed("account.rateLimits.orders", account.order_limits, 40),
    _signed(
        "myTrades", account.my_trades, _my_trades_weight, "symbol", "orderId", "fromId", *_SPANS
    ),
    _signed("myFilters", account.my_filters, 40, "symbol"),
    _signed("account.apiRestrictions", account.api_restrictions, 1),
    _signed("account.coins", account.coins, 10),
    _signed("account.tradeFees", account.trade_fees, 1, "symbol"),
    _signed("margin.pairs", account.no_margin_pairs, 1, "symbol"),
    _open("userDataStream.start", account.user_stream_gone, 2, "listenKey"),
)
OPERATIONS: dict[str, Operation[BackOffice]] = {operation.name: operation for operation in _ALL}

_REST_ONLY = frozenset(
    {
        "account.apiRestrictions",
        "account.coins",
        "account.tradeFees",
        "margin.pairs",
        "userDataStream.start",
    }
)
WS_METHODS: dict[str, Operation[BackOffice]] = {
    name: operation for name, operation in OPERATIONS.items() if name not in _REST_ONLY
}

_ROUTES: tuple[tuple[str, str, str], ...] = (
    ("GET", "/api/v3/ping", "ping"),
    ("GET", "/api/v3/time", "time"),
    ("GET", "/api/v3/exchangeInfo", "exchangeInfo"),
    ("GET", "/api/v3/depth", "depth"),
    ("GET", "/api/v3/trades", "trades.recent"),
    ("GET", "/api/v3/historicalTrades", "trades.recent"),
    ("GET", "/api/v3/aggTrades", "trades.aggregate"),
    ("GET", "/api/v3/klines", "klines"),
    ("GET", "/api/v3/uiKlines", "uiKlines"),
    ("GET", "/api/v3/avgPrice", "avgPrice"),
    ("GET", "/api/v3/ticker/bookTicker", "ticker.book"),
    ("GET", "/api/v3/ticker/price", "ticker.price"),
    ("GET", "/api/v3/ticker/24hr", "ticker.24hr"),
    ("POST", "/api/v3/order", "order.place"),
    ("POST", "/api/v3/order/test", "order.test"),
    ("DELETE", "/api/v3/order", "order.cancel"),
    ("GET", "/api/v3/order", "order.status"),
    ("POST", "/api/v3/order/cancelReplace", "order.cancelReplace"),
    ("GET", "/api/v3/openOrders", "openOrders.status"),
    ("DELETE", "/api/v3/openOrders", "openOrders.cancelAll"),
    ("GET", "/api/v3/allOrders", "allOrders"),
    ("POST", "/api/v3/orderList/oco", "orderList.place.oco"),
    ("DELETE", "/api/v3/orderList", "orderList.cancel"),
    ("GET", "/api/v3/orderList", "orderList.status"),
    ("GET", "/api/v3/openOrderList", "openOrderLists.status"),
    ("GET", "/api/v3/allOrderList", "allOrderLists"),
    ("GET", "/api/v3/account", "account.status"),
    ("GET", "/api/v3/account/commission", "account.commission"),
    ("GET", "/api/v3/rateLimit/order", "account.rateLimits.orders"),
    ("GET", "/api/v3/myTrades", "myTrades"),
    ("GET", "/api/v3/myFilters", "myFilters"),
    ("GET", "/sapi/v1/account/apiRestrictions", "account.apiRestrictions"),
    ("GET", "/sapi/v1/capital/config/getall", "account.coins"),
    ("GET", "/sapi/v1/asset/tradeFee", "account.tradeFees"),
    ("GET", "/sapi/v1/margin/allPairs", "margin.pairs"),
    ("GET", "/sapi/v1/margin/isolated/allPairs", "margin.pairs"),
    ("POST", "/api/v3/userDataStream", "userDataStream.start"),
    ("PUT", "/api/v3/userDataStream", "userDataStream.start"),
    ("DELETE", "/api/v3/userDataStream", "userDataStream.start"),
)
ROUTES: dict[tuple[str, str], Operation[BackOffice]] = {
    (method, path): OPERATIONS[name] for method, path, name in _ROUTES
}
