"""Own fills against the venue's positions: a difference that lasts is told, and the venue wins.

Liquidations, reductions by the house and closes by other programs take a position away
without a fill of ours; another program may also hold more on the same account. Neither may
be seen in the moments while fills and positions overtake each other, so a difference must
last, with nothing in flight, through one fetch of the venue's positions.
"""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.effects import Effect, Note, Reconcile, Verb
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_S, OrderState, Symbol
from obiterm.trading.desk import MANUAL
from obiterm.trading.gatekeeper import Gatekeeper

_ASK_AFTER_NS = 1 * NS_PER_S
_LASTS_NS = 2 * NS_PER_S
_ASK_AGAIN_NS = 10 * NS_PER_S
_IN_FLIGHT = frozenset(
    {OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN, OrderState.CANCELLING}
)


class _Difference:
    """One symbol's difference that is being watched."""

    __slots__ = ("asked_ns", "beyond", "own", "since_ns")

    def __init__(self, own: int, beyond: int, now_ns: int) -> None:
        self.own = own
        self.beyond = beyond
        self.since_ns = now_ns
        self.asked_ns = 0


class PositionWatch:
    """Compares on every tick; changes positions only when the venue's word is certain."""

    def __init__(self, gate: Gatekeeper) -> None:
        self._gate = gate
        self._perpetuals = {
            symbol: instrument
            for symbol, instrument in gate.setup.instruments.items()
            if instrument.is_perpetual
        }
        self._open: dict[Symbol, _Difference] = {}
        self._hedge_told: set[Symbol] = set()

    def check(self, now_ns: int) -> list[Effect]:
        """Return what a human has to know and what must be asked."""
        effects: list[Effect] = []
        for symbol, instrument in self._perpetuals.items():
            self._gate.limit_positions(symbol)
            effects += self._check_hedge(symbol, now_ns)
            effects += self._check(symbol, instrument, now_ns)
        return effects

    def _check(self, symbol: Symbol, instrument: Instrument, now_ns: int) -> list[Effect]:
        venue = self._gate.venue
        held = venue.lots_now(symbol)
        own = self._gate.whole_lots(symbol)
        beyond = 0 if held is None else held - own
        if held is None or beyond == venue.foreign.get(symbol, 0):
            self._open.pop(symbol, None)
            return []
        seen = self._open.get(symbol)
        if seen is None or (seen.own, seen.beyond) != (own, beyond):
            seen = self._open[symbol] = _Difference(own, beyond, now_ns)
        lasted_ns = now_ns - seen.since_ns
        if lasted_ns < _ASK_AFTER_NS:
            return []
        if not venue.settled_since(symbol, seen.since_ns):
            if seen.asked_ns and now_ns - seen.asked_ns < _ASK_AGAIN_NS:
                return []
            seen.asked_ns = now_ns
            return [Reconcile(reason=f"the venue's position on {symbol} differs")]
        if lasted_ns < _LASTS_NS or self._is_moving(symbol):
            return []
        del self._open[symbol]
        return self._settle(symbol, instrument, own, held, now_ns)

    def _is_moving(self, symbol: Symbol) -> bool:
        desk = self._gate.desk
        return desk.fills_owed(symbol) or any(o.state in _IN_FLIGHT for o in desk.live(symbol))

    def _settle(
        self, symbol: Symbol, instrument: Instrument, own: int, held: int, now_ns: int
    ) -> list[Effect]:
        """Take the venue's word: ours is what both agree on, the rest is foreign."""
        gate, venue = self._gate, self._gate.venue
        venue.alarms += 1
        ours = max(0, min(own, held)) if own > 0 else min(0, max(own, held))
        effects: list[Effect] = []
        if ours != own:
            price = self._price(symbol, instrument)
            self._write_off(symbol, abs(own - ours), 1 if own > 0 else -1, price, now_ns)
            gone = f"{instrument.quantity(abs(own - ours)).normalize():f}"
            text = (
                f"{gone} {instrument.base} are no longer held at the venue (liquidation, or "
                f"closed elsewhere): booked out at {price:f}"
            )
            effects.append(_alarm(symbol, text, now_ns))
        before, foreign = venue.foreign.get(symbol, 0), held - gate.whole_lots(symbol)
        venue.foreign[symbol] = foreign
        if foreign != before:
            there = f"{instrument.quantity(foreign).normalize():+f} {instrument.base}"
            text = f"position not of our fills at the venue: {there}; it is left alone"
            if not foreign:
                text = "no position but our own is left at the venue"
            effects.append(_alarm(symbol, text, now_ns))
        gate.limit_positions(symbol)
        return effects

    def _price(self, symbol: Symbol, instrument: Instrument) -> Decimal:
        """Return at what price a position went: of the foreign fill, else the mark."""
        ticks = self._gate.venue.foreign_price_ticks(symbol)
        if ticks:
            return instrument.price(ticks)
        market = self._gate.markets[symbol]
        if market.funding is not None:
            return instrument.price(market.funding.mark_ticks)
        return instrument.price(max(1, market.mark_ticks))

    def _write_off(self, symbol: Symbol, lots: int, sign: int, price: Decimal, now_ns: int) -> None:
        """Take lots off those who hold them, a human's own first."""
        holders = sorted(
            (owner != MANUAL, owner) for owner, held in self._gate.positions if held == symbol
        )
        for _, owner in holders:
            position = self._gate.position(owner, symbol)
            part = min(lots, max(0, position.lots * sign))
            if part:
                position.write_off(part, price, now_ns)
                lots -= part

    def _check_hedge(self, symbol: Symbol, now_ns: int) -> list[Effect]:
        if not self._gate.venue.is_hedged(symbol):
            self._hedge_told.discard(symbol)
            return []
        if symbol in self._hedge_told:
            return []
        self._hedge_told.add(symbol)
        text = "the venue keeps long and short apart (hedge mode): set one-way mode; no entries"
        return [_alarm(symbol, text, now_ns)]


def _alarm(symbol: Symbol, text: str, now_ns: int) -> Note:
    return Note(verb=Verb.RISK, symbol=symbol, text=text, at_ns=now_ns)
