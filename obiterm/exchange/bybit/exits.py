"""Take-profit, stop-loss and trailing stop of a position (bybit.md §6.3)."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import (
    NewOrder,
    Order,
    OrderUpdate,
    Output,
    Position,
    PublicTrade,
    Refusal,
    TriggerBy,
    Why,
)
from obiterm.exchange.bybit import errors
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.memo import NO_EXITS, Memo, trigger_kind
from obiterm.exchange.bybit.numbers import Json, Scale
from obiterm.exchange.bybit.office import BackOffice, Call
from obiterm.exchange.bybit.order_request import (
    read_leg,
    read_market,
    read_trigger_by,
    to_lots,
    to_ticks,
)
from obiterm.exchange.bybit.params import Params

_ALL = Decimal(1)


class Exit(msgspec.Struct, frozen=True):
    """One exit of a position. ``size`` 0 = the whole of it; ``limit`` 0 = at market."""

    profit: bool
    ticks: int
    trigger_by: TriggerBy = TriggerBy.LAST
    size_lots: int = 0
    limit_ticks: int = 0
    trailing: bool = False

    def stop_type(self) -> str:
        """Return ``stopOrderType``."""
        if self.trailing:
            return "TrailingStop"
        word = "TakeProfit" if self.profit else "StopLoss"
        return f"Partial{word}" if self.size_lots else word


def open_exit(office: BackOffice, held: Position, stop_type: str) -> Order | None:
    """Return the waiting exit of a kind."""
    for order in office.venue.open_orders(held.account, held.symbol):
        if order.position_side is held.side and office.memo(order).stop_type == stop_type:
            return order
    return None


def place_exit(office: BackOffice, held: Position, wanted: Exit, now_ns: int) -> Order:
    """Let an exit wait; a whole-position one replaces its kind. Raise ``Refusal``."""
    scale = office.scale(held.symbol)
    side = Side.SELL if held.lots > 0 else Side.BUY
    rising = wanted.profit == (held.lots > 0)
    request = NewOrder(
        symbol=held.symbol,
        side=side,
        kind=trigger_kind(side, rising=rising, market=not wanted.limit_ticks),
        client_id=office.new_link(),
        lots=wanted.size_lots,
        price_ticks=wanted.limit_ticks,
        trigger_ticks=wanted.ticks,
        trigger_by=wanted.trigger_by,
        reduce_only=bool(wanted.size_lots) and not office.venue.hedge_mode(held.account),
        close_fraction=None if wanted.size_lots else _ALL,
        dies_with_position=True,
        position_side=held.side,
    )
    before = None if wanted.size_lots else open_exit(office, held, wanted.stop_type())
    order = office.venue.place(held.account, request, now_ns)
    if before is not None:
        # It may have fired while the new one was placed.
        with suppress(Refusal):
            office.venue.cancel(held.account, held.symbol, now_ns, order_id=before.order_id)
    memo = Memo(
        Category.LINEAR,
        order_type="Limit" if wanted.limit_ticks else "Market",
        tif="GTC" if wanted.limit_ticks else "IOC",
        trigger_direction=1 if rising else 2,
        order_filter="StopOrder",
        stop_type=wanted.stop_type(),
        reduce_only=True,
        close_on_trigger=True,
        create_type=f"CreateBy{wanted.stop_type()}",
        last_price=_last(office, scale),
    )
    office.remember(order, memo)
    return order


def _last(office: BackOffice, scale: Scale) -> str:
    last = office.venue.trades(scale.spec.symbol, 1)
    return scale.price(last[-1].price_ticks if last else 0)


# -- the request ------------------------------------------------------------------


def trading_stop(office: BackOffice, call: Call) -> Json:
    """Set, change or remove the exits of an open position."""
    params, account = call.params, call.account
    scale = read_market(office, params)
    if scale.category is Category.SPOT:
        raise errors.invalid("category")
    mode = params.choice("tpslMode", ("Full", "Partial"), "Full")
    leg = read_leg(office, account, params)
    held = office.venue.position(account, scale.spec.symbol, leg)
    if not held.lots:
        raise errors.bad("can not set tp/sl/ts for zero position")
    changed = False
    for name in ("takeProfit", "stopLoss"):
        value = params.decimal(name)
        if value is None:
            continue
        profit = name == "takeProfit"
        if value:
            wanted = _read_exit(params, scale, value, profit=profit, partial=mode == "Partial")
            changed |= _set(office, held, wanted, call.now_ns)
        else:
            changed |= _remove(office, held, "TakeProfit" if profit else "StopLoss", call.now_ns)
    trail = params.decimal("trailingStop")
    if trail is not None:
        changed |= _set_trail(office, held, params, trail, call.now_ns)
    if not changed:
        raise ApiError(34040, "not modified")
    return {}


def _read_exit(
    params: Params, scale: Scale, value: Decimal, *, profit: bool, partial: bool
) -> Exit:
    prefix = "tp" if profit else "sl"
    size = limit = 0
    if partial:
        size = to_lots(params.need_decimal(f"{prefix}Size"), scale)
        if params.choice(f"{prefix}OrderType", ("Market", "Limit"), "Market") == "Limit":
            limit = to_ticks(params.need_decimal(f"{prefix}LimitPrice"), scale)
    return Exit(
        profit,
        to_ticks(value, scale, "takeProfit" if profit else "stopLoss"),
        read_trigger_by(params, f"{prefix}TriggerBy"),
        size,
        limit,
    )


def _set(office: BackOffice, held: Position, wanted: Exit, now_ns: int) -> bool:
    before = None if wanted.size_lots else open_exit(office, held, wanted.stop_type())
    if before is not None and (before.trigger_ticks, before.trigger_by) == (
        wanted.ticks,
        wanted.trigger_by,
    ):
        return False
    try:
        place_exit(office, held, wanted, now_ns)
    except Refusal as refusal:
        if refusal.why is Why.WOULD_TRIGGER:
            raise _wrong_side(office, held, wanted) from refusal
        raise errors.from_refusal(refusal, Category.LINEAR) from refusal
    return True


def _wrong_side(office: BackOffice, held: Position, wanted: Exit) -> ApiError:
    name = "TakeProfit" if wanted.profit else "StopLoss"
    position = "Buy" if held.lots > 0 else "Sell"
    relation = "higher" if wanted.profit == (held.lots > 0) else "lower"
    price = office.scale(held.symbol).price(wanted.ticks)
    return errors.bad(
        f"{name}:{price} set for {position} position should be {relation} than base_price"
    )


def _remove(office: BackOffice, held: Position, stop_type: str, now_ns: int) -> bool:
    before = open_exit(office, held, stop_type)
    if before is None:
        return False
    office.venue.cancel(held.account, held.symbol, now_ns, order_id=before.order_id)
    return True


# -- trailing ---------------------------------------------------------------------


def _set_trail(
    office: BackOffice, held: Position, params: Params, distance: Decimal, now_ns: int
) -> bool:
    if not distance:
        office.trails.pop((held.account, held.symbol, held.side), None)
        return _remove(office, held, "TrailingStop", now_ns)
    scale = office.scale(held.symbol)
    ticks = to_ticks(distance, scale, "trailingStop")
    last = office.venue.trades(held.symbol, 1)
    direction = 1 if held.lots > 0 else -1
    wanted = Exit(profit=False, ticks=last[-1].price_ticks - direction * ticks, trailing=True)
    changed = _set(office, held, wanted, now_ns)
    key = (held.account, held.symbol, held.side)
    changed |= office.trails.get(key) != ticks
    office.trails[key] = ticks
    return changed


class ExitKeeper:
    """Attaches the exits of entries that filled and lets trailing stops follow the price."""

    def __init__(self, office: BackOffice) -> None:
        self._office = office

    def react(self, outputs: list[Output], now_ns: int) -> None:
        """Answer what just happened; a reactor of the back office."""
        last: dict[str, int] = {}
        for output in outputs:
            if isinstance(output, OrderUpdate) and output.fill is not None:
                self._attach(output.order, now_ns)
            elif isinstance(output, PublicTrade):
                last[output.symbol] = output.price_ticks
        for (account, symbol, side), distance in list(self._office.trails.items()):
            if symbol in last:
                held = self._office.venue.position(account, symbol, side)
                self._follow(held, last[symbol], distance, now_ns)

    def _attach(self, order: Order, now_ns: int) -> None:
        office = self._office
        memo = office.memo(order)
        if not memo.exits.wanted:
            return
        exits, memo.exits = memo.exits, NO_EXITS
        held = office.venue.position(order.account, order.symbol, order.position_side)
        if held.lots * order.side.sign <= 0:
            return
        spec = office.scale(order.symbol).spec
        size = order.lots if exits.partial else 0
        for value, by, profit in (
            (exits.take_profit, exits.take_by, True),
            (exits.stop_loss, exits.stop_by, False),
        ):
            if value:
                wanted = Exit(profit, int(value / spec.tick_size), by, size)
                try:
                    place_exit(office, held, wanted, now_ns)
                except Refusal:
                    # The market has passed it while the entry waited: the venue drops it too.
                    continue

    def _follow(self, held: Position, last_ticks: int, distance: int, now_ns: int) -> None:
        order = open_exit(self._office, held, "TrailingStop") if held.lots else None
        if order is None:
            self._office.trails.pop((held.account, held.symbol, held.side), None)
            return
        direction = 1 if held.lots > 0 else -1
        ticks = last_ticks - direction * distance
        if (ticks - order.trigger_ticks) * direction > 0:
            # Another account's stop may have moved the market past it meanwhile.
            with suppress(Refusal):
                self._office.venue.amend(
                    held.account, held.symbol, now_ns, order_id=order.order_id, trigger_ticks=ticks
                )
