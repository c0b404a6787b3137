"""What every operation works on: the core, its accounts and the venue's own bookkeeping."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from decimal import Decimal

from obiterm.exchange.api import Order, OrderUpdate, Output, Status
from obiterm.exchange.binance import errors
from obiterm.exchange.binance.limits import Limits
from obiterm.exchange.binance.params import Params
from obiterm.exchange.binance.tape import Tape
from obiterm.exchange.binance.wire import NO_EXTRAS, Extras, Scale
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.office import Office

_ALPHABET = string.ascii_letters + string.digits
HISTORY_PRINTS = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through an operation."""

    params: Params
    now_ns: int
    address: str
    credential: Credential | None = None
    session: object = None
    """The WebSocket API session; ``None`` over REST."""

    @property
    def account(self) -> str:
        """Name of the account that signed."""
        if self.credential is None:
            raise errors.missing("apiKey")
        return self.credential.account


class BackOffice(Office):
    """The venue core and what the dialect must remember beside it."""

    def __init__(self, venue: GatedCore, limits: Limits) -> None:
        super().__init__(venue)
        self.limits = limits
        self.scales = {name: Scale(spec) for name, spec in venue.markets.items()}
        self.tapes = {name: Tape(venue.trades(name, HISTORY_PRINTS)) for name in venue.markets}
        self.extras: dict[int, Extras] = {}
        self.list_ids: dict[str, dict[str, int]] = {}
        """Account -> client id of an order list -> list id."""
        self.sinks.append(self._count_fills)

    def add_account(self, name: str, balances: dict[str, Decimal]) -> None:
        """Create a funded account."""
        super().add_account(name, balances)
        self.list_ids[name] = {}

    def scale(self, symbol: str) -> Scale:
        """Return the market's writer of numbers, or refuse with -1121."""
        found = self.scales.get(symbol)
        if found is None:
            raise errors.invalid_symbol()
        return found

    def remember(self, order: Order, extras: Extras) -> None:
        """Keep the echoed fields of an order."""
        if extras is not NO_EXTRAS:
            self.extras[order.order_id] = extras

    def extras_of(self, order: Order) -> Extras:
        """Return the echoed fields of an order."""
        return self.extras.get(order.order_id, NO_EXTRAS)

    def _count_fills(self, outputs: list[Output], now_ns: int) -> None:
        for output in outputs:
            if isinstance(output, OrderUpdate):
                counts = self.limits.orders(output.order.account)
                if output.fill is not None:
                    counts.filled(output.order.order_id)
                elif output.order.status not in (Status.NEW, Status.PARTIALLY_FILLED):
                    counts.ended(output.order.order_id)


def new_client_id() -> str:
    """Make an id as the venue does for an order or cancel that came without one."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(22))
