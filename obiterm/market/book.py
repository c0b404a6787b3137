"""One order book, kept in step with the venue by sequence numbers (binance.md §8.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from obiterm.core.events import DepthChanged, DepthSnapshotted, Level
from obiterm.core.instruments import Instrument
from obiterm.core.values import ClosedSet, MarketKind
from obiterm.market.ladder import Ladder


class Applied(ClosedSet):
    """What became of a depth message."""

    APPLIED = "APPLIED"
    BUFFERED = "BUFFERED"
    """Kept until a snapshot arrives."""
    IGNORED = "IGNORED"
    """Old news: the book already holds it."""
    GAP = "GAP"
    """Messages are missing: the book is out of step and needs a new snapshot."""


class SequenceRule(ClosedSet):
    """How a venue numbers its depth messages."""

    BINANCE_SPOT = "binance-spot"
    """binance.md §8.1: ``U <= local + 1 <= u``; sizes are absolute, so an overlap is harmless.
    Backpack numbers the same way (backpack.md §9)."""
    BINANCE_FUTURES = "binance-futures"
    """binance.md §11.2: a message holds all that changed after ``pu``, the last id of the one
    before; numbers between ``pu`` and ``U`` belong to other markets. So it continues the book
    when ``pu <= local < u``: a stream in step has ``pu = local``, the first message after a
    snapshot began before it."""
    BYBIT = "bybit"
    """bybit.md §8.1: snapshots come in the stream, each replaces the book whatever its number;
    changes then count up by one. A number that falls is no old news but a restart unseen."""

    @classmethod
    def of(cls, instrument: Instrument) -> SequenceRule:
        """Return how the venue of ``instrument`` numbers its depth messages.

        Raises ``ValueError`` for a venue that nobody has said it of: a wrong rule would show
        a book with holes as whole.
        """
        rule = _RULES.get((instrument.venue, instrument.kind))
        if rule is None:
            raise ValueError(
                f"{instrument.symbol}: no sequence rule for {instrument.kind.value} "
                f"of venue {instrument.venue!r}"
            )
        return rule

    @property
    def snapshots_in_stream(self) -> bool:
        """True where a snapshot is one of the stream's messages: all before it is older."""
        return self is SequenceRule.BYBIT

    def verdict(self, local_id: int, event: DepthChanged) -> Applied:
        """Judge ``event`` against the book's last id: APPLIED, IGNORED or GAP."""
        if self is SequenceRule.BYBIT:
            if event.last_id == local_id:
                return Applied.IGNORED
            is_next = event.first_id <= local_id + 1 and event.last_id > local_id
            return Applied.APPLIED if is_next else Applied.GAP
        if event.last_id <= local_id:
            return Applied.IGNORED
        if self is SequenceRule.BINANCE_FUTURES:
            return Applied.APPLIED if 0 <= event.previous_id <= local_id else Applied.GAP
        if event.first_id > local_id + 1:
            return Applied.GAP
        return Applied.APPLIED


_RULES = {
    ("binance", MarketKind.SPOT): SequenceRule.BINANCE_SPOT,
    ("binance", MarketKind.PERP): SequenceRule.BINANCE_FUTURES,
    ("binance-futures", MarketKind.PERP): SequenceRule.BINANCE_FUTURES,
    ("bybit", MarketKind.SPOT): SequenceRule.BYBIT,
    ("bybit", MarketKind.PERP): SequenceRule.BYBIT,
    ("backpack", MarketKind.SPOT): SequenceRule.BINANCE_SPOT,
    ("backpack", MarketKind.PERP): SequenceRule.BINANCE_SPOT,
}


class Book:
    """Depth of one market.

    Without a snapshot it is not ``synced``: it shows nothing and buffers changes,
    the newest ``buffer_limit`` of them. A gap puts it back into that state; whoever
    holds the book asks for a new snapshot.
    """

    __slots__ = (
        "_asks",
        "_bids",
        "_buffer",
        "_imbalances",
        "_max_levels",
        "_rule",
        "best_ask_lots",
        "best_ask_ticks",
        "best_bid_lots",
        "best_bid_ticks",
        "crossed_seen",
        "diffs_applied",
        "gaps",
        "last_id",
        "synced",
    )

    def __init__(
        self, rule: SequenceRule = SequenceRule.BINANCE_SPOT, buffer_limit: int = 1000
    ) -> None:
        self._rule = rule
        self._buffer: deque[DepthChanged] = deque(maxlen=buffer_limit)
        self._bids = Ladder()
        self._asks = Ladder()
        self._imbalances: dict[int, float] = {}
        self._max_levels = 0
        self.synced = False
        self.last_id = 0
        self.diffs_applied = 0
        self.gaps = 0
        """Times that messages were found missing."""
        self.crossed_seen = 0
        """Applied messages after which the best bid was at or above the best ask."""
        self.best_bid_ticks = 0
        self.best_bid_lots = 0
        self.best_ask_ticks = 0
        self.best_ask_lots = 0

    @property
    def snapshots_in_stream(self) -> bool:
        """True where a snapshot comes by the stream, unasked, whenever it begins."""
        return self._rule.snapshots_in_stream

    @property
    def crossed(self) -> bool:
        """True when both sides hold something and the bid is not below the ask."""
        return 0 < self.best_ask_ticks <= self.best_bid_ticks

    @property
    def empty(self) -> bool:
        """True when a side holds nothing: there is no price to trade at (R106)."""
        return not self._bids.sizes or not self._asks.sizes

    def __len__(self) -> int:
        return len(self._bids.sizes) + len(self._asks.sizes)

    def snapshot(self, event: DepthSnapshotted) -> Applied:
        """Take a whole book, then replay the buffered changes on top of it.

        Return APPLIED; IGNORED when the book is in step and already newer; GAP when
        changes between the snapshot and the buffer are missing (take another one).
        Where snapshots come in the stream, each is APPLIED and what was buffered is older.
        """
        if self._rule.snapshots_in_stream:
            self._load(event)
            return Applied.APPLIED
        if self.synced and event.last_id <= self.last_id:
            return Applied.IGNORED
        pending = list(self._buffer)
        self._load(event)
        for at, change in enumerate(pending):
            verdict = self._rule.verdict(self.last_id, change)
            if verdict is Applied.GAP:
                self.gaps += at > 0  # at 0 the snapshot is too old; no message was lost
                self._unsync(pending[at:])
                return Applied.GAP
            if verdict is Applied.APPLIED:
                self._apply(change)
        return Applied.APPLIED

    def change(self, event: DepthChanged) -> Applied:
        """Set the levels of one message, or say why not."""
        if not self.synced:
            self._buffer.append(event)
            return Applied.BUFFERED
        verdict = self._rule.verdict(self.last_id, event)
        if verdict is Applied.APPLIED:
            self._apply(event)
            if not self.crossed or not self._rule.snapshots_in_stream:
                return verdict
            # bybit.md §8.1: a crossed book is a sure sign that something was missed.
            verdict = Applied.GAP
        if verdict is Applied.GAP:
            self.gaps += 1
            self._unsync([event])
        return verdict

    def reset(self) -> None:
        """Forget every level; buffer from now on until a snapshot comes."""
        self._unsync(())

    def top(self, levels: int) -> tuple[list[Level], list[Level]]:
        """Return the nearest ``levels`` bids and asks, best first."""
        if levels < 1:
            return [], []
        sizes = self._bids.sizes
        bids = [(key, sizes[key]) for key in reversed(self._bids.nearest(levels))]
        sizes = self._asks.sizes
        asks = [(-key, sizes[key]) for key in reversed(self._asks.nearest(levels))]
        return bids, asks

    def imbalance(self, levels: int) -> float:
        """Return (bid - ask) / (bid + ask) over the nearest ``levels`` (R106), -1 … 1.

        0 when both sides are empty. A book with one empty side reads ±1, but is
        ``empty`` and must not be traded on.
        """
        known = self._imbalances.get(levels)
        if known is not None:
            return known
        if levels < 1:
            raise ValueError(f"levels must be at least 1, not {levels}")
        bid = self._bids.volume(levels)
        ask = self._asks.volume(levels)
        total = bid + ask
        value = (bid - ask) / total if total else 0.0
        self._imbalances[levels] = value
        return value

    def micro_ticks(self) -> float:
        """Return the mid weighted by the opposite sizes, in ticks; 0 when a side is empty."""
        bid, ask = self.best_bid_lots, self.best_ask_lots
        if not bid or not ask:
            return 0.0
        return (self.best_bid_ticks * ask + self.best_ask_ticks * bid) / (bid + ask)

    def largest_level(self, levels: int) -> Level:
        """Return ``(ticks, lots)`` of the biggest of the nearest levels; (0, 0) when empty.

        Of equal ones the level nearer to the touch, of those the bid.
        """
        bids, asks = self.top(levels)
        largest = (0, 0)
        for nearest in _alternate(bids, asks):
            if nearest[1] > largest[1]:
                largest = nearest
        return largest

    def _load(self, event: DepthSnapshotted) -> None:
        self._buffer.clear()
        self._bids.load(event.bids, 1)
        self._asks.load(event.asks, -1)
        self._max_levels = event.max_levels
        self.last_id = event.last_id
        self.synced = True
        self._settle()

    def _apply(self, event: DepthChanged) -> None:
        self._bids.set_bids(event.bids)
        self._asks.set_asks(event.asks)
        if self._max_levels:
            self._bids.keep(self._max_levels)
            self._asks.keep(self._max_levels)
        self.last_id = event.last_id
        self.diffs_applied += 1
        self._settle()

    def _settle(self) -> None:
        self._imbalances.clear()
        bids, asks = self._bids, self._asks
        bid = bids.keys[-1] if bids.keys else 0
        ask = -asks.keys[-1] if asks.keys else 0
        self.best_bid_ticks = bid
        self.best_bid_lots = bids.sizes.get(bid, 0)
        self.best_ask_ticks = ask
        self.best_ask_lots = asks.sizes.get(-ask, 0)
        if 0 < ask <= bid:
            self.crossed_seen += 1

    def _unsync(self, waiting: Iterable[DepthChanged]) -> None:
        self._buffer.clear()
        self._buffer.extend(waiting)
        self.synced = False
        self.last_id = 0
        self._bids = Ladder()
        self._asks = Ladder()
        self._settle()


def _alternate(bids: list[Level], asks: list[Level]) -> Iterable[Level]:
    for at in range(max(len(bids), len(asks))):
        if at < len(bids):
            yield bids[at]
        if at < len(asks):
            yield asks[at]
