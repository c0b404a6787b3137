"""A position from its own fills: average price, P&L and fees, exact in decimals.

Money is kept so that nothing is lost to rounding: what a reduction takes off the
cost basis is rounded once, and that same amount goes into realised P&L. So at any time

    realised + unrealised - fees  =  money received - money paid + quantity x mark

A fee taken in coin counts as a sale of that coin at the fill's price and a fee of that
worth in quote: ``quantity`` is what is really held, and the identity stays exact. A
perpetual's coins are not held, so there such a fee is only worth money. Money is quote on
spot, the settle asset on a perpetual; funding is booked apart (``funding``).

Spot coins that our fills did not buy are not a position (decision 0007): of a sale only what
is held here is booked, with its part of the fee; the rest changes nothing.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_CEILING, Context, Decimal, localcontext

import msgspec

from obiterm.core.events import Filled
from obiterm.core.instruments import Instrument
from obiterm.core.values import Side

_EXACT = Context(prec=60)
_COST_STEP = Decimal(1).scaleb(-18)
_ZERO = Decimal(0)
_MOST_BEYOND = 50


class RoundTrip(msgspec.Struct, frozen=True):
    """From flat to flat. Prices are averages, money is in quote."""

    side: Side
    """BUY for a long."""
    lots: int
    """What was opened in all."""
    entry_price: Decimal
    exit_price: Decimal
    opened_ns: int
    closed_ns: int
    gross_quote: Decimal
    fees_quote: Decimal

    @property
    def net_quote(self) -> Decimal:
        """Result after fees."""
        return self.gross_quote - self.fees_quote


class _Trip:
    """Sums of one round trip; units are ticks x lots."""

    def __init__(self, side: Side, opened_ns: int, gross: Decimal, fees: Decimal) -> None:
        self.side = side
        self.opened_ns = opened_ns
        self.gross_before = gross
        self.fees_before = fees
        self.lots = 0
        """Signed, open now."""
        self.opened_lots = self.opened_units = 0
        self.closed_lots = self.closed_units = 0

    def open(self, lots: int, ticks: int) -> None:
        self.lots += lots * self.side.sign
        self.opened_lots += lots
        self.opened_units += lots * ticks

    def close(self, lots: int, ticks: int) -> None:
        self.lots -= min(lots, abs(self.lots)) * self.side.sign
        self.closed_lots += lots
        self.closed_units += lots * ticks

    def result(
        self, instrument: Instrument, gross: Decimal, fees: Decimal, closed_ns: int
    ) -> RoundTrip:
        return RoundTrip(
            side=self.side,
            lots=self.opened_lots,
            entry_price=instrument.tick_size * self.opened_units / self.opened_lots,
            exit_price=instrument.tick_size * self.closed_units / self.closed_lots,
            opened_ns=self.opened_ns,
            closed_ns=closed_ns,
            gross_quote=gross - self.gross_before,
            fees_quote=fees - self.fees_before,
        )


class Position:
    """One owner's position on one instrument.

    ``lots`` counts fills since it last left flat; ``closable_lots`` is what an order can
    take off it: on spot net of fees taken in coin, on a perpetual as far as the venue holds
    it too. After a reducing fill, a rest that no order can close is dust: below the least
    order, and on spot also below the minimum notional at that fill's price (venues take
    smaller reducing orders on perpetuals). The position is closed then: ``is_flat``, ``lots``
    0. Dust stays in ``quantity`` and in the P&L, and is sold with the next round trip (T21).

    Attributes:
        venue_limit: most lots that the venue holds in this direction, on perpetuals while it
            holds less than we believe; ``None`` else.
        quantity: signed base held, exact, dust included.
        realised_quote: realised P&L before fees.
        fees_quote: fees in quote; those in coin at their fill's price.
        booked_quote: realised P&L less fees.
        fee_base: the part of the fees that was taken in coin, in base.
        fees_other: fees in any third asset, by asset; without a price here they are not
            in ``fees_quote``.
        trips: closed round trips, oldest first.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.venue_limit: int | None = None
        self.quantity = _ZERO
        self.realised_quote = _ZERO
        self.fees_quote = _ZERO
        self.booked_quote = _ZERO
        self.fee_base = _ZERO
        self.fees_other: dict[str, Decimal] = {}
        self.trips: list[RoundTrip] = []
        self._cost = _ZERO
        self._average = _ZERO
        self._trip: _Trip | None = None
        self._last_trip: _Trip | None = None
        self._trade_ids: set[int] = set()
        self._beyond: deque[Filled] = deque(maxlen=_MOST_BEYOND)
        """What spot sales took of coins that no fill known here had bought."""

    # -- reading ------------------------------------------------------------------------

    @property
    def is_flat(self) -> bool:
        """True when nothing is held that an order could close."""
        return self._trip is None

    @property
    def lots(self) -> int:
        """Signed lots of the open position; 0 when flat."""
        return self._trip.lots if self._trip else 0

    @property
    def sellable_lots(self) -> int:
        """Whole lots of a long position that are really held; 0 when flat or short."""
        if self._trip is None or self.quantity <= 0:
            return 0
        return self.instrument.lots_down(self.quantity)

    @property
    def closable_lots(self) -> int:
        """Lots that an order can close, whatever the side; 0 when flat."""
        if not self.instrument.is_perpetual:
            return self.sellable_lots
        held = abs(self.lots)
        return held if self.venue_limit is None else min(held, self.venue_limit)

    @property
    def closable_signed(self) -> int:
        """The same, negative for a short."""
        return self.closable_lots if self.lots >= 0 else -self.closable_lots

    @property
    def whole_lots(self) -> int:
        """Signed lots that the venue must hold for it: dust included, parts of a lot not."""
        lots = self.instrument.lots_down(abs(self.quantity))
        return lots if self.quantity > 0 else -lots

    @property
    def average_price(self) -> Decimal:
        """Average price of what is held; 0 when flat."""
        return self._average if self._trip else _ZERO

    @property
    def opened_ns(self) -> int:
        """Our time of the fill that left flat; 0 when flat."""
        return self._trip.opened_ns if self._trip else 0

    @property
    def round_trips(self) -> int:
        """How many times it came back to flat."""
        return len(self.trips)

    @property
    def results(self) -> list[Decimal]:
        """Results of the round trips after fees, oldest first."""
        return [trip.net_quote for trip in self.trips]

    def unrealised(self, mark_ticks: int) -> Decimal:
        """Return the P&L of what is held, dust included, if it were closed at ``mark_ticks``."""
        if not self.quantity:
            return _ZERO
        with localcontext(_EXACT):
            return self.instrument.tick_size * mark_ticks * self.quantity - self._cost

    def coverable_lots(self, side: Side) -> int:
        """Return how many lots of ``side`` only use up what is held, dust included."""
        if self.quantity * side.sign >= 0:
            return 0
        lots = abs(self.quantity) / self.instrument.lot_size
        return int(lots.to_integral_value(ROUND_CEILING))

    # -- changing -----------------------------------------------------------------------

    def apply(self, fill: Filled) -> bool:
        """Book a fill; return False when its trade id is known already (T34)."""
        if fill.trade_id in self._trade_ids:
            return False
        self._trade_ids.add(fill.trade_id)
        with localcontext(_EXACT):
            self._book_own(fill)
            self.booked_quote = self.realised_quote - self.fees_quote
        self._average = self._cost / self.quantity if self.quantity else _ZERO
        return True

    def write_off(self, lots: int, price: Decimal, at_ns: int) -> None:
        """Close ``lots`` that the venue no longer holds, at ``price``, without a fill.

        Liquidations and closes by others end a position so. Raises ``ValueError`` when fewer
        lots are held.
        """
        trip = self._trip
        if trip is None or not 0 < lots <= abs(trip.lots):
            raise ValueError(f"cannot write off {lots} of {self.lots} lots")
        ticks = max(1, self.instrument.ticks_down(price))
        with localcontext(_EXACT):
            self._trade(self.instrument.quantity(lots) * -trip.side.sign, price)
            trip.close(lots, ticks)
            if not trip.lots or self._is_dust(price):
                self._end(trip, at_ns)
            self.booked_quote = self.realised_quote - self.fees_quote
        self._average = self._cost / self.quantity if self.quantity else _ZERO

    def adopt(self, lots: int, average_ticks: int, at_ns: int) -> None:
        """Begin with an inherited position, e.g. after a restart (T32 T46).

        Raises ``ValueError`` when there are fills already.
        """
        if self.quantity or self._trade_ids:
            raise ValueError("a position that has fills cannot adopt another")
        if not lots:
            return
        side = Side.BUY if lots > 0 else Side.SELL
        with localcontext(_EXACT):
            price = self.instrument.price(average_ticks)
            self._open(side, abs(lots), average_ticks, at_ns)
            self._trade(self.instrument.quantity(lots), price)
        self._average = price

    def _book_own(self, fill: Filled) -> None:
        if self.instrument.is_perpetual:
            self._book(fill, self.instrument.quantity(fill.lots))
        elif fill.side is Side.SELL:
            self._sell_own(fill)
        else:
            self._book(fill, self.instrument.quantity(fill.lots))
            early = [sale for sale in self._beyond if fill.event_ns < sale.event_ns]
            for sale in early:  # it was told before this buy, and sold what it had bought
                self._beyond.remove(sale)
                self._sell_own(sale)

    def _sell_own(self, fill: Filled) -> None:
        """Book what a spot sale took of the coins held here."""
        sold = self.instrument.quantity(fill.lots)
        own = min(sold, max(self.quantity, _ZERO))
        if own == sold:
            self._book(fill, sold)
            return
        lots = self.coverable_lots(Side.SELL)
        fee = (fill.fee * own / sold).quantize(_COST_STEP)
        if own:
            self._book(msgspec.structs.replace(fill, lots=lots, fee=fee), own)
        if lots < fill.lots:
            rest = msgspec.structs.replace(fill, lots=fill.lots - lots, fee=fill.fee - fee)
            self._beyond.append(rest)

    def _book(self, fill: Filled, amount: Decimal) -> None:
        """Book a fill of ``amount`` base: its lots, or on spot the less that is held."""
        price = self.instrument.price(fill.price_ticks)
        if self._trip is None:
            late = min(fill.lots, self.coverable_lots(fill.side))
            if not late:  # before the fee, so that the fee belongs to the new trip
                self._open(fill.side, fill.lots, fill.price_ticks, fill.received_ns)
            self._take(fill, amount, price)
            if late:
                self._amend(late, fill)
        elif self._trip.side is fill.side:
            self._open(fill.side, fill.lots, fill.price_ticks, fill.received_ns)
            self._take(fill, amount, price)
        else:
            trip = self._trip  # dust of the trip before may go out in the same fill
            closing = min(fill.lots, max(abs(trip.lots), self.coverable_lots(fill.side)))
            self._take(fill, amount, price)
            self._reduce(trip, closing, fill, price)

    def _reduce(self, trip: _Trip, closing: int, fill: Filled, price: Decimal) -> None:
        """Close the trip or a part of it; what the fill has beyond that opens the other way."""
        trip.close(closing, fill.price_ticks)
        if not trip.lots or self._is_dust(price):
            self._end(trip, fill.received_ns)
        if closing < fill.lots:
            self._open(fill.side, fill.lots - closing, fill.price_ticks, fill.received_ns)

    def _end(self, trip: _Trip, at_ns: int) -> None:
        self._last_trip, self._trip = trip, None
        self.trips.append(self._result(trip, at_ns))

    def _amend(self, lots: int, fill: Filled) -> None:
        """Give dust that was sold after all to the trip that it came from."""
        trip = self._last_trip
        if trip is not None:
            trip.close(lots, fill.price_ticks)
            self.trips[-1] = self._result(trip, self.trips[-1].closed_ns)
        if lots < fill.lots:
            self._open(fill.side, fill.lots - lots, fill.price_ticks, fill.received_ns)

    def _take(self, fill: Filled, amount: Decimal, price: Decimal) -> None:
        self._trade(amount * fill.side.sign, price)
        self._charge(fill, price)

    def _open(self, side: Side, lots: int, ticks: int, at_ns: int) -> None:
        if self._trip is None:
            self._trip = _Trip(side, at_ns, self.realised_quote, self.fees_quote)
        self._trip.open(lots, ticks)

    def _trade(self, amount: Decimal, price: Decimal) -> None:
        """Add ``amount`` (signed base) at ``price``: to the cost basis, or out of it."""
        held = self.quantity
        if held * amount >= 0:
            self._cost += amount * price
            self.quantity += amount
            return
        closing = -held if abs(amount) >= abs(held) else amount
        removed = self._cost
        if closing != -held:
            removed = (self._cost * -closing / held).quantize(_COST_STEP)
        self.realised_quote += -closing * price - removed
        opening = amount - closing
        self._cost += opening * price - removed
        self.quantity += amount

    def _charge(self, fill: Filled, price: Decimal) -> None:
        if not fill.fee:
            return
        if fill.fee_asset == self.instrument.money:
            self.fees_quote += fill.fee
        elif fill.fee_asset == self.instrument.base:
            self.fee_base += fill.fee
            self.fees_quote += fill.fee * price
            if not self.instrument.is_perpetual:
                self._trade(-fill.fee, price)
        else:
            known = self.fees_other.get(fill.fee_asset, _ZERO)
            self.fees_other[fill.fee_asset] = known + fill.fee

    def _is_dust(self, price: Decimal) -> bool:
        held = abs(self.quantity)
        if held < self.instrument.lot_size * self.instrument.min_lots:
            return True
        return not self.instrument.is_perpetual and held * price < self.instrument.min_notional

    def _result(self, trip: _Trip, closed_ns: int) -> RoundTrip:
        return trip.result(self.instrument, self.realised_quote, self.fees_quote, closed_ns)
