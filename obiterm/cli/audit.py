"""Compare what a host believes and has journaled with the exchange's own books.

Every finding is one sentence; no findings means: positions, open orders, fills and money are
equal, no order was doubled, none left without a row in the journal.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from obiterm.cli.stage import Books, LedgerAccount, LedgerFill, LedgerOrder, Place
from obiterm.core.effects import Send
from obiterm.core.events import Event, Filled, FundingPaid
from obiterm.core.instruments import Instrument
from obiterm.core.values import Symbol
from obiterm.host.run import RunningHost
from obiterm.journal.log import Row, read_rows
from obiterm.trading.ids import read_client_id
from obiterm.trading.kernel import Kernel
from obiterm.trading.positions import Position
from obiterm.venues.backpack.client_ids import numeric_id

_OPEN_STATES = frozenset({"NEW", "PARTIALLY_FILLED"})
_ROUNDING = Decimal("0.000001")
"""Money may differ by the exchange's own rounding of this many quote."""
_LOOK_EVERY_S = 0.05
_DUST_MOVES = Decimal("0.01")
"""Dust of an earlier run counts at its cost here and at the market there: so far apart at most."""
_TURN_NS = 1_000_000
"""Orders that follow each other within a millisecond of the exchange do not overlap."""

_read_intent = msgspec.msgpack.Decoder(tuple[int, Send])
_read_event = msgspec.msgpack.Decoder(tuple[int, Event])
_Named = TypeVar("_Named", LedgerOrder, LedgerFill)
_FillKey = tuple[str, str, str, Decimal, Decimal]


class Journaled:
    """What the journal of a host holds about one account; reads on where it stopped.

    Attributes:
        intents: client ids of the orders that were written down before they left.
        fills: own fills, each once, in the order in which they were told.
        funding: funding payments by their id.
    """

    def __init__(self, path: Path, account: str) -> None:
        self.intents: Counter[str] = Counter()
        self.fills: list[Filled] = []
        self.funding: dict[str, FundingPaid] = {}
        self._path = path
        self._account = account
        self._seen: set[tuple[str, int]] = set()
        self._read = 0

    @property
    def names(self) -> set[str]:
        """Client ids of all orders that it knows.

        Closes of the panic path do not wait for a disk: they are known by their fills.
        """
        return {*self.intents, *(str(fill.client_id) for fill in self.fills)}

    def read(self) -> Journaled:
        """Read the rows that have come since; return self.

        Raises:
            DataError: the journal does not hold.
        """
        for row in read_rows(self._path, after=self._read):
            self._read = row.seq
            if row.account == self._account:
                self._take(row)
        return self

    def _take(self, row: Row) -> None:
        if row.kind == "intent":
            self.intents[_read_intent.decode(row.payload)[1].order.intent.client_id] += 1
        elif row.kind == "event" and (b"Filled" in row.payload or b"FundingPaid" in row.payload):
            event = _read_event.decode(row.payload)[1]
            if isinstance(event, FundingPaid):
                self.funding[event.payment_id] = event
            elif isinstance(event, Filled) and (event.symbol, event.trade_id) not in self._seen:
                self._seen.add((event.symbol, event.trade_id))
                self.fills.append(event)


async def compare(
    running: RunningHost, place: Place, books: Books, journaled: Journaled
) -> list[str]:
    """Return what one account of a running host and its exchange disagree about now.

    What is under way makes them differ for a moment; what is wrong makes them differ for good.
    """
    engine = next(slot.engine for slot in running.slots if slot.name == place.account)
    if engine is None:
        return ["the account is not connected"]
    ledger, orders = await books.ledger(place), await books.orders(place)
    running.journal.commit()
    kernel = engine.kernel
    found = journaled.read()
    return [
        *audit_journal(place, kernel.setup.instruments.values(), found, ledger, orders),
        *audit_beliefs(place, kernel, found, ledger),
    ]


async def compare_all(
    running: RunningHost, places: Sequence[Place], books: Books, limit_s: float
) -> list[str]:
    """Compare every account until nothing differs; return what still does after ``limit_s``."""
    journaled = {place.account: Journaled(running.journal.path, place.account) for place in places}
    left, findings = list(places), ["not compared yet"]
    deadline = time.monotonic() + limit_s
    while left and time.monotonic() < deadline:
        findings = []
        for place in list(left):
            found = await compare(running, place, books, journaled[place.account])
            if found:
                findings += [f"{place.account}: {one}" for one in found]
            else:
                left.remove(place)
        await asyncio.sleep(_LOOK_EVERY_S)
    return findings


def audit_journal(
    place: Place,
    instruments: Iterable[Instrument],
    journaled: Journaled,
    ledger: LedgerAccount,
    orders: Sequence[LedgerOrder],
) -> list[str]:
    """Return what the journal and the exchange's books disagree about."""
    ledger, orders = _in_our_words(place, journaled, ledger, orders)
    return [
        *_doubled(journaled, orders),
        *_fills_differ(place, {str(one.symbol): one for one in instruments}, journaled, ledger),
    ]


def audit_beliefs(
    place: Place, kernel: Kernel, journaled: Journaled, ledger: LedgerAccount
) -> list[str]:
    """Return what a running host believes and the exchange knows better."""
    ledger, _ = _in_our_words(place, journaled, ledger, [])
    findings = _orders_differ(kernel, ledger)
    money, slack = Decimal(0), _ROUNDING
    assets: set[str] = set()
    for ours, theirs in place.symbols.items():
        instrument = kernel.setup.instruments[Symbol(ours)]
        mark_ticks = kernel.markets[instrument.symbol].mark_ticks
        held = _held(place, instrument, theirs, ledger)
        believed = sum(
            (p.quantity for (_, s), p in kernel.gate.positions.items() if s == ours), Decimal(0)
        )
        off = abs(held - believed)
        if instrument.is_perpetual:
            money += _unrealised(instrument, journaled, mark_ticks)
            wrong = bool(off)
        else:
            value = instrument.price(mark_ticks) * off
            money += held * instrument.price(mark_ticks)
            slack += value * _DUST_MOVES
            # What no order could sell is left behind as dust, and a later run knows nothing of it.
            wrong = value >= instrument.min_notional
        if wrong:
            findings.append(f"position {ours}: ours {believed:f}, the exchange's {held:f}")
        assets.add(instrument.money)
    money += sum(ledger.total(asset) - place.began.get(asset, Decimal(0)) for asset in assets)
    shown = kernel.gate.day_result_quote
    if abs(money - shown) > slack:
        findings.append(f"result of the day: ours {shown:f}, by the exchange's money {money:f}")
    return findings


def _in_our_words(
    place: Place, journaled: Journaled, ledger: LedgerAccount, orders: Sequence[LedgerOrder]
) -> tuple[LedgerAccount, Sequence[LedgerOrder]]:
    """Give orders and fills of a venue that knows numbers only the ids that we gave them."""
    if place.venue != "backpack":
        return ledger, orders
    texts = {str(numeric_id(name)): name for name in journaled.names}

    def named(one: _Named) -> _Named:
        return msgspec.structs.replace(one, client_id=texts.get(one.client_id, one.client_id))

    ours = msgspec.structs.replace(
        ledger,
        open_orders=[named(one) for one in ledger.open_orders],
        fills=[named(one) for one in ledger.fills],
    )
    return ours, [named(one) for one in orders]


def _doubled(journaled: Journaled, orders: Sequence[LedgerOrder]) -> list[str]:
    """Find ids that were used twice, orders of ours in no journal, and two for one intent."""
    findings = [
        f"{name} was written down {n} times" for name, n in journaled.intents.items() if n > 1
    ]
    ids, known = Counter(order.client_id for order in orders), journaled.names
    findings += [f"{n} orders with the id {name}" for name, n in ids.items() if n > 1]
    findings += [f"{name} is in no journal" for name in ids if name not in known]
    by_purpose: dict[tuple[object, ...], list[LedgerOrder]] = {}
    for order in orders:
        parts = read_client_id(order.client_id)
        if parts is not None and parts.tag:
            key = (order.symbol, parts.owner, parts.role, parts.tag)
            by_purpose.setdefault(key, []).append(order)
    for (symbol, owner, _, tag), group in by_purpose.items():
        group.sort(key=lambda one: one.created_ns)
        latest: LedgerOrder | None = None
        for order in group:
            if latest is not None and order.created_ns + _TURN_NS < _end_ns(latest):
                overlap = f"{latest.client_id} and {order.client_id}"
                findings.append(f"two live orders for {owner}/{tag} on {symbol}: {overlap}")
            if latest is None or _end_ns(order) > _end_ns(latest):
                latest = order
    return findings


def _end_ns(order: LedgerOrder) -> int:
    return 2**63 if order.status in _OPEN_STATES else order.updated_ns


def _fills_differ(
    place: Place, instruments: dict[str, Instrument], journaled: Journaled, ledger: LedgerAccount
) -> list[str]:
    ours: Counter[_FillKey] = Counter()
    for fill in journaled.fills:
        instrument = instruments[str(fill.symbol)]
        price, quantity = instrument.price(fill.price_ticks), instrument.quantity(fill.lots)
        name = place.symbols[str(fill.symbol)]
        ours[name, fill.client_id, fill.side.value, price, quantity] += 1
    theirs: Counter[_FillKey] = Counter(
        (one.symbol, one.client_id, one.side, one.price, one.quantity) for one in ledger.fills
    )
    findings = [
        f"fill lost in the journal: {_words(key)} ×{n}" for key, n in (theirs - ours).items()
    ]
    findings += [f"fill that never was: {_words(key)} ×{n}" for key, n in (ours - theirs).items()]
    paid = sum((fill.fee for fill in journaled.fills), Decimal(0))
    taken = sum((fill.fee for fill in ledger.fills), Decimal(0))
    if not findings and abs(paid - taken) > _ROUNDING:
        findings.append(f"fees: ours {paid:f}, the exchange's {taken:f}")
    return findings


def _words(key: _FillKey) -> str:
    symbol, client_id, side, price, quantity = key
    return f"{client_id} {side} {quantity:f} {symbol} at {price:f}"


def _orders_differ(kernel: Kernel, ledger: LedgerAccount) -> list[str]:
    known = {str(order.intent.client_id) for order in kernel.desk.live()}
    there = {order.client_id for order in ledger.open_orders}
    findings = [f"orphan at the exchange: {name}" for name in sorted(there - known)]
    return findings + [f"ghost in our books: {name}" for name in sorted(known - there)]


def _held(place: Place, instrument: Instrument, symbol: str, ledger: LedgerAccount) -> Decimal:
    """Return the signed base that the exchange holds for the account."""
    if instrument.is_perpetual:
        rows = (one.quantity for one in ledger.positions if one.symbol == symbol)
        return sum(rows, Decimal(0))
    return ledger.total(instrument.base) - place.began.get(instrument.base, Decimal(0))


def _unrealised(instrument: Instrument, journaled: Journaled, mark_ticks: int) -> Decimal:
    """Return what the open position of a perpetual shows, by the journal's fills alone."""
    position = Position(instrument)
    for fill in journaled.fills:
        if fill.symbol == instrument.symbol:
            position.apply(fill)
    return position.unrealised(mark_ticks)
