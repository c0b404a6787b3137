"""An approved order in Bybit's words (bybit.md §5.1)."""

from __future__ import annotations

from obiterm.core.instruments import Instrument
from obiterm.core.orders import BuildableOrder, OrderIntent
from obiterm.core.values import OrderKind, OrderRole, Side, Symbol, TimeInForce
from obiterm.venues.bybit.symbols import Category, category_of, name_of
from obiterm.venues.common.scale import plain

CANCEL_MAKER = "CancelMaker"
CANCEL_TAKER = "CancelTaker"
CANCEL_BOTH = "CancelBoth"

STOP_FILTER = "StopOrder"
"""``orderFilter`` of a spot stop: the coins are locked when it triggers, not before. Without
it the venue takes a triggered order for a plain one (trap 7)."""
SPOT_FILTERS = ("Order", STOP_FILTER, "tpslOrder", "OcoOrder", "BidirectionalTpslOrder")
"""Kinds of spot orders, each of which is cancelled by a call of its own (trap 10)."""

LAST_PRICE = "LastPrice"
MARK_PRICE = "MarkPrice"

ONE_WAY = 0
HEDGE_LONG = 1
HEDGE_SHORT = 2
_RISES = 1
_FALLS = 2

SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}

_MUST_TRADE = frozenset({OrderRole.STOP, OrderRole.EXIT, OrderRole.PANIC})

Fields = dict[str, str | int | bool]
"""Body of a request; the venue tells numbers in text from flags and indices."""


class OrderPolicy:
    """What every order of an account carries beside its own words.

    Self-trade prevention (R15) is judged by the taker's tag alone (§11): entries cancel
    themselves when they would meet an own order; stops, exits and panic orders cancel the
    resting one, because an exit must not die on our own quote. ``hedged`` names the symbols
    whose account is in hedge mode (T31): there the venue wants a leg. ``trigger_by`` is the
    price that fires a perpetual's stop.
    """

    def __init__(
        self,
        *,
        entry: str = CANCEL_TAKER,
        leave: str = CANCEL_MAKER,
        trigger_by: str = LAST_PRICE,
        hedged: frozenset[Symbol] = frozenset(),
    ) -> None:
        self.trigger_by = trigger_by
        self.hedged = hedged
        self._entry = entry
        self._leave = leave

    def smp_type(self, intent: OrderIntent) -> str:
        """Return the self-trade prevention of one order."""
        return self._leave if intent.role in _MUST_TRADE else self._entry

    def position_idx(self, intent: OrderIntent) -> int:
        """Return the leg of one order: 0 in one-way mode, else long or short (trap 11)."""
        if intent.symbol not in self.hedged:
            return ONE_WAY
        opens_long = (intent.side is Side.BUY) is not intent.reduce_only
        return HEDGE_LONG if opens_long else HEDGE_SHORT


def order_fields(order: BuildableOrder, instrument: Instrument, policy: OrderPolicy) -> Fields:
    """Return the body of a new order with its category, in the order of the venue's page.

    Spot has no reduce-only: it is not sent, the risk gate sizes exits by the balance. The
    unit of a spot market order is always told, in base (T49).
    """
    category = category_of(order.intent.symbol)
    return {"category": category.value, **item_fields(order, instrument, policy)}


def item_fields(order: BuildableOrder, instrument: Instrument, policy: OrderPolicy) -> Fields:
    """Return the same without the category, as an item of a batch."""
    intent = order.intent
    is_limit = intent.kind is OrderKind.LIMIT
    fields: Fields = {
        "symbol": name_of(intent.symbol),
        "side": SIDES[intent.side],
        "orderType": "Limit" if is_limit else "Market",
        "qty": plain(instrument.quantity(intent.lots)),
    }
    if is_limit:
        fields["price"] = plain(instrument.price(intent.price_ticks))
    fields["timeInForce"] = _time_in_force(intent)
    if category_of(intent.symbol) is Category.SPOT:
        if not is_limit:
            fields["marketUnit"] = "baseCoin"
        if intent.kind is OrderKind.STOP_MARKET:
            fields["triggerPrice"] = plain(instrument.price(intent.trigger_ticks))
            fields["orderFilter"] = STOP_FILTER
    else:
        _add_linear(fields, intent, instrument, policy)
    fields["smpType"] = policy.smp_type(intent)
    fields["orderLinkId"] = str(intent.client_id)
    return fields


def is_spot_stop(intent: OrderIntent) -> bool:
    """Tell the orders that a cancel must name by ``orderFilter`` (§5.3)."""
    return intent.kind is OrderKind.STOP_MARKET and category_of(intent.symbol) is Category.SPOT


def amend_fields(
    instrument: Instrument,
    *,
    lots: int | None = None,
    price_ticks: int | None = None,
    trigger_ticks: int | None = None,
) -> Fields:
    """Return what changes in an amended order; ``lots`` is the new total, filled part included."""
    fields: Fields = {}
    if lots is not None:
        fields["qty"] = plain(instrument.quantity(lots))
    if price_ticks is not None:
        fields["price"] = plain(instrument.price(price_ticks))
    if trigger_ticks is not None:
        fields["triggerPrice"] = plain(instrument.price(trigger_ticks))
    return fields


def _add_linear(
    fields: Fields, intent: OrderIntent, instrument: Instrument, policy: OrderPolicy
) -> None:
    if intent.kind is OrderKind.STOP_MARKET:
        fields["triggerPrice"] = plain(instrument.price(intent.trigger_ticks))
        fields["triggerDirection"] = _RISES if intent.side is Side.BUY else _FALLS
        fields["triggerBy"] = policy.trigger_by
    fields["positionIdx"] = policy.position_idx(intent)
    fields["reduceOnly"] = intent.reduce_only
    if intent.kind is OrderKind.STOP_MARKET and intent.reduce_only:
        # Its margin is made free by cancelling other orders, so that it cannot fail for that.
        fields["closeOnTrigger"] = True


def _time_in_force(intent: OrderIntent) -> str:
    if intent.kind is not OrderKind.LIMIT:
        return TimeInForce.IOC.value
    return "PostOnly" if intent.post_only else intent.time_in_force.value
