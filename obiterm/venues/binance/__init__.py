"""Binance spot: signing, requests, messages, sessions, limits, errors (venues/binance.md)."""

from obiterm.venues.binance.environments import BinanceUrls, urls
from obiterm.venues.binance.errors import as_error, classify
from obiterm.venues.binance.frames import ApiFrames
from obiterm.venues.binance.limits import Budget, Counter
from obiterm.venues.binance.listing import Listing, Market, exchange_info
from obiterm.venues.binance.market_session import MarketSession
from obiterm.venues.binance.order_fields import SelfTradePolicy
from obiterm.venues.binance.replies import Ask, Asked, Outcome
from obiterm.venues.binance.requests import HttpRequest, RestRequests
from obiterm.venues.binance.rest_codec import (
    AccountState,
    Fees,
    RestCodec,
    account,
    check,
    commission,
    permissions,
    server_time,
)
from obiterm.venues.binance.signing import Credentials
from obiterm.venues.binance.translate import Failure
from obiterm.venues.binance.user_session import Answer, UserSession
from obiterm.venues.common.refusals import Verdict

__all__ = [
    "AccountState",
    "Answer",
    "ApiFrames",
    "Ask",
    "Asked",
    "BinanceUrls",
    "Budget",
    "Counter",
    "Credentials",
    "Failure",
    "Fees",
    "HttpRequest",
    "Listing",
    "Market",
    "MarketSession",
    "Outcome",
    "RestCodec",
    "RestRequests",
    "SelfTradePolicy",
    "UserSession",
    "Verdict",
    "account",
    "as_error",
    "check",
    "classify",
    "commission",
    "exchange_info",
    "permissions",
    "server_time",
    "urls",
]
