"""What an answer to one of our requests means, by REST or by the trade socket (bybit.md §3).

An accepted order is only accepted: the private stream tells what became of it, so a success
carries no event but the venue's id. A refusal is final and becomes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from obiterm.core.events import AccountEvent
from obiterm.core.orders import LiveOrder
from obiterm.core.values import ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.bybit.messages import (
    BatchCode,
    BatchCodes,
    BatchItems,
    CancelledAll,
    ExecutionPage,
    OrderIds,
    OrderPage,
    lenient,
    read,
)
from obiterm.venues.bybit.symbols import Category, category_of
from obiterm.venues.bybit.translate import (
    Failure,
    Translator,
    cancel_failed,
    not_found,
    place_failed,
    query_failed,
)

_HTTP_OK = 200


class Ask(Enum):
    """What was asked; the first three are the operations of the trade socket."""

    PLACE = "order.create"
    AMEND = "order.amend"
    CANCEL = "order.cancel"
    CANCEL_ALL = "cancel-all"
    QUERY = "order"
    HISTORY = "order history"
    """Asked when ``QUERY`` found nothing: only then an order is not at the venue (T8)."""
    OPEN_ORDERS = "open orders"
    EXECUTIONS = "executions"


class Asked(msgspec.Struct, frozen=True):
    """One request, remembered until its answer."""

    what: Ask
    symbol: Symbol = Symbol("")
    client_id: ClientOrderId = ClientOrderId("")
    """The order placed, cancelled, amended or asked about; empty if asked by the venue's id."""
    category: Category | None = None
    """Where a list was asked for without a symbol."""

    @property
    def market(self) -> str:
        """The category of the request, in the venue's words."""
        return (self.category or category_of(self.symbol)).value


class Outcome(msgspec.Struct, frozen=True):
    """What an answer told: facts for the kernel, and the rest for whoever asked."""

    events: list[AccountEvent] = []
    open_orders: list[LiveOrder] = []
    cursor: str = ""
    """Where the next page begins; empty on the last one."""
    venue_id: VenueOrderId = VenueOrderId("")
    """The venue's id of a placed order."""
    cancelled: int = 0
    """How many orders a cancel-all took; ask for the list, the venue works on."""
    found: bool = True
    """False when a query found nothing: ask the history then."""


LISTS = frozenset({Ask.CANCEL_ALL, Ask.OPEN_ORDERS, Ask.EXECUTIONS})
"""Questions about no order in particular: their refusal is nobody's news but the asker's."""

_read_ids = lenient(OrderIds)
_read_cancelled = lenient(CancelledAll)
_read_orders = lenient(OrderPage)
_read_executions = lenient(ExecutionPage)
_read_items = lenient(BatchItems)
_read_codes = lenient(BatchCodes)


def succeeded(
    asked: Asked, result: bytes | msgspec.Raw, translator: Translator, received_ns: int
) -> Outcome:
    """Read the result of a request that went well; raise ``DataError`` if it is damaged."""
    what = asked.what
    if what in (Ask.PLACE, Ask.AMEND, Ask.CANCEL):
        ids = read(_read_ids, result, what.value)
        venue_id = VenueOrderId(ids.order_id or "")
        translator.known.learn(venue_id, ClientOrderId(ids.order_link_id or asked.client_id))
        return Outcome(venue_id=venue_id)
    if what is Ask.CANCEL_ALL:
        return Outcome(cancelled=len(read(_read_cancelled, result, what.value).items or []))
    if what is Ask.EXECUTIONS:
        return _executions(asked, result, translator, received_ns)
    page = read(_read_orders, result, what.value)
    rows = page.rows or []
    category = page.category or asked.market
    if what is Ask.OPEN_ORDERS:
        orders = translator.live_orders(rows, category)
        return Outcome(open_orders=orders, cursor=_cursor(page.next_page_cursor, rows))
    reports = [translator.order(row, category, received_ns) for row in rows]
    events: list[AccountEvent] = [
        report
        for report in reports
        if report is not None and asked.client_id in ("", report.client_id)
    ]
    found = bool(events)
    if not found and what is Ask.HISTORY:
        events.append(not_found(asked.symbol, asked.client_id, received_ns))
    return Outcome(events, found=found)


def failed(asked: Asked, failure: Failure, received_ns: int) -> Outcome:
    """Say what a refusal means for the order that was meant."""
    symbol, client_id = asked.symbol, asked.client_id
    if asked.what is Ask.PLACE:
        return Outcome([place_failed(symbol, client_id, failure, received_ns)])
    if asked.what in (Ask.CANCEL, Ask.AMEND):
        return Outcome([cancel_failed(symbol, client_id, failure, received_ns)])
    if asked.what in (Ask.QUERY, Ask.HISTORY):
        return Outcome([query_failed(symbol, client_id, failure, received_ns)])
    return Outcome()


def unanswered(asked: Asked, why: str, received_ns: int) -> list[AccountEvent]:
    """Say what it means that no answer came: whatever was meant may have happened."""
    return failed(asked, Failure(0, 0, f"{asked.what.value}: {why}"), received_ns).events


def batch(
    asked: list[Asked],
    result: bytes | msgspec.Raw,
    extra: bytes | msgspec.Raw,
    translator: Translator,
    received_ns: int,
) -> list[Outcome]:
    """Read a batch's answer: one outcome per item, in the order asked (§5.5).

    An item that the answer does not mention may have happened.
    """
    items = read(_read_items, result, "batch").items or []
    codes = read(_read_codes, extra, "batch").items or [] if extra else []
    outcomes: list[Outcome] = []
    for at, each in enumerate(asked):
        code = codes[at] if at < len(codes) else None
        if code is None:
            outcomes.append(Outcome(unanswered(each, "not in the batch's answer", received_ns)))
        elif code.code:
            outcomes.append(failed(each, _item_failure(code), received_ns))
        else:
            ids = items[at] if at < len(items) else OrderIds()
            venue_id = VenueOrderId(ids.order_id or "")
            translator.known.learn(venue_id, ClientOrderId(ids.order_link_id or each.client_id))
            outcomes.append(Outcome(venue_id=venue_id))
    return outcomes


def _executions(
    asked: Asked, result: bytes | msgspec.Raw, translator: Translator, received_ns: int
) -> Outcome:
    """Read a page of executions; events come oldest first, the venue tells the newest first."""
    page = read(_read_executions, result, asked.what.value)
    rows = page.rows or []
    category = page.category or asked.market
    told = [translator.execution(row, category, received_ns) for row in reversed(rows)]
    events: list[AccountEvent] = [each for each in told if each is not None]
    return Outcome(events, cursor=_cursor(page.next_page_cursor, rows))


def _cursor(cursor: str | None, rows: Sequence[msgspec.Struct]) -> str:
    """Return where to go on; a cursor behind an empty page leads nowhere (§3)."""
    return (cursor or "") if rows else ""


def _item_failure(code: BatchCode) -> Failure:
    return Failure(_HTTP_OK, code.code, code.msg or "")
