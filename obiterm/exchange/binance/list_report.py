"""The venue's report of an order list (binance.md §6.5)."""

from __future__ import annotations

from obiterm.exchange.api import Order, OrderList
from obiterm.exchange.binance import wire
from obiterm.exchange.binance.backoffice import BackOffice
from obiterm.exchange.wire.office import Json


def legs(office: BackOffice, order_list: OrderList) -> list[Order]:
    """Return the orders of a list."""
    return [
        office.venue.find_order(order_list.account, order_list.symbol, order_id=order_id)
        for order_id in order_list.order_ids
    ]


def list_head(order_list: OrderList, orders: list[Order], time_ns: int) -> Json:
    """Write what queries and reports of a list share."""
    return {
        "orderListId": order_list.list_id,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if order_list.done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if order_list.done else "EXECUTING",
        "listClientOrderId": order_list.client_id,
        "transactionTime": wire.ms(time_ns),
        "symbol": order_list.symbol,
        "orders": [
            {"symbol": order.symbol, "orderId": order.order_id, "clientOrderId": order.client_id}
            for order in orders
        ],
    }


def list_report(office: BackOffice, account: str, list_id: int, now_ns: int) -> Json:
    """Write the answer to placing or cancelling a list: head and both legs."""
    order_list = office.venue.order_list(account, list_id)
    orders = legs(office, order_list)
    scale = office.scale(order_list.symbol)
    out = list_head(order_list, orders, now_ns)
    out["orderReports"] = [
        wire.result(order, scale, office.extras_of(order))
        | ({"origClientOrderId": order.client_id} if order_list.done else {})
        for order in orders
    ]
    return out
