"""Every REST operation with its path and its quota (bybit.md §3)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from obiterm.exchange.bybit import account, exits, market, positions, queries, trade
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.office import BackOffice, Call
from obiterm.exchange.bybit.params import Params


class Operation(msgspec.Struct, frozen=True):
    """One call of the venue.

    ``linear`` and ``spot`` are requests per second and account; 0 = no quota of its own.
    """

    name: str
    method: str
    path: str
    handler: Callable[[BackOffice, Call], object]
    signed: bool = False
    linear: int = 0
    spot: int = 0
    trades: bool = False
    """It needs a key that may trade; its quota is one that a VIP level raises."""

    def per_second(self, category: str) -> int:
        """Return the quota for a category."""
        return self.spot if category == Category.SPOT.value and self.spot else self.linear

    def cost(self, params: Params) -> int:
        """Return how many requests a call counts as: a batch counts its orders."""
        if not self.path.endswith("-batch"):
            return 1
        return len(params.items("request"))


def _public(path: str, handler: Callable[[BackOffice, Call], object]) -> Operation:
    return Operation(path.rpartition("/")[2], "GET", f"/v5/market/{path}", handler)


def _query(
    path: str, handler: Callable[[BackOffice, Call], object], per_second: int = 50
) -> Operation:
    return Operation(path, "GET", f"/v5/{path}", handler, True, per_second, per_second)


def _order(name: str, handler: Callable[[BackOffice, Call], object], spot: int = 20) -> Operation:
    return Operation(f"order.{name}", "POST", f"/v5/order/{name}", handler, True, 10, spot, True)


def _setting(path: str, handler: Callable[[BackOffice, Call], object]) -> Operation:
    return Operation(path, "POST", f"/v5/position/{path}", handler, True, 10, 10, True)


TRADING: dict[str, Operation] = {
    one.name: one
    for one in (
        _order("create", trade.create),
        _order("amend", trade.amend, 10),
        _order("cancel", trade.cancel),
        _order("create-batch", trade.create_batch),
        _order("amend-batch", trade.amend_batch),
        _order("cancel-batch", trade.cancel_batch),
    )
}
"""What both REST and the trade socket can do; they share the quotas."""

_ALL = (
    _public("time", market.server_time),
    _public("instruments-info", market.instruments),
    _public("orderbook", market.orderbook),
    _public("tickers", market.tickers),
    _public("kline", market.kline),
    _public("recent-trade", market.recent_trades),
    _public("funding/history", market.funding_history),
    _public("price-limit", market.price_limit),
    *TRADING.values(),
    _order("cancel-all", trade.cancel_all),
    _query("order/realtime", queries.realtime),
    _query("order/history", queries.history),
    _query("execution/list", queries.executions),
    _query("position/list", positions.position_list),
    _setting("set-leverage", positions.set_leverage),
    _setting("switch-mode", positions.switch_mode),
    _setting("trading-stop", exits.trading_stop),
    _query("account/wallet-balance", account.wallet_balance),
    _query("account/info", account.account_info),
    _query("account/fee-rate", account.fee_rate, 5),
    _query("account/instruments-info", market.instruments, 10),
    _query("account/user-setting-config", account.user_settings, 10),
    _query("user/query-api", account.query_api, 10),
    _query("asset/coin/query-info", account.coin_info, 5),
)
ROUTES: dict[tuple[str, str], Operation] = {(one.method, one.path): one for one in _ALL}
