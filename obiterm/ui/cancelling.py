"""Cancel one order by hand; one that protects a position only after a question."""

from __future__ import annotations

from collections.abc import Callable

from obiterm.core.commands import AnyCommand, CancelOrder
from obiterm.core.values import ClientOrderId, OrderRole, Symbol
from obiterm.link.messages import InstrumentInfo, OrderRow
from obiterm.ui.paint.numbers import scale_of


def cancel_order(
    row: OrderRow,
    instrument: InstrumentInfo | None,
    ask: Callable[[str, Callable[[], None]], None],
    send: Callable[[AnyCommand, str], None],
) -> None:
    """Send the cancel of an order; of a stop after one question that names it."""
    command = CancelOrder(row.account, Symbol(row.symbol), ClientOrderId(row.client_id))
    text = f"cancel {row.side.value} {row.symbol} on {row.account}"
    if row.role is not OrderRole.STOP:
        send(command, text)
        return
    scale = scale_of(instrument)
    size, price = scale.quantity(row.lots - row.filled_lots), scale.price(row.trigger_ticks)
    named = f"cancel the protective stop {row.side.value} {size} {row.symbol} at {price}"
    ask(f"{named} on {row.account}", lambda: send(command, text))
