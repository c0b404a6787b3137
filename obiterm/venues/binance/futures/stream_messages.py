"""User data events of futures (binance.md §11.3). Decimals and enumerations stay text."""

from __future__ import annotations

import msgspec


class EventHead(msgspec.Struct, frozen=True):
    """Name of a user event, bare or in a combined-stream frame."""

    event: str = msgspec.field(default="", name="e")
    data: msgspec.Raw = msgspec.Raw()
    code: int = 0
    msg: str = ""


class OrderUpdate(msgspec.Struct, frozen=True):
    """``o`` of ``ORDER_TRADE_UPDATE``: one change of one normal order."""

    symbol: str = msgspec.field(name="s")
    client_id: str = msgspec.field(name="c")
    side: str = msgspec.field(name="S")
    type: str = msgspec.field(name="o")
    quantity: str = msgspec.field(name="q")
    execution: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    price: str = msgspec.field(default="0", name="p")
    stop_price: str = msgspec.field(default="0", name="sp")
    original_type: str = msgspec.field(default="", name="ot")
    time_in_force: str = msgspec.field(default="", name="f")
    last_quantity: str = msgspec.field(default="0", name="l")
    last_price: str = msgspec.field(default="0", name="L")
    filled_quantity: str = msgspec.field(default="0", name="z")
    commission: str | None = msgspec.field(default="0", name="n")
    commission_asset: str | None = msgspec.field(default="", name="N")
    trade_id: int = msgspec.field(default=0, name="t")
    is_maker: bool = msgspec.field(default=False, name="m")
    expiry_reason: str | int = msgspec.field(default="0", name="er")


class OrderTradeUpdate(msgspec.Struct, frozen=True):
    """``ORDER_TRADE_UPDATE``."""

    transaction_ms: int = msgspec.field(name="T")
    order: OrderUpdate = msgspec.field(name="o")


class AlgoOrderUpdate(msgspec.Struct, frozen=True):
    """``o`` of ``ALGO_UPDATE``: one change of one conditional order."""

    client_id: str = msgspec.field(name="caid")
    algo_id: int = msgspec.field(name="aid")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    type: str = msgspec.field(name="o")
    status: str = msgspec.field(name="X")
    quantity: str | None = msgspec.field(default="", name="q")
    trigger_price: str | None = msgspec.field(default="", name="tp")
    price: str | None = msgspec.field(default="", name="p")
    order_id: str | int | None = msgspec.field(default="", name="ai")
    """The normal order, once it fired."""
    executed: str | None = msgspec.field(default="", name="aq")
    """What that order filled."""
    close_position: bool = msgspec.field(default=False, name="cp")
    reduce_only: bool = msgspec.field(default=False, name="R")
    reason: str = msgspec.field(default="", name="rm")
    """Filled with sample text in the venue's own examples: means something only with an end."""


class AlgoUpdate(msgspec.Struct, frozen=True):
    """``ALGO_UPDATE``. The venue's page names ``T`` and ``E`` the other way round than usual."""

    transaction_ms: int = msgspec.field(name="T")
    order: AlgoOrderUpdate = msgspec.field(name="o")


class WalletChange(msgspec.Struct, frozen=True):
    """A balance of ``ACCOUNT_UPDATE``. ``cw`` is no free margin and is not read (§11.3)."""

    asset: str = msgspec.field(name="a")
    wallet: str = msgspec.field(name="wb")
    change: str = msgspec.field(default="0", name="bc")
    """What was booked beside P&L and commission: transfers and funding."""


class PositionChange(msgspec.Struct, frozen=True):
    """A position of ``ACCOUNT_UPDATE``."""

    symbol: str = msgspec.field(name="s")
    amount: str = msgspec.field(name="pa")
    entry_price: str = msgspec.field(default="0", name="ep")
    unrealized: str = msgspec.field(default="0", name="up")
    position_side: str = msgspec.field(default="BOTH", name="ps")


class AccountChange(msgspec.Struct, frozen=True):
    """``a`` of ``ACCOUNT_UPDATE``: what changed, and why."""

    reason: str = msgspec.field(default="", name="m")
    balances: list[WalletChange] = msgspec.field(default=[], name="B")
    positions: list[PositionChange] = msgspec.field(default=[], name="P")
    symbol: str = msgspec.field(default="", name="S")
    """Market of a funding payment, since 2026-08."""


class AccountUpdate(msgspec.Struct, frozen=True):
    """``ACCOUNT_UPDATE``."""

    transaction_ms: int = msgspec.field(name="T")
    change: AccountChange = msgspec.field(name="a")
    symbol: str = msgspec.field(default="", name="S")
    """Where the market of a funding payment stands is not documented: here or inside."""


class LeverageChange(msgspec.Struct, frozen=True):
    """``ac`` of ``ACCOUNT_CONFIG_UPDATE``."""

    symbol: str = msgspec.field(name="s")
    leverage: int = msgspec.field(name="l")


class ConfigUpdate(msgspec.Struct, frozen=True):
    """``ACCOUNT_CONFIG_UPDATE``; it can hold other settings than leverage."""

    leverage: LeverageChange | None = msgspec.field(default=None, name="ac")


class CalledPosition(msgspec.Struct, frozen=True):
    """A position in ``MARGIN_CALL``."""

    symbol: str = msgspec.field(name="s")
    amount: str = msgspec.field(default="0", name="pa")
    unrealized: str = msgspec.field(default="0", name="up")
    maintenance: str = msgspec.field(default="0", name="mm")


class MarginCall(msgspec.Struct, frozen=True):
    """``MARGIN_CALL``."""

    positions: list[CalledPosition] = msgspec.field(default=[], name="p")
