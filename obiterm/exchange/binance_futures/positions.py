"""Position rows: ``positionRisk`` in both forms (binance.md §9.3)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Position
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.wire import amount, ms
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.wire.office import Json

NOTIONAL_CAP = 10_000_000
"""Upper end of the only leverage bracket, in quote."""
NONE = "0.00000000"


def quantity(office: FuturesOffice, one: Position) -> str:
    """Write a signed size."""
    spec = office.scale(one.symbol).spec
    return format(spec.lot_size * one.lots, "f")


def entry(price: Decimal) -> str:
    """Write an average price."""
    return f"{price:.8f}" if price else "0.0"


def break_even(office: FuturesOffice, one: Position) -> Decimal:
    """Return the price at which closing pays the fees of opening and closing."""
    if not one.lots:
        return Decimal(0)
    fees = 2 * office.scale(one.symbol).spec.taker_fee
    return one.entry * (1 + fees if one.lots > 0 else 1 - fees)


def every(office: FuturesOffice, account: str, symbol: str | None) -> list[Position]:
    """Return a row per market and leg, flat ones too."""
    symbols = list(office.scales) if symbol is None else [symbol]
    return [
        office.venue.position(account, name, side)
        for name in symbols
        for side in office.sides(account)
    ]


def live(office: FuturesOffice, account: str, symbol: str | None) -> list[Position]:
    """Return rows with a position or an open order."""
    return [
        one
        for one in every(office, account, symbol)
        if one.lots or one.bid_notional or one.ask_notional
    ]


def asked_symbol(office: FuturesOffice, call: Call) -> str | None:
    """Read the optional symbol; refuse an unknown one."""
    symbol = call.params.get_symbol()
    if symbol is not None:
        office.scale(symbol)
    return symbol


def risk_v3(office: FuturesOffice, call: Call) -> list[Json]:
    """Return positions that are or may be open; neither leverage nor margin type is in them."""
    return [
        {
            "symbol": one.symbol,
            "positionSide": one.side.value,
            "positionAmt": quantity(office, one),
            "entryPrice": entry(one.entry),
            "breakEvenPrice": entry(break_even(office, one)),
            "markPrice": amount(one.mark),
            "unRealizedProfit": amount(one.unrealised),
            "liquidationPrice": format(one.liquidation_price.normalize(), "f"),
            "isolatedMargin": "0",
            "notional": amount(one.notional),
            "marginAsset": office.scale(one.symbol).spec.settle,
            "isolatedWallet": "0",
            "initialMargin": amount(one.initial_margin),
            "maintMargin": amount(one.maintenance_margin),
            "positionInitialMargin": amount(one.position_margin),
            "openOrderInitialMargin": amount(one.initial_margin - one.position_margin),
            "adl": 0,
            "bidNotional": amount(one.bid_notional),
            "askNotional": amount(one.ask_notional),
            "updateTime": ms(one.updated_ns),
        }
        for one in live(office, call.account, asked_symbol(office, call))
    ]


def risk_v2(office: FuturesOffice, call: Call) -> list[Json]:
    """Return a row for every market and leg, with leverage and margin type."""
    return [
        {
            "symbol": one.symbol,
            "positionAmt": quantity(office, one),
            "entryPrice": entry(one.entry),
            "breakEvenPrice": entry(break_even(office, one)),
            "markPrice": amount(one.mark),
            "unRealizedProfit": amount(one.unrealised),
            "liquidationPrice": format(one.liquidation_price.normalize(), "f"),
            "leverage": str(one.leverage),
            "maxNotionalValue": str(NOTIONAL_CAP),
            "marginType": "cross",
            "isolatedMargin": NONE,
            "isAutoAddMargin": "false",
            "positionSide": one.side.value,
            "notional": amount(one.notional),
            "isolatedWallet": "0",
            "updateTime": ms(one.updated_ns),
        }
        for one in every(office, call.account, asked_symbol(office, call))
    ]
