"""Balances, margin, positions and funding of Backpack as facts (backpack.md §6).

All assets of a subaccount are one wallet and the collateral of its perpetuals. The venue
tells an asset's amount in ``/capital`` without what is lent, and the margin that is left in
``/capital/collateral``, where positions and open orders are already taken off (T18).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from obiterm.core.events import FundingPaid, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_US, MarketKind, Symbol
from obiterm.venues.backpack.messages import (
    AccountBody,
    BalanceRow,
    CollateralBody,
    FundingRow,
    OrderLimitBody,
    PositionRow,
    PositionUpdate,
    Text,
    decoder,
    read,
)
from obiterm.venues.backpack.times import moment_ns
from obiterm.venues.common.scale import amount, decimal, lots_down

SETTLE = "USDC"
"""Asset of margin, fees and results of every perpetual."""

_BPS = Decimal(10_000)
_NONE = Decimal(0)
_CLOSED = "positionClosed"

Balances = dict[str, tuple[Decimal, Decimal]]
"""``asset -> (free, locked)``."""

_read_account = decoder(AccountBody)
_read_balances = decoder(dict[str, BalanceRow])
_read_collateral = decoder(CollateralBody)
_read_limit = decoder(OrderLimitBody)


class Fees(msgspec.Struct, frozen=True):
    """What the account pays, as fractions; negative is a rebate."""

    spot_maker: Decimal
    spot_taker: Decimal
    perpetual_maker: Decimal
    perpetual_taker: Decimal


class AccountState(msgspec.Struct, frozen=True):
    """Fees, limits and settings of an account. It is always in one-way mode (§1.6)."""

    fees: Fees
    leverage_limit: Decimal
    """Highest leverage that the whole account may use; 0 when the venue tells none."""
    position_limit: Decimal
    """Greatest notional; 0 when the venue tells none."""
    limit_orders: int
    trigger_orders: int
    liquidating: bool
    """True while nothing may be sent."""
    auto_lend: bool
    """True: idle funds leave ``/capital``; spot orders must ask to redeem them."""


class Margin(msgspec.Struct, frozen=True):
    """Collateral of the whole account, in USDC."""

    equity: Decimal
    available: Decimal
    """What new orders may use; open orders and positions are already taken off."""
    locked: Decimal
    fraction: Decimal | None
    """Equity over exposure; liquidation comes at ``maintenance``. None without exposure."""
    maintenance: Decimal
    unrealised: Decimal
    lent: dict[str, Decimal]
    """Asset to lent quantity."""


def account(body: bytes) -> AccountState:
    """Read fees, limits and settings."""
    told = read(_read_account, body, "account")
    return AccountState(
        fees=Fees(
            spot_maker=_rate(told.spot_maker_fee, "spotMakerFee", "8"),
            spot_taker=_rate(told.spot_taker_fee, "spotTakerFee", "10"),
            perpetual_maker=_rate(told.futures_maker_fee, "futuresMakerFee", "2"),
            perpetual_taker=_rate(told.futures_taker_fee, "futuresTakerFee", "5"),
        ),
        leverage_limit=_number(told.leverage_limit, "leverageLimit"),
        position_limit=_number(told.position_limit, "positionLimit"),
        limit_orders=told.limit_orders,
        trigger_orders=told.trigger_orders,
        liquidating=told.liquidating,
        auto_lend=told.auto_lend,
    )


def with_account(instrument: Instrument, state: AccountState) -> Instrument:
    """Return an instrument with the fees and the leverage that this account has."""
    if instrument.kind is MarketKind.SPOT:
        return msgspec.structs.replace(
            instrument, maker_fee=state.fees.spot_maker, taker_fee=state.fees.spot_taker
        )
    leverage = instrument.max_leverage
    if state.leverage_limit > 0:
        leverage = min(leverage, state.leverage_limit)
    return msgspec.structs.replace(
        instrument,
        maker_fee=state.fees.perpetual_maker,
        taker_fee=state.fees.perpetual_taker,
        max_leverage=leverage,
    )


def capital(body: bytes) -> Balances:
    """Read available and locked amounts; staked and lent ones cannot be traded."""
    told = read(_read_balances, body, "capital")
    return {
        asset: (amount(row.available, f"{asset} available"), amount(row.locked, f"{asset} locked"))
        for asset, row in told.items()
    }


def collateral(body: bytes) -> Margin:
    """Read the margin of the account."""
    told = read(_read_collateral, body, "collateral")
    lent = {row.symbol: _number(row.lend_quantity, "lendQuantity") for row in told.collateral}
    fraction = told.margin_fraction
    return Margin(
        equity=decimal(told.net_equity, "netEquity"),
        available=decimal(told.net_equity_available, "netEquityAvailable"),
        locked=_number(told.net_equity_locked, "netEquityLocked"),
        fraction=decimal(fraction, "marginFraction") if fraction else None,
        maintenance=_number(told.mmf, "mmf"),
        unrealised=_number(told.pnl_unrealized, "pnlUnrealized"),
        lent={asset: quantity for asset, quantity in lent.items() if quantity > 0},
    )


def spendable(
    balances: Balances, margin: Margin, kinds: Iterable[MarketKind], *, redeem: bool = False
) -> Balances:
    """Return what orders may use, by asset: the one figure that the risk gate knows.

    Lent amounts count as free when orders ask to ``redeem`` them. The free USDC of an account
    that trades perpetuals only is the venue's ``netEquityAvailable``, never reduced again by
    open orders (T18); with spot beside them it is the lesser of the two.
    """
    free = dict(balances)
    if redeem:
        for asset, lent in margin.lent.items():
            available, locked = free.get(asset, (_NONE, _NONE))
            free[asset] = (available + lent, locked)
    traded = set(kinds)
    if MarketKind.PERP not in traded:
        return free
    available, _ = free.get(SETTLE, (_NONE, _NONE))
    usable = max(_NONE, margin.available)
    if MarketKind.SPOT in traded:
        usable = min(usable, available)
    free[SETTLE] = (usable, max(_NONE, margin.locked))
    return free


def order_limit(body: bytes) -> Decimal:
    """Read how much of the base the venue would take."""
    return amount(read(_read_limit, body, "order limit").max_order_quantity, "maxOrderQuantity")


def positions(
    rows: Iterable[PositionRow], instruments: Mapping[Symbol, Instrument], received_ns: int
) -> list[PositionReported]:
    """Return the positions on the markets we trade; the venue tells no time of them."""
    known = ((instruments.get(Symbol(row.symbol)), row) for row in rows)
    return [
        PositionReported(
            symbol=instrument.symbol,
            lots=_signed(instrument, row.net_quantity, "netQuantity"),
            entry_price=_number(row.entry_price, "entryPrice"),
            mark_price=_number(row.mark_price, "markPrice"),
            liquidation_price=_number(row.est_liquidation_price, "estLiquidationPrice"),
            unrealised_quote=_number(row.pnl_unrealized, "pnlUnrealized"),
            event_ns=received_ns,
            received_ns=received_ns,
        )
        for instrument, row in known
        if instrument is not None
    ]


def position_update(
    told: PositionUpdate, instruments: Mapping[Symbol, Instrument], received_ns: int
) -> PositionReported | None:
    """Return one position of the stream; a closed one is 0 whatever size it still names.

    The stream's liquidation price is a placeholder since 2025-09-01 and is left out.
    """
    instrument = instruments.get(Symbol(told.symbol))
    if instrument is None:
        return None
    closed = told.event == _CLOSED
    return PositionReported(
        symbol=instrument.symbol,
        lots=0 if closed else _signed(instrument, told.quantity, "q"),
        entry_price=_number(told.entry_price, "B"),
        mark_price=_number(told.mark_price, "M"),
        liquidation_price=_NONE,
        unrealised_quote=_NONE if closed else _number(told.unrealised, "P"),
        event_ns=(told.engine_us or told.event_us) * NS_PER_US,
        received_ns=received_ns,
    )


def funding(row: FundingRow, received_ns: int) -> FundingPaid:
    """Return one funding payment; the venue has no id for it, symbol and time are one (T35)."""
    event_ns = moment_ns(row.interval_end_timestamp, "intervalEndTimestamp")
    return FundingPaid(
        symbol=Symbol(row.symbol),
        payment_id=f"{row.symbol}@{event_ns}",
        amount=decimal(row.quantity, "quantity"),
        asset=SETTLE,
        event_ns=event_ns,
        received_ns=received_ns,
    )


def _rate(text: Text, field: str, base_tier: str) -> Decimal:
    """Return basis points as a fraction; the base tier of §11 where the venue tells nothing."""
    return decimal(text or base_tier, field) / _BPS


def _number(text: Text, field: str) -> Decimal:
    return decimal(text, field) if text else _NONE


def _signed(instrument: Instrument, text: str, field: str) -> int:
    lots = lots_down(instrument, text.removeprefix("-"), field)
    return -lots if text.startswith("-") else lots
