"""The reducing market order of the panic path, the same on every venue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from obiterm.core.errors import ObitermError, OutcomeUnknown
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


@contextlib.contextmanager
def after_acceptance(client_id: ClientOrderId) -> Iterator[None]:
    """Hold what follows the venue's yes to an order: what fails in here leaves it in doubt.

    A cut or refused question, or an answer that cannot be read, says nothing about an order
    that is there. Raises ``OutcomeUnknown`` for every expected failure (T6 T7).
    """
    try:
        yield
    except (ObitermError, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise OutcomeUnknown(f"{client_id} was accepted; what became of it: {why}") from error
