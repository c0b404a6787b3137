"""Account payloads of REST and the WebSocket API of futures (binance.md §9, §10).

Decimals stay text here and become exact in ``translate``; enumerations stay text because
the venue adds values (§1.10). Unknown fields are ignored; what one version of the venue
leaves out has a default.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.venues.binance.messages import RateLimit


class OrderReply(msgspec.Struct, frozen=True, rename="camel"):
    """A normal order: reply to new, modify, cancel, query and open orders.

    ``avgPrice`` and ``cumQuote`` are gone from acknowledgements since 2026-06-30 and not
    read: fills come from the stream.
    """

    symbol: str
    order_id: int
    client_order_id: str = ""
    status: str = ""
    side: str = ""
    type: str = ""
    orig_type: str = ""
    time_in_force: str = ""
    price: str = "0"
    orig_qty: str = "0"
    executed_qty: str = "0"
    stop_price: str = "0"
    reduce_only: bool = False
    close_position: bool = False
    time: int = 0
    update_time: int = 0


class AlgoReply(msgspec.Struct, frozen=True, rename="camel"):
    """A conditional order: reply to new, query and open orders, or to a cancel.

    The reply to a cancel has the ids only. Numbers may be empty text.
    """

    algo_id: int
    client_algo_id: str = ""
    symbol: str = ""
    side: str = ""
    algo_status: str = ""
    order_type: str = ""
    type: str = ""
    """Seen in place of ``orderType``."""
    quantity: str | None = ""
    price: str | None = ""
    trigger_price: str | None = ""
    close_position: bool = False
    reduce_only: bool = False
    actual_order_id: str | int | None = ""
    """The normal order, once it fired."""
    create_time: int = 0
    update_time: int = 0

    @property
    def kind(self) -> str:
        """The venue's order type under either name."""
        return self.order_type or self.type


class TradeRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of userTrades; it does not tell the client id."""

    symbol: str
    id: int
    order_id: int
    side: str
    price: str
    qty: str
    time: int
    commission: str = "0"
    commission_asset: str = ""
    maker: bool = False


class BalanceRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``v3/balance``."""

    asset: str
    balance: str
    available_balance: str
    update_time: int = 0


class AssetRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``assets`` in ``v3/account``: the same under other names."""

    asset: str
    wallet_balance: str
    available_balance: str
    update_time: int = 0


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """``v3/account``: balances; ``v3/positionRisk`` tells more of positions."""

    assets: list[AssetRow]


class PositionRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``v3/positionRisk``: only markets with a position or an open order."""

    symbol: str
    position_amt: str
    position_side: str = "BOTH"
    entry_price: str = "0"
    mark_price: str = "0"
    liquidation_price: str = "0"
    unrealized: str = msgspec.field(default="0", name="unRealizedProfit")
    update_time: int = 0


class AccountConfig(msgspec.Struct, frozen=True, rename="camel"):
    """``accountConfig``."""

    can_trade: bool = False
    can_withdraw: bool = False
    dual_side_position: bool = False
    """True: hedge mode, for COIN-M too since 2026-06-30."""
    multi_assets_margin: bool = False
    fee_tier: int = 0
    trade_group_id: int = -1


class PositionMode(msgspec.Struct, frozen=True, rename="camel"):
    """``positionSide/dual``."""

    dual_side_position: bool


class SymbolConfig(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``symbolConfig``."""

    symbol: str
    margin_type: str = ""
    """``CROSSED`` or ``ISOLATED``."""
    leverage: int = 0
    max_notional_value: str = "0"


class CommissionRate(msgspec.Struct, frozen=True, rename="camel"):
    """``commissionRate`` of one market, as fractions."""

    symbol: str
    maker_commission_rate: str
    taker_commission_rate: str


class IncomeRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``income``."""

    income_type: str
    income: str
    asset: str
    time: int
    symbol: str = ""


class ListenKeyReply(msgspec.Struct, frozen=True, rename="camel"):
    """``listenKey``; the reply to an extension may be empty."""

    listen_key: str = ""


class Premium(msgspec.Struct, frozen=True, rename="camel"):
    """``premiumIndex`` of one market."""

    symbol: str
    mark_price: str
    time: int
    last_funding_rate: str = ""
    next_funding_time: int = 0


class FundingRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``fundingRate``."""

    symbol: str
    funding_time: int
    funding_rate: str


class FundingTermsRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of ``fundingInfo``: markets whose terms were adjusted."""

    symbol: str
    funding_interval_hours: int = 8
    adjusted_funding_rate_cap: str = "0"
    adjusted_funding_rate_floor: str = "0"


class Bracket(msgspec.Struct, frozen=True, rename="camel"):
    """One step of ``leverageBracket``. Numbers are JSON numbers here."""

    bracket: int
    initial_leverage: int
    maint_margin_ratio: Decimal


class BracketRow(msgspec.Struct, frozen=True, rename="camel"):
    """``leverageBracket`` of one market."""

    symbol: str
    brackets: list[Bracket]


class SymbolFilter(msgspec.Struct, frozen=True, rename="camel"):
    """Any filter of a market; the names differ from Spot's (§9.1)."""

    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    notional: str = "0"
    limit: int = 0
    multiplier_up: str = "0"
    multiplier_down: str = "0"


class SymbolInfo(msgspec.Struct, frozen=True, rename="camel"):
    """One market of exchangeInfo."""

    symbol: str
    status: str
    contract_type: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    order_types: list[str] = []
    time_in_force: list[str] = []
    trigger_protect: str = "0"
    liquidation_fee: str = "0"
    filters: list[SymbolFilter] = []


class ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``exchangeInfo``. Its ``serverTime`` is not the clock (§9.1)."""

    symbols: list[SymbolInfo]
    rate_limits: list[RateLimit] = []
