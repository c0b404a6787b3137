"""The start of a futures account: may it trade, on what terms, what does it hold (§16)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from obiterm.core.errors import AccountStopped, RetryLater
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.engine.binance_futures.rest import KEPT_MS, FuturesRest
from obiterm.engine.binance_futures.source import FuturesSource
from obiterm.engine.feed import SharedFeed
from obiterm.engine.gateway import NO_TRADE, Prepared
from obiterm.venues.binance.futures.errors import CLOCK_CODES
from obiterm.venues.binance.futures.listing import completed, leverage_brackets
from obiterm.venues.binance.futures.messages import AccountConfig, SymbolConfig
from obiterm.venues.binance.futures.rest_codec import (
    account_config,
    commission,
    require_tradable,
    symbol_configs,
)

_CLOCK_REFUSALS = frozenset(str(code) for code in CLOCK_CODES)


class Terms:
    """On what terms an account trades, for a human to see.

    Attributes:
        multi_assets: all coins of the wallet are margin together; then positions are crossed.
        markets: leverage and margin type by symbol.
    """

    def __init__(self, config: AccountConfig, markets: dict[Symbol, SymbolConfig]) -> None:
        self.multi_assets = config.multi_assets_margin
        self.markets = markets

    def __str__(self) -> str:
        told = [
            f"{symbol} {market.leverage}x {market.margin_type.lower()}"
            for symbol, market in self.markets.items()
        ]
        if self.multi_assets:
            told.append("multi-assets margin")
        return ", ".join(told)


async def prepare(
    rest: FuturesRest, source: FuturesSource, feed: SharedFeed, symbols: Iterable[Symbol]
) -> tuple[Prepared, Terms]:
    """Check the key and read everything that must be known before the first decision.

    Raises ``AccountStopped`` with what to do, ``RetryLater`` or ``OutcomeUnknown`` when it may
    work later. A refusal for the time leads to one new measurement and one more attempt.
    """
    wanted = list(dict.fromkeys(symbols))
    listed = await feed.listing(wanted)
    rest.budget.take_limits_of(source.budget)
    try:
        return await _prepare(rest, source, listed)
    except RetryLater as refusal:
        if refusal.code not in _CLOCK_REFUSALS:
            raise
    await source.measure_clock()
    return await _prepare(rest, source, listed)


async def _prepare(
    rest: FuturesRest, source: FuturesSource, listed: dict[Symbol, Instrument]
) -> tuple[Prepared, Terms]:
    config = account_config(await rest.read(rest.account.config(rest.venue_ms())))
    require_tradable(config)
    told = symbol_configs(await rest.read(rest.account.symbol_config(rest.venue_ms())))
    terms = Terms(config, {symbol: told[symbol] for symbol in listed if symbol in told})
    rest.trade({symbol: await _own_terms(rest, symbol, listed[symbol]) for symbol in listed})
    balances = await rest.balances()
    positions = await rest.positions()
    if not positions:
        _require_funds(balances, rest.instruments)
    marks: dict[Symbol, int] = {}
    for symbol in listed:
        await rest.learn_stops(symbol)
        newest = await rest.last_trade_id(symbol)
        marks[symbol] = NO_TRADE if newest is None else newest
    prepared = Prepared(
        instruments=dict(rest.instruments),
        balances=balances,
        clock_offset_ns=source.offset_ns,
        fill_marks=marks,
        positions=positions,
        marks_from_ns=(rest.venue_ms() - KEPT_MS) * NS_PER_MS,
    )
    return prepared, terms


async def _own_terms(rest: FuturesRest, symbol: Symbol, listed: Instrument) -> Instrument:
    """Return an instrument with the account's own fees and leverage bracket."""
    fees = commission(await rest.read(rest.account.commission_rate(symbol, rest.venue_ms())))
    body = await rest.read(rest.account.leverage_brackets(rest.venue_ms(), symbol))
    return completed(listed, bracket=leverage_brackets(body).get(symbol), fees=fees)


def _require_funds(
    balances: dict[str, tuple[Decimal, Decimal]], instruments: dict[Symbol, Instrument]
) -> None:
    """Raise ``AccountStopped`` for a wallet that holds nothing at all: every order would fail."""
    if any(free or locked for free, locked in balances.values()):
        return
    wanted = sorted({instrument.settle for instrument in instruments.values()})
    raise AccountStopped(
        "balance",
        "the futures wallet is empty",
        hint=f"transfer {' or '.join(wanted)} from the spot wallet to the futures wallet",
    )
