"""An approved order in Binance's words (binance.md §6.3)."""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.core.instruments import Instrument
from obiterm.core.orders import BuildableOrder, OrderIntent
from obiterm.core.values import OrderKind, OrderRole, Symbol
from obiterm.venues.binance.scale import plain

EXPIRE_TAKER = "EXPIRE_TAKER"
EXPIRE_MAKER = "EXPIRE_MAKER"
EXPIRE_BOTH = "EXPIRE_BOTH"

_MUST_TRADE = frozenset({OrderRole.STOP, OrderRole.EXIT, OrderRole.PANIC})


class SelfTradePolicy:
    """Which self-trade prevention mode an order carries (R15).

    Entries expire themselves when they would meet an own order. Stops, exits and panic
    orders expire the resting order instead: an exit must not die on our own quote.
    A symbol that does not allow the wished mode gets ``EXPIRE_BOTH`` or the other one;
    one that allows none gets no field.
    """

    def __init__(
        self,
        *,
        entry: str = EXPIRE_TAKER,
        leave: str = EXPIRE_MAKER,
        allowed: Mapping[Symbol, frozenset[str]] | None = None,
    ) -> None:
        self._entry = entry
        self._leave = leave
        self._allowed = allowed or {}

    def mode(self, intent: OrderIntent) -> str:
        """Return the mode for one order; empty when the symbol allows none."""
        wished = self._leave if intent.role in _MUST_TRADE else self._entry
        allowed = self._allowed.get(intent.symbol)
        if allowed is None or wished in allowed:
            return wished
        for other in (EXPIRE_BOTH, EXPIRE_TAKER, EXPIRE_MAKER):
            if other in allowed:
                return other
        return ""


def order_type(intent: OrderIntent) -> str:
    """Return the venue's type: a stop is ``STOP_LOSS``, post-only is ``LIMIT_MAKER``."""
    if intent.kind is OrderKind.MARKET:
        return "MARKET"
    if intent.kind is OrderKind.STOP_MARKET:
        return "STOP_LOSS"
    return "LIMIT_MAKER" if intent.post_only else "LIMIT"


def order_fields(
    order: BuildableOrder, instrument: Instrument, self_trade: SelfTradePolicy
) -> dict[str, str]:
    """Return the parameters of a new order, in the order of the venue's own page.

    Orders that can trade at once ask for FULL, so that the reply carries the fills; the
    user stream repeats them with the same trade ids. Spot has no reduce-only:
    ``reduce_only`` is not sent, the risk gate sizes exits by the balance.
    """
    intent = order.intent
    kind = order_type(intent)
    fields = {"symbol": str(intent.symbol), "side": intent.side.value, "type": kind}
    if kind == "LIMIT":
        fields["timeInForce"] = intent.time_in_force.value
    fields["quantity"] = plain(instrument.quantity(intent.lots))
    if intent.kind is OrderKind.LIMIT:
        fields["price"] = plain(instrument.price(intent.price_ticks))
    elif intent.kind is OrderKind.STOP_MARKET:
        fields["stopPrice"] = plain(instrument.price(intent.trigger_ticks))
    fields["newClientOrderId"] = str(intent.client_id)
    fields["newOrderRespType"] = "FULL" if kind in ("LIMIT", "MARKET") else "RESULT"
    mode = self_trade.mode(intent)
    if mode:
        fields["selfTradePreventionMode"] = mode
    return fields
