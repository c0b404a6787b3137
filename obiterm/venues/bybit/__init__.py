"""Bybit V5 spot and perpetuals: signing, requests, messages, sessions, limits (venues/bybit.md)."""

from obiterm.venues.bybit.envelope import check
from obiterm.venues.bybit.environments import BybitUrls, urls
from obiterm.venues.bybit.errors import as_error, classify
from obiterm.venues.bybit.holdings import AccountTotals
from obiterm.venues.bybit.known_orders import KnownOrders
from obiterm.venues.bybit.limits import Budget, RollingPool
from obiterm.venues.bybit.listing import (
    BASE_FEES,
    Listing,
    Market,
    instruments_info,
    maintenance_margins,
    with_fees,
    with_margin,
)
from obiterm.venues.bybit.market_session import MarketSession
from obiterm.venues.bybit.order_fields import OrderPolicy, amend_fields
from obiterm.venues.bybit.order_requests import OrderRequests, protection_fields
from obiterm.venues.bybit.reference import (
    Fees,
    FundingRate,
    KeyRights,
    account_info,
    fee_rate,
    funding_history,
    key_rights,
    server_time_ns,
    tickers,
)
from obiterm.venues.bybit.reference_messages import AccountInfo
from obiterm.venues.bybit.replies import Ask, Asked, Outcome
from obiterm.venues.bybit.requests import AccountRequests, HttpRequest, MarketRequests, Signer
from obiterm.venues.bybit.rest_codec import Positions, RestCodec, Wallet, reconciled
from obiterm.venues.bybit.signing import Credentials
from obiterm.venues.bybit.symbols import Category, category_of, name_of, symbol_of
from obiterm.venues.bybit.trade_ids import trade_id
from obiterm.venues.bybit.trade_session import Answer, TradeSession
from obiterm.venues.bybit.translate import Failure
from obiterm.venues.bybit.user_session import UserSession
from obiterm.venues.common.refusals import Verdict

__all__ = [
    "BASE_FEES",
    "AccountInfo",
    "AccountRequests",
    "AccountTotals",
    "Answer",
    "Ask",
    "Asked",
    "Budget",
    "BybitUrls",
    "Category",
    "Credentials",
    "Failure",
    "Fees",
    "FundingRate",
    "HttpRequest",
    "KeyRights",
    "KnownOrders",
    "Listing",
    "Market",
    "MarketRequests",
    "MarketSession",
    "OrderPolicy",
    "OrderRequests",
    "Outcome",
    "Positions",
    "RestCodec",
    "RollingPool",
    "Signer",
    "TradeSession",
    "UserSession",
    "Verdict",
    "Wallet",
    "account_info",
    "amend_fields",
    "as_error",
    "category_of",
    "check",
    "classify",
    "fee_rate",
    "funding_history",
    "instruments_info",
    "key_rights",
    "maintenance_margins",
    "name_of",
    "protection_fields",
    "reconciled",
    "server_time_ns",
    "symbol_of",
    "tickers",
    "trade_id",
    "urls",
    "with_fees",
    "with_margin",
]
