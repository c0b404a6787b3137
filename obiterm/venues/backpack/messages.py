"""Payloads of Backpack's REST and account streams (backpack.md §4–§8).

Decimals stay text here and become exact in ``translate``; enumerations stay text because
the venue adds values. Unknown fields are ignored. Fields that do not apply may be absent or
null, ids come as numbers and as text (§8.1): decoders are lax and absence has defaults.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from obiterm.core.errors import DataError

Id = str | int | None
"""An id of the venue: text or number, by its mood."""
Text = str | None


class ErrorBody(msgspec.Struct, frozen=True):
    """``{"code":"…","message":"…"}`` of a refused REST call."""

    code: Text = ""
    message: Text = ""


class OrderRow(msgspec.Struct, frozen=True, rename="camel"):
    """An order: answers, open orders, history, and elements of a batch answer.

    ``created_at`` is Unix ms in ``/api/v1`` and UTC text in ``/wapi/v1``. A trigger order has
    its size in ``trigger_quantity``, which may be a percentage of the position.
    """

    symbol: str = ""
    id: Id = None
    client_id: Id = None
    side: str = ""
    order_type: str = ""
    status: str = ""
    price: Text = None
    quantity: Text = None
    quote_quantity: Text = None
    executed_quantity: Text = None
    executed_quote_quantity: Text = None
    trigger_price: Text = None
    trigger_quantity: Text = None
    trigger_by: Text = None
    triggered_at: int | str | None = None
    created_at: int | str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    self_trade_prevention: Text = None
    time_in_force: Text = None
    related_order_id: Id = None
    strategy_id: Id = None
    expiry_reason: Text = None
    system_order_type: Text = None
    stop_loss_trigger_price: Text = None
    take_profit_trigger_price: Text = None
    operation: Text = None
    """``Ok`` or ``Err``, in batch answers only."""
    code: Text = None
    message: Text = None


class FillRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of the fill history. ``trade_id`` may be null or 0 on system fills of before
    November 2025."""

    symbol: str
    order_id: Id
    side: str
    price: str
    quantity: str
    fee: str
    fee_symbol: str
    is_maker: bool
    timestamp: int | str
    trade_id: int | None = None
    client_id: Id = None
    system_order_type: Text = None


class FundingRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of the funding history: ``quantity`` below zero was paid."""

    symbol: str
    quantity: str
    interval_end_timestamp: int | str
    funding_rate: Text = None


class BalanceRow(msgspec.Struct, frozen=True):
    """One asset of ``/capital``; what is lent is not in it."""

    available: str
    locked: str
    staked: Text = None


class CollateralRow(msgspec.Struct, frozen=True, rename="camel"):
    """One asset of ``/capital/collateral``."""

    symbol: str
    total_quantity: Text = None
    available_quantity: Text = None
    lend_quantity: Text = None
    open_order_quantity: Text = None


class CollateralBody(msgspec.Struct, frozen=True, rename="camel"):
    """``/capital/collateral``: the margin of the whole (sub)account."""

    net_equity: str
    net_equity_available: str
    net_equity_locked: Text = None
    margin_fraction: Text = None
    imf: Text = None
    mmf: Text = None
    pnl_unrealized: Text = None
    net_exposure_futures: Text = None
    collateral: list[CollateralRow] = []


class PositionRow(msgspec.Struct, frozen=True, rename="camel"):
    """A position; ``net_exposure_quantity`` counts open orders and is never its size."""

    symbol: str
    net_quantity: str
    entry_price: Text = None
    mark_price: Text = None
    pnl_unrealized: Text = None
    est_liquidation_price: Text = None
    net_exposure_quantity: Text = None


class AccountBody(msgspec.Struct, frozen=True, rename="camel"):
    """``/account``: fees in basis points, limits and settings."""

    spot_maker_fee: Text = None
    spot_taker_fee: Text = None
    futures_maker_fee: Text = None
    futures_taker_fee: Text = None
    leverage_limit: Text = None
    position_limit: Text = None
    borrow_limit: Text = None
    limit_orders: int = 0
    trigger_orders: int = 0
    liquidating: bool = False
    auto_lend: bool = False
    auto_borrow_settlements: bool = False
    auto_repay_borrows: bool = False
    auto_realize_pnl: bool = False


class OrderLimitBody(msgspec.Struct, frozen=True, rename="camel"):
    """``/account/limits/order``: how much the venue would take."""

    max_order_quantity: str


class PriceRules(msgspec.Struct, frozen=True, rename="camel"):
    """``filters.price``; null bounds are none."""

    tick_size: str
    min_price: Text = None
    max_price: Text = None
    max_multiplier: Text = None
    min_multiplier: Text = None
    max_impact_multiplier: Text = None
    min_impact_multiplier: Text = None


class QuantityRules(msgspec.Struct, frozen=True, rename="camel"):
    """``filters.quantity``."""

    step_size: str
    min_quantity: Text = None
    max_quantity: Text = None


class MarketRules(msgspec.Struct, frozen=True):
    """``filters``."""

    price: PriceRules
    quantity: QuantityRules


class MarginFunction(msgspec.Struct, frozen=True):
    """``imfFunction`` / ``mmfFunction``: grows with the root of the notional from ``base``."""

    base: Text = None
    factor: Text = None
    type: str = ""


class MarketRow(msgspec.Struct, frozen=True, rename="camel"):
    """One market."""

    symbol: str
    base_symbol: str
    quote_symbol: str
    market_type: str
    filters: MarketRules
    order_book_state: str = ""
    visible: bool = True
    funding_interval: int | None = None
    """Milliseconds."""
    imf_function: MarginFunction | None = None
    mmf_function: MarginFunction | None = None
    rwa_market_type: Text = None


class StrategyRow(msgspec.Struct, frozen=True):
    """One of ``/strategies``: a scheduled order (§12)."""

    symbol: str


class StatusBody(msgspec.Struct, frozen=True):
    """``/status``."""

    status: str = ""
    message: Text = None


class MarkRow(msgspec.Struct, frozen=True, rename="camel"):
    """One element of ``/markPrices``; prediction markets tell the price only."""

    symbol: str
    mark_price: str
    index_price: Text = None
    funding_rate: Text = None
    next_funding_timestamp: int | None = None
    """Unix ms."""


class TradeRow(msgspec.Struct, frozen=True, rename="camel"):
    """One element of ``/trades``."""

    price: str
    quantity: str
    timestamp: int
    """Unix ms."""
    is_buyer_maker: bool
    id: int | None = None


class CandleRow(msgspec.Struct, frozen=True):
    """One element of ``/klines``; without a trade the prices are null."""

    start: int | str
    end: int | str
    volume: Text = None
    open: Text = None
    high: Text = None
    low: Text = None
    close: Text = None


class FundingRateRow(msgspec.Struct, frozen=True, rename="camel"):
    """One element of ``/fundingRates``."""

    symbol: str
    funding_rate: str
    interval_end_timestamp: int | str


class OrderUpdate(msgspec.Struct, frozen=True):
    """``account.orderUpdate``: one change of one order (field table: §8.4)."""

    event: str = msgspec.field(name="e")
    symbol: str = msgspec.field(name="s")
    order_id: Id = msgspec.field(name="i")
    side: str = msgspec.field(name="S")
    status: str = msgspec.field(default="", name="X")
    order_type: str = msgspec.field(default="", name="o")
    event_us: int = msgspec.field(default=0, name="E")
    engine_us: int = msgspec.field(default=0, name="T")
    client_id: Id = msgspec.field(default=None, name="c")
    quantity: Text = msgspec.field(default=None, name="q")
    price: Text = msgspec.field(default=None, name="p")
    trigger_price: Text = msgspec.field(default=None, name="P")
    trigger_quantity: Text = msgspec.field(default=None, name="Y")
    trigger_by: Text = msgspec.field(default=None, name="B")
    filled_quantity: Text = msgspec.field(default=None, name="z")
    trade_id: int | None = msgspec.field(default=None, name="t")
    last_quantity: Text = msgspec.field(default=None, name="l")
    last_price: Text = msgspec.field(default=None, name="L")
    is_maker: bool | None = msgspec.field(default=None, name="m")
    fee: Text = msgspec.field(default=None, name="n")
    fee_asset: Text = msgspec.field(default=None, name="N")
    expiry_reason: Text = msgspec.field(default=None, name="R")
    origin: Text = msgspec.field(default=None, name="O")
    post_only: bool | None = msgspec.field(default=None, name="y")
    reduce_only: bool | None = msgspec.field(default=None, name="r")
    related_order_id: Id = msgspec.field(default=None, name="I")


class PositionUpdate(msgspec.Struct, frozen=True):
    """``account.positionUpdate``; without ``event`` it is part of the first snapshot."""

    symbol: str = msgspec.field(name="s")
    quantity: str = msgspec.field(name="q")
    event: Text = msgspec.field(default=None, name="e")
    event_us: int = msgspec.field(default=0, name="E")
    engine_us: int = msgspec.field(default=0, name="T")
    entry_price: Text = msgspec.field(default=None, name="B")
    mark_price: Text = msgspec.field(default=None, name="M")
    unrealised: Text = msgspec.field(default=None, name="P")


class StreamError(msgspec.Struct, frozen=True):
    """``error`` of a frame: it does not name the stream that failed."""

    code: Id = None
    message: Text = None


class StreamFrame(msgspec.Struct, frozen=True):
    """Any frame of the socket."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    error: StreamError | None = None


Message = TypeVar("Message")


def decoder(kind: type[Message]) -> msgspec.json.Decoder[Message]:
    """Build a decoder that reads numbers out of text, as this venue needs."""
    return msgspec.json.Decoder(kind, strict=False)


def read(source: msgspec.json.Decoder[Message], data: bytes | msgspec.Raw, what: str) -> Message:
    """Decode one payload; raise ``DataError`` that names ``what`` and the damaged field."""
    try:
        return source.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{what}: {error}") from error
