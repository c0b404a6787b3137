"""The reducing market order of the panic path, the same on every venue."""

from __future__ import annotations

from obiterm.core.orders import ApprovedOrder, OrderIntent
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, Side, Symbol
from obiterm.trading.desk import PANIC
from obiterm.trading.risk import approve_panic_close


def panic_close(
    symbol: Symbol, side: Side, lots: int, client_id: ClientOrderId, now_ns: int
) -> ApprovedOrder:
    """Return an approved market order that reduces and does nothing else."""
    intent = OrderIntent(
        client_id=client_id,
        symbol=symbol,
        side=side,
        kind=OrderKind.MARKET,
        lots=lots,
        role=OrderRole.PANIC,
        owner=PANIC,
        tag="panic",
        reduce_only=True,
    )
    return approve_panic_close(intent, now_ns)
