"""Take back entries at the venue and leave what protects: the rule ``cancel`` without a host."""

from __future__ import annotations

import asyncio

from obiterm.core.errors import ObitermError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import OrderRole, Symbol
from obiterm.engine.flatten import call
from obiterm.engine.gateway import Gateway
from obiterm.engine.panic import PanicProgress
from obiterm.host.journal_books import JournalBooks
from obiterm.trading.ids import read_client_id

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
_GROWTH = 1.6
_ENTRIES = (OrderRole.ENTRY, OrderRole.MANUAL)


async def withdraw_entries(
    gateway: Gateway,
    instruments: dict[Symbol, Instrument],
    books: JournalBooks,
    progress: PanicProgress,
) -> None:
    """Cancel own orders that could open a position until the venue shows none; keep the rest.

    Orders of other programs are left alone. What is held without a resting stop is named in
    ``progress.text``: nobody is there to place one.
    """
    wait_s = _FIRST_WAIT_S
    seen: set[str] = set()
    while True:
        progress.attempt += 1
        try:
            orders = await call(gateway.open_orders())
            entries = [order for order in orders if _role(order) in _ENTRIES]
            for order in entries:
                seen.add(order.client_id)
                gateway.cancel(order.symbol, order.client_id, order.venue_id)
            progress.left_orders = len(entries)
            progress.cancelled = len(seen) - len(entries)
            progress.text = ""
            if not entries and not books.on_the_way():
                await _tell_unprotected(gateway, instruments, books, progress, orders)
                progress.done = True
                return
        except (ObitermError, OSError, TimeoutError) as error:
            progress.text = f"no answer, trying again: {error or type(error).__name__}"
        await asyncio.sleep(wait_s)
        wait_s = min(_LONGEST_WAIT_S, wait_s * _GROWTH)


async def _tell_unprotected(
    gateway: Gateway,
    instruments: dict[Symbol, Instrument],
    books: JournalBooks,
    progress: PanicProgress,
    orders: list[LiveOrder],
) -> None:
    held = {told.symbol for told in await call(gateway.positions()) if told.lots}
    await call(books.refresh())
    for symbol, instrument in instruments.items():
        if not instrument.is_perpetual and books.exposure_lots(symbol) >= instrument.min_lots:
            held.add(symbol)
    progress.left_positions = len(held)
    bare = held - {order.symbol for order in orders if _role(order) is OrderRole.STOP}
    if bare:
        progress.text = f"held without a resting stop: {', '.join(sorted(bare))}"


def _role(order: LiveOrder) -> OrderRole | None:
    parts = read_client_id(order.client_id)
    return parts.role if parts is not None else None
