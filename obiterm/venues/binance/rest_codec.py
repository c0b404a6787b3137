"""REST replies of Binance spot as instruments, books and events (binance.md §6)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from obiterm.core.events import AccountReconciled, DepthSnapshotted
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, LiveOrder
from obiterm.core.values import Symbol
from obiterm.venues.binance.errors import as_error
from obiterm.venues.binance.market_messages import Snapshot, read_snapshot
from obiterm.venues.binance.messages import (
    Account,
    Commission,
    ErrorBody,
    KeyPermissions,
    OrderReply,
    Rates,
    ServerTime,
    read,
)
from obiterm.venues.binance.replies import Asked, Outcome, failed, succeeded
from obiterm.venues.binance.scale import Scale, amount, decimal
from obiterm.venues.binance.translate import Failure, Translator

_HTTP_OK = 200
_MS_PER_S = 1000

_read_error = msgspec.json.Decoder(ErrorBody)
_read_time = msgspec.json.Decoder(ServerTime)
_read_account = msgspec.json.Decoder(Account)
_read_orders = msgspec.json.Decoder(list[OrderReply])
_read_commission = msgspec.json.Decoder(Commission)
_read_permissions = msgspec.json.Decoder(KeyPermissions)


class AccountState(msgspec.Struct, frozen=True):
    """Balances and rights of an account.

    ``uid`` is the same for two keys of one account.
    """

    balances: list[tuple[str, Decimal, Decimal]]
    """``(asset, free, locked)``."""
    can_trade: bool
    can_withdraw: bool
    uid: int


class Fees(msgspec.Struct, frozen=True):
    """What one symbol costs, as fractions; sums of the standard, special and tax rates."""

    maker: Decimal
    taker: Decimal
    discount_asset: str
    """Asset that earns the discount when fees are paid in it; empty when switched off."""
    discounted_maker: Decimal
    discounted_taker: Decimal


class RestCodec:
    """Reads REST replies of one account. Methods raise ``DataError`` for damaged bodies."""

    def __init__(self, instruments: Mapping[Symbol, Instrument]) -> None:
        self._instruments = instruments
        self._translator = Translator(instruments)
        self._snapshots: dict[Symbol, tuple[Scale, msgspec.json.Decoder[Snapshot]]] = {}

    def outcome(self, asked: Asked, status: int, body: bytes, received_ns: int) -> Outcome:
        """Say what the answer to an order request means, success or refusal.

        The REST calls for placing, cancelling, replacing, asking about and listing orders,
        balances and trades answer with the same results as the WebSocket API.
        """
        if status == _HTTP_OK:
            return succeeded(asked, body, self._translator, received_ns)
        error = _error(status, body)
        failure = Failure(status, error.code, error.msg)
        return failed(asked, failure, error.data, self._translator, received_ns)

    def depth(self, symbol: Symbol, body: bytes, received_ns: int) -> DepthSnapshotted:
        """Read a book; it has no time of its own, ``event_ns`` is ours."""
        known = self._snapshots.get(symbol)
        if known is None:
            scale = Scale(self._instruments[symbol])
            known = self._snapshots[symbol] = (scale, read_snapshot(scale))
        scale, decoder = known
        book = read(decoder, body, f"depth of {symbol}")
        for side in (book.bids, book.asks):
            scale.check_prices(side, f"depth of {symbol}")
        per_price, per_quantity = scale.per_price, scale.per_quantity
        return DepthSnapshotted(
            symbol,
            book.last_id,
            [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in book.bids],
            [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in book.asks],
            received_ns,
            received_ns,
        )

    def open_orders(self, body: bytes) -> list[LiveOrder]:
        """Read open orders; those on symbols that we do not know are left out."""
        return self._translator.live_orders(read(_read_orders, body, "openOrders"))

    def reconciled(
        self, account_body: bytes, orders_body: bytes, received_ns: int
    ) -> AccountReconciled:
        """Join the two halves of the venue's word on an account."""
        return AccountReconciled(
            balances=account(account_body).balances,
            open_orders=self.open_orders(orders_body),
            received_ns=received_ns,
        )


def listed_orders(body: bytes) -> list[ListedOrder]:
    """Read the account's open orders on every market, whether we trade it or not."""
    return [
        ListedOrder(
            Symbol(row.symbol), row.client_order_id or str(row.order_id), row.side, row.orig_qty
        )
        for row in read(_read_orders, body, "openOrders")
    ]


def account(body: bytes) -> AccountState:
    """Read balances and rights."""
    told = read(_read_account, body, "account")
    return AccountState(
        balances=[
            (balance.asset, amount(balance.free, "free"), amount(balance.locked, "locked"))
            for balance in told.balances
        ],
        can_trade=told.can_trade,
        can_withdraw=told.can_withdraw,
        uid=told.uid,
    )


def commission(body: bytes) -> Fees:
    """Read the fees of one symbol; where buying and selling differ, the dearer counts."""
    told = read(_read_commission, body, "commission")
    discount = told.discount
    active = discount.enabled_for_account and discount.enabled_for_symbol
    factor = decimal(discount.discount, "discount") if active else Decimal(1)
    maker, taker = _rates(told.standard_commission)
    extras = [_rates(told.special_commission), _rates(told.tax_commission)]
    extra_maker = sum((rates[0] for rates in extras), Decimal(0))
    extra_taker = sum((rates[1] for rates in extras), Decimal(0))
    return Fees(
        maker=maker + extra_maker,
        taker=taker + extra_taker,
        discount_asset=(discount.discount_asset or "") if active else "",
        discounted_maker=maker * factor + extra_maker,
        discounted_taker=taker * factor + extra_taker,
    )


def server_time(body: bytes) -> int:
    """Read the venue's time, Unix ms."""
    return read(_read_time, body, "time").server_time


def permissions(body: bytes) -> KeyPermissions:
    """Read what the key may do."""
    return read(_read_permissions, body, "apiRestrictions")


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise the venue's refusal unless ``status`` is 200; header names are lower-case."""
    if status == _HTTP_OK:
        return
    error = _error(status, body)
    seconds = headers.get("retry-after", "")
    retry_after_ms = int(seconds) * _MS_PER_S if seconds.isdigit() else 0
    raise as_error(status, error.code, error.msg, retry_after_ms=retry_after_ms)


def _rates(rates: Rates) -> tuple[Decimal, Decimal]:
    side = max(decimal(rates.buyer, "buyer"), decimal(rates.seller, "seller"))
    return decimal(rates.maker, "maker") + side, decimal(rates.taker, "taker") + side


def _error(status: int, body: bytes) -> ErrorBody:
    """Read an error; proxies and firewalls answer with pages that are not JSON."""
    try:
        return _read_error.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorBody(msg=f"HTTP {status}")
