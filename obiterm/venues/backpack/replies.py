"""What an answer to one of our order requests means (backpack.md §7).

An HTTP answer and the stream's report of the same order race (§2): both become the same
events, whoever takes them must stand either order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import AccountEvent, OrderNotFound, OrderOutcomeLost, OrderReported
from obiterm.core.orders import LiveOrder
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.backpack.errors import NOT_RESTING
from obiterm.venues.backpack.messages import FillRow, OrderRow, decoder, read
from obiterm.venues.backpack.translate import (
    Failure,
    Translator,
    cancel_failed,
    place_failed,
)


class Ask(Enum):
    """What was asked."""

    PLACE = "place"
    PLACE_BATCH = "place batch"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel all"
    QUERY = "query"
    """For an order that rests."""
    HISTORY = "order history"
    """For an order that may have ended, newest first."""
    OPEN_ORDERS = "open orders"
    FILLS = "fills"


class Asked(msgspec.Struct, frozen=True):
    """One request, remembered until its answer."""

    what: Ask
    symbol: Symbol = Symbol("")
    client_id: ClientOrderId = ClientOrderId("")
    """The order placed, cancelled or asked about."""
    venue_id: VenueOrderId = VenueOrderId("")
    """The venue's id of that order, when it was known."""
    batch: tuple[tuple[Symbol, ClientOrderId], ...] = ()
    """The orders of a batch, in its order."""
    client_ids: Mapping[VenueOrderId, ClientOrderId] = {}
    """Our ids of the orders whose trades were asked for."""


class Outcome(msgspec.Struct, frozen=True):
    """What an answer told: facts for the kernel, and more for whoever asked.

    Attributes:
        events: facts.
        open_orders: answer to ``OPEN_ORDERS``.
        accepted: a cancel was taken but not yet done (202): wait for the stream, then query.
        ended: the order that was queried does not rest: ask the history (``HISTORY``).
        failure: the venue's refusal, or None.
    """

    events: list[AccountEvent] = []
    open_orders: list[LiveOrder] = []
    accepted: bool = False
    ended: bool = False
    failure: Failure | None = None


_read_order = decoder(OrderRow)
_read_orders = decoder(list[OrderRow])
_read_fills = decoder(list[FillRow])

_HTTP_REFUSED = 400
_HTTP_ACCEPTED = 202
_OK = "Ok"


def succeeded(
    asked: Asked, status: int, body: bytes, translator: Translator, received_ns: int
) -> Outcome:
    """Read the answer to a request that went well; raise ``DataError`` if it is damaged."""
    what = asked.what
    if what in (Ask.CANCEL, Ask.CANCEL_ALL) and (status == _HTTP_ACCEPTED or not body.strip()):
        return Outcome(accepted=True)
    if what in (Ask.PLACE, Ask.CANCEL, Ask.QUERY):
        row = read(_read_order, body, what.value)
        return Outcome(_reports(asked, row, translator, received_ns))
    if what is Ask.CANCEL_ALL:
        rows = read(_read_orders, body, what.value)
        reports = (translator.order(row, received_ns) for row in rows)
        return Outcome([report for report in reports if report is not None])
    if what is Ask.PLACE_BATCH:
        rows = read(_read_orders, body, what.value)
        return Outcome(_batch(asked, rows, translator, received_ns))
    if what is Ask.HISTORY:
        return Outcome([_found(asked, body, translator, received_ns)])
    if what is Ask.OPEN_ORDERS:
        rows = read(_read_orders, body, what.value)
        return Outcome(open_orders=translator.live_orders(rows))
    fills = read(_read_fills, body, what.value)
    return Outcome([*translator.fills(fills, asked.client_ids, received_ns)])


def failed(asked: Asked, failure: Failure, received_ns: int) -> Outcome:
    """Say what a refusal means for the orders that were meant."""
    symbol, client_id = asked.symbol, asked.client_id
    events: list[AccountEvent] = []
    ended = False
    if asked.what is Ask.PLACE:
        events.append(place_failed(symbol, client_id, failure, received_ns))
    elif asked.what is Ask.PLACE_BATCH:
        events += [place_failed(*each, failure, received_ns) for each in asked.batch]
    elif asked.what is Ask.CANCEL:
        events.append(cancel_failed(symbol, client_id, failure, received_ns))
    elif asked.what is Ask.QUERY and failure.code == NOT_RESTING:
        ended = True
    elif asked.what in (Ask.QUERY, Ask.HISTORY):
        words = f"{asked.what.value}: {failure.words}"
        events.append(OrderOutcomeLost(symbol, client_id, words, received_ns))
    return Outcome(events, ended=ended, failure=failure)


def unanswered(asked: Asked, why: str, received_ns: int) -> list[AccountEvent]:
    """Say what it means that no answer came: whatever was meant may have happened."""
    return failed(asked, Failure(0, "", f"{asked.what.value}: {why}"), received_ns).events


def _reports(
    asked: Asked, row: OrderRow, translator: Translator, received_ns: int
) -> list[AccountEvent]:
    report = translator.order(row, received_ns)
    return [] if report is None else [_named(report, asked.client_id)]


def _named(report: OrderReported, client_id: ClientOrderId) -> OrderReported:
    """Give a report the id that we asked by, where the answer leaves it out."""
    if report.client_id or not client_id:
        return report
    return msgspec.structs.replace(report, client_id=client_id)


def _batch(
    asked: Asked, rows: list[OrderRow], translator: Translator, received_ns: int
) -> list[AccountEvent]:
    """Match the answers of a batch with its orders by their places.

    An order without an answer of its own may have been taken.
    """
    if len(rows) > len(asked.batch):
        raise DataError(f"place batch: {len(rows)} answers to {len(asked.batch)} orders")
    events: list[AccountEvent] = []
    for (symbol, client_id), row in zip(asked.batch, rows, strict=False):
        if row.operation == _OK or (row.operation is None and row.id is not None):
            mine = msgspec.structs.replace(asked, client_id=client_id)
            events += _reports(mine, row, translator, received_ns)
        else:
            failure = Failure(_HTTP_REFUSED, row.code or "", row.message or "")
            events.append(place_failed(symbol, client_id, failure, received_ns))
    events += [
        OrderOutcomeLost(symbol, client_id, "place batch: no answer for this order", received_ns)
        for symbol, client_id in asked.batch[len(rows) :]
    ]
    return events


def _found(
    asked: Asked, body: bytes, translator: Translator, received_ns: int
) -> OrderReported | OrderNotFound:
    """Find one order in a page of the history, by the venue's id or by ours."""
    for row in read(_read_orders, body, asked.what.value):
        report = translator.order(row, received_ns)
        if report is None or report.symbol != asked.symbol:
            continue
        if report.venue_id == asked.venue_id:
            return _named(report, asked.client_id)
        if report.client_id and report.client_id == asked.client_id:
            return report
    return OrderNotFound(asked.symbol, asked.client_id, received_ns)
