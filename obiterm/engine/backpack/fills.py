"""Own fills of a Backpack account by trade id, within 30 requests a minute (§4, §6.6).

The venue numbers the trades of a market in order, so a mark is a trade id; its history can
be asked by time only. One request answers for all markets of a round, and after the first
round only what is new since the one before is asked for, with a minute of overlap in case
the history lags.
"""

from __future__ import annotations

from obiterm.core.events import Filled, FundingPaid
from obiterm.core.values import NS_PER_S, MarketKind, Symbol
from obiterm.engine.backpack.account import BackpackAccount
from obiterm.engine.gateway import NO_TRADE

_PAGE = 1000
_OVERLAP_MS = 60_000
_ROUND_KEPT_NS = 1 * NS_PER_S


class _Round:
    """One page of the newest fills of all markets, until each market has taken its part."""

    def __init__(self, asked_ms: int, asked_ns: int, *, is_whole: bool) -> None:
        self.asked_ms = asked_ms
        self.asked_ns = asked_ns
        self.is_whole = is_whole
        """Whether nothing lies between its start and its oldest row."""
        self.of_symbol: dict[Symbol, list[Filled]] = {}


class FillReader:
    """Reads the account's fills and funding payments."""

    def __init__(self, account: BackpackAccount) -> None:
        self._account = account
        self._round: _Round | None = None
        self._read_ms: dict[Symbol, int] = {}
        self._floor: dict[Symbol, int] = {}

    def begin(self) -> None:
        """Begin a run that has seen nothing yet."""
        self._round = None
        self._read_ms.clear()
        self._floor.clear()

    def begin_round(self) -> None:
        """Use no page that was read before now: the open orders were just asked for."""
        self._round = None

    async def newest(self) -> dict[Symbol, int]:
        """Return the newest own trade id of every market, ``NO_TRADE`` where there is none."""
        fills, is_last = await self._page(None)
        marks = {symbol: _last_id(fills, symbol) for symbol in self._account.instruments}
        if not is_last:
            for symbol in [symbol for symbol, mark in marks.items() if mark == NO_TRADE]:
                marks[symbol] = _last_id((await self._page(symbol, limit=1))[0], symbol)
        return marks

    async def since(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Return fills after ``mark``, oldest first, and some before it that this run has seen.

        Never one from before the first mark of this run: what happened then was booked then.
        """
        floor = self._floor[symbol] = min(mark, self._floor.get(symbol, mark))
        shared = self._round
        now_ns = self._account.now_ns()
        if (
            shared is None
            or symbol not in shared.of_symbol
            or now_ns - shared.asked_ns > _ROUND_KEPT_NS
        ):
            shared = self._round = await self._read_round()
        fills = shared.of_symbol.pop(symbol, [])
        if not shared.is_whole and not _reaches(fills, mark):
            fills = await self._pages_back_to(symbol, mark)
        self._read_ms[symbol] = shared.asked_ms
        wanted = [fill for fill in fills if fill.trade_id > floor]
        return sorted(wanted, key=lambda fill: fill.trade_id)

    async def _read_round(self) -> _Round:
        symbols = self._account.instruments
        start_ms = min((self._read_ms.get(symbol, 0) for symbol in symbols), default=0)
        asked_ms, asked_ns = self._account.venue_ms(), self._account.now_ns()
        from_ms = start_ms - _OVERLAP_MS if start_ms else None
        fills, is_last = await self._page(None, from_ms=from_ms)
        read = _Round(asked_ms, asked_ns, is_whole=is_last)
        read.of_symbol = {symbol: [] for symbol in symbols}
        for fill in fills:
            read.of_symbol[fill.symbol].append(fill)
        return read

    async def _pages_back_to(self, symbol: Symbol, mark: int) -> list[Filled]:
        """Read newest first until ``mark``. New fills move the pages: some come twice."""
        fills: dict[int, Filled] = {}
        offset = 0
        while True:
            page, is_last = await self._page(symbol, offset=offset)
            fills.update({fill.trade_id: fill for fill in page})
            offset += _PAGE
            if is_last or _reaches(page, mark):
                return list(fills.values())

    async def _page(
        self,
        symbol: Symbol | None,
        *,
        from_ms: int | None = None,
        limit: int = 0,
        offset: int = 0,
    ) -> tuple[list[Filled], bool]:
        """Return fills, newest first, and whether there are none before them."""
        account, limit = self._account, limit or _PAGE
        request = account.requests.fills(
            symbol, account.venue_ms(), from_ms=from_ms, limit=limit, offset=offset
        )
        reply = await account.calls.get(request, urgent=account.hurries)
        fills, rows = account.codec.fills(reply.body, account.now_ns())
        return fills, rows < limit

    async def funding_since(self, after_ns: int) -> list[FundingPaid]:
        """Return funding payments whose interval ended after ``after_ns``, oldest first.

        They are no fills (T35). The venue has no id for a payment: market and time are one.
        """
        account = self._account
        if MarketKind.PERP not in account.kinds:
            return []
        reply = await account.calls.get(account.requests.funding_history(None, account.venue_ms()))
        payments = account.codec.funding_payments(reply.body, account.now_ns())
        new = [payment for payment in payments if payment.event_ns > after_ns]
        return sorted(new, key=lambda payment: payment.event_ns)


def _reaches(fills: list[Filled], mark: int) -> bool:
    return any(fill.trade_id <= mark for fill in fills)


def _last_id(page: list[Filled], symbol: Symbol) -> int:
    return max((fill.trade_id for fill in page if fill.symbol == symbol), default=NO_TRADE)
