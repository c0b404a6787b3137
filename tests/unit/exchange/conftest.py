"""A market without a will of its own, and short ways to trade in it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import Kind, MarketSpec, NewOrder, Order, Refusal
from obiterm.exchange.matching_venue import HousePort, MatchingVenue

START_NS = 1_700_000_000_000_000_000
SYMBOL = "BTCUSDT"

SPEC = MarketSpec(
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00001"),
    min_notional=Decimal(5),
)


class Floor:
    """A venue with one trader ``a``, another ``b``, and the house."""

    def __init__(self) -> None:
        self.venue = MatchingVenue([SPEC], start_ns=START_NS)
        self.house: HousePort = self.venue.house(SYMBOL)
        self.now_ns = START_NS
        self._serial = 0
        for name in ("a", "b"):
            self.venue.add_account(name, {"BTC": Decimal(10), "USDT": Decimal(1_000_000)})

    def quote(self, side: Side, ticks: int, lots: int) -> int:
        """Let the house rest an order."""
        order_id = self.house.add(side, ticks, lots)
        self.house.done()
        return order_id

    def hit(self, side: Side, ticks: int, lots: int) -> None:
        """Let the house take."""
        self.house.take(side, ticks, lots)
        self.house.done()

    def around(self, ticks: int = 6_000_000, lots: int = 1_000) -> None:
        """Print one trade at ``ticks`` and quote ten levels a side next to it."""
        self.quote(Side.SELL, ticks, 1)
        self.hit(Side.BUY, ticks, 1)
        for step in range(1, 11):
            self.quote(Side.BUY, ticks - step * 10, lots)
            self.quote(Side.SELL, ticks + step * 10, lots)
        self.venue.drain()

    def request(self, side: Side, kind: Kind = Kind.LIMIT, **fields: object) -> NewOrder:
        """Build a request with a client id of its own."""
        self._serial += 1
        values: dict[str, object] = {"client_id": f"c{self._serial}", **fields}
        return NewOrder(symbol=SYMBOL, side=side, kind=kind, **values)  # type: ignore[arg-type]

    def place(
        self, side: Side, kind: Kind = Kind.LIMIT, *, account: str = "a", **fields: object
    ) -> Order:
        """Place an order and return the venue's record of it."""
        return self.venue.place(account, self.request(side, kind, **fields), self.now_ns)

    def refused(
        self, side: Side, kind: Kind = Kind.LIMIT, *, account: str = "a", **fields: object
    ) -> Refusal:
        """Place an order that must be refused and return the refusal."""
        with pytest.raises(Refusal) as caught:
            self.place(side, kind, account=account, **fields)
        return caught.value

    def balance(self, asset: str, account: str = "a") -> tuple[Decimal, Decimal]:
        """Return ``(free, locked)``."""
        return self.venue.balances(account)[asset]


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.fixture
def market_floor() -> Floor:
    """A floor with the last trade at 60,000.00 and ten levels a side."""
    floor = Floor()
    floor.around()
    return floor


@pytest.fixture
def make_floor() -> Callable[[], Floor]:
    return Floor
