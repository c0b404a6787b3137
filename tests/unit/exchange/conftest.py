"""A market without a will of its own, and short ways to trade in it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from obiterm.core.values import MarketKind, Side
from obiterm.exchange.api import Kind, MarketSpec, NewOrder, Order, Position, Refusal
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


PERPETUAL = MarketSpec(
    symbol="BTCUSDT.P",
    wire_symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    kind=MarketKind.PERP,
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_notional=Decimal(5),
    max_algo_orders=50,
    max_leverage=Decimal(100),
    default_leverage=Decimal(10),
    maintenance_margin=Decimal("0.005"),
    liquidation_fee=Decimal("0.01"),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)


class Floor:
    """A venue with one trader ``a``, another ``b``, and the house in its last market."""

    def __init__(self, *specs: MarketSpec) -> None:
        self.venue = MatchingVenue(specs or [SPEC], start_ns=START_NS)
        self.symbol = specs[-1].symbol if specs else SYMBOL
        self.house: HousePort = self.venue.house(self.symbol)
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
        return NewOrder(symbol=self.symbol, side=side, kind=kind, **values)  # type: ignore[arg-type]

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


class PerpetualFloor(Floor):
    """A spot market and a perpetual of one account; trading goes to the perpetual.

    Ten levels a side of 1 BTC each stand a dollar apart around 60,000.
    """

    def __init__(self, spec: MarketSpec = PERPETUAL) -> None:
        super().__init__(SPEC, spec)
        for step in range(1, 11):
            self.house.add(Side.BUY, 600_000 - step * 10, 1_000)
            self.house.add(Side.SELL, 600_000 + step * 10, 1_000)
        self.house.done()
        self.wait(1)
        self.venue.drain()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(seconds * 1_000_000_000)
        self.venue.advance(self.now_ns)

    def mark(self, price: int | None) -> None:
        """Hold the mark at a price, or let it go."""
        self.venue.pin_mark(self.symbol, None if price is None else Decimal(price))
        self.wait(0.2)

    def position(self, account: str = "a") -> Position:
        """Return the net position."""
        return self.venue.position(account, self.symbol)

    def buy(self, lots: int, account: str = "a") -> Order:
        """Buy at market."""
        return self.place(Side.BUY, Kind.MARKET, account=account, lots=lots)

    def sell(self, lots: int, account: str = "a", **fields: object) -> Order:
        """Sell at market."""
        return self.place(Side.SELL, Kind.MARKET, account=account, lots=lots, **fields)


@pytest.fixture
def perpetual() -> PerpetualFloor:
    return PerpetualFloor()


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
