"""An approved order in Backpack's words (backpack.md §7.2, §7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from obiterm.core.errors import UsageError
from obiterm.core.instruments import Instrument
from obiterm.core.orders import BuildableOrder, OrderIntent
from obiterm.core.values import MarketKind, OrderKind, OrderRole, Side
from obiterm.venues.backpack.signing import Value
from obiterm.venues.common.scale import plain

REJECT_TAKER = "RejectTaker"
REJECT_MAKER = "RejectMaker"
REJECT_BOTH = "RejectBoth"

MARK_PRICE = "MarkPrice"
LAST_PRICE = "LastPrice"
INDEX_PRICE = "IndexPrice"

SIDES = {Side.BUY: "Bid", Side.SELL: "Ask"}

_MUST_TRADE = frozenset({OrderRole.STOP, OrderRole.EXIT, OrderRole.PANIC})


class SelfTradePolicy(msgspec.Struct, frozen=True):
    """Which self-trade prevention an order carries (R9, R15).

    Entries are refused when they would meet an own order. Stops, exits and panic orders
    remove the resting order instead: an exit must not die on our own quote.
    """

    entry: str = REJECT_TAKER
    leave: str = REJECT_MAKER

    def mode(self, intent: OrderIntent) -> str:
        """Return the mode for one order."""
        return self.leave if intent.role in _MUST_TRADE else self.entry


class Attached(msgspec.Struct, frozen=True):
    """A stop or take profit that the venue creates when its parent fills (perpetuals)."""

    trigger_ticks: int
    limit_ticks: int = 0
    """0: at market."""
    trigger_by: str = MARK_PRICE


class OrderExtras(msgspec.Struct, frozen=True):
    """What this venue offers beyond an intent. Unset fields are not sent."""

    trigger_by: str = ""
    """Price that fires a stop; empty: mark price on perpetuals, last price on spot."""
    trigger_share: str = ""
    """Size of a stop as a share of the position at trigger time, e.g. ``100%``."""
    stop_limit_ticks: int = 0
    """Makes a stop rest as a limit order once it fires; 0: at market."""
    quote_quantity: Decimal | None = None
    """Size of a market order in quote, instead of lots."""
    stop_loss: Attached | None = None
    take_profit: Attached | None = None
    slippage_ticks: int | None = None
    """Most that a market order may pay beyond its first price."""
    auto_borrow: bool | None = None
    """May open a loan. Spot only, like the three below."""
    auto_borrow_repay: bool | None = None
    auto_lend: bool | None = None
    auto_lend_redeem: bool | None = None
    """Lets a spot order use lent coins."""


NO_EXTRAS = OrderExtras()


def order_fields(
    order: BuildableOrder,
    instrument: Instrument,
    number: int,
    self_trade: SelfTradePolicy,
    extras: OrderExtras = NO_EXTRAS,
) -> dict[str, Value]:
    """Return the parameters of a new order that carries ``number`` as its client id.

    A trigger order has its size in ``triggerQuantity`` and no ``quantity`` (§7.3). Spot has
    no reduce-only: there it is not sent, the risk gate sizes exits by the balance. Raises
    ``UsageError`` for extras that the market or the kind of order does not have.
    """
    intent = order.intent
    _check(intent, instrument, extras)
    fields: dict[str, Value] = {
        "symbol": str(intent.symbol),
        "side": SIDES[intent.side],
        "clientId": number,
        "selfTradePrevention": self_trade.mode(intent),
    }
    if intent.kind is OrderKind.STOP_MARKET:
        fields |= _trigger(intent, instrument, extras)
    elif intent.kind is OrderKind.MARKET:
        fields["orderType"] = "Market"
        if extras.quote_quantity is None:
            fields["quantity"] = plain(instrument.quantity(intent.lots))
        else:
            fields["quoteQuantity"] = plain(extras.quote_quantity)
    else:
        fields["orderType"] = "Limit"
        fields["timeInForce"] = intent.time_in_force.value
        fields["price"] = plain(instrument.price(intent.price_ticks))
        fields["quantity"] = plain(instrument.quantity(intent.lots))
        if intent.post_only:
            fields["postOnly"] = True
    if intent.reduce_only and instrument.kind is MarketKind.PERP:
        fields["reduceOnly"] = True
    if extras is not NO_EXTRAS:
        fields |= _beyond(instrument, extras)
    return fields


def _trigger(intent: OrderIntent, instrument: Instrument, extras: OrderExtras) -> dict[str, Value]:
    usual = MARK_PRICE if instrument.kind is MarketKind.PERP else LAST_PRICE
    fields: dict[str, Value] = {
        "orderType": "Limit" if extras.stop_limit_ticks else "Market",
        "triggerPrice": plain(instrument.price(intent.trigger_ticks)),
        "triggerQuantity": extras.trigger_share or plain(instrument.quantity(intent.lots)),
        "triggerBy": extras.trigger_by or usual,
    }
    if extras.stop_limit_ticks:
        fields["price"] = plain(instrument.price(extras.stop_limit_ticks))
    return fields


def _beyond(instrument: Instrument, extras: OrderExtras) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for name, attached in (("stopLoss", extras.stop_loss), ("takeProfit", extras.take_profit)):
        if attached is None:
            continue
        fields[f"{name}TriggerPrice"] = plain(instrument.price(attached.trigger_ticks))
        fields[f"{name}TriggerBy"] = attached.trigger_by
        if attached.limit_ticks:
            fields[f"{name}LimitPrice"] = plain(instrument.price(attached.limit_ticks))
    if extras.slippage_ticks is not None:
        fields["slippageTolerance"] = str(extras.slippage_ticks)
        fields["slippageToleranceType"] = "TickSize"
    fields |= {name: flag for name, flag in _flags(extras).items() if flag is not None}
    return fields


def _flags(extras: OrderExtras) -> Mapping[str, bool | None]:
    return {
        "autoBorrow": extras.auto_borrow,
        "autoBorrowRepay": extras.auto_borrow_repay,
        "autoLend": extras.auto_lend,
        "autoLendRedeem": extras.auto_lend_redeem,
    }


def _check(intent: OrderIntent, instrument: Instrument, extras: OrderExtras) -> None:
    if extras is NO_EXTRAS:
        return
    is_stop = intent.kind is OrderKind.STOP_MARKET
    if (extras.trigger_by or extras.trigger_share or extras.stop_limit_ticks) and not is_stop:
        raise UsageError(f"{intent.symbol}: only a stop has a trigger")
    is_market = intent.kind is OrderKind.MARKET
    if (extras.quote_quantity is not None or extras.slippage_ticks is not None) and not is_market:
        raise UsageError(f"{intent.symbol}: only a market order has a quote size or a slippage")
    is_perpetual = instrument.kind is MarketKind.PERP
    if is_perpetual and any(flag is not None for flag in _flags(extras).values()):
        raise UsageError(f"{intent.symbol}: lending and borrowing flags belong to spot orders")
    if not is_perpetual and (extras.stop_loss or extras.take_profit):
        raise UsageError(f"{intent.symbol}: stops attach to orders of perpetuals only")
