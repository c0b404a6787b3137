"""What a run inherits from earlier ones on the same account, read from the journal (T32 T46)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from obiterm.core.events import Event, Filled
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, Symbol
from obiterm.engine.gateway import NO_TRADE
from obiterm.journal.log import Journal
from obiterm.trading.ids import read_client_id
from obiterm.trading.positions import Position
from obiterm.trading.record import StartRecord

_DAY_NS = 86_400 * NS_PER_S
_FILLED = Filled.__name__.encode()

_read_start = msgspec.msgpack.Decoder(StartRecord)
_read_event = msgspec.msgpack.Decoder(tuple[int, Event])


class Inheritance(msgspec.Struct, frozen=True):
    """What earlier runs left.

    Attributes:
        fills: own fills of the positions that are open, each once, oldest first.
        trade_marks: per symbol, the trade id after which the venue's trades must be read.
        result_quote: result of the round trips that ended since 00:00 UTC, after fees.
        knows_past: whether there is a word of any earlier run.
    """

    fills: list[Filled]
    trade_marks: dict[Symbol, int]
    result_quote: Decimal
    knows_past: bool


class _Past:
    """One symbol's own fills so far."""

    def __init__(self, instrument: Instrument) -> None:
        self.position = Position(instrument)
        self.open_fills: list[Filled] = []
        self.newest_id = NO_TRADE
        self.day_start = Decimal(0)
        self.day_closed = Decimal(0)

    @property
    def booked(self) -> Decimal:
        return self.position.realised_quote - self.position.fees_quote

    def mark(self, began_after: int) -> int:
        """Return the trade id after which trades have to be read again."""
        if self.open_fills:
            return min(fill.trade_id for fill in self.open_fills) - 1
        return began_after if self.newest_id == NO_TRADE else self.newest_id

    def take(self, fill: Filled, is_today: bool) -> None:
        if not self.position.apply(fill):
            return
        self.newest_id = max(self.newest_id, fill.trade_id)
        self.open_fills.append(fill)
        if not is_today:
            self.day_start = self.booked
        if self.position.is_flat:
            self.open_fills = []
            self.day_closed = self.booked - self.day_start if is_today else Decimal(0)


def inherit(
    journal: Journal,
    account: str,
    instruments: Mapping[Symbol, Instrument],
    newest_at_venue: Mapping[Symbol, int],
    now_ns: int,
) -> Inheritance:
    """Read the journal of an account that may still hold what earlier runs bought.

    Fills newer than anything the venue knows belong to another venue (a test network that
    was reset): that symbol starts empty. What filled while nobody ran is read from the venue:
    after the newest fill that we know, or where the last run began when there is none. With
    a position open the trades are read again from its first fill, since a run that died may
    have missed one.
    """
    today = now_ns // _DAY_NS
    pasts = {symbol: _Past(instrument) for symbol, instrument in instruments.items()}
    for row in journal.rows(account=account, kind="event"):
        if _FILLED not in row.payload:
            continue
        at_ns, event = _read_event.decode(row.payload)
        if not isinstance(event, Filled) or read_client_id(event.client_id) is None:
            continue
        past = pasts.get(event.symbol)
        if past is not None:
            past.take(event, at_ns // _DAY_NS == today)
    started = _last_start(journal, account)
    fills: list[Filled] = []
    marks: dict[Symbol, int] = {}
    result = Decimal(0)
    for symbol, past in pasts.items():
        newest = newest_at_venue.get(symbol, NO_TRADE)
        mark = past.mark(started.trade_marks.get(symbol, newest) if started else newest)
        if mark > newest or past.newest_id > newest:
            marks[symbol] = newest
            continue
        marks[symbol] = mark
        fills += past.open_fills
        result += past.day_closed
    fills.sort(key=lambda fill: fill.received_ns)
    return Inheritance(fills, marks, result, started is not None)


def _last_start(journal: Journal, account: str) -> StartRecord | None:
    payload = None
    for row in journal.rows(account=account, kind="start"):
        payload = row.payload
    return None if payload is None else _read_start.decode(payload)
