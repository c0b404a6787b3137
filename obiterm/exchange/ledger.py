"""The exchange's own truth as JSON, for ``GET /_exchange/ledger``.

Any test can compare what a client believes with what is. Decimals are text.
"""

from __future__ import annotations

from decimal import Decimal

from obiterm.exchange.api import Fill, FundingPayment, MarketSpec, Order, Position
from obiterm.exchange.perpetual_desk import PerpetualDesk


def build_ledger(venue: PerpetualDesk) -> dict[str, object]:
    """Return open orders, balances and fills of every account, and self-trades."""
    return {
        "accounts": {name: _account(venue, name) for name in venue.accounts},
        "self_trades": venue.self_trades(),
    }


def _account(venue: PerpetualDesk, name: str) -> dict[str, object]:
    return {
        "open_orders": [
            describe_order(venue.markets[o.symbol], o) for o in venue.open_orders(name)
        ],
        # A spot account holds coins, not positions; the key is there for every venue.
        "positions": [
            _position(venue.markets[one.symbol], one) for one in venue.positions(name) if one.lots
        ],
        "funding": [_payment(one) for one in venue.funding_payments(name)],
        "balances": {
            asset: {"free": format(free, "f"), "locked": format(locked, "f")}
            for asset, (free, locked) in venue.balances(name).items()
        },
        "fills": [_fill(venue.markets[fill.symbol], fill) for fill in venue.fills(name)],
    }


def _position(spec: MarketSpec, one: Position) -> dict[str, object]:
    return {
        "symbol": one.symbol,
        "side": one.side.value,
        "quantity": format(spec.lot_size * one.lots, "f"),
        "entry": _price(one.entry),
        "mark": format(one.mark, "f"),
        "unrealised": _price(one.unrealised),
        "realised": _price(one.realised),
        "margin": format(one.initial_margin, "f"),
        "maintenance": _price(one.maintenance_margin),
        "leverage": format(one.leverage, "f"),
        "liquidation_price": format(one.liquidation_price, "f"),
    }


def _price(value: Decimal) -> str:
    return format(round(value, 8), "f")


def _payment(one: FundingPayment) -> dict[str, object]:
    return {
        "payment_id": one.payment_id,
        "symbol": one.symbol,
        "rate": format(one.rate, "f"),
        "mark": format(one.mark, "f"),
        "amount": format(one.amount, "f"),
        "asset": one.asset,
        "time_ns": one.time_ns,
    }


def describe_order(spec: MarketSpec, order: Order) -> dict[str, object]:
    """Return one order, open or ended."""
    return {
        "symbol": order.symbol,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "list_id": order.list_id,
        "side": order.side.value,
        "kind": order.kind.value,
        "status": order.status.value,
        "price": format(spec.tick_size * order.price_ticks, "f"),
        "trigger_price": format(spec.tick_size * order.trigger_ticks, "f"),
        "reduce_only": order.reduces,
        "origin": order.origin.value,
        "quantity": format(spec.lot_size * order.lots, "f"),
        "filled": format(spec.lot_size * order.filled_lots, "f"),
        "created_ns": order.created_ns,
        "updated_ns": order.updated_ns,
    }


def _fill(spec: MarketSpec, fill: Fill) -> dict[str, object]:
    return {
        "symbol": fill.symbol,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_id": fill.client_id,
        "side": fill.side.value,
        "price": format(spec.tick_size * fill.price_ticks, "f"),
        "quantity": format(spec.lot_size * fill.lots, "f"),
        "quote": format(fill.quote, "f"),
        "fee": format(fill.fee, "f"),
        "fee_asset": fill.fee_asset,
        "realised": _price(fill.realised),
        "is_maker": fill.is_maker,
        "time_ns": fill.time_ns,
    }
