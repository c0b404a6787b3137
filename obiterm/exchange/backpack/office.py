"""What every operation works on: the core, its accounts, what only the dialect remembers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from decimal import Decimal

from obiterm.exchange.api import (
    NewOrder,
    Order,
    OrderUpdate,
    Output,
    PublicTrade,
    Refusal,
    TriggerBy,
    Why,
)
from obiterm.exchange.backpack.attached import at_once, followers
from obiterm.exchange.backpack.costs import Costs
from obiterm.exchange.backpack.errors import ApiError, from_refusal, invalid_market
from obiterm.exchange.backpack.extras import NO_EXTRAS, Extras
from obiterm.exchange.backpack.limits import Limits
from obiterm.exchange.backpack.order_request import Scene
from obiterm.exchange.backpack.order_rows import OWN_CLIENT_ID
from obiterm.exchange.backpack.params import Params
from obiterm.exchange.backpack.wire import Scale
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.office import Office

log = logging.getLogger(__name__)

DEFAULT_LEVERAGE = Decimal(10)


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through an operation."""

    params: Params
    now_ns: int
    credential: Credential | None = None
    batch: tuple[Params, ...] = ()

    @property
    def account(self) -> str:
        """Name of the account that signed."""
        if self.credential is None:
            raise ApiError(401, "UNAUTHORIZED", "Unauthorized")
        return self.credential.account


class Settings:
    """What an account may change by ``PATCH /api/v1/account``. Mutable."""

    def __init__(self) -> None:
        self.leverage = DEFAULT_LEVERAGE
        self.flags = {
            "autoBorrowSettlements": True,
            "autoLend": False,
            "autoRealizePnl": True,
            "autoRepayBorrows": True,
        }


class BackpackOffice(Office):
    """The venue core and what the dialect keeps beside it."""

    def __init__(self, venue: GatedCore, limits: Limits) -> None:
        super().__init__(venue)
        self.limits = limits
        self.scales = {name: Scale(spec) for name, spec in venue.markets.items()}
        self.extras: dict[int, Extras] = {}
        self.settings: dict[str, Settings] = {}
        self.opened_ns = time.time_ns()
        self.costs = Costs()
        self.sinks.append(self.costs.take)
        self._next_own_id = 1
        self._parents: set[int] = set()
        """Orders whose attached ones were placed."""

    def add_account(self, name: str, balances: dict[str, Decimal]) -> None:
        """Create a funded account."""
        super().add_account(name, balances)
        self.settings[name] = Settings()

    def scale(self, symbol: str) -> Scale:
        """Return the market's writer of numbers, or refuse with ``INVALID_MARKET``."""
        found = self.scales.get(symbol)
        if found is None:
            raise invalid_market()
        return found

    def refused(self, refusal: Refusal, symbol: str = "") -> ApiError:
        """Turn a refusal of the core into the venue's words."""
        scale = self.scales.get(symbol)
        return from_refusal(refusal, perpetual=scale is not None and scale.spec.is_perpetual)

    # -- orders -----------------------------------------------------------------

    def own_client_id(self) -> str:
        """Name an order that came without ``clientId``."""
        number = self._next_own_id
        self._next_own_id += 1
        return f"{OWN_CLIENT_ID}{number}"

    def scene(self, symbol: str) -> Scene:
        """Return what an order on a market is read against."""
        spec = self.scale(symbol).spec

        def price_of(by: TriggerBy) -> Decimal:
            if by is TriggerBy.LAST:
                prints: list[PublicTrade] = self.venue.trades(symbol, 1)
                return Decimal(prints[-1].price_ticks if prints else 0)
            mark = self.venue.mark(symbol)
            return (mark.mark if by is TriggerBy.MARK else mark.index) / spec.tick_size

        return Scene(spec, self.venue.top(symbol), price_of, self.own_client_id())

    def extras_of(self, order: Order) -> Extras:
        """Return what the dialect remembers of an order."""
        return self.extras.get(order.order_id, NO_EXTRAS)

    def flush(self, now_ns: int) -> list[Output]:
        """Hand the core's outputs to every sink and return them.

        Orders that are attached to one that begins to fill are placed on the way.
        """
        everything: list[Output] = []
        while outputs := self.venue.drain():
            everything += outputs
            for sink in self.sinks:
                sink(outputs, now_ns)
            for output in outputs:
                if isinstance(output, OrderUpdate) and output.fill is not None:
                    self._place_attached(output.order, now_ns)
        return everything

    def _place_attached(self, parent: Order, now_ns: int) -> None:
        extras = self.extras_of(parent)
        if not extras.has_legs or parent.order_id in self._parents:
            return
        self._parents.add(parent.order_id)
        for request, remembered in followers(parent, extras, self.own_client_id):
            order = self._place_follower(parent, request, now_ns)
            if order is not None:
                self.extras[order.order_id] = remembered

    def _place_follower(self, parent: Order, request: NewOrder, now_ns: int) -> Order | None:
        """Place an attached order; its refusal is no concern of whoever placed the parent."""
        try:
            return self.venue.place(parent.account, request, now_ns)
        except Refusal as refusal:
            if refusal.why is not Why.WOULD_TRIGGER:
                log.info("an attached order was refused: %s", refusal)
                return None
        lots = self.venue.position(parent.account, parent.symbol).lots
        try:
            return self.venue.place(parent.account, at_once(request, lots), now_ns)
        except Refusal as refusal:
            log.info("an attached order was refused: %s", refusal)
            return None
