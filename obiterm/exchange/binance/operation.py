"""What an operation is: a handler, its weight, and what it costs in orders.

One implementation serves REST and the WebSocket API. Weights are those of
binance.md §6 and §9.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from obiterm.exchange.binance.backoffice import BackOffice, Call
from obiterm.exchange.binance.params import Params

COMMON_PARAMS = frozenset({"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"})

OfficeT = TypeVar("OfficeT", bound=BackOffice)
Weight = Callable[[Params], int]


@dataclass(frozen=True, slots=True)
class Operation(Generic[OfficeT]):
    """One thing that the exchange does when asked."""

    name: str
    """Method name of the WebSocket API, or a name of its own for what only REST has."""
    handler: Callable[[OfficeT, Call], object]
    weight: Weight
    known: frozenset[str] = frozenset()
    """Parameters that it reads beside the common ones."""
    signed: bool = False
    keyed: bool = False
    """It wants a known key, and no signature."""
    order_call: bool = False
    """It trades: a key without permission is refused, and weight comes back on success."""
    keeps_weight: bool = False
    """Its weight does not come back (futures)."""
    new_orders: int = 0
    """How much it adds to the account's order counts."""
    counted_always: bool = False
    """The order counts even when the call fails (cancel-replace)."""
    tells_orders: bool = False
    """Its WebSocket API reply carries the order counts."""


def fixed(weight: int) -> Weight:
    """Cost the same whatever is asked."""
    return lambda _: weight


def cost(weight: int | Weight) -> Weight:
    """Return a weight as a function of the parameters."""
    return fixed(weight) if isinstance(weight, int) else weight
