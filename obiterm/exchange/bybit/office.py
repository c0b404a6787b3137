"""What every operation works on: the core and what the venue remembers beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import msgspec

from obiterm.core.values import Side
from obiterm.exchange.api import (
    FundingPayment,
    Order,
    OrderUpdate,
    Output,
    PositionSide,
    Refusal,
    Status,
)
from obiterm.exchange.bybit import errors
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.limits import Limits
from obiterm.exchange.bybit.memo import NO_LINK, Memo, memo_of_house
from obiterm.exchange.bybit.numbers import Scale, order_number
from obiterm.exchange.bybit.params import Params
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.office import Office

_FIRST_STILLBORN = 1 << 60
Leg = tuple[str, str, PositionSide]
"""Account, market of the core, side of the position."""
ZERO = Decimal(0)


class Call(msgspec.Struct, frozen=True):
    """One request on its way through an operation."""

    params: Params
    now_ns: int
    credential: Credential | None = None

    @property
    def account(self) -> str:
        """Name of the account that signed."""
        return self.key.account

    @property
    def key(self) -> Credential:
        """The key that signed."""
        if self.credential is None:
            raise errors.ApiError(errors.BAD_KEY, "API key is invalid.")
        return self.credential


class BackOffice(Office):
    """The venue core and what the dialect must remember beside it.

    Outputs leave through ``sinks`` in the order in which they happened; then the
    ``reactors`` may answer them with further deeds, whose outputs follow.
    """

    def __init__(self, venue: GatedCore, limits: Limits) -> None:
        super().__init__(venue)
        self.limits = limits
        self.scales = {name: Scale(spec) for name, spec in venue.markets.items()}
        self._names = {(one.category, one.symbol): name for name, one in self.scales.items()}
        self.memos: dict[int, Memo] = {}
        self.stillborn: dict[str, dict[int, Order]] = {}
        """Orders that were accepted and then ended before they met the market."""
        self.links: dict[str, dict[str, tuple[str, int]]] = {}
        """Account -> orderLinkId -> (market, number)."""
        self.realised: dict[Leg, Decimal] = {}
        """P&L, fees and funding of a position since its account was opened."""
        self.trails: dict[Leg, int] = {}
        """Distance of the trailing stop of a position, in ticks."""
        self.fill_marks: dict[int, str] = {}
        """Trade id -> mark price at that moment."""
        self.opened_ns = time.time_ns()
        self.reactors: list[Callable[[list[Output], int], None]] = []
        self._next_stillborn = _FIRST_STILLBORN
        self._next_link = 1
        self._own: list[Output] = []

    def add_account(self, name: str, balances: dict[str, Decimal]) -> None:
        """Create a funded account."""
        super().add_account(name, balances)
        self.links[name] = {}
        self.stillborn[name] = {}

    # -- markets ----------------------------------------------------------------

    def market(self, category: Category, name: str) -> Scale:
        """Return the market of a category, or refuse."""
        symbol = self._names.get((category, name))
        if symbol is None:
            raise errors.bad_symbol(category)
        return self.scales[symbol]

    def markets(self, category: Category) -> list[Scale]:
        """Return the markets of a category."""
        return [scale for scale in self.scales.values() if scale.category is category]

    def scale(self, symbol: str) -> Scale:
        """Return the writer of a market of the core."""
        return self.scales[symbol]

    def worth(self, asset: str) -> Decimal:
        """Return what one unit of an asset is worth in dollars; 0 for an unlisted one."""
        if asset in ("USDT", "USDC", "USD"):
            return Decimal(1)
        for scale in self.scales.values():
            if scale.spec.base == asset:
                return self.venue.index(scale.spec.symbol)
        return ZERO

    # -- orders -----------------------------------------------------------------

    def memo(self, order: Order) -> Memo:
        """Return the notes on an order; the venue's own orders get theirs here."""
        found = self.memos.get(order.order_id)
        if found is None:
            found = memo_of_house(order, self.scales[order.symbol].category)
            self.memos[order.order_id] = found
        return found

    def new_link(self) -> str:
        """Make a client id for an order that came without one."""
        self._next_link += 1
        return f"{NO_LINK}{self._next_link}"

    def remember(self, order: Order, memo: Memo) -> None:
        """Keep the notes on a new order and its orderLinkId."""
        self.memos[order.order_id] = memo
        if not order.client_id.startswith(NO_LINK):
            self.links[order.account][order.client_id] = (order.symbol, order.order_id)

    def keep_stillborn(self, order: Order, memo: Memo) -> Order:
        """Number an order that ends at once, report it and keep it for queries."""
        order.order_id = self._next_stillborn
        self._next_stillborn += 1
        self.stillborn[order.account][order.order_id] = order
        self.remember(order, memo)
        self._own.append(OrderUpdate(order, order.status.value, order.order_id))
        return order

    def find(self, account: str, category: Category, params: Params) -> Order:
        """Return the order that ``orderId`` (first) or ``orderLinkId`` names, or refuse."""
        text, link = params.get("orderId"), params.get("orderLinkId")
        if text is None and link is None:
            raise errors.bad("params error: orderId or orderLinkId is required")
        number = None
        if text is not None:
            number = order_number(category, text)
        elif link in self.links[account]:
            number = self.links[account][link][1]
        if number is None:
            raise errors.no_order(category)
        order = self.stillborn[account].get(number) or self._core_order(account, category, number)
        if order is None or self.scales[order.symbol].category is not category:
            raise errors.no_order(category)
        name = params.get("symbol")
        if name is not None and self.scales[order.symbol].symbol != name:
            raise errors.no_order(category)
        return order

    def _core_order(self, account: str, category: Category, number: int) -> Order | None:
        for scale in self.markets(category):
            try:
                return self.venue.find_order(account, scale.spec.symbol, order_id=number)
            except Refusal:
                continue
        return None

    def open_orders(self, account: str, category: Category) -> list[Order]:
        """Return open orders of a category, oldest first."""
        return [
            order
            for order in self.venue.open_orders(account)
            if self.scales[order.symbol].category is category
        ]

    def all_orders(self, account: str, category: Category) -> list[Order]:
        """Return every order of a category, oldest first."""
        rows = [
            order
            for scale in self.markets(category)
            for order in self.venue.all_orders(account, scale.spec.symbol)
        ]
        rows += [
            order
            for order in self.stillborn[account].values()
            if self.scales[order.symbol].category is category
        ]
        return sorted(rows, key=lambda order: (order.created_ns, order.order_id))

    # -- outputs ----------------------------------------------------------------

    def flush(self, now_ns: int) -> list[Output]:
        """Hand what happened to every sink, then let the reactors answer it; return it all."""
        everything: list[Output] = []
        while outputs := [*self.venue.drain(), *self._own]:
            self._own = []
            everything += outputs
            for output in outputs:
                self._take_note(output)
            for sink in self.sinks:
                sink(outputs, now_ns)
            for reactor in self.reactors:
                reactor(outputs, now_ns)
        return everything

    def _take_note(self, output: Output) -> None:
        if isinstance(output, FundingPayment):
            self._add_realised((output.account, output.symbol, output.side), output.amount)
        if not isinstance(output, OrderUpdate) or output.fill is None:
            return
        fill, memo = output.fill, self.memo(output.order)
        memo.fees[fill.fee_asset] = memo.fees.get(fill.fee_asset, ZERO) + fill.fee
        memo.closed_pnl += fill.realised
        scale = self.scales[fill.symbol]
        if scale.category is Category.LINEAR:
            leg = (fill.account, fill.symbol, fill.position_side)
            self._add_realised(leg, fill.realised - fill.fee)
            self.fill_marks[fill.trade_id] = scale.mark(self.venue.mark(fill.symbol).mark)

    def _add_realised(self, leg: Leg, amount: Decimal) -> None:
        self.realised[leg] = self.realised.get(leg, ZERO) + amount


def is_open(order: Order) -> bool:
    """True while an order may still trade."""
    return order.status in (Status.NEW, Status.PARTIALLY_FILLED)


SIDE_WORDS = {Side.BUY: "Buy", Side.SELL: "Sell"}
