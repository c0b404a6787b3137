"""An approved order in the words of Binance futures (binance.md §10.1, §10.4).

Limit and market orders live in the order book of the matching engine. Stops are conditional
orders: they wait in another book (the Algo service, since 2025-12-09) under an id of their
own and become a normal order when they fire.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import UsageError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, BuildableOrder, OrderIntent
from obiterm.core.values import ClientOrderId, OrderKind, Side, Symbol, VenueOrderId
from obiterm.venues.binance.futures.symbols import name_of
from obiterm.venues.binance.order_fields import SelfTradePolicy
from obiterm.venues.common.scale import plain

CONTRACT_PRICE = "CONTRACT_PRICE"
"""Stops fire on the last trade."""
MARK_PRICE = "MARK_PRICE"
"""Stops fire on the mark price: no single trade can set them off."""

STOP_MARKET = "STOP_MARKET"
TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"
STOP = "STOP"
"""Becomes a limit order."""
TAKE_PROFIT = "TAKE_PROFIT"
"""Becomes a limit order."""

POST_ONLY = "GTX"
LONG = "LONG"
SHORT = "SHORT"
_TRUE = "true"
_RESULT = "RESULT"


class OrderPolicy:
    """What every order of an account carries beside its own words.

    Attributes:
        self_trade: self-trade prevention (R15); the venue's own default is EXPIRE_MAKER.
        hedged: True for an account in hedge mode (T31): there each order names its leg, and
            reduce-only is forbidden (``-1106``).
        working_type: the price that fires a stop.
        price_protect: let a stop not fire while mark and last price are far apart.
        close_position: let a reducing stop close the whole position, whatever its size is
            when it fires; it vanishes with the position. Off: it carries its own quantity.
    """

    __slots__ = ("close_position", "hedged", "price_protect", "self_trade", "working_type")

    def __init__(
        self,
        *,
        self_trade: SelfTradePolicy | None = None,
        hedged: bool = False,
        working_type: str = CONTRACT_PRICE,
        price_protect: bool = False,
        close_position: bool = False,
    ) -> None:
        self.self_trade = self_trade or SelfTradePolicy()
        self.hedged = hedged
        self.working_type = working_type
        self.price_protect = price_protect
        self.close_position = close_position

    def leg(self, intent: OrderIntent) -> str:
        """Return the position side of one order; empty in one-way mode."""
        if not self.hedged:
            return ""
        opens_long = (intent.side is Side.BUY) is not intent.reduce_only
        return LONG if opens_long else SHORT


class AlgoOrder(msgspec.Struct, frozen=True):
    """A conditional order of any of the venue's types. Empty and 0 fields are not sent."""

    symbol: Symbol
    side: Side
    type: str
    """``STOP_MARKET``, ``TAKE_PROFIT_MARKET``, ``STOP``, ``TAKE_PROFIT`` or
    ``TRAILING_STOP_MARKET``."""
    client_id: ClientOrderId = ClientOrderId("")
    """Fixed per intent, so that a second try collides (``-4116``) instead of doubling."""
    lots: int = 0
    trigger_ticks: int = 0
    price_ticks: int = 0
    """Limit price of STOP and TAKE_PROFIT."""
    close_position: bool = False
    """Market types only; excludes lots and reduce-only."""
    reduce_only: bool = False
    position_side: str = ""
    """LONG or SHORT in hedge mode only."""
    working_type: str = ""
    price_protect: bool = False
    time_in_force: str = ""
    activate_ticks: int = 0
    """TRAILING_STOP_MARKET: where trailing begins; 0 = at the last price."""
    callback_rate: str = ""
    """TRAILING_STOP_MARKET: per cent, 0.1 … 20."""
    self_trade: str = ""
    response_type: str = ""


def is_algo(intent: OrderIntent) -> bool:
    """Tell the orders that live in the Algo service from those of the matching engine."""
    return intent.kind is OrderKind.STOP_MARKET


def order_fields(
    order: BuildableOrder, instrument: Instrument, policy: OrderPolicy
) -> dict[str, str]:
    """Return the parameters of a new limit or market order (§10.1).

    The reply is asked for as RESULT, so that it tells the state; the fills come by the
    stream only. Raises ``UsageError`` for a stop (``-4120``).
    """
    intent = order.intent
    if is_algo(intent):
        raise UsageError(f"{intent.client_id}: a stop goes to the conditional book")
    is_limit = intent.kind is OrderKind.LIMIT
    fields = {
        "symbol": name_of(intent.symbol),
        "side": intent.side.value,
        "type": "LIMIT" if is_limit else "MARKET",
    }
    _put_leg(fields, policy.leg(intent))
    fields["quantity"] = plain(instrument.quantity(intent.lots))
    if is_limit:
        fields["price"] = plain(instrument.price(intent.price_ticks))
        fields["timeInForce"] = POST_ONLY if intent.post_only else intent.time_in_force.value
    if intent.reduce_only and not policy.hedged:
        fields["reduceOnly"] = _TRUE
    fields["newClientOrderId"] = str(intent.client_id)
    fields["newOrderRespType"] = _RESULT
    mode = policy.self_trade.mode(intent)
    if mode:
        fields["selfTradePreventionMode"] = mode
    return fields


def algo_order(order: ApprovedOrder, policy: OrderPolicy) -> AlgoOrder:
    """Return an approved stop as a conditional order that becomes a market order."""
    intent = order.intent
    closes_all = policy.close_position and intent.reduce_only
    return AlgoOrder(
        symbol=intent.symbol,
        side=intent.side,
        type=STOP_MARKET,
        client_id=intent.client_id,
        lots=0 if closes_all else intent.lots,
        trigger_ticks=intent.trigger_ticks,
        close_position=closes_all,
        reduce_only=intent.reduce_only and not closes_all and not policy.hedged,
        position_side=policy.leg(intent),
        working_type=policy.working_type,
        price_protect=policy.price_protect,
        self_trade=policy.self_trade.mode(intent),
        response_type=_RESULT,
    )


def algo_fields(order: AlgoOrder, instrument: Instrument) -> dict[str, str]:
    """Return the parameters of a conditional order, in the order of the venue's page (§10.4)."""
    optional = {
        "timeInForce": order.time_in_force,
        "quantity": plain(instrument.quantity(order.lots)) if order.lots else "",
        "price": _price(instrument, order.price_ticks),
        "triggerPrice": _price(instrument, order.trigger_ticks),
        "closePosition": _TRUE if order.close_position else "",
        "reduceOnly": _TRUE if order.reduce_only else "",
        "workingType": order.working_type,
        "priceProtect": _TRUE if order.price_protect else "",
        "activatePrice": _price(instrument, order.activate_ticks),
        "callbackRate": order.callback_rate,
        "clientAlgoId": str(order.client_id),
        "newOrderRespType": order.response_type,
        "selfTradePreventionMode": order.self_trade,
    }
    fields = {
        "algoType": "CONDITIONAL",
        "symbol": name_of(order.symbol),
        "side": order.side.value,
        "type": order.type,
    }
    _put_leg(fields, order.position_side)
    fields.update({name: value for name, value in optional.items() if value})
    return fields


def modify_fields(
    symbol: Symbol,
    side: Side,
    lots: int,
    price_ticks: int,
    instrument: Instrument,
    which: Mapping[str, str],
) -> dict[str, str]:
    """Return the parameters of a change of a resting limit order.

    ``lots`` is the new total, filled part included. The order loses its queue place.
    """
    return {
        "symbol": name_of(symbol),
        **which,
        "side": side.value,
        "quantity": plain(instrument.quantity(lots)),
        "price": plain(instrument.price(price_ticks)),
    }


def which_order(client_id: ClientOrderId, order_id: VenueOrderId | None) -> dict[str, str]:
    """Name one order of the matching engine: by its id when known, else by ours."""
    if order_id is not None:
        return {"orderId": str(order_id)}
    return {"origClientOrderId": str(client_id)}


def which_algo(client_id: ClientOrderId, algo_id: str) -> dict[str, str]:
    """Name one conditional order: by its id when known, else by ours."""
    return {"algoId": algo_id} if algo_id else {"clientAlgoId": str(client_id)}


def _price(instrument: Instrument, ticks: int) -> str:
    return plain(instrument.price(ticks)) if ticks else ""


def _put_leg(fields: dict[str, str], leg: str) -> None:
    if leg:
        fields["positionSide"] = leg
