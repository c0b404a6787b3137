"""What has happened: orders, fills, funding, positions, settlements (backpack.md §6.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import takewhile
from typing import TypeVar

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.api import Fill, Position
from obiterm.exchange.backpack.account import position_row, standing
from obiterm.exchange.backpack.office import BackpackOffice, Call
from obiterm.exchange.backpack.order_rows import (
    BOOK_LIQUIDATION,
    fill_row,
    funding_row,
    history_row,
)
from obiterm.exchange.backpack.wire import Json, Scale, amount, utc_text
from obiterm.exchange.clearing import LIQUIDATION_PREFIX

_FILL_TYPES: dict[str, bool | None] = {
    "User": False,
    "BookLiquidation": True,
    "Liquidation": True,
    "AllLiquidation": True,
    "Adl": None,
    "Backstop": None,
    "CollateralConversion": None,
    "CollateralConversionAndSpotLiquidation": None,
}
"""Whether a kind of fill is one by which the house closed a position; ``None``: there is none."""

T = TypeVar("T")


def orders(office: BackpackOffice, call: Call) -> list[Json]:
    """Return orders, open or not, the newest first."""
    wanted = call.params.get("orderId")
    found = [
        order
        for scale in _scales(office, call)
        for order in office.venue.all_orders(call.account, scale.spec.symbol)
        if wanted is None or str(order.order_id) == wanted
    ]
    return [
        history_row(order, office.scale(order.symbol), office.extras_of(order))
        for order in _page(call, found, lambda one: (one.created_ns, one.order_id))
    ]


def fills(office: BackpackOffice, call: Call) -> list[Json]:
    """Return fills, the newest first; ``fillType=User`` leaves out those of the house."""
    params = call.params
    wanted = params.get("orderId")
    since, until = params.get_int("from"), params.get_int("to")
    kind = params.get("fillType")
    params.get_choice("fillType", dict.fromkeys(_FILL_TYPES, 1), "FillType")

    def fits(fill: Fill) -> bool:
        if wanted is not None and str(fill.order_id) != wanted:
            return False
        if since is not None and fill.time_ns < since * NS_PER_MS:
            return False
        if until is not None and fill.time_ns > until * NS_PER_MS:
            return False
        return kind is None or _FILL_TYPES[kind] is _by_house(fill)

    found = [
        fill
        for scale in _scales(office, call)
        for fill in office.venue.fills(call.account, scale.spec.symbol)
        if fits(fill)
    ]
    return [
        fill_row(fill, office.scale(fill.symbol), BOOK_LIQUIDATION if _by_house(fill) else None)
        for fill in _page(call, found, lambda one: (one.time_ns, one.trade_id))
    ]


def funding(office: BackpackOffice, call: Call) -> list[Json]:
    """Return funding that was received and paid, the newest first."""
    found = [
        payment
        for scale in _scales(office, call)
        for payment in office.venue.funding_payments(call.account, scale.spec.symbol)
    ]
    user = office.uids[call.account]
    return [
        funding_row(one, user)
        for one in _page(call, found, lambda one: (one.time_ns, one.payment_id))
    ]


def positions(office: BackpackOffice, call: Call) -> list[Json]:
    """Return the latest position of every market, open or closed."""
    state = call.params.get("state")
    call.params.get_choice("state", {"Open": 1, "Closed": 1}, "PositionState")
    found = [
        one
        for scale in _scales(office, call)
        for one in office.venue.positions(call.account, scale.spec.symbol)
        if one.opened_ns and (state is None or (state == "Open") is bool(one.lots))
    ]
    rows: list[Json] = []
    for one in _page(call, found, lambda one: (one.opened_ns, 0)):
        row, more = position_row(office, one), standing(office, one)
        scale, since = office.scale(one.symbol), _fills_since(office, one)
        row |= {
            "id": row["positionId"],
            "cumulativePnlRealized": row["pnlRealized"],
            "unrealizedPnl": row["pnlUnrealized"],
            "fundingQuantity": row["cumulativeFundingPayment"],
            "interest": "0",
            "liquidated": "0",
            "liquidationFees": "0",
            "fees": amount(more.fees),
            "state": "Open" if one.lots else "Closed",
            "closedVolume": scale.size(sum(fill.closed_lots for fill in since)),
            "closingPrice": None if one.lots or not since else scale.price(since[-1].price_ticks),
            "accountLeverage": amount(one.leverage),
            "openedAt": utc_text(one.opened_ns),
            "closedAt": None if one.lots else utc_text(one.updated_ns),
        }
        rows.append(row)
    return rows


def _fills_since(office: BackpackOffice, one: Position) -> list[Fill]:
    """Return the fills of a position, the oldest first."""
    fills = reversed(office.venue.fills(one.account, one.symbol))
    return list(takewhile(lambda fill: fill.time_ns >= one.opened_ns, fills))[::-1]


def settlements(office: BackpackOffice, call: Call) -> list[Json]:
    """Return P&L that fills settled, fees and funding, the newest first."""
    name, user = call.account, office.uids[call.account]
    moved: list[tuple[int, str, Decimal]] = []
    for fill in office.venue.fills(name):
        if office.scale(fill.symbol).spec.is_perpetual:
            if fill.realised:
                moved.append((fill.time_ns, "RealizePnl", fill.realised))
            moved.append((fill.time_ns, "TradingFees", -fill.fee))
    moved += [
        (paid.time_ns, "FundingPayment", paid.amount)
        for paid in office.venue.funding_payments(name)
    ]
    source = call.params.get("source")
    kept = [one for one in moved if source is None or one[1] == source]
    return [
        {
            "quantity": amount(quantity),
            "source": kind,
            "subaccountId": None,
            "timestamp": utc_text(time_ns),
            "userId": user,
        }
        for time_ns, kind, quantity in _page(call, kept, lambda one: (one[0], 0))
    ]


def nothing(office: BackpackOffice, call: Call) -> list[Json]:
    """Return an empty history: lending, deposits, strategies and quotes do not exist here."""
    call.params.get_page(100, 1000)
    return []


def _by_house(fill: Fill) -> bool:
    return fill.client_id.startswith(LIQUIDATION_PREFIX)


def _scales(office: BackpackOffice, call: Call) -> list[Scale]:
    symbol = call.params.get("symbol")
    wanted = call.params.get_choice("marketType", {"SPOT": False, "PERP": True}, "MarketType")
    scales = list(office.scales.values()) if symbol is None else [office.scale(symbol)]
    return [one for one in scales if wanted is None or one.spec.is_perpetual is wanted]


def _page(call: Call, found: Iterable[T], age: Callable[[T], tuple[int, int]]) -> list[T]:
    """Sort by age, the newest first unless asked otherwise, and cut the page out."""
    rises = call.params.get_choice("sortDirection", {"Asc": True, "Desc": False}, "SortDirection")
    offset, limit = call.params.get_page(100, 1000)
    return sorted(found, key=age, reverse=not rises)[offset : offset + limit]
