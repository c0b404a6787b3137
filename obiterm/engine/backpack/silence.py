"""Notice streams that are connected and say nothing, market by market (T9 T38 T41)."""

from __future__ import annotations

from obiterm.core.events import DepthChanged, MarketEvent, TopChanged
from obiterm.core.values import NS_PER_S, Symbol

DEAF_BOOK_NS = 3 * NS_PER_S
"""A book that did not change for so long, although its best price did, is not told of."""
QUIET_NS = 15 * NS_PER_S
"""A market of which nothing at all was heard for so long is asked for again."""
_LONGEST_NS = 600 * NS_PER_S


class _Heard:
    """What was heard of one market. Times are monotonic ns."""

    __slots__ = ("any_ns", "asked_ns", "book_ns", "quiet_ns", "top_ns")

    def __init__(self, now_ns: int) -> None:
        self.any_ns = now_ns
        self.asked_ns = now_ns
        self.book_ns = now_ns
        self.top_ns = 0
        self.quiet_ns = QUIET_NS


class SilenceWatch:
    """Tells which markets' streams should be asked for again.

    A market may really be quiet, so each time that asking again brought nothing the next
    wait is twice as long.
    """

    def __init__(self) -> None:
        self._heard: dict[Symbol, _Heard] = {}

    def begin(self, symbol: Symbol, now_ns: int) -> None:
        """Start the clock of a market: its streams were just asked for."""
        self._heard[symbol] = _Heard(now_ns)

    def clear(self) -> None:
        """Forget all: the connection is gone."""
        self._heard.clear()

    def hear(self, event: MarketEvent, now_ns: int) -> None:
        """Note that something came."""
        heard = self._heard.get(event.symbol)
        if heard is None:
            return
        heard.any_ns = now_ns
        if isinstance(event, DepthChanged):
            heard.book_ns = now_ns
            heard.quiet_ns = QUIET_NS
        elif isinstance(event, TopChanged):
            heard.top_ns = now_ns

    def silent_ns(self, now_ns: int) -> int:
        """Return how long nothing came of any market; 0 without markets."""
        return now_ns - max((heard.any_ns for heard in self._heard.values()), default=now_ns)

    def due(self, now_ns: int) -> list[Symbol]:
        """Return the markets to ask for again, and start their clocks anew."""
        silent: list[Symbol] = []
        for symbol, heard in self._heard.items():
            deaf = heard.top_ns - heard.book_ns > DEAF_BOOK_NS
            quiet = now_ns - max(heard.any_ns, heard.asked_ns) > heard.quiet_ns
            if not deaf and not quiet:
                continue
            silent.append(symbol)
            heard.asked_ns = heard.book_ns = now_ns
            heard.quiet_ns = min(2 * heard.quiet_ns, _LONGEST_NS)
        return silent
