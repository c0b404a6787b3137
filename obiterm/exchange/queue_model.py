"""Our orders inside a recorded book: queue places, and what may be taken.

The recording never learns of our orders. Each waits behind the size that was
recorded at its price when it came (``ahead``); recorded trades and vanishing
size move it forward. docs/decisions/0002-fills-inside-a-recorded-book.md has
the reasons and what follows from them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from obiterm.core.values import NS_PER_MS, Side
from obiterm.exchange.matching import HOUSE, Match, Resting, reaches
from obiterm.exchange.recorded_book import RecordedBook

RECORDED = 0
"""Order id of recorded size; no order of an account has it."""

_CREDIT_NS = 250 * NS_PER_MS
"""How long (recorded) vanished size may turn out to be a trade whose print is to come."""


class Queued(msgspec.Struct, gc=False):
    """An order of ours and its place."""

    resting: Resting
    ahead: int
    """Recorded lots that trade before it."""
    credit: int = 0
    """Lots by which ``ahead`` shrank with the level, not yet explained by a print."""
    credit_until_ns: int = 0


class QueuedBook:
    """``Liquidity`` made of a recorded book and our orders that wait in it."""

    def __init__(self, public: RecordedBook) -> None:
        self.public = public
        self._own: dict[int, Queued] = {}
        self._waiting: dict[Side, dict[int, dict[int, Queued]]] = {Side.BUY: {}, Side.SELL: {}}
        """Side, price, order id: first in time first."""
        self._taken: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        """Recorded lots that we took and that the recording still shows."""

    # -- Liquidity --------------------------------------------------------------

    def walk(self, taker_side: Side, limit_ticks: int) -> Iterator[Resting]:
        """Yield recorded size and our orders, best price first, by place in the queue."""
        side = taker_side.opposite
        own_prices = sorted(self._waiting[side], reverse=side is Side.BUY)
        next_own = 0
        for ticks, lots in self._available(side):
            while next_own < len(own_prices) and (own_prices[next_own] - ticks) * side.sign > 0:
                if not reaches(taker_side, limit_ticks, own_prices[next_own]):
                    return
                yield from self._at(side, own_prices[next_own], 0)
                next_own += 1
            if not reaches(taker_side, limit_ticks, ticks):
                return
            if next_own < len(own_prices) and own_prices[next_own] == ticks:
                next_own += 1
            yield from self._at(side, ticks, lots)
        for ticks in own_prices[next_own:]:
            if reaches(taker_side, limit_ticks, ticks):
                yield from self._at(side, ticks, 0)

    def consume(self, maker: Resting, lots: int) -> None:
        """Take recorded size, or fill an order of ours."""
        if maker.order_id == RECORDED:
            taken = self._taken[maker.side]
            taken[maker.ticks] = taken.get(maker.ticks, 0) + lots
            for queued in self._waiting[maker.side].get(maker.ticks, {}).values():
                queued.ahead = max(0, queued.ahead - lots)
            return
        maker.lots -= lots
        if maker.lots == 0:
            self.remove(maker.order_id)

    def rest(self, order: Resting) -> None:
        """Queue an order of ours behind the size now recorded at its price."""
        shown = self.public.size_at(order.side, order.ticks)
        ahead = max(0, shown - self._taken[order.side].get(order.ticks, 0))
        queued = Queued(order, ahead)
        self._own[order.order_id] = queued
        self._waiting[order.side].setdefault(order.ticks, {})[order.order_id] = queued

    def remove(self, order_id: int) -> Resting | None:
        """Take an order of ours out."""
        queued = self._own.pop(order_id, None)
        if queued is None:
            return None
        order = queued.resting
        level = self._waiting[order.side][order.ticks]
        del level[order_id]
        if not level:
            del self._waiting[order.side][order.ticks]
        return order

    def find(self, order_id: int) -> Resting | None:
        """Return a resting order of ours."""
        queued = self._own.get(order_id)
        return None if queued is None else queued.resting

    def best(self, side: Side) -> tuple[int, int]:
        """Return the recorded best level; our own orders are not public."""
        return self.public.best(side)

    def levels(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """Return recorded levels, best first."""
        return self.public.side(side).top(limit)

    # -- what the recording does to us (``time_ns`` is recorded time) ------------

    def ahead_of(self, order_id: int) -> int | None:
        """Return the lots before an order of ours, ``None`` when it does not rest."""
        queued = self._own.get(order_id)
        return None if queued is None else queued.ahead

    def on_trade(self, ticks: int, lots: int, aggressor: Side, time_ns: int) -> list[Match]:
        """Fill what a recorded trade reaches: through our price whole, at our price by place."""
        side = aggressor.opposite
        waiting = self._waiting[side]
        if not waiting:
            return []
        matches: list[Match] = []
        for own_ticks in sorted(waiting, reverse=side is Side.BUY):
            past = (own_ticks - ticks) * side.sign
            if past < 0:
                break
            for queued in list(waiting[own_ticks].values()):
                if past > 0:
                    filled = queued.resting.lots
                else:
                    filled = _advance(queued, lots, time_ns)
                    lots -= filled
                self._match(queued, filled, matches)
        return matches

    def on_level(self, side: Side, ticks: int, *, changed: bool, time_ns: int) -> None:
        """Take note of a level's new size: less than what was ahead moves us forward."""
        if changed:
            self._taken[side].pop(ticks, None)
        level = self._waiting[side].get(ticks)
        if not level:
            return
        size = self.public.size_at(side, ticks)
        for queued in level.values():
            if size < queued.ahead:
                if time_ns > queued.credit_until_ns:
                    queued.credit = 0
                queued.credit += queued.ahead - size
                queued.credit_until_ns = time_ns + _CREDIT_NS
                queued.ahead = size

    def on_touch(self, side: Side, *, changed: bool, time_ns: int) -> None:
        """Take note of a new best price: nothing is ahead of an order that is better."""
        best, _ = self.public.best(side)
        if changed:
            self._taken[side].pop(best, None)
        for ticks in self._waiting[side]:
            if (ticks - best) * side.sign >= 0:
                self.on_level(side, ticks, changed=False, time_ns=time_ns)

    def on_book(self) -> list[Match]:
        """Fill our orders that a recorded quote of the other side has reached."""
        matches: list[Match] = []
        for side, waiting in self._waiting.items():
            if not waiting:
                continue
            best, _ = self.public.best(side.opposite)
            if not best or all((ticks - best) * side.sign < 0 for ticks in waiting):
                continue
            for own_ticks in sorted(waiting, reverse=side is Side.BUY):
                for queued in list(waiting.get(own_ticks, {}).values()):
                    self._meet(queued, matches)
        return matches

    def _meet(self, queued: Queued, matches: list[Match]) -> None:
        order = queued.resting
        facing = order.side.opposite
        left = order.lots
        for ticks, lots in list(self._available(facing)):
            if left == 0 or not reaches(order.side, order.ticks, ticks):
                break
            filled = min(left, lots)
            left -= filled
            self.consume(Resting(RECORDED, HOUSE, facing, ticks, lots), filled)
        self._match(queued, order.lots - left, matches)

    def _match(self, queued: Queued, filled: int, matches: list[Match]) -> None:
        if filled:
            matches.append(Match(queued.resting, filled))
            self.consume(queued.resting, filled)

    # -- helpers ----------------------------------------------------------------

    def _available(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield recorded levels less what we already took."""
        taken = self._taken[side]
        for ticks, lots in self.public.visible(side):
            left = lots - taken.get(ticks, 0)
            if left > 0:
                yield ticks, left

    def _at(self, side: Side, ticks: int, lots: int) -> Iterator[Resting]:
        """Yield one price in queue order: recorded pieces between our orders."""
        passed = 0
        for queued in self._waiting[side].get(ticks, {}).values():
            piece = min(lots, queued.ahead) - passed
            if piece > 0:
                yield Resting(RECORDED, HOUSE, side, ticks, piece)
                passed += piece
            yield queued.resting
        if lots > passed:
            yield Resting(RECORDED, HOUSE, side, ticks, lots - passed)


def _advance(queued: Queued, traded: int, time_ns: int) -> int:
    """Move an order forward by a trade at its price; return how much of it fills."""
    if queued.credit and time_ns <= queued.credit_until_ns:
        # The level was already seen to shrink by this trade.
        known = min(queued.credit, traded)
        queued.credit -= known
        traded -= known
    reached = traded - queued.ahead
    queued.ahead = max(0, queued.ahead - traded)
    return min(queued.resting.lots, max(0, reached))
