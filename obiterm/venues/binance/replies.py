"""What an answer to one of our requests means, whichever way it came (binance.md §6, §7).

The WebSocket API wraps the same results that REST sends bare, so both ways end here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from obiterm.core.events import AccountEvent
from obiterm.core.orders import LiveOrder
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.binance.messages import (
    Account,
    CancelReplaceReply,
    ErrorBody,
    ListReply,
    OrderReply,
    TradeRow,
    read,
)
from obiterm.venues.binance.translate import (
    Failure,
    Translator,
    cancel_failed,
    listed_balances,
    place_failed,
    query_failed,
)


class Ask(Enum):
    """What was asked; the values are the methods of the WebSocket API."""

    LOGON = "session.logon"
    SUBSCRIBE = "userDataStream.subscribe"
    PLACE = "order.place"
    CANCEL = "order.cancel"
    REPLACE = "order.cancelReplace"
    CANCEL_ALL = "openOrders.cancelAll"
    QUERY = "order.status"
    OPEN_ORDERS = "openOrders.status"
    ACCOUNT = "account.status"
    TRADES = "myTrades"


class Asked(msgspec.Struct, frozen=True):
    """One request, remembered until its answer."""

    what: Ask
    symbol: Symbol = Symbol("")
    client_id: ClientOrderId = ClientOrderId("")
    """The order placed, cancelled, replaced or asked about."""
    new_client_id: ClientOrderId = ClientOrderId("")
    """The order that a cancel-replace places."""
    client_ids: Mapping[VenueOrderId, ClientOrderId] = {}
    """Our ids of the orders whose trades were asked for."""


class Outcome(msgspec.Struct, frozen=True):
    """What an answer told: facts for the kernel, and open orders for whoever asked."""

    events: list[AccountEvent] = []
    open_orders: list[LiveOrder] = []


_read_order = msgspec.json.Decoder(OrderReply)
_read_orders = msgspec.json.Decoder(list[OrderReply])
_read_items = msgspec.json.Decoder(list[msgspec.Raw])
_read_list = msgspec.json.Decoder(ListReply)
_read_rows = msgspec.json.Decoder(list[TradeRow])
_read_account = msgspec.json.Decoder(Account)
_read_replace = msgspec.json.Decoder(CancelReplaceReply)
_read_error = msgspec.json.Decoder(ErrorBody)

_SUCCESS = "SUCCESS"
_LEGS = b'"orderReports"'
_HTTP_REFUSED = 400


def succeeded(
    asked: Asked, result: bytes | msgspec.Raw, translator: Translator, received_ns: int
) -> Outcome:
    """Read the result of a request that went well; raise ``DataError`` if it is damaged."""
    what = asked.what
    if what in (Ask.PLACE, Ask.CANCEL, Ask.QUERY):
        reply = read(_read_order, result, asked.what.value)
        return Outcome(translator.order(reply, received_ns))
    if what is Ask.CANCEL_ALL:
        return Outcome(_cancelled(result, translator, received_ns))
    if what is Ask.OPEN_ORDERS:
        replies = read(_read_orders, result, asked.what.value)
        return Outcome(open_orders=translator.live_orders(replies))
    if what is Ask.ACCOUNT:
        account = read(_read_account, result, asked.what.value)
        return Outcome([*listed_balances(account.balances, received_ns)])
    if what is Ask.TRADES:
        rows = read(_read_rows, result, asked.what.value)
        return Outcome([*translator.trades(rows, asked.client_ids, received_ns)])
    if what is Ask.REPLACE:
        return Outcome(_replaced(asked, result, _HTTP_REFUSED, translator, received_ns))
    return Outcome()


def failed(
    asked: Asked,
    failure: Failure,
    data: bytes | msgspec.Raw,
    translator: Translator,
    received_ns: int,
) -> Outcome:
    """Say what a refusal means for the orders that were meant. ``data`` is the error's data."""
    symbol, client_id = asked.symbol, asked.client_id
    if asked.what is Ask.PLACE:
        return Outcome([place_failed(symbol, client_id, failure, received_ns)])
    if asked.what is Ask.CANCEL:
        return Outcome([cancel_failed(symbol, client_id, failure, received_ns)])
    if asked.what is Ask.QUERY:
        return Outcome([query_failed(symbol, client_id, failure, received_ns)])
    if asked.what is Ask.REPLACE:
        if not _is_absent(data):
            return Outcome(_replaced(asked, data, failure.status, translator, received_ns))
        return Outcome(
            [
                cancel_failed(symbol, client_id, failure, received_ns),
                place_failed(symbol, asked.new_client_id, failure, received_ns),
            ]
        )
    return Outcome()


def unanswered(
    asked: Asked, why: str, translator: Translator, received_ns: int
) -> list[AccountEvent]:
    """Say what it means that no answer came: whatever was meant may have happened."""
    failure = Failure(0, 0, f"{asked.what.value}: {why}")
    return failed(asked, failure, b"", translator, received_ns).events


def _replaced(
    asked: Asked,
    result: bytes | msgspec.Raw,
    status: int,
    translator: Translator,
    received_ns: int,
) -> list[AccountEvent]:
    """Read both halves of a cancel-replace; each is an order or an error."""
    reply = read(_read_replace, result, asked.what.value)
    events: list[AccountEvent] = []
    if reply.cancel_result == _SUCCESS:
        cancelled = read(_read_order, reply.cancel_response, asked.what.value)
        events += translator.order(cancelled, received_ns)
    else:
        failure = _half(reply.cancel_response, status, reply.cancel_result)
        events.append(cancel_failed(asked.symbol, asked.client_id, failure, received_ns))
    if reply.new_order_result == _SUCCESS:
        placed = read(_read_order, reply.new_order_response, asked.what.value)
        events += translator.order(placed, received_ns)
    else:
        failure = _half(reply.new_order_response, status, reply.new_order_result)
        events.append(place_failed(asked.symbol, asked.new_client_id, failure, received_ns))
    return events


def _half(response: msgspec.Raw, status: int, result: str) -> Failure:
    """Read the error of one half; ``null`` stands for a half that was not attempted."""
    if _is_absent(response):
        return Failure(_HTTP_REFUSED, 0, result.lower().replace("_", " "))
    error = read(_read_error, response, "cancel-replace")
    return Failure(status, error.code, error.msg)


def _is_absent(value: bytes | msgspec.Raw) -> bool:
    """Tell a missing field from a given one; the venue also writes ``null``."""
    return not value or bytes(value) == b"null"


def _cancelled(
    result: bytes | msgspec.Raw, translator: Translator, received_ns: int
) -> list[AccountEvent]:
    """Read the replies of cancel-all: orders, and order lists with their legs."""
    events: list[AccountEvent] = []
    for item in read(_read_items, result, Ask.CANCEL_ALL.value):
        if _LEGS in bytes(item):
            legs = read(_read_list, item, Ask.CANCEL_ALL.value).order_reports
        else:
            legs = [read(_read_order, item, Ask.CANCEL_ALL.value)]
        for leg in legs:
            events += translator.order(leg, received_ns)
    return events
