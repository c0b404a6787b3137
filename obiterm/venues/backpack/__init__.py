"""Backpack spot and perpetuals: signing, requests, messages, sessions, limits, errors.

Facts and section numbers: venues/backpack.md.
"""

from obiterm.venues.backpack.client_ids import ClientIds, is_ours, lost_text, numeric_id
from obiterm.venues.backpack.environments import BackpackUrls, urls
from obiterm.venues.backpack.errors import (
    as_error,
    classify,
    explain_expiry,
    hint,
    is_clock_fault,
    price_outside,
    too_small,
    would_take,
)
from obiterm.venues.backpack.holdings import (
    AccountState,
    Fees,
    Margin,
    account,
    capital,
    collateral,
    order_limit,
    spendable,
    with_account,
)
from obiterm.venues.backpack.limits import Budget
from obiterm.venues.backpack.listing import Listing, Market, market, markets
from obiterm.venues.backpack.market_session import INTERVALS, MarketSession
from obiterm.venues.backpack.order_fields import Attached, OrderExtras, SelfTradePolicy
from obiterm.venues.backpack.order_requests import CancelKind, OrderRequests
from obiterm.venues.backpack.replies import Ask, Asked, Outcome, unanswered
from obiterm.venues.backpack.requests import AccountRequests, HttpRequest, MarketRequests
from obiterm.venues.backpack.rest_codec import (
    RestCodec,
    check,
    funding_rates,
    maintenance,
    server_time,
)
from obiterm.venues.backpack.signing import Credentials
from obiterm.venues.backpack.translate import Failure
from obiterm.venues.backpack.user_session import UserSession
from obiterm.venues.common.refusals import Verdict

__all__ = [
    "INTERVALS",
    "AccountRequests",
    "AccountState",
    "Ask",
    "Asked",
    "Attached",
    "BackpackUrls",
    "Budget",
    "CancelKind",
    "ClientIds",
    "Credentials",
    "Failure",
    "Fees",
    "HttpRequest",
    "Listing",
    "Margin",
    "Market",
    "MarketRequests",
    "MarketSession",
    "OrderExtras",
    "OrderRequests",
    "Outcome",
    "RestCodec",
    "SelfTradePolicy",
    "UserSession",
    "Verdict",
    "account",
    "as_error",
    "capital",
    "check",
    "classify",
    "collateral",
    "explain_expiry",
    "funding_rates",
    "hint",
    "is_clock_fault",
    "is_ours",
    "lost_text",
    "maintenance",
    "market",
    "markets",
    "numeric_id",
    "order_limit",
    "price_outside",
    "server_time",
    "spendable",
    "too_small",
    "unanswered",
    "urls",
    "with_account",
    "would_take",
]
