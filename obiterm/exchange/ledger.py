"""The exchange's own truth as JSON, for ``GET /_exchange/ledger``.

Any test can compare what a client believes with what is. Decimals are text.
"""

from __future__ import annotations

from obiterm.exchange.api import Fill, MarketSpec, Order
from obiterm.exchange.desk import Desk


def build_ledger(venue: Desk) -> dict[str, object]:
    """Return open orders, balances and fills of every account, and self-trades."""
    return {
        "accounts": {name: _account(venue, name) for name in venue.accounts},
        "self_trades": venue.self_trades(),
    }


def _account(venue: Desk, name: str) -> dict[str, object]:
    return {
        "open_orders": [_order(venue.markets[o.symbol], o) for o in venue.open_orders(name)],
        # A spot account holds coins, not positions; the key is there for every venue.
        "positions": [],
        "balances": {
            asset: {"free": format(free, "f"), "locked": format(locked, "f")}
            for asset, (free, locked) in venue.balances(name).items()
        },
        "fills": [_fill(venue.markets[fill.symbol], fill) for fill in venue.fills(name)],
    }


def _order(spec: MarketSpec, order: Order) -> dict[str, object]:
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
        "quantity": format(spec.lot_size * order.lots, "f"),
        "filled": format(spec.lot_size * order.filled_lots, "f"),
        "created_ns": order.created_ns,
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
        "is_maker": fill.is_maker,
        "time_ns": fill.time_ns,
    }
