"""Positions and wallet of Bybit as events (bybit.md §6.2, §6.4, §9.4, §9.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import BalanceChanged, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import Symbol
from obiterm.venues.bybit.messages import CoinRow, PositionRow, Text, WalletRow
from obiterm.venues.bybit.symbols import Category, known_category, symbol_of
from obiterm.venues.bybit.translate import time_ns
from obiterm.venues.common.scale import decimal, lots_down

_LEGS = {0: "", 1: "LONG", 2: "SHORT"}
_SIGNS = {"Buy": 1, "Sell": -1, "": 0, "None": 0}
_DOLLARS = frozenset({"USDT", "USDC"})
"""Coins whose unit is the unit of the account's totals, near enough for a bound."""
_NONE = Decimal(0)


class AccountTotals(msgspec.Struct, frozen=True):
    """The unified account in USD; None where the venue tells nothing (isolated margin)."""

    equity: Decimal | None
    available: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None


def position(
    row: PositionRow, category: Text, instruments: Mapping[Symbol, Instrument], received_ns: int
) -> PositionReported | None:
    """Return one position; None for a market that is not traded here.

    The legs of a hedge account are two positions and stay two (T39). ``size`` is never
    negative at the venue, the direction stands in ``side``.
    """
    found = known_category(row.category or category)
    if found is not Category.LINEAR:
        return None
    instrument = instruments.get(symbol_of(found, row.symbol))
    if instrument is None:
        return None
    return PositionReported(
        symbol=instrument.symbol,
        lots=_sign(row) * lots_down(instrument, row.size or "0", "size"),
        entry_price=number(row.entry_price or row.avg_price, "entryPrice"),
        mark_price=number(row.mark_price, "markPrice"),
        liquidation_price=number(row.liq_price, "liqPrice"),
        unrealised_quote=number(row.unrealised_pnl, "unrealisedPnl"),
        event_ns=time_ns(row.updated_time),
        received_ns=received_ns,
        leg=leg_of(row.position_idx),
    )


def signed_size(row: PositionRow) -> Decimal:
    """Return the size of a position on any market, negative short."""
    return _sign(row) * number(row.size, "size")


def _sign(row: PositionRow) -> int:
    sign = _SIGNS.get(row.side or "")
    if sign is None:
        raise DataError(f"side of a position = {row.side!r}")
    return sign


def leg_of(position_idx: int | None) -> str:
    """Return the leg of a position: empty in one-way mode, LONG or SHORT in hedge mode."""
    leg = _LEGS.get(position_idx or 0)
    if leg is None:
        raise DataError(f"positionIdx = {position_idx} is none of 0, 1, 2")
    return leg


def hedged_symbols(rows: Iterable[PositionRow]) -> frozenset[Symbol]:
    """Return the symbols in hedge mode: asked by symbol, the venue lists a flat one too (T31)."""
    return frozenset(
        symbol_of(Category.LINEAR, row.symbol) for row in rows if leg_of(row.position_idx)
    )


def balances(wallet: WalletRow, event_ns: int, received_ns: int) -> list[BalanceChanged]:
    """Return what of each coin can be spent and what is held (§6.4).

    Free is the wallet balance without what open spot orders lock, without the margin of
    orders and positions and without bonus, never below 0. In cross margin the account as a
    whole bounds it as well: the free dollars are at most what the account has available.
    Held is the rest of the wallet balance.
    """
    available = optional(wallet.total_available_balance, "totalAvailableBalance")
    told: list[BalanceChanged] = []
    for coin in wallet.coin or []:
        balance = number(coin.wallet_balance, "walletBalance")
        free = max(_NONE, balance - _held(coin))
        if coin.coin in _DOLLARS and available is not None:
            free = min(free, max(_NONE, available))
        locked = max(_NONE, balance - free)
        told.append(BalanceChanged(coin.coin, free, locked, event_ns, received_ns))
    return told


def totals(wallet: WalletRow) -> AccountTotals:
    """Return the account as a whole."""
    return AccountTotals(
        equity=optional(wallet.total_equity, "totalEquity"),
        available=optional(wallet.total_available_balance, "totalAvailableBalance"),
        initial_margin=optional(wallet.total_initial_margin, "totalInitialMargin"),
        maintenance_margin=optional(wallet.total_maintenance_margin, "totalMaintenanceMargin"),
    )


def number(text: Text, field: str) -> Decimal:
    """Read a number; all the venue's ways of saying nothing are 0."""
    return decimal(text, field) if text else _NONE


def optional(text: Text, field: str) -> Decimal | None:
    """Read a number that may be missing."""
    return decimal(text, field) if text else None


def _held(coin: CoinRow) -> Decimal:
    held = (coin.locked, coin.total_order_im, coin.total_position_im, coin.bonus)
    return sum((number(text, "locked") for text in held), _NONE)
