"""The venue's word on perpetual positions: kept apart from our own sum of fills.

Fills and positions come by different ways and in any order. What the venue holds now is its
newest word and our fills since: of a streamed word those that are newer by the venue's
clock; of a fetched one nobody can tell while a fill came within a second of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from obiterm.core.events import Filled, PositionReported
from obiterm.core.values import NS_PER_S, Symbol

_SETTLED_NS = 1 * NS_PER_S
"""A word that comes this long after a fill holds it, whatever the clocks say."""

_OLD_NS = 5 * NS_PER_S
"""A fill that is read so long after it happened is in every word (clocks differ by less)."""

_Fill = tuple[int, int, int]
"""Venue time, our time (ns) and signed lots of a fill of ours."""

_NONE = Decimal(0)


class _Word:
    """The venue's newest report on one symbol."""

    __slots__ = ("at_ns", "is_streamed", "report")

    def __init__(self, report: PositionReported, at_ns: int, *, is_streamed: bool) -> None:
        self.report = report
        self.at_ns = at_ns
        """When we took it."""
        self.is_streamed = is_streamed


class VenuePositions:
    """What the venue holds for the account, by symbol; legs of hedge mode stay apart (T39).

    Attributes:
        foreign: signed lots beyond our own fills, by symbol: of other programs or people.
            They are shown and not traded.
        alarms: times that a lasting difference was found.
        reconciled_ns: when positions were last fetched whole.
    """

    def __init__(self) -> None:
        self.foreign: dict[Symbol, int] = {}
        self.alarms = 0
        self.reconciled_ns = 0
        self._words: dict[Symbol, _Word] = {}
        self._legs: dict[tuple[Symbol, str], PositionReported] = {}
        self._fills: dict[Symbol, list[_Fill]] = {}
        self._foreign_fills: dict[Symbol, tuple[int, int]] = {}

    # -- reading --------------------------------------------------------------------------

    def report(self, symbol: Symbol) -> PositionReported | None:
        """Return the newest word on a symbol in one-way mode."""
        word = self._words.get(symbol)
        return None if word is None else word.report

    def reports(self) -> list[PositionReported]:
        """Return every position that is open at the venue, those of no market of ours too."""
        one_way = [word.report for word in self._words.values() if word.report.lots]
        return one_way + [leg for leg in self._legs.values() if leg.lots]

    def is_hedged(self, symbol: Symbol) -> bool:
        """Return whether the venue keeps long and short apart on a symbol (T12 T31)."""
        return any(name == symbol and leg.lots for (name, _), leg in self._legs.items())

    def lots_now(self, symbol: Symbol) -> int | None:
        """Return the signed lots that the venue holds, ``None`` when that is not certain."""
        word = self._words.get(symbol)
        if word is None:
            return None
        lots = word.report.lots
        for event_ns, at_ns, filled in self._fills.get(symbol, ()):
            if at_ns + _SETTLED_NS <= word.at_ns:
                continue
            if word.is_streamed:
                lots += filled if event_ns > word.report.event_ns else 0
            elif at_ns >= word.at_ns + _SETTLED_NS:
                lots += filled
            else:
                return None
        return lots

    def settled_since(self, symbol: Symbol, since_ns: int) -> bool:
        """Return whether the venue was asked for its positions after ``since_ns``."""
        return symbol in self._words and self.reconciled_ns > since_ns

    def foreign_price_ticks(self, symbol: Symbol) -> int:
        """Return the price of the newest fill that is not ours and not older than ours; 0."""
        event_ns, ticks = self._foreign_fills.get(symbol, (0, 0))
        newest_ns = max((fill[0] for fill in self._fills.get(symbol, ())), default=0)
        return ticks if event_ns >= newest_ns else 0

    # -- the venue's word -----------------------------------------------------------------

    def told(self, report: PositionReported, now_ns: int) -> None:
        """Take a word from the stream, unless a newer one is known."""
        if report.leg:
            self._legs[report.symbol, report.leg] = report
            return
        known = self._words.get(report.symbol)
        if known is not None and known.is_streamed and known.report.event_ns > report.event_ns:
            return
        self._take(_Word(report, now_ns, is_streamed=True))

    def reconciled(
        self, reports: Iterable[PositionReported], markets: Iterable[Symbol], now_ns: int
    ) -> None:
        """Take the whole list; a market that is missing is flat.

        A word of the stream from a moment ago stays: the list may be older.
        """
        self.reconciled_ns = now_ns
        told = list(reports)
        listed = {report.symbol: report for report in told if not report.leg}
        self._legs = {(report.symbol, report.leg): report for report in told if report.leg}
        for symbol in dict.fromkeys([*markets, *listed, *self._words]):
            known = self._words.get(symbol)
            if known is not None and known.is_streamed and now_ns - known.at_ns < _SETTLED_NS:
                continue
            report = listed.get(symbol) or _flat(symbol, now_ns)
            self._take(_Word(report, now_ns, is_streamed=False))

    def own_fill(self, fill: Filled, now_ns: int) -> None:
        """Note a fill of ours: words from before it do not hold it."""
        noted_ns = min(now_ns, fill.event_ns + _OLD_NS)
        noted = (fill.event_ns, noted_ns, fill.lots * fill.side.sign)
        self._fills.setdefault(fill.symbol, []).append(noted)

    def foreign_fill(self, fill: Filled) -> bool:
        """Note a fill that is not ours; return whether it is news."""
        known_ns, _ = self._foreign_fills.get(fill.symbol, (0, 0))
        if fill.event_ns <= known_ns:
            return False
        self._foreign_fills[fill.symbol] = (fill.event_ns, fill.price_ticks)
        return True

    def _take(self, word: _Word) -> None:
        """Keep a word, and of our fills those that it may lack (and the newest)."""
        symbol = word.report.symbol
        self._words[symbol] = word
        fills = self._fills.get(symbol)
        if fills:
            self._fills[symbol] = [f for f in fills[:-1] if f[1] + _SETTLED_NS > word.at_ns]
            self._fills[symbol].append(fills[-1])

    def foreign_closed(self, symbol: Symbol, lots: int) -> None:
        """Note that an order of ours has changed what is not ours, by signed ``lots``."""
        self.foreign[symbol] = self.foreign.get(symbol, 0) + lots


def _flat(symbol: Symbol, at_ns: int) -> PositionReported:
    return PositionReported(symbol, 0, _NONE, _NONE, _NONE, _NONE, 0, at_ns)
