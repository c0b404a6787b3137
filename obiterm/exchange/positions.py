"""Positions of all accounts, and the margin that they and open orders ask for.

Cross margin: everything that an account holds of a settle asset carries all its
positions in it. Margin of a market is that of the larger outcome of its open
orders: ``max(|position + buys|, |position - sells|) / leverage`` (binance.md §9.3).
The cost basis is exact, so that wallet = start + cash flows + cost at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_UP, Decimal

from obiterm.core.values import Side
from obiterm.exchange.accounts import ZERO
from obiterm.exchange.contracts import Cause, Collateral, Position, PositionSide
from obiterm.exchange.marks import MarkModel
from obiterm.exchange.words import MarketSpec, Order

_STEP = Decimal("0.00000001")
Key = tuple[str, str, PositionSide]


class Holding:
    """One position and the open orders that may enlarge it. Mutable."""

    __slots__ = (
        "account",
        "ask_units",
        "bid_units",
        "cost",
        "leverage",
        "lots",
        "marks",
        "opened_ns",
        "realised",
        "side",
        "spec",
        "unit",
        "updated_ns",
    )

    def __init__(
        self, account: str, marks: MarkModel, side: PositionSide, leverage: Decimal
    ) -> None:
        self.account = account
        self.marks = marks
        self.spec: MarketSpec = marks.spec
        self.side = side
        self.leverage = leverage
        self.unit = self.spec.tick_size * self.spec.lot_size
        self.lots = 0
        self.cost = ZERO
        """Signed: what was paid for the position, exactly."""
        self.realised = ZERO
        self.bid_units = self.ask_units = 0
        """Ticks x lots of open orders that may open something."""
        self.opened_ns = self.updated_ns = 0

    # -- trading ----------------------------------------------------------------

    def trade(self, side: Side, ticks: int, lots: int, now_ns: int) -> tuple[Decimal, int]:
        """Take in a fill; return realised P&L and how many lots it closed."""
        closed = min(lots, abs(self.lots)) if self.lots * side.sign < 0 else 0
        realised = ZERO
        if closed:
            part = self.cost
            if closed < abs(self.lots):
                part = (self.cost * closed / abs(self.lots)).quantize(_STEP)
            realised = -side.sign * self.unit * (ticks * closed) - part
            self.cost -= part
            self.lots += side.sign * closed
            self.realised += realised
        opened = lots - closed
        if opened:
            if self.lots == 0:
                self.opened_ns, self.realised = now_ns, ZERO
            self.cost += side.sign * self.unit * (ticks * opened)
            self.lots += side.sign * opened
        self.updated_ns = now_ns
        return realised, closed

    def closable(self, side: Side) -> int:
        """Return the lots that an order of ``side`` can close."""
        return abs(self.lots) if self.lots * side.sign < 0 else 0

    # -- values at mark ---------------------------------------------------------

    @property
    def notional(self) -> Decimal:
        """Signed value at mark."""
        return self.spec.lot_size * self.lots * self.marks.mark

    @property
    def unrealised(self) -> Decimal:
        """P&L if closed at mark."""
        return self.notional - self.cost if self.lots else ZERO

    @property
    def position_margin(self) -> Decimal:
        """Initial margin of the position alone."""
        return self._share(abs(self.notional)) if self.lots else ZERO

    @property
    def maintenance(self) -> Decimal:
        """Maintenance margin."""
        return abs(self.notional) * self.spec.maintenance_margin if self.lots else ZERO

    def margin(self, bid_units: int = 0, ask_units: int = 0) -> Decimal:
        """Return the initial margin with open orders, and with these units beside them."""
        bids = self.unit * (self.bid_units + bid_units)
        asks = self.unit * (self.ask_units + ask_units)
        if not (self.lots or bids or asks):
            return ZERO
        value = self.notional
        return self._share(max(abs(value + bids), abs(value - asks)))

    def _share(self, value: Decimal) -> Decimal:
        return (value / self.leverage).quantize(_STEP, ROUND_UP)

    def show(self, collateral: Collateral) -> Position:
        """Return the position as others see it."""
        size = self.spec.lot_size * self.lots
        return Position(
            account=self.account,
            symbol=self.spec.symbol,
            side=self.side,
            lots=self.lots,
            entry=self.cost / size if size else ZERO,
            mark=self.marks.mark,
            notional=self.notional,
            unrealised=self.unrealised,
            realised=self.realised,
            leverage=self.leverage,
            initial_margin=self.margin(),
            position_margin=self.position_margin,
            maintenance_margin=self.maintenance,
            liquidation_price=self._liquidation_price(collateral),
            bid_notional=self.unit * self.bid_units,
            ask_notional=self.unit * self.ask_units,
            opened_ns=self.opened_ns,
            updated_ns=self.updated_ns,
        )

    def _liquidation_price(self, collateral: Collateral) -> Decimal:
        """Solve equity(price) = maintenance(price), all else unchanged."""
        if not self.lots:
            return ZERO
        size = self.spec.lot_size * self.lots
        rest = collateral.equity - self.unrealised
        others = collateral.maintenance_margin - self.maintenance
        slope = size - abs(size) * self.spec.maintenance_margin
        price = (self.cost - rest + others) / slope
        return self.marks.round(price) if price > 0 else ZERO


class Positions:
    """Every holding of a venue."""

    def __init__(self) -> None:
        self._all: dict[Key, Holding] = {}
        self._of_account: dict[str, list[Holding]] = {}
        self._order_units: dict[int, int] = {}
        self._touched: dict[Key, Cause] = {}
        self._leverage: dict[tuple[str, str], Decimal] = {}
        self.hedged: set[str] = set()
        """Accounts with a long and a short leg."""

    def of(self, account: str, marks: MarkModel, side: PositionSide) -> Holding:
        """Return a holding, a new flat one when there was none."""
        key = (account, marks.spec.symbol, side)
        holding = self._all.get(key)
        if holding is None:
            holding = Holding(account, marks, side, self.leverage(account, marks.spec))
            self._all[key] = holding
            self._of_account.setdefault(account, []).append(holding)
        return holding

    def all_of(self, account: str) -> list[Holding]:
        """Return every holding that an account ever opened."""
        return self._of_account.get(account, [])

    def carriers(self) -> list[str]:
        """Return the accounts that hold a position now."""
        return [name for name, held in self._of_account.items() if any(one.lots for one in held)]

    def leverage(self, account: str, spec: MarketSpec) -> Decimal:
        """Return the leverage of a market."""
        return self._leverage.get((account, spec.symbol), spec.default_leverage)

    def set_leverage(self, account: str, spec: MarketSpec, leverage: Decimal) -> None:
        """Change the leverage of a market; the caller has checked it."""
        self._leverage[account, spec.symbol] = leverage
        for holding in self.all_of(account):
            if holding.spec.symbol == spec.symbol:
                holding.leverage = leverage

    # -- open orders ------------------------------------------------------------

    def hold(self, holding: Holding, order: Order, units: int) -> None:
        """Set the ticks x lots that an open order may still open with; 0 when it ended."""
        before = self._order_units.pop(order.order_id, 0)
        if units:
            self._order_units[order.order_id] = units
        if order.side is Side.BUY:
            holding.bid_units += units - before
        else:
            holding.ask_units += units - before

    def held_units(self, order: Order) -> int:
        """Return the ticks x lots that an order keeps margin for."""
        return self._order_units.get(order.order_id, 0)

    # -- sums -------------------------------------------------------------------

    def collateral(self, account: str, asset: str, wallet: Decimal, locked: Decimal) -> Collateral:
        """Sum up an account's positions in a settle asset."""
        unrealised = margin = with_orders = maintenance = ZERO
        for holding in self.all_of(account):
            if holding.spec.settle == asset:
                unrealised += holding.unrealised
                margin += holding.position_margin
                with_orders += holding.margin()
                maintenance += holding.maintenance
        return Collateral(
            asset, wallet, locked, unrealised, margin, with_orders - margin, maintenance
        )

    def reserved(self, account: str, asset: str) -> Decimal:
        """Return what positions and their orders keep from being spent otherwise."""
        margin = unrealised = ZERO
        for holding in self.all_of(account):
            if holding.spec.settle == asset:
                margin += holding.margin()
                unrealised += holding.unrealised
        return margin + max(ZERO, -unrealised)

    # -- what changed -----------------------------------------------------------

    def touch(self, holding: Holding, cause: Cause) -> None:
        """Note that a position is to be reported."""
        self._touched[holding.account, holding.spec.symbol, holding.side] = cause

    def take_touched(self) -> Iterator[tuple[Holding, Cause]]:
        """Yield what changed and forget it."""
        touched, self._touched = self._touched, {}
        for key, cause in touched.items():
            yield self._all[key], cause
