"""Reference payloads of Bybit V5: markets, fees, rights, prices of the past (bybit.md §4, §6.5).

The same habits as in ``messages``: numbers stay text, enumerations stay text, empty fields
come in four ways, unknown fields are ignored.
"""

from __future__ import annotations

import msgspec

from obiterm.venues.bybit.messages import Text


class LotRules(msgspec.Struct, frozen=True, rename="camel"):
    """``lotSizeFilter``; linear and spot use different fields of it (§4.2)."""

    qty_step: Text = ""
    base_precision: Text = ""
    quote_precision: Text = ""
    min_order_qty: Text = ""
    max_order_qty: Text = ""
    max_mkt_order_qty: Text = ""
    max_limit_order_qty: Text = ""
    max_market_order_qty: Text = ""
    post_only_max_order_qty: Text = ""
    post_only_max_limit_order_size: Text = ""
    min_notional_value: Text = ""
    min_order_amt: Text = ""


class PriceRules(msgspec.Struct, frozen=True, rename="camel"):
    """``priceFilter``."""

    tick_size: Text = ""
    min_price: Text = ""
    max_price: Text = ""


class LeverageRules(msgspec.Struct, frozen=True, rename="camel"):
    """``leverageFilter``."""

    min_leverage: Text = ""
    max_leverage: Text = ""
    leverage_step: Text = ""


class RiskRules(msgspec.Struct, frozen=True, rename="camel"):
    """``riskParameters``: how far from the market a limit may lie (§11)."""

    price_limit_ratio_x: Text = ""
    price_limit_ratio_y: Text = ""


class MarketRow(msgspec.Struct, frozen=True, rename="camel"):
    """One market of ``instruments-info``."""

    symbol: str
    status: str
    base_coin: str
    quote_coin: str
    settle_coin: Text = ""
    contract_type: Text = ""
    symbol_type: Text = ""
    launch_time: Text = ""
    delivery_time: Text = ""
    is_pre_listing: bool | None = False
    funding_interval: int | None = 0
    upper_funding_rate: Text = ""
    lower_funding_rate: Text = ""
    lot_size_filter: LotRules = LotRules()
    price_filter: PriceRules = PriceRules()
    leverage_filter: LeverageRules = LeverageRules()
    risk_parameters: RiskRules = RiskRules()


class MarketPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of ``instruments-info``."""

    rows: list[MarketRow] | None = msgspec.field(default=None, name="list")
    next_page_cursor: Text = ""
    category: Text = ""


class TickerRow(msgspec.Struct, frozen=True, rename="camel"):
    """One market of ``tickers``; spot has no mark and no funding (§4.5)."""

    symbol: str
    last_price: Text = ""
    bid1_price: Text = ""
    bid1_size: Text = ""
    ask1_price: Text = ""
    ask1_size: Text = ""
    price24h_pcnt: Text = msgspec.field(default="", name="price24hPcnt")
    volume24h: Text = ""
    turnover24h: Text = ""
    mark_price: Text = ""
    index_price: Text = ""
    open_interest: Text = ""
    funding_rate: Text = ""
    next_funding_time: Text = ""


class TickerPage(msgspec.Struct, frozen=True):
    """``tickers``."""

    rows: list[TickerRow] | None = msgspec.field(default=None, name="list")


class FeeRow(msgspec.Struct, frozen=True, rename="camel"):
    """Fee rates of one symbol (§6.5); spot may leave the symbol out."""

    taker_fee_rate: Text = ""
    maker_fee_rate: Text = ""
    symbol: Text = ""
    base_coin: Text = ""


class FeePage(msgspec.Struct, frozen=True):
    """``fee-rate``."""

    rows: list[FeeRow] | None = msgspec.field(default=None, name="list")


class AccountInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``account/info`` (§6.5)."""

    margin_mode: Text = ""
    """``REGULAR_MARGIN`` (cross), ``ISOLATED_MARGIN`` or ``PORTFOLIO_MARGIN``."""
    unified_margin_status: int = 0
    updated_time: Text = ""

    @property
    def is_unified(self) -> bool:
        """True for a unified trading account of any generation; this room needs one."""
        return self.unified_margin_status >= _FIRST_UNIFIED


_FIRST_UNIFIED = 3


class KeyPermissions(msgspec.Struct, frozen=True):
    """Groups of rights; a group that is missing has none."""

    contract_trade: list[str] | None = msgspec.field(default=None, name="ContractTrade")
    spot: list[str] | None = msgspec.field(default=None, name="Spot")
    wallet: list[str] | None = msgspec.field(default=None, name="Wallet")
    derivatives: list[str] | None = msgspec.field(default=None, name="Derivatives")


class KeyInfo(msgspec.Struct, frozen=True, rename="camel"):
    """``query-api``: the key that asked (§6.5)."""

    permissions: KeyPermissions = KeyPermissions()
    read_only: int = 0
    ips: list[str] | None = None
    deadline_day: int | None = None
    """Days until the key expires; below 0: it does not."""
    expired_at: Text = ""
    user_id: int = msgspec.field(default=0, name="userID")
    uta: int = 0
    is_master: bool = False
    vip_level: Text = ""
    note: Text = ""


class ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    """``market/time``."""

    time_nano: str


class RiskRow(msgspec.Struct, frozen=True, rename="camel"):
    """One bracket of ``risk-limit`` (§4.6)."""

    symbol: str
    maintenance_margin: Text = ""
    initial_margin: Text = ""
    max_leverage: Text = ""
    is_lowest_risk: int = 0


class RiskPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of ``risk-limit``."""

    rows: list[RiskRow] | None = msgspec.field(default=None, name="list")
    next_page_cursor: Text = ""


class FundingRow(msgspec.Struct, frozen=True, rename="camel"):
    """One past funding rate."""

    symbol: str
    funding_rate: str
    funding_rate_timestamp: str


class FundingPage(msgspec.Struct, frozen=True):
    """``funding/history``, newest first."""

    rows: list[FundingRow] | None = msgspec.field(default=None, name="list")


class CandlePage(msgspec.Struct, frozen=True):
    """``kline``, newest first: start, open, high, low, close, volume, turnover."""

    rows: list[list[str]] | None = msgspec.field(default=None, name="list")
    symbol: str = ""
