"""Whether an account may trade here, and what it begins with (bybit.md §6.2, §6.5)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from obiterm.core.errors import AccountStopped, RetryLater
from obiterm.core.events import PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, MarketKind, Symbol
from obiterm.engine.bybit.reading import SEARCHED_MS
from obiterm.engine.bybit.rest import BybitRest
from obiterm.engine.bybit.source import BybitSource
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import Prepared
from obiterm.venues.bybit import (
    BASE_FEES,
    account_info,
    category_of,
    fee_rate,
    key_rights,
    with_fees,
)
from obiterm.venues.bybit.errors import CLOCK_CODE

_NO_FUNDS = "the unified account holds no funds: transfer some before it can trade"


class Admission:
    """Prepares one account.

    Attributes:
        warnings: what the user should know, in the order found.
    """

    def __init__(self, rest: BybitRest, source: BybitSource, feed: SharedFeed) -> None:
        self.warnings: list[str] = []
        self._rest = rest
        self._source = source
        self._feed = feed

    async def prepare(self, symbols: Iterable[Symbol]) -> Prepared:
        """Read everything; a clock that is off is measured and tried again once (T47).

        Raises ``AccountStopped`` with what to do, ``RetryLater``, ``OutcomeUnknown``,
        ``UsageError`` for an unknown symbol.
        """
        wanted = list(dict.fromkeys(symbols))
        listed = await self._feed.listing(wanted)
        try:
            return await self._prepare(listed)
        except RetryLater as error:
            if error.code != str(CLOCK_CODE):
                raise
        await self._source.measure_clock()
        return await self._prepare(listed)

    async def _prepare(self, listed: dict[Symbol, Instrument]) -> Prepared:
        rest = self._rest
        self.warnings = []
        rest.start(listed)
        await self._check_key()
        await self._check_account()
        positions = await self._positions()
        rest.start({symbol: await self._with_fees(one) for symbol, one in listed.items()})
        balances = await rest.balances()
        if not any(free + locked for free, locked in balances.values()):
            self.warnings.append(_NO_FUNDS)
            balances = {one.settle or one.quote: (_ZERO, _ZERO) for one in listed.values()}
        return Prepared(
            instruments=dict(rest.instruments),
            balances=balances,
            clock_offset_ns=self._source.offset_ns,
            fill_marks={symbol: await rest.last_fill_ns(symbol) for symbol in listed},
            positions=[position for position in positions if position.lots],
            marks_from_ns=(rest.wire.venue_ms() - SEARCHED_MS) * NS_PER_MS,
        )

    async def _check_key(self) -> None:
        """Refuse a key that can withdraw, cannot trade or trades other markets only."""
        reply = await self._rest.wire.ask(self._rest.account.key_info)
        rights = key_rights(reply.status, reply.body)
        faults = rights.faults(self._rest.categories)
        if faults:
            hint = "change the key's permissions at the venue, or make another key"
            raise AccountStopped("key", "; ".join(faults), hint=hint)
        self.warnings += rights.warnings()

    async def _check_account(self) -> None:
        reply = await self._rest.wire.ask(self._rest.account.account_info)
        if not account_info(reply.status, reply.body).is_unified:
            raise AccountStopped(
                "account", "this is a classic account", hint="upgrade it to a unified account"
            )

    async def _positions(self) -> list[PositionReported]:
        """Read the perpetuals' positions; refuse hedge mode, where orders need a leg (T31)."""
        positions: list[PositionReported] = []
        hedged: list[str] = []
        for symbol, instrument in self._rest.instruments.items():
            if instrument.kind is not MarketKind.PERP:
                continue
            told, is_hedged = await self._rest.position(symbol)
            positions += told
            if is_hedged:
                hedged.append(symbol)
        if hedged:
            raise AccountStopped(
                "hedge mode",
                f"{', '.join(hedged)} is in hedge mode",
                hint="close its positions and orders, switch it to one-way mode at the venue, "
                "start again",
            )
        return positions

    async def _with_fees(self, instrument: Instrument) -> Instrument:
        """Return an instrument with the account's fees; the base table where none are told."""
        symbol = instrument.symbol
        reply = await self._rest.wire.ask(lambda ms: self._rest.account.fee_rate(symbol, ms))
        base = BASE_FEES[category_of(symbol)]
        fees = fee_rate(reply.status, reply.body, symbol, base)
        if not fees.is_told:
            self.warnings.append(f"{symbol}: the venue tells no fees, its base table is used")
        return with_fees(instrument, fees)


_ZERO = Decimal(0)
