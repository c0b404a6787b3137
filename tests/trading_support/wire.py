"""A strategy and a venue's order for the kernel's state machine."""

from __future__ import annotations

from typing import ClassVar

from obiterm.core.orders import OrderIntent
from obiterm.core.values import (
    OrderState,
    VenueOrderId,
)
from obiterm.strategies.base import Decision, Report, View
from tests.trading_support.stage import BID, entry, leave, stop

S = OrderState


class Trader:
    """Enters up to a size, keeps a stop for what it holds, leaves when told."""

    kind: ClassVar[str] = "trader"
    obi_levels = 20

    def __init__(self) -> None:
        self.price = BID
        self.target = 1_000
        self.mode = "idle"

    def decide(self, view: View) -> Decision:
        held = view.position.sellable_lots
        wishes = []
        if held and self.mode == "leave":
            wishes.append(leave(held))
        elif held:
            wishes.append(stop(held))
        missing = self.target - view.position.lots
        if self.mode == "trade" and missing > 0:
            wishes.append(entry(missing, self.price))
        return Decision(tuple(wishes), self.mode)

    def report(self, view: View) -> Report:
        return Report(signal=0.0, enter_at=0.0, exit_at=0.0, position_share=0.0)


class VenueOrder:
    """One order at the venue."""

    def __init__(self, intent: OrderIntent, number: int) -> None:
        self.intent = intent
        self.venue_id = VenueOrderId(str(number))
        self.filled = 0
        self.state = S.OPEN

    @property
    def rests(self) -> bool:
        return not self.state.is_final
