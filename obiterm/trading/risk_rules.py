"""The rules of the risk gate, one function each: a refusal or None.

A refusal is ``(limit, reason)``: the limit's name, and one line with its value and the attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from obiterm.core.values import NS_PER_MS, OrderKind, OrderRole, Side, TradingState
from obiterm.market.signals import spread_bps
from obiterm.trading.risk_case import CLOSES, Case

Refusal = tuple[str, str]

_HUMAN_OWNERS = frozenset({"manual", "panic"})
_BPS = Decimal(10_000)


def refusal(case: Case) -> Refusal | None:
    """Return the first refusal of ``case``; None when it may leave."""
    for rule in _ALWAYS:
        found = rule(case)
        if found is not None:
            return found
    by_hand = case.intent.role is OrderRole.MANUAL
    if case.closing and not by_hand:
        return None
    rules = _BY_HAND_REDUCING if case.reducing and by_hand else _OPENING
    for rule in rules:
        found = rule(case)
        if found is not None:
            return found
    return None


# -- for every order --------------------------------------------------------------------


def _form(case: Case) -> Refusal | None:
    intent = case.intent
    if intent.lots <= 0:
        return "order_form", f"size must be positive: {intent.lots} lots"
    if intent.kind is OrderKind.LIMIT and intent.price_ticks <= 0:
        return "order_form", f"a limit order needs a price: {intent.price_ticks} ticks"
    if intent.kind is OrderKind.STOP_MARKET and intent.trigger_ticks <= 0:
        return "order_form", f"a stop needs a trigger: {intent.trigger_ticks} ticks"
    return None


def _oversell(case: Case) -> Refusal | None:
    intent, instrument = case.intent, case.context.instrument
    if case.reducing:
        return None
    must_reduce = intent.role in CLOSES or intent.reduce_only
    sells_coins = not instrument.is_perpetual and intent.side is Side.SELL
    if not must_reduce and not sells_coins:
        return None
    there = case.size(max(0, case.closable_lots()))
    return "oversell", (
        f"{intent.side.value} {case.size(intent.lots)} would close more than the {there} "
        "that are there"
    )


def _filters(case: Case) -> Refusal | None:
    intent, instrument = case.intent, case.context.instrument
    small = "dust" if case.reducing else "min_order"
    if intent.lots < instrument.min_lots:
        return small, f"least {case.size(instrument.min_lots)}: {case.size(intent.lots)}"
    most = instrument.max_lots
    if intent.kind is not OrderKind.LIMIT:
        most = min(most, instrument.market_max_lots)
    if intent.lots > most:
        return "max_order", f"the venue takes at most {case.size(most)}: {case.size(intent.lots)}"
    if case.price_ticks and not (
        instrument.min_price_ticks <= case.price_ticks <= instrument.max_price_ticks
    ):
        price = instrument.price(case.price_ticks)
        return "price_filter", f"the venue takes no price of {price:f}"
    free_of_minimum = case.bounds.is_perpetual and case.closing
    if case.price_ticks and case.units < case.bounds.min_units and not free_of_minimum:
        return small, f"least {case.money(instrument.min_notional)}: {case.money(case.notional)}"
    return None


def _state(case: Case) -> Refusal | None:
    state = case.context.trading_state
    if state is TradingState.ACTIVE:
        return None
    by_human = case.intent.role is OrderRole.PANIC or case.intent.owner in _HUMAN_OWNERS
    if case.reducing and (state is TradingState.REDUCING or by_human):
        return None
    allowed = "closes by hand" if state is TradingState.HALTED else "orders that shrink a position"
    return "trading_state", f"{state.value}: only {allowed}, not this {case.intent.role.value}"


# -- for what opens or may open a position ----------------------------------------------


def _armed(case: Case) -> Refusal | None:
    if case.context.armed:
        return None
    return "armed", f"the {case.context.environment.value} account is not armed"


def _book(case: Case) -> Refusal | None:
    context, bounds = case.context, case.bounds
    if context.book_age_ns > bounds.most_age_ns:
        age_ms = context.book_age_ns / NS_PER_MS
        limit = case.limits.max_book_age_ms
        return "max_book_age_ms", f"book at most {limit} ms old: {age_ms:.0f} ms"
    if not context.book_tradable:
        return "book_tradable", "the book is not in sync, crossed or one-sided"
    bid, ask = context.bid_ticks, context.ask_ticks
    most, whole = bounds.spread
    if bid > 0 and ask > 0 and 2 * (ask - bid) * whole > most * (ask + bid):
        spread = spread_bps(bid, ask)
        most_bps = case.limits.max_spread_bps
        return "max_spread_bps", f"spread at most {most_bps} bps: {spread:.1f}"
    return None


def _clock(case: Case) -> Refusal | None:
    offset_ns = case.context.clock_offset_ns
    if abs(offset_ns) <= case.bounds.clock_ns:
        return None
    limit, offset_ms = case.limits.max_clock_offset_ms, offset_ns / NS_PER_MS
    return "max_clock_offset_ms", f"clock at most {limit} ms from the venue: {offset_ms:.0f} ms"


def _day_loss(case: Case) -> Refusal | None:
    limit, result = case.limits.max_daily_loss, case.context.day_pnl_quote
    if result > -limit:
        return None
    return "max_daily_loss", (
        f"loss since 00:00 UTC at most {case.money(limit)}: result {case.money(result)}"
    )


def _order_size(case: Case) -> Refusal | None:
    if case.units <= case.bounds.order_units:
        return None
    limit = case.limits.max_order_notional
    return "max_order_notional", f"order at most {case.money(limit)}: {case.money(case.notional)}"


def _position_size(case: Case) -> Refusal | None:
    """Refuse what could grow the position too far when all that is open fills.

    What is held the other way does not count: its stop may fill before.
    """
    if case.reducing:
        return None
    context, intent = case.context, case.intent
    lots = max(0, context.net_lots * intent.side.sign) + intent.lots
    for order in case.own_orders(intent.side):
        if order.role not in CLOSES and not order.reduce_only:
            lots += order.lots_left
    units = case.price_ticks * lots
    if units <= case.bounds.position_units:
        return None
    limit, notional = case.limits.max_position_notional, case.bounds.unit * units
    return "max_position_notional", (
        f"position with open entries at most {case.money(limit)}: {case.money(notional)}"
    )


def _one_way(case: Case) -> Refusal | None:
    """Refuse to hold against others on the same account: the venue keeps one net position.

    Each side would take the other for closed (T12). By hand a position may be turned, but
    not against entries of strategies that rest.
    """
    context, intent = case.context, case.intent
    if case.reducing or not case.bounds.is_perpetual:
        return None
    if context.hedged:
        return "one_way", "the venue keeps long and short apart (hedge mode): set one-way mode"
    if intent.role is not OrderRole.MANUAL and context.others_lots * intent.side.sign < 0:
        held = case.size(context.others_lots)
        return "one_way", f"{held} are held by others here: not {intent.side.value} against them"
    for order in case.own_orders(intent.side.opposite):
        opens = order.role not in CLOSES and not order.reduce_only
        if opens and order.owner != intent.owner:
            return "one_way", f"{order.owner} has a {order.side.value} open: not against it"
    return None


def _exposure(case: Case) -> Refusal | None:
    limit = case.limits.max_exposure_notional
    total = case.context.exposure_quote + case.notional
    if case.reducing or total <= limit:
        return None
    return "max_exposure_notional", f"exposure at most {case.money(limit)}: {case.money(total)}"


def _leverage(case: Case) -> Refusal | None:
    """Refuse perpetuals worth more than so many times what the account has (Q21)."""
    context, limit = case.context, case.limits.max_leverage
    if case.reducing or not case.bounds.is_perpetual:
        return None
    total, most = context.margined_quote + case.notional, context.equity_quote * limit
    if total <= most:
        return None
    return "max_leverage", (
        f"perpetuals at most {limit.normalize():f} x the {case.money(context.equity_quote)} held: "
        f"{case.money(total)}"
    )


def _funds(case: Case) -> Refusal | None:
    """Refuse what the free money does not pay: on perpetuals the margin of what is opened."""
    if case.reducing:
        return None
    available, needed = case.context.available_quote, case.notional
    if case.bounds.is_perpetual:
        lots = case.intent.lots
        opened = max(0, lots - case.held_lots())
        needed = needed * opened / lots / case.limits.max_leverage
    if needed <= available:
        return None
    return "available", f"{case.money(available)} free: order of {case.money(needed)}"


def _open_orders(case: Case) -> Refusal | None:
    context = case.context
    there = len(context.open_orders)
    if there >= case.limits.max_open_orders:
        return "max_open_orders", f"at most {case.limits.max_open_orders} open: {there} are"
    on_symbol = sum(o.symbol == case.intent.symbol for o in context.open_orders)
    if on_symbol >= context.instrument.max_open_orders:
        return "max_open_orders", (
            f"the venue takes {context.instrument.max_open_orders} on {case.intent.symbol}: "
            f"{on_symbol} are open"
        )
    return None


def _rate(case: Case) -> Refusal | None:
    limit = case.limits.max_orders_per_10s
    if case.orders_in_10s < limit:
        return None
    return "max_orders_per_10s", f"at most {limit} new orders in 10 s: {case.orders_in_10s} left"


def _collar(case: Case) -> Refusal | None:
    """Refuse a price that is worse than mid or last by more than the collar.

    Only the costly direction counts: a buy far below the market just rests.
    """
    context = case.context
    bid, ask, last = context.bid_ticks, context.ask_ticks, context.last_ticks
    if bid and ask:
        found = _beyond(case, "mid", bid + ask, 2)
        if found is not None:
            return found
    return _beyond(case, "last", last, 1) if last else None


def _beyond(case: Case, name: str, reference: int, parts: int) -> Refusal | None:
    """Judge the price against ``reference / parts`` ticks."""
    most, whole = case.bounds.collar
    worse = (case.price_ticks * parts - reference) * case.intent.side.sign
    if worse * whole <= most * reference:
        return None
    away, limit = worse * 10_000 / reference, case.limits.price_collar_bps
    return "price_collar_bps", f"price at most {limit} bps beyond {name}: {away:.1f}"


def _self_cross(case: Case) -> Refusal | None:
    """Refuse what would meet an own order (R15).

    A market order reaches as far as the collar. A stop meets nothing when it is placed.
    """
    intent = case.intent
    if intent.kind is OrderKind.STOP_MARKET:
        return None
    against = case.own_orders(intent.side.opposite)
    if not against:
        return None
    sign = intent.side.sign
    reach = Decimal(case.price_ticks)
    if intent.kind is OrderKind.MARKET:
        reach *= 1 + sign * case.limits.price_collar_bps / _BPS
    for order in against:
        if order.kind is OrderKind.STOP_MARKET:
            continue
        if order.kind is OrderKind.MARKET or (reach - order.price_ticks) * sign >= 0:
            own = case.context.instrument.price(order.price_ticks)
            what = f"at {own:f}" if order.price_ticks else "at market"
            return "self_cross", (
                f"would meet our own {order.side.value} {what} of {order.owner} (R15)"
            )
    return None


Rule = Callable[[Case], Refusal | None]

_ALWAYS: tuple[Rule, ...] = (_form, _state, _oversell, _filters)
_BY_HAND_REDUCING: tuple[Rule, ...] = (_collar, _self_cross)
_OPENING: tuple[Rule, ...] = (
    _armed,
    _book,
    _clock,
    _day_loss,
    _order_size,
    _position_size,
    _one_way,
    _exposure,
    _leverage,
    _funds,
    _open_orders,
    _rate,
    _collar,
    _self_cross,
)
