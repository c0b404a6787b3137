"""When a book has to be fetched anew: sockets that changed, gaps, books that do not come."""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.core.effects import Effect, Note, Resync, Verb
from obiterm.core.events import DepthChanged, DepthSnapshotted, FeedChanged
from obiterm.core.values import NS_PER_MS, NS_PER_S, Symbol
from obiterm.market.book import Applied
from obiterm.market.state import MarketState

_AGAIN_NS = 2 * NS_PER_S
"""A snapshot that did not come is asked for again after this time."""
_OLD_NS = 250 * NS_PER_MS
"""After one that was older than the changes that wait, the venue gets this time."""
_STREAM_BOOK_NS = 1 * NS_PER_S
"""Where books come by the stream: time for the first one before it is asked for."""


class BookSync:
    """Watches that every market has a book; asks for one at most every two seconds."""

    def __init__(self, markets: Mapping[Symbol, MarketState]) -> None:
        self._markets = markets
        self._asked_ns: dict[Symbol, int] = {}
        self._is_up: dict[Symbol, bool] = dict.fromkeys(markets, False)

    @property
    def all_up(self) -> bool:
        """True when every market's socket is up."""
        return all(self._is_up.values())

    def reset(self, event: FeedChanged, now_ns: int) -> list[Effect]:
        """Begin anew with the markets of a socket that came up or went down.

        A book that comes by the stream is asked for only when it does not come.
        """
        effects: list[Effect] = []
        for symbol in event.symbols or self._markets:
            market = self._markets.get(symbol)
            if market is None:
                continue
            market.reset()
            self._is_up[symbol] = event.up
            if not event.up:
                continue
            if market.book.snapshots_in_stream:
                self._asked_ns[symbol] = now_ns + _STREAM_BOOK_NS - _AGAIN_NS
            else:
                self._asked_ns[symbol] = now_ns
                effects.append(Resync(symbol=symbol, reason="connected"))
        return effects

    def judge(
        self, event: DepthChanged | DepthSnapshotted, outcome: Applied, now_ns: int
    ) -> list[Effect]:
        """Return what has to be asked after a depth message that was not applied."""
        asked_ns = self._asked_ns.get(event.symbol, -_AGAIN_NS)
        if outcome is Applied.GAP:
            if isinstance(event, DepthSnapshotted) and now_ns - asked_ns < _OLD_NS:
                self._asked_ns[event.symbol] = asked_ns + _OLD_NS - _AGAIN_NS
                return []  # the next change asks
            return self._ask(event.symbol, "gap in update ids", now_ns)
        if outcome is Applied.BUFFERED and now_ns - asked_ns >= _AGAIN_NS:
            return self._ask(event.symbol, "no snapshot yet", now_ns)
        return []

    def missing(self, symbol: Symbol, now_ns: int) -> list[Effect]:
        """Ask for a book that did not come although its socket is up (on each tick)."""
        if self._markets[symbol].book.synced or not self._is_up[symbol]:
            return []
        if now_ns - self._asked_ns.get(symbol, now_ns) < _AGAIN_NS:
            return []
        return self._ask(symbol, "no snapshot yet", now_ns)

    def _ask(self, symbol: Symbol, reason: str, now_ns: int) -> list[Effect]:
        self._asked_ns[symbol] = now_ns
        return [
            Note(verb=Verb.GAP, symbol=symbol, text=f"book: {reason}", at_ns=now_ns),
            Resync(symbol=symbol, reason=reason),
        ]
