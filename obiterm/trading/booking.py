"""Book a fill on the position of its owner; what only closes, on those that it closes."""

from __future__ import annotations

import msgspec

from obiterm.core.effects import Effect, Note, Reconcile, Verb
from obiterm.core.events import Filled
from obiterm.core.orders import OrderIntent
from obiterm.core.values import Side
from obiterm.trading.desk import MANUAL, PANIC
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.ids import read_client_id


def book_fill(event: Filled, gate: Gatekeeper, now_ns: int) -> list[Effect]:
    """Take one execution once; return what follows, nothing when it was known (T34)."""
    order = gate.desk.filled(event, now_ns)
    if order is None:
        return _foreign(event, gate)
    owner = order.intent.owner
    for part_owner, part in _shares(event, order.intent, gate):
        gate.position(part_owner, event.symbol).apply(part)
    instrument = gate.setup.instruments[event.symbol]
    if instrument.is_perpetual:
        gate.venue.own_fill(event, now_ns)
        gate.limit_positions(event.symbol)
    size = instrument.quantity(event.lots).normalize()
    text = f"{size:f} @ {instrument.price(event.price_ticks):f}"
    return [
        Note(
            verb=Verb.FILL,
            symbol=event.symbol,
            text=text,
            at_ns=now_ns,
            side=event.side,
            owner=owner,
        )
    ]


def _foreign(event: Filled, gate: Gatekeeper) -> list[Effect]:
    """Take a fill that is not ours: on a perpetual it may have closed what is ours.

    Liquidations and other programs do so. The venue's positions tell what is left.
    """
    instrument = gate.setup.instruments.get(event.symbol)
    if instrument is None or not instrument.is_perpetual or read_client_id(event.client_id):
        return []
    against = gate.net_lots(event.symbol) * event.side.sign < 0
    if gate.venue.foreign_fill(event) and against:
        return [Reconcile(reason="a fill that is not ours")]
    return []


def _shares(event: Filled, intent: OrderIntent, gate: Gatekeeper) -> list[tuple[str, Filled]]:
    """Split a fill that closes over the owners whose position it closes, its own owner's first.

    These are closes by hand or panic, reduce-only orders of a perpetual (the venue cuts them to
    the net position: beyond their owner's part they closed the others', T12), and spot sales,
    which take the coins of all owners before any that were held before; those are no position
    (decision 0007). What is left over is the owner's, of hand and spot the human's; of an
    emergency exit on a perpetual it closed what others had opened. Each owner appears once,
    since a position takes a trade id once.
    """
    owner = intent.owner
    is_spot = not gate.setup.instruments[event.symbol].is_perpetual
    closes = event.side is Side.SELL if is_spot else intent.reduce_only
    if owner not in (MANUAL, PANIC) and not closes:
        return [(owner, event)]
    left = event.lots
    lots_of: dict[str, int] = {}
    for name, closable in _closed_by(event, owner, gate):
        part = min(left, closable)
        if part:
            lots_of[name] = part
            left -= part
    if left and owner == PANIC and not is_spot:
        gate.venue.foreign_closed(event.symbol, left * event.side.sign)
    elif left:
        rest = MANUAL if is_spot or owner == PANIC else owner
        lots_of[rest] = lots_of.get(rest, 0) + left
    return _parts(event, lots_of)


def _closed_by(event: Filled, owner: str, gate: Gatekeeper) -> list[tuple[str, int]]:
    """Return whose position a fill may close and how many lots, in the order of their turn.

    On spot dust can be sold too, after all that is open.
    """
    every = []
    for (name, symbol), position in gate.positions.items():
        if symbol != event.symbol:
            continue
        if position.instrument.is_perpetual:
            lots = abs(position.lots) if position.lots * event.side.sign < 0 else 0
        else:
            lots = position.coverable_lots(event.side) if event.side is Side.SELL else 0
        every.append((position.is_flat, name != owner, name != MANUAL, name, lots))
    return [(name, lots) for *_, name, lots in sorted(every)]


def _parts(event: Filled, lots_of: dict[str, int]) -> list[tuple[str, Filled]]:
    """Divide a fill; the last part takes the rest of the fee, so that no cent is lost."""
    parts: list[tuple[str, Filled]] = []
    fee_left = event.fee
    for number, (name, lots) in enumerate(lots_of.items(), start=1):
        fee = fee_left if number == len(lots_of) else event.fee * lots / event.lots
        fee_left -= fee
        parts.append((name, msgspec.structs.replace(event, lots=lots, fee=fee)))
    return parts
