"""Balances, positions and funding of Binance futures as events (binance.md §9.3, §11.3)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from obiterm.core.events import AccountEvent, BalanceChanged, FundingPaid, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS
from obiterm.venues.binance.futures.messages import AssetRow, BalanceRow, IncomeRow, PositionRow
from obiterm.venues.binance.futures.stream_messages import (
    AccountUpdate,
    PositionChange,
    WalletChange,
)
from obiterm.venues.binance.futures.symbols import symbol_of
from obiterm.venues.common.scale import decimal

FUNDING_FEE = "FUNDING_FEE"
_ONE_WAY = "BOTH"
_MS_PER_HOUR = 3_600_000
_ZERO = Decimal(0)


class Wallet:
    """What is bound of each asset, by the venue's last whole word.

    The stream tells wallet balances, never what of them is free (§11.3): between two REST
    answers ``free`` is the wallet less what was bound then, and ``stale`` asks for the next.

    Attributes:
        stale: True when the stream told of a change that REST has not been asked about.
    """

    def __init__(self) -> None:
        self.stale = False
        self._bound: dict[str, Decimal] = {}

    def listed(
        self, rows: list[BalanceRow] | list[AssetRow], received_ns: int
    ) -> list[BalanceChanged]:
        """Take REST's balances; return them as events."""
        self.stale = False
        events: list[BalanceChanged] = []
        for row in rows:
            total = row.balance if isinstance(row, BalanceRow) else row.wallet_balance
            free, bound = shares(total, row.available_balance)
            self._bound[row.asset] = bound
            event_ns = row.update_time * NS_PER_MS or received_ns
            events.append(BalanceChanged(row.asset, free, bound, event_ns, received_ns))
        return events

    def changed(
        self, told: list[WalletChange], event_ns: int, received_ns: int
    ) -> list[BalanceChanged]:
        """Take the stream's wallets; assets that REST never told of are left to it."""
        self.stale = self.stale or bool(told)
        events: list[BalanceChanged] = []
        for change in told:
            bound = self._bound.get(change.asset)
            if bound is not None:
                free = max(_ZERO, decimal(change.wallet, "wb") - bound)
                events.append(BalanceChanged(change.asset, free, bound, event_ns, received_ns))
        return events


def shares(total: str, available: str) -> tuple[Decimal, Decimal]:
    """Return ``(free, bound)`` of a wallet: free is the venue's available balance.

    In cross margin an open profit can make more available than the wallet holds; nothing is
    bound then.
    """
    free = max(_ZERO, decimal(available, "availableBalance"))
    return free, max(_ZERO, decimal(total, "balance") - free)


def positions(
    rows: list[PositionRow], instruments: Mapping[str, Instrument], received_ns: int
) -> list[PositionReported]:
    """Return rows of positionRisk; ``instruments`` by the venue's names."""
    reports: list[PositionReported] = []
    for row in rows:
        instrument = instruments.get(row.symbol)
        if instrument is None:
            continue
        reports.append(
            PositionReported(
                symbol=instrument.symbol,
                lots=_signed_lots(instrument, row.position_amt, "positionAmt"),
                entry_price=decimal(row.entry_price, "entryPrice"),
                mark_price=decimal(row.mark_price, "markPrice"),
                liquidation_price=decimal(row.liquidation_price, "liquidationPrice"),
                unrealised_quote=decimal(row.unrealized, "unRealizedProfit"),
                event_ns=row.update_time * NS_PER_MS or received_ns,
                received_ns=received_ns,
                leg=leg_of(row.position_side),
            )
        )
    return reports


def account_changed(
    update: AccountUpdate, wallet: Wallet, instruments: Mapping[str, Instrument], received_ns: int
) -> list[AccountEvent]:
    """Return balances, positions and the funding payment in an ``ACCOUNT_UPDATE``."""
    event_ns = update.transaction_ms * NS_PER_MS
    told = update.change
    events: list[AccountEvent] = []
    if told.reason == FUNDING_FEE:
        events += _funding(update, event_ns, received_ns)
    events += wallet.changed(told.balances, event_ns, received_ns)
    for change in told.positions:
        instrument = instruments.get(change.symbol)
        if instrument is not None:
            events.append(_position(change, instrument, event_ns, received_ns))
    return events


def funding_payments(rows: list[IncomeRow], received_ns: int) -> list[FundingPaid]:
    """Return the funding payments among rows of ``income``."""
    return [
        _paid(
            row.symbol, row.asset, row.income, "income", row.time, row.time * NS_PER_MS, received_ns
        )
        for row in rows
        if row.income_type == FUNDING_FEE and row.symbol
    ]


def leg_of(position_side: str) -> str:
    """Return the leg of a position: empty in one-way mode."""
    return "" if position_side in (_ONE_WAY, "") else position_side


def _position(
    change: PositionChange, instrument: Instrument, event_ns: int, received_ns: int
) -> PositionReported:
    """The stream tells no mark and no liquidation price.

    The mark follows from the open profit, entry + profit / amount; the other is 0, as where
    the venue tells none.
    """
    amount = decimal(change.amount, "pa")
    entry = decimal(change.entry_price, "ep")
    profit = decimal(change.unrealized, "up")
    return PositionReported(
        symbol=instrument.symbol,
        lots=_signed_lots(instrument, change.amount, "pa"),
        entry_price=entry,
        mark_price=entry + profit / amount if amount else _ZERO,
        liquidation_price=_ZERO,
        unrealised_quote=profit,
        event_ns=event_ns,
        received_ns=received_ns,
        leg=leg_of(change.position_side),
    )


def _funding(update: AccountUpdate, event_ns: int, received_ns: int) -> list[FundingPaid]:
    """Return the payments; none when the venue does not say for which market.

    The market is told since 2026-08; before, an isolated position tells it (§11.3).
    """
    told = update.change
    name = told.symbol or update.symbol
    if not name and len(told.positions) == 1:
        name = told.positions[0].symbol
    if not name:
        return []
    return [
        _paid(name, change.asset, change.change, "bc", update.transaction_ms, event_ns, received_ns)
        for change in told.balances
    ]


def _paid(
    name: str, asset: str, amount: str, field: str, time_ms: int, event_ns: int, received_ns: int
) -> FundingPaid:
    """Name a payment by market, asset and hour.

    The stream has no id for it and ``income`` has; funding is paid on the hour at most once,
    so both give the same name and one payment is booked once.
    """
    hour_ms = time_ms // _MS_PER_HOUR * _MS_PER_HOUR
    return FundingPaid(
        symbol=symbol_of(name),
        payment_id=f"{name}:{asset}:{hour_ms}",
        amount=decimal(amount, field),
        asset=asset,
        event_ns=event_ns,
        received_ns=received_ns,
    )


def _signed_lots(instrument: Instrument, text: str, field: str) -> int:
    """Return signed lots; what a coarser grid cannot express is left out, towards 0."""
    return int(decimal(text, field) / instrument.lot_size)
