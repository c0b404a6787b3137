"""What a run inherits from earlier ones on the same account, read from the journal (T32 T46)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from obiterm.core.effects import Send
from obiterm.core.events import Event, Filled, FundingPaid, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, ClientOrderId, Symbol
from obiterm.engine.gateway import NO_TRADE
from obiterm.journal.log import Row
from obiterm.trading.ids import read_client_id
from obiterm.trading.positions import Position
from obiterm.trading.record import StartRecord

_DAY_NS = 86_400 * NS_PER_S
_IDS_KEPT = 50_000
"""Venues that keep less of an id than we send remember so many (``venues.backpack``)."""
_FILLED = Filled.__name__.encode()
_FUNDING = FundingPaid.__name__.encode()

MarkOf = Callable[[Filled], int]
"""``Gateway.fill_mark``: a trade id where ids rise with time, else venue time in ns."""

_read_start = msgspec.msgpack.Decoder(StartRecord)
_read_intent = msgspec.msgpack.Decoder(tuple[int, Send])
_read_event = msgspec.msgpack.Decoder(tuple[int, Event])


class Rows(Protocol):
    """A journal that can be read: our own open one, or the file of a host that hangs."""

    def rows(
        self, *, after: int = 0, account: str | None = None, kind: str | None = None
    ) -> Iterator[Row]:
        """Yield committed rows, oldest first."""
        ...


class EarlierRuns(msgspec.Struct, frozen=True):
    """What the journal holds of earlier runs of one account.

    Attributes:
        own: when own fills and funding payments were journaled, and which, in order.
        sent: our ids of the newest orders that were journaled before they left, oldest first.
        start: how the newest run began; ``None`` without a word of any.
    """

    own: list[tuple[int, Filled | FundingPaid]]
    sent: list[ClientOrderId]
    start: StartRecord | None


class Inheritance(msgspec.Struct, frozen=True):
    """What earlier runs left.

    Attributes:
        fills: own fills of the positions that are open, each once, oldest first.
        fill_marks: per symbol, the mark after which the venue's fills must be read.
        result_quote: result of the round trips that ended since 00:00 UTC, after fees.
        knows_past: whether there is a word of any earlier run.
        payments: funding booked since 00:00 UTC, each payment once.
        booked: trade ids, by symbol, of all fills that earlier runs have taken: they are in
            ``fills`` or in a result, and must not be taken again.
    """

    fills: list[Filled]
    fill_marks: dict[Symbol, int]
    result_quote: Decimal
    knows_past: bool
    payments: list[FundingPaid] = []
    booked: dict[Symbol, frozenset[int]] = {}

    @property
    def events(self) -> list[Event]:
        """What a kernel has to take before anything else, oldest first."""
        every: list[Filled | FundingPaid] = [*self.fills, *self.payments]
        return sorted(every, key=lambda event: event.received_ns)


class _Past:
    """One symbol's own fills so far."""

    def __init__(self, instrument: Instrument, mark_of: MarkOf) -> None:
        self.position = Position(instrument)
        self.open_fills: list[Filled] = []
        self.trade_ids: set[int] = set()
        self.newest = NO_TRADE
        """Mark of the newest own fill that was journaled."""
        self.newest_ns = 0
        """Venue time of that fill."""
        self._mark_of = mark_of
        self.day_start = Decimal(0)
        self.day_closed = Decimal(0)

    @property
    def booked(self) -> Decimal:
        return self.position.realised_quote - self.position.fees_quote

    def mark(self, began_after: int) -> int:
        """Return the mark after which fills have to be read again."""
        if self.open_fills:
            return min(self._mark_of(fill) for fill in self.open_fills) - 1
        return began_after if self.newest == NO_TRADE else self.newest

    def is_of_elsewhere(self, mark: int, newest: int, from_ns: int, held_lots: int) -> bool:
        """Return whether the venue denies the newest fills: they happened at another one.

        A venue that shows no trade since ``from_ns`` denies none that is older. Where it
        holds a perpetual position like ours they are its own, whatever it shows.
        """
        if held_lots * self.position.lots > 0:
            return False
        is_unseen = newest == NO_TRADE and self.newest != NO_TRADE and self.newest_ns < from_ns
        if is_unseen and not self.position.instrument.is_perpetual:
            return False
        return mark > newest or self.newest > newest

    def take(self, fill: Filled, is_today: bool) -> None:
        if not self.position.apply(fill):
            return
        self.trade_ids.add(fill.trade_id)
        self.newest = max(self.newest, self._mark_of(fill))
        self.newest_ns = max(self.newest_ns, fill.event_ns)
        self.open_fills.append(fill)
        if not is_today:
            self.day_start = self.booked
        if self.position.is_flat:
            self.open_fills = []
            self.day_closed = self.booked - self.day_start if is_today else Decimal(0)


def read_earlier(journal: Rows, account: str) -> EarlierRuns:
    """Read what concerns a restart, in one pass: a second or so for a million rows.

    Nothing of the event loop is touched: call it in a thread, before the account's engine
    writes rows of its own.
    """
    own: list[tuple[int, Filled | FundingPaid]] = []
    sent: deque[ClientOrderId] = deque(maxlen=_IDS_KEPT)
    start = None
    for row in journal.rows(account=account):
        if row.kind == "event":
            if (event := _own_event(row)) is not None:
                own.append(event)
        elif row.kind == "intent":
            sent.append(_read_intent.decode(row.payload)[1].order.intent.client_id)
        elif row.kind == "start":
            start = row.payload
    return EarlierRuns(own, list(sent), None if start is None else _read_start.decode(start))


def inherit(
    earlier: EarlierRuns,
    instruments: Mapping[Symbol, Instrument],
    newest_at_venue: Mapping[Symbol, int],
    now_ns: int,
    *,
    mark_of: MarkOf,
    positions: Iterable[PositionReported] = (),
    marks_from_ns: int = 0,
) -> Inheritance:
    """Return what earlier runs left to an account that may still hold what they bought.

    Fills newer than anything the venue knows belong to another venue (a test network that
    was reset): that symbol starts empty, unless the venue does hold such a perpetual
    position or shows no fills of that time at all (it forgets them after a while, T33). What
    filled while nobody ran is read from the venue: after the newest fill that we know, or
    where the last run began when there is none. With a position open the fills are read
    again from its first one, since a run that died may have missed one.

    Args:
        earlier: what the journal holds of them.
        instruments: the account's markets.
        newest_at_venue: mark of the newest own fill that the venue shows, by symbol.
        now_ns: present time; its UTC day is today.
        mark_of: the mark of a fill.
        positions: perpetual positions at the venue.
        marks_from_ns: see ``Prepared.marks_from_ns``.
    """
    today = now_ns // _DAY_NS
    pasts = {symbol: _Past(instrument, mark_of) for symbol, instrument in instruments.items()}
    payments: dict[str, FundingPaid] = {}
    for at_ns, event in earlier.own:
        is_today = at_ns // _DAY_NS == today
        if isinstance(event, Filled):
            past = pasts.get(event.symbol)
            if past is not None:
                past.take(event, is_today)
        elif event.event_ns // _DAY_NS == today:
            payments[event.payment_id] = event
    held = {told.symbol: told.lots for told in positions if not told.leg}
    started = earlier.start
    fills: list[Filled] = []
    marks: dict[Symbol, int] = {}
    booked: dict[Symbol, frozenset[int]] = {}
    result = Decimal(0)
    for symbol, past in pasts.items():
        newest = newest_at_venue.get(symbol, NO_TRADE)
        mark = past.mark(started.fill_marks.get(symbol, newest) if started else newest)
        if past.is_of_elsewhere(mark, newest, marks_from_ns, held.get(symbol, 0)):
            marks[symbol] = newest
            continue
        marks[symbol] = mark
        booked[symbol] = frozenset(past.trade_ids)
        fills += past.open_fills
        result += past.day_closed
    fills.sort(key=lambda fill: fill.received_ns)
    return Inheritance(fills, marks, result, started is not None, list(payments.values()), booked)


def _own_event(row: Row) -> tuple[int, Filled | FundingPaid] | None:
    if _FILLED not in row.payload and _FUNDING not in row.payload:
        return None
    at_ns, event = _read_event.decode(row.payload)
    if isinstance(event, FundingPaid) or (
        isinstance(event, Filled) and read_client_id(event.client_id) is not None
    ):
        return at_ns, event
    return None
