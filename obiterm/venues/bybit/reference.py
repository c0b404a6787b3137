"""REST replies about markets, fees, keys and the past (bybit.md §4, §6.5)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.values import Symbol
from obiterm.venues.bybit.envelope import checked, failure_of, open_envelope, result_of
from obiterm.venues.bybit.messages import lenient, read
from obiterm.venues.bybit.reference_messages import (
    AccountInfo,
    FeePage,
    FundingPage,
    KeyInfo,
    ServerTime,
    TickerPage,
    TickerRow,
)
from obiterm.venues.bybit.symbols import Category, name_of
from obiterm.venues.bybit.translate import Failure, time_ns
from obiterm.venues.common.scale import amount, decimal

_BAD_PARAMETER = 10001
_HTTP_NOT_FOUND = 404
_SOON_DAYS = 7
_SPOT_RIGHT = "SpotTrade"
_ORDER_RIGHT = "Order"
_DERIVATIVES_RIGHT = "DerivativesTrade"
_WITHDRAW = "Withdraw"

_read_fees = lenient(FeePage)
_read_time = lenient(ServerTime)
_read_account = lenient(AccountInfo)
_read_key = lenient(KeyInfo)
_read_tickers = lenient(TickerPage)
_read_funding = lenient(FundingPage)


class Fees(msgspec.Struct, frozen=True):
    """What one symbol costs, as fractions; a negative maker fee is a rebate."""

    maker: Decimal
    taker: Decimal
    is_told: bool = True
    """False for the base table: the account's own were not to be had (demo, §15)."""


class KeyRights(msgspec.Struct, frozen=True):
    """What a key may do, and until when (§6.5)."""

    categories: frozenset[Category]
    """Kinds of markets that it may trade."""
    can_withdraw: bool
    can_transfer: bool
    ips: tuple[str, ...]
    """Addresses that it is bound to; empty when it works from anywhere."""
    days_left: int | None
    """Days until it expires; None when it does not."""
    user_id: int
    """The same for two keys of one account."""
    is_read_only: bool = False

    def faults(self, wanted: Iterable[Category]) -> list[str]:
        """Return why this key must not or cannot be used; empty when it can."""
        told = []
        if self.can_withdraw:
            told.append("the key can withdraw: make one without that right")
        if self.is_read_only:
            told.append("the key is read-only: make one that may trade")
        told += [
            f"the key may not trade {category.value}"
            for category in wanted
            if category not in self.categories
        ]
        return told

    def warnings(self) -> list[str]:
        """Return what the user should know of this key."""
        told = []
        if self.can_transfer:
            told.append("the key can move funds between accounts")
        if not self.ips:
            told.append("the key works from any address: bind it to this machine's")
        if self.days_left is not None and self.days_left <= _SOON_DAYS:
            told.append(f"the key expires in {self.days_left} days")
        return told


class FundingRate(msgspec.Struct, frozen=True):
    """One past funding rate: fraction of the notional, positive: longs paid."""

    rate: Decimal
    event_ns: int


def fee_rate(status: int, body: bytes, symbol: Symbol, base: Fees) -> Fees:
    """Read an account's fees on a symbol.

    Demo answers this with a refusal or nothing (§15): then ``base`` holds. A refusal that
    says something else is raised.
    """
    envelope = open_envelope(body)
    failure = failure_of(status, envelope)
    if failure is not None and _is_absent(failure):
        return base
    page = read(_read_fees, checked(failure, envelope, {}) or b"{}", "fee-rate")
    rows = page.rows or []
    name = name_of(symbol)
    row = next((each for each in rows if each.symbol == name), None)
    if row is None and len(rows) == 1 and not rows[0].symbol:
        row = rows[0]
    if row is None or not row.taker_fee_rate or not row.maker_fee_rate:
        return base
    return Fees(
        maker=decimal(row.maker_fee_rate, "makerFeeRate"),
        taker=amount(row.taker_fee_rate, "takerFeeRate"),
    )


def _is_absent(failure: Failure) -> bool:
    """Tell the refusal of an endpoint that is not there for this account."""
    return failure.code == _BAD_PARAMETER or (
        not failure.code and failure.status == _HTTP_NOT_FOUND
    )


def server_time_ns(status: int, body: bytes) -> int:
    """Read the venue's time, Unix ns."""
    told = read(_read_time, result_of(status, body, "time"), "time").time_nano
    if not told.isdigit():
        raise DataError(f"time: timeNano = {told!r} is no number")
    return int(told)


def account_info(status: int, body: bytes) -> AccountInfo:
    """Read margin mode and kind of account."""
    return read(_read_account, result_of(status, body, "account/info"), "account/info")


def key_rights(status: int, body: bytes) -> KeyRights:
    """Read what the key may do. A key without a list of addresses shows ``*`` or nothing."""
    told = read(_read_key, result_of(status, body, "query-api"), "query-api")
    rights = told.permissions
    wallet = frozenset(rights.wallet or ())
    categories = set()
    if not told.read_only:
        if _SPOT_RIGHT in (rights.spot or ()):
            categories.add(Category.SPOT)
        has_contracts = _ORDER_RIGHT in (rights.contract_trade or ())
        if has_contracts or _DERIVATIVES_RIGHT in (rights.derivatives or ()):
            categories.add(Category.LINEAR)
    expires = told.deadline_day is not None and told.deadline_day >= 0
    return KeyRights(
        categories=frozenset(categories),
        can_withdraw=_WITHDRAW in wallet,
        can_transfer=bool(wallet - {_WITHDRAW}),
        ips=tuple(ip for ip in told.ips or () if ip and ip != "*"),
        days_left=told.deadline_day if expires else None,
        user_id=told.user_id,
        is_read_only=bool(told.read_only),
    )


def tickers(status: int, body: bytes) -> list[TickerRow]:
    """Read tickers in the venue's names and text."""
    return read(_read_tickers, result_of(status, body, "tickers"), "tickers").rows or []


def funding_history(status: int, body: bytes) -> list[FundingRate]:
    """Read past funding rates, oldest first."""
    page = read(_read_funding, result_of(status, body, "funding history"), "funding history")
    return [
        FundingRate(decimal(row.funding_rate, "fundingRate"), time_ns(row.funding_rate_timestamp))
        for row in reversed(page.rows or [])
    ]
