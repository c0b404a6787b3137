"""Own orders never meet, on whatever accounts they are (R15 Q13, docs/decisions/0011).

One guard per host. Each account takes a seat at every book that it trades; accounts whose
seats are at the same book are rivals. At the last door before the wire an order is compared
with what the rivals have there: an order that could open a position and would meet one of
theirs is refused, a close makes the others give way and waits for that, for a bounded time.

What one account has on a book is the risk gate's matter (``trading.risk_rules``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder, OrderIntent
from obiterm.core.values import (
    ClientOrderId,
    Environment,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    TimeInForce,
)
from obiterm.engine.guarded_books import Book, Place, book_of, place_of
from obiterm.market.state import MarketState
from obiterm.trading.desk import RESTING
from obiterm.trading.order_states import TrackedOrder

HOLD_S = 0.3
"""Longest wait of a close for orders that give way: a cancel's way to a far venue and back."""
NEAR_BPS = 10
"""A stop that the market is so near to counts as a market order that may come any moment."""
_CLOSES = frozenset({OrderRole.EXIT, OrderRole.STOP, OrderRole.TAKE_PROFIT, OrderRole.PANIC})
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_CANCELLABLE = RESTING | {OrderState.SENT}
_BPS = 10_000
_FARTHEST_TICKS = 2**62
_LEVELS = 200
_SPARE = 2
"""A market order that the visible levels inside the collar hold so many times stays inside."""


class Party(Protocol):
    """One account, as the guard sees it."""

    name: str
    collar_bps: Decimal
    """How far beyond the middle a market order of it may go."""

    def market(self, symbol: Symbol) -> MarketState:
        """Return the book as the account sees it."""
        ...

    def live(self, symbol: Symbol) -> Iterable[TrackedOrder]:
        """Return its orders that are not final."""
        ...

    def foreign(self, symbol: Symbol) -> Iterable[LiveOrder]:
        """Return open orders on it that other programs or people placed."""
        ...

    def leaving_lots(self, symbol: Symbol) -> int:
        """Return the signed lots that its panic path is closing; 0 when there is none."""
        ...

    def give_way(self, order: TrackedOrder, reason: str) -> None:
        """Cancel one of its orders."""
        ...


class Seat:
    """One account at one book."""

    __slots__ = ("absent", "instrument", "party", "rivals", "symbol")

    def __init__(self, party: Party, instrument: Instrument, absent: set[str]) -> None:
        self.party = party
        self.symbol = instrument.symbol
        self.instrument = instrument
        self.rivals: list[Seat] = []
        """Seats of other accounts at the same book; empty for most."""
        self.absent = absent
        """Accounts that trade here and are not connected yet; the guard keeps it."""


class Meeting(msgspec.Struct, frozen=True):
    """An order of another account that an order would meet."""

    account: str
    text: str
    seat: Seat
    order: TrackedOrder | None = None
    """None for what cannot be asked to give way."""


class _Held:
    """A close that waits until others have given way."""

    __slots__ = ("intent", "release", "seat")

    def __init__(self, seat: Seat, intent: OrderIntent, release: Callable[[], None]) -> None:
        self.seat = seat
        self.intent = intent
        self.release = release


_Key = tuple[str, ClientOrderId]


class SelfTradeGuard:
    """Compares orders of all accounts of a host with each other."""

    def __init__(self) -> None:
        self._books: dict[Book, list[Seat]] = {}
        self._held: dict[_Key, _Held] = {}
        self._absent: dict[Place, set[str]] = {}

    def expect(
        self,
        name: str,
        venue: str,
        environment: Environment,
        address: str,
        symbols: Iterable[Symbol],
    ) -> None:
        """Take note of an account that will join: orders of an earlier run may rest there.

        Until it has, nobody else may open a position at its books, for what it left is unknown.
        """
        for symbol in symbols:
            self._absent_at(place_of(venue, environment, address, symbol)).add(name)

    def dismiss(self, name: str) -> None:
        """Expect an account no longer: the venue does not let it in, the others trade on (R126)."""
        for names in self._absent.values():
            names.discard(name)

    def _absent_at(self, place: Place) -> set[str]:
        return self._absent.setdefault(place, set())

    @property
    def is_holding(self) -> bool:
        """Return whether a close waits."""
        return bool(self._held)

    def join(
        self,
        party: Party,
        environment: Environment,
        address: str,
        instruments: Mapping[Symbol, Instrument],
    ) -> dict[Symbol, Seat]:
        """Take a seat at every book of an account; it is kept as long as the guard lives.

        An account that has failed keeps its seat: its orders may rest at the venue. When it
        starts anew under its name it takes its own seat again.
        """
        seats: dict[Symbol, Seat] = {}
        for symbol, instrument in instruments.items():
            absent = self._absent_at(place_of(instrument.venue, environment, address, symbol))
            absent.discard(party.name)
            seat = seats[symbol] = Seat(party, instrument, absent)
            book = book_of(instrument, environment, address)
            others = [one for one in self._books.get(book, ()) if one.party.name != party.name]
            self._books[book] = [*others, seat]
            for other in others:
                other.rivals = [one for one in self._books[book] if one is not other]
            seat.rivals = others
        return seats

    # -- looking --------------------------------------------------------------------------

    def meeting(self, seat: Seat, intent: OrderIntent) -> Meeting | None:
        """Return what an order that may open a position would meet; ``None`` when nothing."""
        if not seat.rivals or intent.kind is OrderKind.STOP_MARKET:
            return None
        return next(_Look(self, seat, intent).all(), None)

    def in_the_way(self, seat: Seat, intent: OrderIntent) -> list[Meeting]:
        """Return what a close would meet and what can still change; stops are left alone."""
        if not seat.rivals or intent.kind is OrderKind.STOP_MARKET:
            return []
        return list(_Look(self, seat, intent).ours())

    def near_stops(self, seat: Seat) -> list[Meeting]:
        """Return orders of rivals that a stop of this account would meet if it fired now.

        Only such as may open a position: what closes one is left where it is.
        """
        if not seat.rivals:
            return []
        found: list[Meeting] = []
        market = seat.party.market(seat.symbol)
        for order in seat.party.live(seat.symbol):
            if order.state in RESTING and is_near(order.intent, market):
                as_market = msgspec.structs.replace(order.intent, kind=OrderKind.MARKET)
                found += [
                    meeting
                    for meeting in _Look(self, seat, as_market).ours()
                    if meeting.order is not None and not is_close(meeting.order.intent)
                ]
        return found

    # -- holding --------------------------------------------------------------------------

    def hold(self, seat: Seat, intent: OrderIntent, release: Callable[[], None]) -> list[Meeting]:
        """Keep a close back while others give way; return what it waits for, or nothing.

        ``release`` is called once, when nothing is in the way any more. The caller bounds the
        time with ``let_go``.
        """
        in_the_way = self.in_the_way(seat, intent)
        if in_the_way:
            self._held[seat.party.name, intent.client_id] = _Held(seat, intent, release)
            make_way(in_the_way, f"for a close of account {seat.party.name}")
        return in_the_way

    def let_go(self, party: Party, client_id: ClientOrderId) -> bool:
        """Forget a held close; return whether it was held."""
        return self._held.pop((party.name, client_id), None) is not None

    def holds(self, party: Party, client_id: ClientOrderId) -> bool:
        """Return whether a close still waits."""
        return (party.name, client_id) in self._held

    def held_of(self, party: Party) -> list[ClientOrderId]:
        """Return the closes of an account that wait."""
        return [client_id for name, client_id in self._held if name == party.name]

    def settle(self) -> None:
        """Release what nothing stands in the way of any more; called after account events."""
        for key, held in list(self._held.items()):
            if key in self._held and not self.in_the_way(held.seat, held.intent):
                del self._held[key]
                held.release()

    def waits_behind(self, seat: Seat, order: TrackedOrder, mine: _Key) -> bool:
        """Return whether ``order`` is held back and its turn comes after that of ``mine``."""
        theirs = (seat.party.name, order.client_id)
        if theirs not in self._held or mine not in self._held:
            return False
        turns = list(self._held)
        return turns.index(theirs) > turns.index(mine)


class _Look:
    """One order against all that the rivals have on its book."""

    __slots__ = ("_best_ticks", "_guard", "_intent", "_key", "_seat", "_sign")

    def __init__(self, guard: SelfTradeGuard, seat: Seat, intent: OrderIntent) -> None:
        self._guard = guard
        self._seat = seat
        self._intent = intent
        self._key = (seat.party.name, intent.client_id)
        self._sign = intent.side.sign
        self._best_ticks = -1

    def all(self) -> Iterator[Meeting]:
        """Yield everything that the order would meet."""
        yield from self.ours()
        rests = self._intent.kind is OrderKind.LIMIT and self._intent.time_in_force not in _AT_ONCE
        for rival in self._seat.rivals:
            yield from self._foreign(rival)
            if rests:
                yield from self._coming(rival)

    def ours(self) -> Iterator[Meeting]:
        """Yield orders of this program that the order would meet at the venue."""
        for rival in self._seat.rivals:
            for order in rival.party.live(rival.symbol):
                intent = order.intent
                if intent.side is self._intent.side or intent.kind is OrderKind.STOP_MARKET:
                    continue
                if self._meets(rival, intent) and not self._guard.waits_behind(
                    rival, order, self._key
                ):
                    what = rival.instrument.price(intent.price_ticks)
                    at = f"at {what:f}" if intent.price_ticks else "at market"
                    yield _found(rival, intent.side, at, order)

    def _meets(self, rival: Seat, theirs: OrderIntent) -> bool:
        if theirs.kind is OrderKind.MARKET:
            return self._intent.kind is OrderKind.LIMIT  # two that do not rest never meet
        if self._intent.kind is OrderKind.MARKET and theirs.time_in_force in _AT_ONCE:
            return False
        return self._crosses(rival, theirs.price_ticks)

    def _crosses(self, rival: Seat, ticks: int) -> bool:
        """Return whether the order may trade at a price of the rival's."""
        if self._best_ticks < 0:
            at_market = self._intent.kind is OrderKind.MARKET
            own = self._intent.price_ticks
            self._best_ticks = worst_ticks(self._seat, self._intent) if at_market else own
        mine, theirs = self._seat.instrument, rival.instrument
        if mine.tick_size == theirs.tick_size:
            return (self._best_ticks - ticks) * self._sign >= 0
        return (mine.price(self._best_ticks) - theirs.price(ticks)) * self._sign >= 0

    def _foreign(self, rival: Seat) -> Iterator[Meeting]:
        """Yield limit orders that people or other programs placed on the other account."""
        for order in rival.party.foreign(rival.symbol):
            if order.side is self._intent.side or order.kind is not OrderKind.LIMIT:
                continue
            if self._crosses(rival, order.price_ticks):
                price = rival.instrument.price(order.price_ticks)
                yield _found(rival, order.side, f"at {price:f}, placed elsewhere,")

    def _coming(self, rival: Seat) -> Iterator[Meeting]:
        """Yield market orders that may come any moment: a panic close, a stop about to fire."""
        leaving = rival.party.leaving_lots(rival.symbol)
        if leaving * self._sign > 0:
            yield _found(rival, self._intent.side.opposite, "at market by its emergency exit")
        market = self._seat.party.market(self._seat.symbol)
        for order in rival.party.live(rival.symbol):
            stop = order.intent
            if stop.kind is not OrderKind.STOP_MARKET or stop.side is self._intent.side:
                continue
            if not is_near(stop, market):
                continue
            reach = rival.instrument.price(worst_ticks(rival, stop))
            if (self._seat.instrument.price(self._intent.price_ticks) - reach) * self._sign >= 0:
                trigger = rival.instrument.price(stop.trigger_ticks)
                yield _found(rival, stop.side, f"stop at {trigger:f}, about to fire,")


def _found(rival: Seat, side: Side, what: str, order: TrackedOrder | None = None) -> Meeting:
    account = rival.party.name
    text = f"would meet our own {side.value} {what} of account {account} (R15)"
    return Meeting(account, text, rival, order)


def make_way(meetings: Iterable[Meeting], reason: str) -> None:
    """Ask what can be cancelled to give way; what is being cancelled already is left."""
    for meeting in meetings:
        if meeting.order is not None and meeting.order.state in _CANCELLABLE:
            meeting.seat.party.give_way(meeting.order, reason)


def is_close(intent: OrderIntent) -> bool:
    """Return whether an order only shrinks what is held: the gate lets such through as no other."""
    return intent.role in _CLOSES or intent.reduce_only


def is_near(intent: OrderIntent, market: MarketState) -> bool:
    """Return whether a stop may fire at any moment."""
    if intent.kind is not OrderKind.STOP_MARKET:
        return False
    bid, _, ask, _ = market.best()
    price = bid if intent.side is Side.SELL else ask
    if not price:
        return False
    left_ticks = (intent.trigger_ticks - price) * intent.side.sign
    return left_ticks * _BPS <= intent.trigger_ticks * NEAR_BPS


def worst_ticks(seat: Seat, intent: OrderIntent) -> int:
    """Return the worst price that a market order may trade at.

    That is the collar's edge around the middle, as the gate judges it, if the levels that we
    see up to there hold the order with room to spare; else it may go through everything.
    """
    sign = intent.side.sign
    farthest = _FARTHEST_TICKS if sign > 0 else 0
    market = seat.party.market(seat.symbol)
    bid, _, ask, _ = market.best()
    if not bid or not ask:
        return farthest
    edge = int((bid + ask) * (_BPS + sign * seat.party.collar_bps) / (2 * _BPS))
    bids, asks = market.book.top(_LEVELS)
    levels = asks if sign > 0 else bids
    inside = sum(lots for ticks, lots in levels if (edge - ticks) * sign >= 0)
    return edge if inside >= _SPARE * intent.lots else farthest
