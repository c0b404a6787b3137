"""Account payloads of REST, WebSocket API and user stream (binance.md §6, §7).

Decimals stay text here and become exact in ``translate``; enumerations stay text
because the venue adds values (§1.10). Unknown fields are ignored.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from obiterm.core.errors import DataError


class RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    """One counter, from ``rateLimits`` of a reply or of exchangeInfo."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int = -1
    """-1 in exchangeInfo, which tells limits only."""


class ErrorBody(msgspec.Struct, frozen=True):
    """``{"code":…,"msg":…,"data":…}`` of REST and of ``error`` in WebSocket API replies."""

    code: int = 0
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class ErrorData(msgspec.Struct, frozen=True, rename="camel"):
    """Extras of 418/429: when to come back, Unix ms."""

    retry_after: int = 0
    server_time: int = 0


class ApiFrame(msgspec.Struct, frozen=True, rename="camel"):
    """Any frame of the WebSocket API: a reply (``id``, ``status``) or an event."""

    id: int | str | None = None
    status: int = 0
    result: msgspec.Raw = msgspec.Raw()
    error: ErrorBody | None = None
    rate_limits: list[RateLimit] = []
    subscription_id: int | None = None
    event: msgspec.Raw = msgspec.Raw()


class TradeInReply(msgspec.Struct, frozen=True, rename="camel"):
    """One element of ``fills`` in a FULL order reply."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class OrderReply(msgspec.Struct, frozen=True, rename="camel"):
    """Reply to new, cancel, query and open orders. In a cancel, ``client_order_id`` is the
    cancel's own id and ``orig_client_order_id`` the order's."""

    symbol: str
    order_id: int
    client_order_id: str = ""
    orig_client_order_id: str = ""
    transact_time: int = 0
    time: int = 0
    update_time: int = 0
    price: str = "0"
    orig_qty: str = "0"
    executed_qty: str = "0"
    status: str = ""
    type: str = ""
    side: str = ""
    stop_price: str = "0"
    expiry_reason: str = ""
    fills: list[TradeInReply] = []


class ListReply(msgspec.Struct, frozen=True, rename="camel"):
    """An order list among the replies of cancel-all: its legs are ``order_reports``."""

    order_reports: list[OrderReply]


class CancelReplaceReply(msgspec.Struct, frozen=True, rename="camel"):
    """Result, or ``error.data``, of cancel-replace: each half is an order or an error."""

    cancel_result: str = ""
    new_order_result: str = ""
    cancel_response: msgspec.Raw = msgspec.Raw()
    new_order_response: msgspec.Raw = msgspec.Raw()


class TradeRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of myTrades; it does not tell the client id."""

    symbol: str
    id: int
    order_id: int
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool


class Balance(msgspec.Struct, frozen=True):
    """One asset of the account."""

    asset: str
    free: str
    locked: str


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """``account`` / ``account.status``. ``uid`` tells two keys of one account."""

    balances: list[Balance]
    can_trade: bool = False
    can_withdraw: bool = False
    uid: int = 0
    account_type: str = ""
    permissions: list[str] = []


class Rates(msgspec.Struct, frozen=True):
    """Commission rates as fractions."""

    maker: str = "0"
    taker: str = "0"
    buyer: str = "0"
    seller: str = "0"


class Discount(msgspec.Struct, frozen=True, rename="camel"):
    """What paying fees in ``discount_asset`` does: ``discount`` is the factor that stays."""

    enabled_for_account: bool = False
    enabled_for_symbol: bool = False
    discount_asset: str | None = None
    discount: str = "1"


class Commission(msgspec.Struct, frozen=True, rename="camel"):
    """``account/commission`` of one symbol."""

    symbol: str
    standard_commission: Rates = Rates()
    special_commission: Rates = Rates()
    tax_commission: Rates = Rates()
    discount: Discount = Discount()


class KeyPermissions(msgspec.Struct, frozen=True, rename="camel"):
    """``apiRestrictions``: what the key may do (mainnet only, binance.md §4.4)."""

    ip_restrict: bool = False
    enable_reading: bool = False
    enable_withdrawals: bool = False
    enable_internal_transfer: bool = False
    permits_universal_transfer: bool = False
    enable_spot_and_margin_trading: bool = False
    enable_futures: bool = False
    create_time: int = 0
    trading_authority_expiration_time: int = 0


class ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    """``time``."""

    server_time: int


class SymbolFilter(msgspec.Struct, frozen=True, rename="camel"):
    """Any filter of a symbol; only the fields that we use."""

    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_notional: str = "0"
    max_num_orders: int = 0


class SymbolInfo(msgspec.Struct, frozen=True, rename="camel"):
    """One market of exchangeInfo."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    base_asset_precision: int = 8
    quote_asset_precision: int = 8
    order_types: list[str] = []
    is_spot_trading_allowed: bool = False
    cancel_replace_allowed: bool = False
    allowed_self_trade_prevention_modes: list[str] = []
    filters: list[SymbolFilter] = []


class ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``exchangeInfo``."""

    symbols: list[SymbolInfo]
    rate_limits: list[RateLimit] = []
    server_time: int = 0


class EventHead(msgspec.Struct, frozen=True):
    """Name and time of a user event."""

    event: str = msgspec.field(default="", name="e")
    event_ms: int = msgspec.field(default=0, name="E")


class ExecutionReport(msgspec.Struct, frozen=True):
    """``executionReport``: one change of one order (binance.md §7, field table)."""

    symbol: str = msgspec.field(name="s")
    client_id: str = msgspec.field(name="c")
    side: str = msgspec.field(name="S")
    type: str = msgspec.field(name="o")
    quantity: str = msgspec.field(name="q")
    price: str = msgspec.field(name="p")
    execution: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    transaction_ms: int = msgspec.field(name="T")
    stop_price: str = msgspec.field(default="0", name="P")
    original_client_id: str = msgspec.field(default="", name="C")
    reject_reason: str = msgspec.field(default="NONE", name="r")
    expiry_reason: str = msgspec.field(default="", name="eR")
    last_quantity: str = msgspec.field(default="0", name="l")
    last_price: str = msgspec.field(default="0", name="L")
    filled_quantity: str = msgspec.field(default="0", name="z")
    commission: str = msgspec.field(default="0", name="n")
    commission_asset: str | None = msgspec.field(default=None, name="N")
    trade_id: int = msgspec.field(default=-1, name="t")
    execution_id: int = msgspec.field(default=-1, name="I")
    is_maker: bool = msgspec.field(default=False, name="m")


class PositionBalance(msgspec.Struct, frozen=True):
    """One asset of ``outboundAccountPosition``."""

    asset: str = msgspec.field(name="a")
    free: str = msgspec.field(name="f")
    locked: str = msgspec.field(name="l")


class AccountPosition(msgspec.Struct, frozen=True):
    """``outboundAccountPosition``: the balances that may have changed."""

    event_ms: int = msgspec.field(name="E")
    update_ms: int = msgspec.field(name="u")
    balances: list[PositionBalance] = msgspec.field(name="B")


Message = TypeVar("Message")


def read(decoder: msgspec.json.Decoder[Message], data: bytes | msgspec.Raw, what: str) -> Message:
    """Decode one payload; raise ``DataError`` that names ``what`` and the damaged field."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{what}: {error}") from error
