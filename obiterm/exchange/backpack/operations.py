"""The table of calls: path, instruction, handler (backpack.md §3.2, §5, §6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from obiterm.exchange.backpack import account, history, market, orders
from obiterm.exchange.backpack.office import BackpackOffice, Call

Handler = Callable[[BackpackOffice, Call], object]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the exchange does when asked."""

    name: str
    handler: Handler
    instruction: str = ""
    """What its signature begins with; empty for public calls."""
    payload: str = ""
    """Name of its JSON body; empty when it takes a query."""
    batch: bool = False
    trades: bool = False
    """It needs a key that may trade."""
    historical: bool = False
    """It counts against the small budget of historical data (backpack.md §4)."""
    text: bool = False
    """Its answer is plain text."""


def _open(name: str, handler: Handler, *, historical: bool = False) -> Operation:
    return Operation(name, handler, historical=historical)


def _signed(instruction: str, handler: Handler) -> Operation:
    return Operation(instruction, handler, instruction)


def _acts(instruction: str, handler: Handler, payload: str) -> Operation:
    return Operation(instruction, handler, instruction, payload, trades=True)


_API = "/api/v1"
_PAST = "/wapi/v1/history"

ROUTES: dict[tuple[str, str], Operation] = {
    ("GET", f"{_API}/status"): _open("status", market.status),
    ("GET", f"{_API}/ping"): Operation("ping", market.ping, text=True),
    ("GET", f"{_API}/time"): Operation("time", market.server_time, text=True),
    ("GET", f"{_API}/markets"): _open("markets", market.markets),
    ("GET", f"{_API}/market"): _open("market", market.market),
    ("GET", f"{_API}/assets"): _open("assets", market.assets),
    ("GET", f"{_API}/collateral"): _open("collateral", market.collateral),
    ("GET", f"{_API}/securities"): _open("securities", market.none_listed),
    ("GET", f"{_API}/market-sessions"): _open("marketSessions", market.none_listed),
    ("GET", f"{_API}/borrowLend/markets"): _open("borrowLendMarkets", market.none_listed),
    ("GET", f"{_API}/ticker"): _open("ticker", market.ticker),
    ("GET", f"{_API}/tickers"): _open("tickers", market.tickers),
    ("GET", f"{_API}/depth"): _open("depth", market.depth),
    ("GET", f"{_API}/klines"): _open("klines", market.klines, historical=True),
    ("GET", f"{_API}/trades"): _open("trades", market.trades),
    ("GET", f"{_API}/trades/history"): _open("tradesHistory", market.trades, historical=True),
    ("GET", f"{_API}/markPrices"): _open("markPrices", market.mark_prices),
    ("GET", f"{_API}/openInterest"): _open("openInterest", market.open_interest),
    ("GET", f"{_API}/fundingRates"): _open("fundingRates", market.funding_rates),
    ("GET", f"{_API}/account"): _signed("accountQuery", account.account),
    ("PATCH", f"{_API}/account"): _acts(
        "accountUpdate", account.update_account, "UpdateAccountSettingsRequest"
    ),
    ("GET", f"{_API}/account/limits/order"): _signed("maxOrderQuantity", account.order_limit),
    ("GET", f"{_API}/account/limits/borrow"): _signed("maxBorrowQuantity", account.borrow_limit),
    ("GET", f"{_API}/account/limits/withdrawal"): _signed(
        "maxWithdrawalQuantity", account.withdrawal_limit
    ),
    ("GET", f"{_API}/capital"): _signed("balanceQuery", account.capital),
    ("GET", f"{_API}/capital/collateral"): _signed("collateralQuery", account.collateral),
    ("GET", f"{_API}/borrowLend/positions"): _signed("borrowLendPositionQuery", account.no_lending),
    ("GET", f"{_API}/position"): _signed("positionQuery", account.positions),
    ("GET", f"{_API}/order"): _signed("orderQuery", orders.query),
    ("GET", f"{_API}/orders"): _signed("orderQueryAll", orders.open_orders),
    ("POST", f"{_API}/order"): _acts("orderExecute", orders.place, "OrderExecutePayload"),
    ("POST", f"{_API}/orders"): Operation(
        "orderExecuteBatch",
        orders.place_batch,
        "orderExecute",
        "OrderExecutePayload",
        batch=True,
        trades=True,
    ),
    ("DELETE", f"{_API}/order"): _acts("orderCancel", orders.cancel, "OrderCancelPayload"),
    ("DELETE", f"{_API}/orders"): _acts(
        "orderCancelAll", orders.cancel_all, "OrderCancelAllPayload"
    ),
    ("GET", f"{_API}/strategies"): _signed("strategyQueryAll", history.nothing),
    ("GET", f"{_PAST}/orders"): _signed("orderHistoryQueryAll", history.orders),
    ("GET", f"{_PAST}/fills"): _signed("fillHistoryQueryAll", history.fills),
    ("GET", f"{_PAST}/funding"): _signed("fundingHistoryQueryAll", history.funding),
    ("GET", f"{_PAST}/position"): _signed("positionHistoryQueryAll", history.positions),
    ("GET", f"{_PAST}/settlement"): _signed("settlementHistoryQueryAll", history.settlements),
    ("GET", f"{_PAST}/interest"): _signed("interestHistoryQueryAll", history.nothing),
    ("GET", f"{_PAST}/borrowLend"): _signed("borrowHistoryQueryAll", history.nothing),
    ("GET", f"{_PAST}/strategies"): _signed("strategyHistoryQueryAll", history.nothing),
    ("GET", "/wapi/v1/capital/deposits"): _signed("depositQueryAll", history.nothing),
    ("GET", "/wapi/v1/capital/withdrawals"): _signed("withdrawalQueryAll", history.nothing),
}
