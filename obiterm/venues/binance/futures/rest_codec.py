"""REST replies of Binance futures as books, orders and events (binance.md §9, §10)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from obiterm.core.errors import AccountStopped, DataError
from obiterm.core.events import (
    AccountReconciled,
    BalanceChanged,
    DepthSnapshotted,
    Filled,
    FundingChanged,
    FundingPaid,
    PositionReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.binance.futures.account_events import (
    Wallet,
    funding_payments,
    leg_of,
    positions,
)
from obiterm.venues.binance.futures.conditional import ConditionalOrders
from obiterm.venues.binance.futures.errors import Failure, read_error
from obiterm.venues.binance.futures.market_messages import MarkPrice, Snapshot, read_snapshot
from obiterm.venues.binance.futures.market_session import funding_changed
from obiterm.venues.binance.futures.messages import (
    Account,
    AccountConfig,
    AlgoReply,
    BalanceRow,
    CommissionRate,
    FundingRow,
    IncomeRow,
    ListenKeyReply,
    OrderReply,
    PositionMode,
    PositionRow,
    Premium,
    SymbolConfig,
    TradeRow,
)
from obiterm.venues.binance.futures.replies import (
    Ask,
    Asked,
    Outcome,
    failed,
    never_lived,
    succeeded,
)
from obiterm.venues.binance.futures.symbols import by_name, symbol_of
from obiterm.venues.binance.futures.translate import Translator
from obiterm.venues.binance.messages import ErrorBody, ServerTime, read
from obiterm.venues.common.scale import Scale, decimal

_HTTP_OK = 200
_HTTP_REFUSED = 400

_read_time = msgspec.json.Decoder(ServerTime, strict=False)
_read_config = msgspec.json.Decoder(AccountConfig, strict=False)
_read_mode = msgspec.json.Decoder(PositionMode, strict=False)
_read_commission = msgspec.json.Decoder(CommissionRate, strict=False)
_read_orders = msgspec.json.Decoder(list[OrderReply], strict=False)
_read_algos = msgspec.json.Decoder(list[AlgoReply], strict=False)
_read_trades = msgspec.json.Decoder(list[TradeRow], strict=False)
_read_balances = msgspec.json.Decoder(list[BalanceRow], strict=False)
_read_account = msgspec.json.Decoder(Account, strict=False)
_read_positions = msgspec.json.Decoder(list[PositionRow], strict=False)
_read_income = msgspec.json.Decoder(list[IncomeRow], strict=False)
_read_key = msgspec.json.Decoder(ListenKeyReply, strict=False)
_read_premium = msgspec.json.Decoder(Premium, strict=False)
_read_funding = msgspec.json.Decoder(list[FundingRow], strict=False)
_read_symbol_configs = msgspec.json.Decoder(list[SymbolConfig], strict=False)
_read_batch = msgspec.json.Decoder(list[msgspec.Raw], strict=False)
_read_order = msgspec.json.Decoder(OrderReply, strict=False)
_read_batch_error = msgspec.json.Decoder(ErrorBody, strict=False)

Row = TypeVar("Row")


class RestCodec:
    """Reads REST replies of one account. Methods raise ``DataError`` for damaged bodies.

    ``conditionals`` is shared with the account's sessions and request builders, ``wallet``
    with its user session.
    """

    def __init__(
        self,
        instruments: Mapping[Symbol, Instrument],
        conditionals: ConditionalOrders,
        wallet: Wallet | None = None,
    ) -> None:
        self._instruments = instruments
        self._by_name = by_name(instruments)
        self._translator = Translator(instruments, conditionals)
        self._wallet = wallet or Wallet()
        self._snapshots: dict[Symbol, tuple[Scale, msgspec.json.Decoder[Snapshot]]] = {}

    # ── orders ──────────────────────────────────────────────────────────────

    def outcome(self, asked: Asked, status: int, body: bytes, received_ns: int) -> Outcome:
        """Say what the answer to a request about an order means, success or refusal."""
        if status == _HTTP_OK:
            return succeeded(asked, body, self._translator, received_ns)
        error = read_error(status, body)
        failure = Failure(status, error.code, error.msg)
        return failed(asked, failure, self._translator, received_ns)

    def never_sent(self, asked: Asked, received_ns: int) -> None:
        """Take that a request was not written after all: what it placed never lived."""
        if asked.what is Ask.PLACE_ALGO:
            never_lived(asked.client_id, self._translator, received_ns)

    def batch(self, asked: list[Asked], body: bytes, received_ns: int) -> list[Outcome]:
        """Read the answers to a batch, each an order or an error of its own (§9.1)."""
        items = read(_read_batch, body, "batchOrders")
        if len(items) != len(asked):
            raise DataError(f"batchOrders: {len(items)} answers to {len(asked)} orders")
        return [self._of_batch(*pair, received_ns) for pair in zip(asked, items, strict=True)]

    def open_orders(
        self, orders_body: bytes, algos_body: bytes, received_ns: int
    ) -> list[LiveOrder]:
        """Join the open orders of both books; those on markets we do not trade are left out."""
        orders = read(_read_orders, orders_body, "openOrders")
        algos = read(_read_algos, algos_body, "openAlgoOrders")
        return self._translator.live_orders(orders, algos, received_ns)

    def learn_algos(self, body: bytes, received_ns: int) -> None:
        """Take past conditional orders, so that trades of those that fired are known as ours."""
        for reply in read(_read_algos, body, "allAlgoOrders"):
            self._translator.learn(reply, received_ns)

    def trades(
        self, body: bytes, client_ids: Mapping[VenueOrderId, ClientOrderId], received_ns: int
    ) -> list[Filled]:
        """Read our trades; ``client_ids`` are our ids of normal orders by the venue's."""
        return self._translator.trades(
            read(_read_trades, body, "userTrades"), client_ids, received_ns
        )

    # ── account ─────────────────────────────────────────────────────────────

    def balances(self, body: bytes, received_ns: int) -> list[BalanceChanged]:
        """Read ``v3/balance``: free is the venue's available balance."""
        return self._wallet.listed(read(_read_balances, body, "balance"), received_ns)

    def account(self, body: bytes, received_ns: int) -> list[BalanceChanged]:
        """Read the balances of ``v3/account``."""
        return self._wallet.listed(read(_read_account, body, "account").assets, received_ns)

    def positions(self, body: bytes, received_ns: int) -> list[PositionReported]:
        """Read ``v3/positionRisk``."""
        rows = read(_read_positions, body, "positionRisk")
        return positions(rows, self._by_name, received_ns)

    def income(self, body: bytes, received_ns: int) -> list[FundingPaid]:
        """Read the funding payments in ``income``, those of markets that we know."""
        paid = funding_payments(read(_read_income, body, "income"), received_ns)
        return [each for each in paid if each.symbol in self._instruments]

    def reconciled(
        self,
        balance_body: bytes,
        positions_body: bytes,
        orders_body: bytes,
        algos_body: bytes,
        received_ns: int,
    ) -> AccountReconciled:
        """Join the venue's whole word on an account: both books, balances, positions."""
        return AccountReconciled(
            balances=[
                (told.asset, told.free, told.locked)
                for told in self.balances(balance_body, received_ns)
            ],
            open_orders=self.open_orders(orders_body, algos_body, received_ns),
            received_ns=received_ns,
            positions=self.positions(positions_body, received_ns),
        )

    # ── market ──────────────────────────────────────────────────────────────

    def depth(self, symbol: Symbol, body: bytes, received_ns: int) -> DepthSnapshotted:
        """Read a book."""
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
            book.event_ms * NS_PER_MS,
            received_ns,
        )

    def premium(self, body: bytes, received_ns: int) -> FundingChanged:
        """Read ``premiumIndex`` of one market that we know."""
        told = read(_read_premium, body, "premiumIndex")
        instrument = self._by_name.get(told.symbol)
        if instrument is None:
            raise DataError(f"premiumIndex: {told.symbol!r} was not asked for")
        mark = MarkPrice(told.time, told.mark_price, told.last_funding_rate, told.next_funding_time)
        return funding_changed(instrument, mark, received_ns, "premiumIndex")

    def _of_batch(self, asked: Asked, item: msgspec.Raw, received_ns: int) -> Outcome:
        error = read(_read_batch_error, item, "batchOrders")
        if error.code:
            failure = Failure(_HTTP_REFUSED, error.code, error.msg)
            return failed(asked, failure, self._translator, received_ns)
        return Outcome(self._translator.order(read(_read_order, item, "batchOrders"), received_ns))


def listed_orders(orders_body: bytes, algos_body: bytes) -> list[ListedOrder]:
    """Read the account's open orders of both books on every market."""
    resting = [
        ListedOrder(
            symbol_of(row.symbol), row.client_order_id or str(row.order_id), row.side, row.orig_qty
        )
        for row in read(_read_orders, orders_body, "openOrders")
    ]
    waiting = [
        ListedOrder(
            symbol_of(row.symbol),
            row.client_algo_id or str(row.algo_id),
            row.side,
            row.quantity or "all",
        )
        for row in read(_read_algos, algos_body, "openAlgoOrders")
    ]
    return resting + waiting


def listed_positions(body: bytes) -> list[ListedPosition]:
    """Read the account's open positions on every market."""
    told = [
        ListedPosition(
            symbol_of(row.symbol),
            decimal(row.position_amt, "positionAmt"),
            leg_of(row.position_side),
        )
        for row in read(_read_positions, body, "positionRisk")
    ]
    return [position for position in told if position.quantity]


def account_config(body: bytes) -> AccountConfig:
    """Read rights, position mode and asset mode."""
    return read(_read_config, body, "accountConfig")


def is_hedged(body: bytes) -> bool:
    """Read ``positionSide/dual``."""
    return read(_read_mode, body, "positionSide/dual").dual_side_position


def require_tradable(config: AccountConfig) -> None:
    """Raise ``AccountStopped`` for an account that we must not trade, saying how to mend it.

    A hedge-mode account holds a long and a short leg of one market and refuses reduce-only
    orders (T31 T39). Our positions are one signed amount.
    """
    if not config.can_trade:
        raise AccountStopped(
            "canTrade",
            "the venue does not let this account trade futures",
            hint="open the futures account, then make a key with futures enabled",
        )
    if config.dual_side_position:
        raise AccountStopped(
            "dualSidePosition",
            "the futures account is in hedge mode: long and short positions are kept apart",
            hint="close all positions and orders, then set Position Mode to One-way in the "
            "venue's preferences; it holds for COIN-M too",
        )


def commission(body: bytes) -> tuple[Decimal, Decimal]:
    """Read ``(maker, taker)`` of one market, as fractions."""
    told = read(_read_commission, body, "commissionRate")
    maker = decimal(told.maker_commission_rate, "makerCommissionRate")
    return maker, decimal(told.taker_commission_rate, "takerCommissionRate")


def symbol_configs(body: bytes) -> dict[Symbol, SymbolConfig]:
    """Read leverage and margin type by our symbols."""
    rows = read(_read_symbol_configs, body, "symbolConfig")
    return {symbol_of(row.symbol): row for row in rows}


def funding_rates(body: bytes) -> list[tuple[int, Decimal]]:
    """Read past funding as ``(Unix ns, rate)``, oldest first."""
    rows = read(_read_funding, body, "fundingRate")
    return [
        (row.funding_time * NS_PER_MS, decimal(row.funding_rate, "fundingRate")) for row in rows
    ]


def listen_key(body: bytes) -> str:
    """Read the listen key; empty where the reply has none."""
    return read(_read_key, body, "listenKey").listen_key


def server_time(body: bytes) -> int:
    """Read the venue's time, Unix ms."""
    return read(_read_time, body, "time").server_time
