"""A perpetual on the stage: positions, fundings and fills as its venue tells them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from obiterm.core.effects import Effect, Verb
from obiterm.core.events import (
    AccountReconciled,
    Filled,
    FundingChanged,
    FundingPaid,
    PositionReported,
)
from obiterm.core.limits import RiskLimits
from obiterm.core.orders import OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    MarketKind,
    OrderKind,
    OrderRole,
    Side,
    VenueOrderId,
)
from obiterm.strategies.base import Strategy, Wish
from tests.trading_support.stage import BTC, BTCUSDT, GENEROUS, MID, Stage, notes

BTCPERP = msgspec.structs.replace(
    BTCUSDT, venue="backpack", kind=MarketKind.PERP, settle="USDT", max_leverage=Decimal(50)
)
MARK = Decimal(MID) / 100


def close(lots: int, side: Side, kind: OrderKind, role: OrderRole, trigger: int = 0) -> Wish:
    """Return a wish that shrinks a position, under its role's name."""
    return Wish(tag=role.value, side=side, kind=kind, lots=lots, role=role, trigger_ticks=trigger)


class PerpStage(Stage):
    """A kernel that trades one perpetual."""

    def __init__(
        self,
        strategies: dict[str, Strategy] | None = None,
        limits: RiskLimits = GENEROUS,
        *,
        quote: Decimal = Decimal(10_000_000),
    ) -> None:
        super().__init__(strategies, limits, quote=quote, instrument=BTCPERP)

    def told(self, lots: int, *, at_ns: int | None = None, leg: str = "") -> list[Effect]:
        """Let the position stream tell what the venue holds."""
        return self.step(self.position_event(lots, at_ns=at_ns, leg=leg))

    def position_event(
        self, lots: int, *, at_ns: int | None = None, leg: str = ""
    ) -> PositionReported:
        nil = Decimal(0)
        at_ns = self.now_ns if at_ns is None else at_ns
        return PositionReported(BTC, lots, MARK, MARK, nil, nil, at_ns, self.now_ns, leg)

    def fetched(self, *lots: int) -> list[Effect]:
        """Let a reconciliation tell the open positions; none is flat."""
        balances = [(a, free, locked) for a, (free, locked) in self.kernel.gate.balances.items()]
        positions = [self.position_event(one, at_ns=0) for one in lots]
        return self.step(AccountReconciled(balances, [], self.now_ns, positions))

    def settle(self, *lots: int, seconds: float = 3.0) -> list[Effect]:
        """Let time pass with a fetched word in the middle: a difference lasts."""
        effects = self.ticks(seconds / 2)
        effects += self.fetched(*lots)
        return effects + self.ticks(seconds / 2)

    def mark(self, ticks: int) -> list[Effect]:
        rate = Decimal("0.0001")
        return self.step(FundingChanged(BTC, ticks, rate, 0, self.now_ns, self.now_ns))

    def paid(
        self, amount: str, name: str, *, at_ns: int | None = None, asset: str = "USDT"
    ) -> list[Effect]:
        at_ns = self.now_ns if at_ns is None else at_ns
        return self.step(FundingPaid(BTC, name, Decimal(amount), asset, at_ns, self.now_ns))

    def foreign_fill(self, side: Side, lots: int, price: int) -> list[Effect]:
        """Let an order fill that is not ours, e.g. a liquidation."""
        self._trade_id += 1
        return self.step(
            Filled(
                symbol=BTC,
                client_id=ClientOrderId("autoclose-1"),
                venue_id=VenueOrderId("house"),
                trade_id=self._trade_id,
                side=side,
                price_ticks=price,
                lots=lots,
                fee=Decimal(1),
                fee_asset="USDT",
                is_maker=False,
                event_ns=self.now_ns,
                received_ns=self.now_ns,
            )
        )

    def enter(self, wish: Wish, price: int = 0) -> OrderIntent:
        """Send an entry and fill it; the venue tells the position with it."""
        self.puppet.wishes = (wish,)
        self.book()
        order = self.order(wish.tag).intent
        self.puppet.wishes = ()
        self.fill(wish.tag, wish.lots, price)
        self.told(self.position)
        return order


def alarms(effects: Sequence[Effect]) -> list[str]:
    """Return what a human is warned of, but for a position that has no stop."""
    return [text for text in notes(effects, Verb.RISK) if not text.startswith("no stop")]
