"""Binance USD-M futures: requests, sessions, conditional orders, limits, errors.

The other market of the same venue: signing, self-trade policy and scaling are Spot's
(venues/binance.md §9–§13, §16). Our symbol of a perpetual is ``BTCUSDT-PERP`` (``symbols``).
"""

from obiterm.venues.binance.futures.account_events import Wallet
from obiterm.venues.binance.futures.account_requests import AccountRequests
from obiterm.venues.binance.futures.conditional import Conditional, ConditionalOrders
from obiterm.venues.binance.futures.environments import FuturesUrls, urls
from obiterm.venues.binance.futures.errors import Failure, as_error, check, classify
from obiterm.venues.binance.futures.http_request import FuturesRequest, Signer
from obiterm.venues.binance.futures.limits import FuturesBudget
from obiterm.venues.binance.futures.listen_key import KeyStep, ListenKey
from obiterm.venues.binance.futures.listing import (
    FundingTerms,
    Listing,
    Market,
    completed,
    exchange_info,
    funding_terms,
    leverage_brackets,
)
from obiterm.venues.binance.futures.market_requests import MarketRequests
from obiterm.venues.binance.futures.market_session import MarketSession, Route
from obiterm.venues.binance.futures.order_fields import AlgoOrder, OrderPolicy
from obiterm.venues.binance.futures.order_requests import AskedRequest, OrderRequests
from obiterm.venues.binance.futures.replies import Ask, Asked, Outcome
from obiterm.venues.binance.futures.rest_codec import (
    RestCodec,
    account_config,
    commission,
    funding_rates,
    is_hedged,
    listen_key,
    require_tradable,
    server_time,
    symbol_configs,
)
from obiterm.venues.binance.futures.symbols import is_perpetual, name_of, symbol_of
from obiterm.venues.binance.futures.trade_session import Answer, TradeSession
from obiterm.venues.binance.futures.user_session import UserSession

__all__ = [
    "AccountRequests",
    "AlgoOrder",
    "Answer",
    "Ask",
    "Asked",
    "AskedRequest",
    "Conditional",
    "ConditionalOrders",
    "Failure",
    "FundingTerms",
    "FuturesBudget",
    "FuturesRequest",
    "FuturesUrls",
    "KeyStep",
    "ListenKey",
    "Listing",
    "Market",
    "MarketRequests",
    "MarketSession",
    "OrderPolicy",
    "OrderRequests",
    "Outcome",
    "RestCodec",
    "Route",
    "Signer",
    "TradeSession",
    "UserSession",
    "Wallet",
    "account_config",
    "as_error",
    "check",
    "classify",
    "commission",
    "completed",
    "exchange_info",
    "funding_rates",
    "funding_terms",
    "is_hedged",
    "is_perpetual",
    "leverage_brackets",
    "listen_key",
    "name_of",
    "require_tradable",
    "server_time",
    "symbol_configs",
    "symbol_of",
    "urls",
]
