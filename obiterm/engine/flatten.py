"""Close every position of one account by reducing market orders, for an emergency exit.

Perpetuals are sized from the venue's positions at every try, whoever opened them: its word
is the truth (T11 T25), and reduce-only orders cannot turn them. On spot the account's own
fills bound what may be sold: other coins are somebody's property (decision 0007).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from typing import Protocol, TypeVar

from obiterm.core.clock import Clock
from obiterm.core.errors import (
    AccountStopped,
    DataError,
    ObitermError,
    Refused,
    RetryLater,
    UsageError,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedPosition
from obiterm.core.values import NS_PER_S, ClientOrderId, OrderRole, RunId, Side, Symbol
from obiterm.engine.abroad import Market, MarketsAbroad
from obiterm.engine.gateway import Gateway
from obiterm.trading.desk import PANIC
from obiterm.trading.ids import make_client_id
from obiterm.trading.questions import ARRIVES_WITHIN_NS

CALL_LIMIT_S = 3.0
"""A venue call that takes longer is given up and tried again."""
_MOST_REFUSALS = 3
"""Closes of one position that the venue may refuse in a row before a human is told."""
_BLIND_AFTER = 3
"""Rounds without the venue's word on what is held after which the last known one counts."""
_SHOWN_WITHIN_NS = 2 * NS_PER_S
"""A venue's position must show a close within this time, else it counts as it is told."""

_T = TypeVar("_T")


class Holdings(Protocol):
    """What must be known of the account's own fills."""

    def exposure_lots(self, symbol: Symbol) -> int:
        """Return the signed lots that an order could close."""
        ...

    async def refresh(self) -> None:
        """Book every fill that the venue knows."""
        ...


class _Closing:
    """What was sent to close one position."""

    __slots__ = (
        "client_id",
        "filled_lots",
        "given_up",
        "held_lots",
        "number",
        "refusals",
        "sent_ns",
        "symbol",
    )

    def __init__(self, symbol: Symbol, number: int) -> None:
        self.symbol = symbol
        self.number = number
        self.client_id: ClientOrderId | None = None
        """A close whose outcome is not known."""
        self.sent_ns = 0
        self.held_lots = 0
        """Signed lots that were held when it was sent."""
        self.filled_lots = 0
        """What it filled; until the position shows that, nothing more is sent."""
        self.refusals = 0
        self.given_up = ""

    @property
    def is_idle(self) -> bool:
        """Return whether nothing of it is in doubt or still to be shown."""
        return self.client_id is None and not self.filled_lots


class Flattener:
    """Closes what one account holds, round by round, until nothing is left."""

    def __init__(
        self,
        gateway: Gateway,
        instruments: dict[Symbol, Instrument],
        run: RunId,
        clock: Clock,
        holdings: Holdings,
    ) -> None:
        self._gateway = gateway
        self._instruments = instruments
        self._has_spot = any(not i.is_perpetual for i in instruments.values())
        self._has_perpetuals = any(i.is_perpetual for i in instruments.values())
        self._run_id = run
        self._clock = clock
        self._holdings = holdings
        self._number = 0
        self._begun = 0
        self._blind_rounds = {"fills": 0, "positions": 0, "abroad": 0}
        self._closings: dict[tuple[Symbol, str], _Closing] = {}
        self._found: set[tuple[Symbol, str]] = set()
        self._abroad = MarketsAbroad(gateway)
        self._unseen = ""

    async def close(self) -> None:
        """Close the connections to markets that the account does not trade here."""
        await self._abroad.close()

    def begin(self) -> None:
        """Forget the tries of an earlier exit."""
        self._closings = {}
        self._found = set()
        self._blind_rounds = {"fills": 0, "positions": 0, "abroad": 0}

    def given_up(self) -> list[str]:
        """Return what could not be closed, with the venue's words."""
        left = [c.given_up for c in self._closings.values() if c.given_up]
        return [*left, self._unseen] if self._unseen else left

    @property
    def is_done(self) -> bool:
        """Return whether each position that the last round found is given up."""
        return all(self._closings[key].given_up for key in self._found)

    async def round(self) -> int:
        """Close what can be closed now; return how many positions were there.

        What hinders spot does not hold up perpetuals, nor the other way: the first trouble
        is raised after all were tried. Markets that the account does not trade here come last.
        """
        self._found = set()
        trouble: Exception | None = None
        for is_wanted, work in (
            (self._has_perpetuals, self._perpetuals),
            (self._has_spot, self._spot),
            (True, self._elsewhere),
        ):
            if not is_wanted:
                continue
            try:
                await work()
            except (ObitermError, OSError, TimeoutError) as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        self._forget_vanished()
        return len(self._found)

    def _forget_vanished(self) -> None:
        """Drop what was begun for positions that are gone, whoever closed them."""
        for key, closing in list(self._closings.items()):
            if key not in self._found and closing.is_idle:
                del self._closings[key]

    # -- what is held -----------------------------------------------------------------------

    async def _perpetuals(self) -> None:
        """Close what the venue says that it holds, on every market of the account."""
        trouble: Exception | None = None
        for symbol, leg, lots in await self._held_at_venue():
            try:
                await self._close_if_due(
                    self._closing_of(symbol, leg), self._own(symbol), lots, lots
                )
            except (ObitermError, OSError, TimeoutError) as error:
                trouble = trouble or error  # the next position is not held up by it
        if trouble is not None:
            raise trouble

    async def _held_at_venue(self) -> list[tuple[Symbol, str, int]]:
        """Return market, leg and signed lots; when the venue will not tell, as we believe."""
        try:
            reports = await call(self._gateway.positions())
        except (ObitermError, OSError, TimeoutError):
            self._blind_rounds["positions"] += 1
            if self._blind_rounds["positions"] < _BLIND_AFTER:
                raise
            markets = [s for s, i in self._instruments.items() if i.is_perpetual]
            own = [(symbol, "", self._holdings.exposure_lots(symbol)) for symbol in markets]
            return [held for held in own if held[2]]
        self._blind_rounds["positions"] = 0
        return [(report.symbol, report.leg, report.lots) for report in reports if report.lots]

    async def _spot(self) -> None:
        """Sell what our own fills bought and is free at the venue."""
        await self._refresh()
        balances = await call(self._gateway.balances())
        for symbol, instrument in self._instruments.items():
            if instrument.is_perpetual:
                continue
            held = self._holdings.exposure_lots(symbol)
            free, _ = balances.get(instrument.base, (Decimal(0), Decimal(0)))
            lots = min(held, instrument.lots_down(free))
            if lots < instrument.min_lots:
                continue
            closing = self._closing_of(symbol, "")
            await self._close_if_due(closing, self._own(symbol), lots, held)

    async def _refresh(self) -> None:
        try:
            await call(self._holdings.refresh())
            self._blind_rounds["fills"] = 0
        except (ObitermError, OSError, TimeoutError):
            self._blind_rounds["fills"] += 1
            if self._blind_rounds["fills"] < _BLIND_AFTER:
                raise

    async def _elsewhere(self) -> None:
        """Close perpetuals on markets that the account does not trade here (R102).

        Where the venue does not tell them for long, that is said instead of "none left".
        """
        self._unseen = ""
        try:
            listed = await call(self._gateway.listed_positions())
            self._blind_rounds["abroad"] = 0
        except (ObitermError, OSError, TimeoutError) as error:
            self._blind_rounds["abroad"] += 1
            if self._blind_rounds["abroad"] < _BLIND_AFTER:
                raise
            self._unseen = f"positions on other markets: not told ({error or 'no answer'})"
            return
        trouble: Exception | None = None
        for position in listed:
            if position.symbol not in self._instruments:
                try:
                    await self._close_abroad(position)
                except (ObitermError, OSError, TimeoutError) as error:
                    trouble = trouble or error
        if trouble is not None:
            raise trouble

    async def _close_abroad(self, position: ListedPosition) -> None:
        """Close a position by a gateway for its market; one that none can be had for is named."""
        closing = self._closing_of(position.symbol, position.leg)
        if closing.given_up:
            return
        named = f"{position.quantity:f} {position.symbol}"
        try:
            market = await self._abroad.market(position.symbol)
        except (AccountStopped, Refused, UsageError, DataError) as error:
            closing.given_up = f"{named}: {error}"
            return
        lots = market.instrument.lots_down(abs(position.quantity))
        if not lots:
            closing.given_up = f"{named}: less than can be traded"
            return
        signed = lots if position.quantity > 0 else -lots
        await self._close_if_due(closing, market, signed, signed)

    # -- closing ----------------------------------------------------------------------------

    def _closing_of(self, symbol: Symbol, leg: str) -> _Closing:
        """Return what was done about a position that was found now."""
        key = symbol, leg
        self._found.add(key)
        closing = self._closings.get(key)
        if closing is None:
            self._begun += 1
            closing = self._closings[key] = _Closing(symbol, self._begun)
        return closing

    def _own(self, symbol: Symbol) -> Market:
        return Market(self._gateway, self._instruments[symbol])

    async def _close_if_due(self, closing: _Closing, market: Market, lots: int, held: int) -> None:
        """Send a close, unless one is in doubt, is not shown yet, or the venue keeps refusing."""
        if closing.given_up or not await self._is_settled(closing, market):
            return
        if self._is_shown(closing, market, held):
            await self._close(closing, market, lots, held)

    def _is_shown(self, closing: _Closing, market: Market, held: int) -> bool:
        """Return whether what is held shows the last close, or should by now.

        On spot our own fills must show at least a part of it: selling the same coins twice is
        worse than waiting. A venue's position of a perpetual is only waited for.
        """
        expected = abs(closing.held_lots) - closing.filled_lots
        if not closing.filled_lots or abs(held) <= expected:
            return True
        is_late = self._clock.wall_ns() - closing.sent_ns > _SHOWN_WITHIN_NS
        return is_late and (market.instrument.is_perpetual or held != closing.held_lots)

    async def _close(self, closing: _Closing, market: Market, lots: int, held: int) -> None:
        """Send one reducing order; until its outcome is known no other follows (T7 T12)."""
        self._number += 1
        symbol = closing.symbol
        tag = f"p{closing.number}{symbol[:4]}"
        client_id = make_client_id(self._run_id, self._number, OrderRole.PANIC, PANIC, tag)
        side = Side.SELL if lots > 0 else Side.BUY
        gateway, instrument = market
        size = min(abs(lots), instrument.market_max_lots, instrument.max_lots)
        closing.client_id, closing.sent_ns = client_id, self._clock.wall_ns()
        closing.held_lots, closing.filled_lots = held, 0
        try:
            filled = await call(gateway.close_market(symbol, side, size, client_id))
        except Refused as refusal:
            closing.client_id = None
            closing.refusals += 1
            if closing.refusals >= _MOST_REFUSALS:
                closing.given_up = f"{instrument.quantity(lots):f} {symbol}: {refusal}"
            return
        except (RetryLater, AccountStopped):
            closing.client_id = None  # it did not reach the venue; anything else is in doubt
            raise
        closing.client_id = None
        closing.refusals = 0
        closing.filled_lots = filled

    async def _is_settled(self, closing: _Closing, market: Market) -> bool:
        """Return whether no close of this position is in doubt; ask the venue if one is."""
        if closing.client_id is None:
            return True
        asked_ns = self._clock.wall_ns()
        found = await call(market.gateway.find_order(closing.symbol, closing.client_id))
        if found is None:
            if asked_ns - closing.sent_ns < ARRIVES_WITHIN_NS:
                return False  # the close may have come after the venue looked
        elif not found.state.is_final:
            return False
        else:
            closing.filled_lots = found.filled_lots
        closing.client_id = None
        return True


async def call(work: Awaitable[_T]) -> _T:
    """Wait for a venue call, at most ``CALL_LIMIT_S``. Raises ``TimeoutError`` beyond."""
    async with asyncio.timeout(CALL_LIMIT_S):
        return await work
