"""Book a fill on the position of its owner; closes by hand or panic on those they close."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.effects import Effect, Note, Verb
from obiterm.core.events import Filled
from obiterm.trading.desk import MANUAL, PANIC
from obiterm.trading.gatekeeper import Gatekeeper


def book_fill(event: Filled, gate: Gatekeeper, now_ns: int) -> list[Effect]:
    """Take one execution once; return its log line, or nothing when it was known (T34)."""
    order = gate.desk.filled(event)
    if order is None:
        return []
    owner = order.intent.owner
    for part_owner, part in _shares(event, owner, gate):
        gate.position(part_owner, event.symbol).apply(part)
    instrument = gate.setup.instruments[event.symbol]
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


def _shares(event: Filled, owner: str, gate: Gatekeeper) -> list[tuple[str, Filled]]:
    """Split a close by hand or panic over the owners whose position it closes."""
    if owner not in (MANUAL, PANIC):
        return [(owner, event)]
    left = event.lots
    shares: list[tuple[str, Filled]] = []
    owners = sorted(
        (name for name, symbol in gate.positions if symbol == event.symbol),
        key=lambda name: (name != MANUAL, name),
    )
    for name in owners:
        lots = gate.position(name, event.symbol).lots
        if lots * event.side.sign >= 0:
            continue
        part = min(left, abs(lots))
        if part:
            shares.append((name, _part(event, part)))
            left -= part
    if left:
        shares.append((MANUAL, _part(event, left)))
    return shares


def _part(event: Filled, lots: int) -> Filled:
    if lots == event.lots:
        return event
    return msgspec.structs.replace(
        event, lots=lots, fee=event.fee * Decimal(lots) / Decimal(event.lots)
    )
