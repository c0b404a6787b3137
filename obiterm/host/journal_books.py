"""What an account holds and has on its way, read from the journal of a host that cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.clock import Clock
from obiterm.core.effects import Send
from obiterm.core.errors import DataError, ObitermError, UsageError
from obiterm.core.events import Event, Filled, OrderOutcomeLost
from obiterm.core.instruments import Instrument
from obiterm.core.values import ClientOrderId, Symbol
from obiterm.engine.flatten import call
from obiterm.engine.gateway import NO_TRADE, Gateway, Prepared
from obiterm.host.inheritance import inherit, read_earlier
from obiterm.journal.chain import Row
from obiterm.journal.log import read_rows
from obiterm.trading.ids import read_client_id
from obiterm.trading.positions import Position
from obiterm.trading.questions import ARRIVES_WITHIN_NS

_read_intent = msgspec.msgpack.Decoder(tuple[int, Send])
_read_event = msgspec.msgpack.Decoder(tuple[int, Event])


def journal_path(profile: Profile, paths: Paths) -> Path:
    """Return the journal that the host of a profile writes."""
    environment = profile.accounts[0].environment.value.lower()
    return paths.journal(f"{profile.name}-{environment}")


class JournalFile:
    """A journal that another process may have open; nothing is written."""

    def __init__(self, path: Path, *, after: int = 0) -> None:
        self._path = path
        self._after = after

    def rows(
        self, *, after: int = 0, account: str | None = None, kind: str | None = None
    ) -> Iterator[Row]:
        """Yield committed rows, oldest first. Raises ``UsageError`` or ``DataError``."""
        after = max(after, self._after)
        return read_rows(self._path, after=after, account=account, kind=kind)

    def since_start(self, account: str) -> JournalFile:
        """Return the rows of the account's newest run: a simulated ledger is no older."""
        newest = max((row.seq for row in self.rows(account=account, kind="start")), default=1)
        return JournalFile(self._path, after=newest - 1)


class JournalBooks:
    """The account's own fills and orders on the way, for the panic path (``engine/panic.py``).

    Attributes:
        trouble: why what the account holds of spot coins is not known; empty when it is.
    """

    def __init__(self, gateway: Gateway, instruments: dict[Symbol, Instrument], clock: Clock):
        self._gateway = gateway
        self._clock = clock
        self._positions = {symbol: Position(one) for symbol, one in instruments.items()}
        self._instruments = instruments
        self._marks = dict.fromkeys(instruments, NO_TRADE)
        self._sent: dict[ClientOrderId, tuple[Symbol, int]] = {}
        self.trouble = ""

    def read(self, journal: JournalFile, account: str, prepared: Prepared) -> None:
        """Take what the journal tells. A journal that cannot be read is told in ``trouble``.

        One without a word of the account says that no order of ours ever left: intents are in
        the file before they leave.
        """
        try:
            past = inherit(
                read_earlier(journal, account),
                prepared.instruments,
                prepared.fill_marks,
                self._clock.wall_ns(),
                mark_of=self._gateway.fill_mark,
                positions=prepared.positions,
                marks_from_ns=prepared.marks_from_ns,
            )
            self._sent = _unanswered(journal, account, self._clock.wall_ns())
        except (DataError, UsageError, msgspec.DecodeError) as error:
            self.trouble = f"the journal tells nothing: {error}"
            return
        self._marks.update(past.fill_marks)
        for fill in past.fills:
            self._book(fill)

    def _book(self, fill: Filled) -> None:
        position = self._positions.get(fill.symbol)
        if position is not None and read_client_id(fill.client_id) is not None:
            position.apply(fill)

    def exposure_lots(self, symbol: Symbol) -> int:
        """Return the signed lots of our own fills that an order could close."""
        position = self._positions[symbol]
        if self._instruments[symbol].is_perpetual:
            return position.lots
        return position.sellable_lots

    async def refresh(self) -> None:
        """Book every fill that the venue knows since the newest that the journal does."""
        for symbol, mark in self._marks.items():
            for fill in await self._gateway.fills_since(symbol, mark):
                self._book(fill)
                self._marks[symbol] = max(self._marks[symbol], self._gateway.fill_mark(fill))

    def open_orders(self) -> int:
        """Return 0: what rests is for the venue to tell."""
        return 0

    def on_the_way(self) -> int:
        """Return how many orders the host sent of which it had no word and that may yet arrive."""
        now_ns = self._clock.wall_ns()
        return sum(now_ns - sent_ns < ARRIVES_WITHIN_NS for _, sent_ns in self._sent.values())

    async def ask(self) -> None:
        """Ask the venue about the orders on the way: one that it knows has arrived.

        One that it does not know may still come, so that only time settles it.
        """
        for client_id, (symbol, _) in list(self._sent.items()):
            try:
                found = await call(self._gateway.find_order(symbol, client_id))
            except (ObitermError, OSError, TimeoutError):
                continue
            if found is not None:
                self._sent.pop(client_id, None)


_Sent = dict[ClientOrderId, tuple[Symbol, int]]


def _unanswered(journal: JournalFile, account: str, now_ns: int) -> _Sent:
    """Return market and time of the newest orders of which no event tells anything."""
    sent: _Sent = {}
    first = 0
    for row in journal.rows(account=account, kind="intent"):
        if now_ns - row.at_ns >= ARRIVES_WITHIN_NS:
            continue
        at_ns, effect = _read_intent.decode(row.payload)
        intent = effect.order.intent
        sent[intent.client_id] = intent.symbol, at_ns
        first = first or row.seq
    if not sent:
        return sent
    for row in journal.rows(after=first, account=account, kind="event"):
        _, event = _read_event.decode(row.payload)
        if not isinstance(event, OrderOutcomeLost):
            sent.pop(getattr(event, "client_id", ClientOrderId("")), None)
    return sent
