"""A venue's order book as the venue tells it: frames of a stream and snapshots (T48).

``Venue`` is the reference: it holds the true book and remembers it at every id. A ``Dialect``
writes its changes as the venue does and reads them with the product's own session; nothing
but bytes passes between the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from obiterm.core.events import DepthSnapshotted, Event, Level, MarketEvent
from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.market.book import SequenceRule
from obiterm.venues import backpack, binance, bybit
from obiterm.venues.binance import futures

AT = 1_790_000_000 * 10**9
Levels = tuple[list[Level], list[Level]]


def instrument(venue: str, symbol: str, kind: MarketKind) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=Symbol(symbol),
        kind=kind,
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        settle="USDT" if kind is MarketKind.PERP else "",
    )


@dataclass
class Venue:
    """The true book, and what its stream has not told yet.

    Attributes:
        last_id: number of the newest change.
        told_id: number up to which the stream has told.
        history: the book at every number since the last restart.
    """

    last_id: int = 1000
    told_id: int = 1000
    sides: dict[str, dict[int, int]] = field(
        default_factory=lambda: {"b": {4000: 5}, "a": {6000: 5}}
    )
    touched: dict[str, dict[int, int]] = field(default_factory=lambda: {"b": {}, "a": {}})
    history: dict[int, Levels] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.remember()

    def levels(self) -> Levels:
        bids = sorted(self.sides["b"].items(), reverse=True)
        return bids, sorted(self.sides["a"].items())

    def remember(self) -> None:
        self.history[self.last_id] = self.levels()

    def change(self, side: str, offset: int, lots: int, width: int) -> None:
        """Set one level, at a number that many after the last."""
        ticks = 5000 - offset if side == "b" else 5000 + offset
        held = self.sides[side]
        held.pop(ticks, None)
        if lots:
            held[ticks] = lots
        self.touched[side][ticks] = lots
        self.last_id += width
        self.remember()

    def skip(self) -> None:
        """Use a number for nothing: frames without levels count in the sequence too."""
        self.last_id += 1
        self.remember()

    def take_touched(self) -> tuple[int, int, dict[str, dict[int, int]]]:
        """Return what is untold with the numbers it starts after and ends at, and tell it."""
        touched, before = self.touched, self.told_id
        self.touched = {"b": {}, "a": {}}
        self.told_id = self.last_id
        return before, self.last_id, touched

    def restart(self, number: int) -> None:
        """Begin to count anew."""
        self.take_touched()
        self.last_id = self.told_id = number
        self.history.clear()
        self.remember()


class Dialect(Protocol):
    """How one venue writes its book, and what reads it."""

    rule: SequenceRule
    symbol: Symbol

    def connect(self, venue: Venue) -> list[bytes]:
        """Open a new connection; return what the venue sends at once."""
        ...

    def update(self, venue: Venue) -> bytes:
        """Return the frame with everything that is untold."""
        ...

    def resync(self, venue: Venue) -> DepthSnapshotted | list[bytes]:
        """Ask for a fresh book: the answer, or what the stream brings."""
        ...

    def receive(self, frame: bytes) -> list[Event] | list[MarketEvent]:
        """Give a frame to the session."""
        ...


def text(told: object) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


@dataclass
class RestSnapshots:
    """A venue whose snapshots are asked for by REST."""

    rule: SequenceRule
    market: Instrument
    open_session: Callable[[], Any]
    codec: Any
    wrap: Callable[[int, int, int, dict[str, list[list[str]]]], bytes]
    book_of: Callable[[int, list[list[str]], list[list[str]]], object]

    def __post_init__(self) -> None:
        self.symbol = self.market.symbol
        self.session = self.open_session()

    def _texts(self, levels: list[Level]) -> list[list[str]]:
        return [
            [str(self.market.price(ticks)), str(self.market.quantity(lots))]
            for ticks, lots in levels
        ]

    def connect(self, venue: Venue) -> list[bytes]:
        venue.take_touched()  # to whoever listened before
        self.session = self.open_session()
        return []

    def update(self, venue: Venue) -> bytes:
        if venue.last_id == venue.told_id:
            venue.skip()
        before, last, touched = venue.take_touched()
        sides = {side: self._texts([*levels.items()]) for side, levels in touched.items()}
        return self.wrap(before, before + 1, last, sides)

    def resync(self, venue: Venue) -> DepthSnapshotted:
        bids, asks = venue.levels()
        body = text(self.book_of(venue.last_id, self._texts(bids), self._texts(asks)))
        found: DepthSnapshotted = self.codec.depth(self.symbol, body, AT)
        return found

    def receive(self, frame: bytes) -> list[MarketEvent]:
        found: list[MarketEvent] = self.session.receive(frame, AT)
        return found


def binance_spot() -> RestSnapshots:
    market = instrument("binance", "BTCUSDT", MarketKind.SPOT)
    known = {market.symbol: market}

    def wrap(_: int, first: int, last: int, sides: dict[str, list[list[str]]]) -> bytes:
        data = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last, **sides}
        return text({"stream": "btcusdt@depth@100ms", "data": data})

    return RestSnapshots(
        SequenceRule.BINANCE_SPOT,
        market,
        lambda: binance.MarketSession(known),
        binance.RestCodec(known),
        wrap,
        lambda last, bids, asks: {"lastUpdateId": last, "bids": bids, "asks": asks},
    )


def binance_futures() -> RestSnapshots:
    market = instrument("binance-futures", "BTCUSDT-PERP", MarketKind.PERP)
    known = {market.symbol: market}

    def wrap(before: int, first: int, last: int, sides: dict[str, list[list[str]]]) -> bytes:
        data = {
            "e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", "U": first, "u": last,
            "pu": before, **sides,
        }  # fmt: skip
        return text({"stream": "btcusdt@depth@100ms", "data": data})

    return RestSnapshots(
        SequenceRule.BINANCE_FUTURES,
        market,
        lambda: futures.MarketSession(known, futures.Route.PUBLIC),
        futures.RestCodec(known, futures.ConditionalOrders()),
        wrap,
        lambda last, bids, asks: {
            "lastUpdateId": last, "E": 1, "T": 1, "bids": bids, "asks": asks,
        },
    )  # fmt: skip


def backpack_market(symbol: str, kind: MarketKind) -> RestSnapshots:
    market = instrument("backpack", symbol, kind)
    known = {market.symbol: market}

    def wrap(_: int, first: int, last: int, sides: dict[str, list[list[str]]]) -> bytes:
        data = {"e": "depth", "E": 1, "T": 1, "s": symbol, "U": first, "u": last, **sides}
        return text({"stream": f"depth.{symbol}", "data": data})

    return RestSnapshots(
        SequenceRule.BINANCE_SPOT,  # the venue numbers as Binance spot does (backpack.md §9)
        market,
        lambda: backpack.MarketSession(known),
        backpack.RestCodec(known, backpack.ClientIds()),
        wrap,
        lambda last, bids, asks: {
            "lastUpdateId": str(last), "timestamp": 1, "bids": bids[::-1], "asks": asks,
        },
    )  # fmt: skip


class BybitStream:
    """Bybit: snapshots come in the stream, after every subscription; numbers count messages."""

    rule = SequenceRule.BYBIT

    def __init__(self, category: bybit.Category) -> None:
        name = "BTCUSDT" if category is bybit.Category.LINEAR else "BTCUSDT.SPOT"
        self.market = instrument("bybit", name, category.kind)
        self.category = category
        self.symbol = self.market.symbol
        self.now_ns = 0
        self.number = 0
        self.session = self._open()

    def _open(self) -> bybit.MarketSession:
        return bybit.MarketSession(self.category, {self.symbol: self.market}, candles_s=())

    def _frame(self, kind: str, number: int, sides: dict[str, dict[int, int]]) -> bytes:
        data: dict[str, object] = {
            side: [
                [str(self.market.price(ticks)), str(self.market.quantity(lots))]
                for ticks, lots in levels.items()
            ]
            for side, levels in sides.items()
        }
        data |= {"s": "BTCUSDT", "u": number, "seq": 1}
        return text({"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": 1, "data": data})

    def _answers(self, asked: list[bytes]) -> list[bytes]:
        found = []
        for frame in asked:
            told = json.loads(frame)
            answer = {"success": True, "ret_msg": "", "op": told["op"], "req_id": told["req_id"]}
            found.append(text(answer))
        return found

    def _snapshot(self, venue: Venue) -> bytes:
        return self._frame("snapshot", venue.last_id, venue.sides)

    def connect(self, venue: Venue) -> list[bytes]:
        self.session = self._open()
        asked = self.session.connect_frames(self.now_ns)
        self._count(venue)
        return [*self._answers(asked), self._snapshot(venue)]

    def _count(self, venue: Venue) -> dict[str, dict[int, int]]:
        """Give what is untold one number more than the last: here messages are counted."""
        before, _, touched = venue.take_touched()
        venue.last_id = venue.told_id = before + 1
        venue.remember()
        return touched

    def update(self, venue: Venue) -> bytes:
        touched = self._count(venue)
        return self._frame("delta", venue.last_id, touched)

    def resync(self, venue: Venue) -> list[bytes]:
        asked = self.session.resubscribe(self.symbol, self.now_ns)
        if asked:
            self._count(venue)
            return [*self._answers(asked), self._snapshot(venue)]
        # A request is under way, or its answer was lost: the session notices in time (T41).
        self.now_ns += 61 * 10**9
        self.session.to_send(self.now_ns)
        return self.connect(venue) if self.session.must_reconnect else []

    def receive(self, frame: bytes) -> list[MarketEvent]:
        self.now_ns += 61 * 10**9  # far apart: the session asks no faster than it may
        return self.session.receive(frame, AT)


DIALECTS: dict[str, Callable[[], Dialect]] = {
    "binance": binance_spot,
    "binance-futures": binance_futures,
    "backpack spot": lambda: backpack_market("SOL_USDC", MarketKind.SPOT),
    "backpack perpetual": lambda: backpack_market("SOL_USDC_PERP", MarketKind.PERP),
    "bybit spot": lambda: BybitStream(bybit.Category.SPOT),
    "bybit linear": lambda: BybitStream(bybit.Category.LINEAR),
}
