"""Account and reference payloads of Bybit V5 (bybit.md §4–§6, §9, §10).

Decimals stay text here and become exact in ``translate``; a number that the venue does not
have is ``""``, ``"0"``, ``null`` or missing, and all four mean the same. Enumerations stay
text because the venue adds values (§13). Unknown fields are ignored.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from obiterm.core.errors import DataError

Text = str | None
"""A text field that the venue may leave empty in any of its ways."""


class Envelope(msgspec.Struct, frozen=True):
    """What every REST answer stands in. Old gateways write the code another way (§16.24)."""

    ret_code: int | None = msgspec.field(default=None, name="retCode")
    ret_msg: Text = msgspec.field(default="", name="retMsg")
    result: msgspec.Raw = msgspec.Raw()
    extra: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="retExtInfo")
    time_ms: int | None = msgspec.field(default=0, name="time")
    old_code: int | None = msgspec.field(default=None, name="ret_code")
    old_msg: Text = msgspec.field(default="", name="ret_msg")

    @property
    def code(self) -> int | None:
        """The venue's code; None when the body carries none."""
        return self.ret_code if self.ret_code is not None else self.old_code

    @property
    def payload(self) -> bytes | msgspec.Raw:
        """The result; empty when the venue gives none or ``null``."""
        return b"" if bytes(self.result) == b"null" else self.result

    @property
    def words(self) -> str:
        """The venue's words."""
        return self.ret_msg or self.old_msg or ""


class OrderIds(msgspec.Struct, frozen=True, rename="camel"):
    """Result of create, amend and cancel: accepted, not done (§3)."""

    order_id: Text = ""
    order_link_id: Text = ""


class BatchItems(msgspec.Struct, frozen=True):
    """Result of a batch: the ids in the order asked."""

    items: list[OrderIds] | None = msgspec.field(default=None, name="list")


class BatchCode(msgspec.Struct, frozen=True):
    """What became of one item of a batch."""

    code: int = 0
    msg: Text = ""


class BatchCodes(msgspec.Struct, frozen=True):
    """``retExtInfo`` of a batch: one code per item, in the order asked."""

    items: list[BatchCode] | None = msgspec.field(default=None, name="list")


class OrderRow(msgspec.Struct, frozen=True, rename="camel"):
    """One order, from REST or the ``order`` topic (§5.6, §9.1)."""

    symbol: str
    order_id: str
    order_status: str
    side: str
    category: Text = ""
    order_link_id: Text = ""
    position_idx: int | None = 0
    cancel_type: Text = ""
    reject_reason: Text = ""
    time_in_force: Text = ""
    order_type: Text = ""
    stop_order_type: Text = ""
    price: Text = ""
    qty: Text = ""
    avg_price: Text = ""
    leaves_qty: Text = ""
    cum_exec_qty: Text = ""
    cum_exec_value: Text = ""
    trigger_price: Text = ""
    trigger_direction: int | None = 0
    trigger_by: Text = ""
    market_unit: Text = ""
    reduce_only: bool | None = False
    close_on_trigger: bool | None = False
    smp_type: Text = ""
    created_time: Text = ""
    updated_time: Text = ""


class ExecutionRow(msgspec.Struct, frozen=True, rename="camel"):
    """One execution, from REST or the ``execution`` topic (§6.1, §9.2)."""

    symbol: str
    exec_id: str
    side: str
    category: Text = ""
    order_id: Text = ""
    order_link_id: Text = ""
    exec_type: Text = "Trade"
    exec_price: Text = ""
    exec_qty: Text = ""
    exec_fee: Text = ""
    exec_time: Text = ""
    fee_rate: Text = ""
    fee_currency: Text = ""
    is_maker: bool | None = False
    stop_order_type: Text = ""
    closed_size: Text = ""
    seq: int | None = 0


class PositionRow(msgspec.Struct, frozen=True, rename="camel"):
    """One position; REST calls the entry ``avgPrice``, the topic ``entryPrice`` (§6.2, §9.4)."""

    symbol: str
    side: Text = ""
    size: Text = ""
    category: Text = ""
    position_idx: int | None = 0
    avg_price: Text = ""
    entry_price: Text = ""
    mark_price: Text = ""
    liq_price: Text = ""
    unrealised_pnl: Text = ""
    leverage: Text = ""
    position_status: Text = ""
    take_profit: Text = ""
    stop_loss: Text = ""
    adl_rank_indicator: int | None = 0
    updated_time: Text = ""
    seq: int | None = 0


class CoinRow(msgspec.Struct, frozen=True, rename="camel"):
    """One coin of the wallet (§6.4)."""

    coin: str
    wallet_balance: Text = ""
    equity: Text = ""
    usd_value: Text = ""
    locked: Text = ""
    bonus: Text = ""
    total_order_im: Text = msgspec.field(default="", name="totalOrderIM")
    total_position_im: Text = msgspec.field(default="", name="totalPositionIM")
    unrealised_pnl: Text = ""
    spot_borrow: Text = ""


class WalletRow(msgspec.Struct, frozen=True, rename="camel"):
    """The wallet of a unified account: totals in USD and coins (§6.4, §9.5)."""

    account_type: Text = ""
    total_equity: Text = ""
    total_wallet_balance: Text = ""
    total_margin_balance: Text = ""
    total_available_balance: Text = ""
    total_initial_margin: Text = ""
    total_maintenance_margin: Text = ""
    coin: list[CoinRow] | None = None


class OrderPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of orders; the category stands outside."""

    rows: list[OrderRow] | None = msgspec.field(default=None, name="list")
    next_page_cursor: Text = ""
    category: Text = ""


class ExecutionPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of executions, newest first."""

    rows: list[ExecutionRow] | None = msgspec.field(default=None, name="list")
    next_page_cursor: Text = ""
    category: Text = ""


class PositionPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of positions."""

    rows: list[PositionRow] | None = msgspec.field(default=None, name="list")
    next_page_cursor: Text = ""
    category: Text = ""


class WalletPage(msgspec.Struct, frozen=True):
    """``wallet-balance``: a list of one."""

    rows: list[WalletRow] | None = msgspec.field(default=None, name="list")


class CancelledAll(msgspec.Struct, frozen=True):
    """Result of cancel-all; the shape of ``success`` differs by category."""

    items: list[OrderIds] | None = msgspec.field(default=None, name="list")
    success: Text = ""


Message = TypeVar("Message")


def read(decoder: msgspec.json.Decoder[Message], data: bytes | msgspec.Raw, what: str) -> Message:
    """Decode one payload; raise ``DataError`` that names ``what`` and the damaged field."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{what}: {error}") from error


def lenient(kind: type[Message]) -> msgspec.json.Decoder[Message]:
    """Build a decoder that takes ``"1"`` for 1: the venue writes both for one field."""
    return msgspec.json.Decoder(kind, strict=False)
