"""REST replies of Bybit V5 as books, balances and events (bybit.md §4–§6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import (
    AccountReconciled,
    BalanceChanged,
    CandleClosed,
    DepthSnapshotted,
    PositionReported,
    Traded,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ListedOrder, ListedPosition, LiveOrder
from obiterm.core.values import NS_PER_MS, NS_PER_S, Symbol
from obiterm.venues.bybit.envelope import checked, failure_of, open_envelope, result_of
from obiterm.venues.bybit.holdings import (
    AccountTotals,
    balances,
    hedged_symbols,
    leg_of,
    position,
    signed_size,
    totals,
)
from obiterm.venues.bybit.known_orders import KnownOrders
from obiterm.venues.bybit.market_messages import (
    BookPage,
    PastTrades,
    read_book_page,
)
from obiterm.venues.bybit.messages import (
    OrderPage,
    PositionPage,
    WalletPage,
    lenient,
    read,
)
from obiterm.venues.bybit.reference_messages import (
    CandlePage,
)
from obiterm.venues.bybit.replies import LISTS, Asked, Outcome, batch, failed, succeeded
from obiterm.venues.bybit.symbols import Category, symbol_of
from obiterm.venues.bybit.trade_ids import trade_id
from obiterm.venues.bybit.translate import Translator, side_of, time_ns
from obiterm.venues.common.scale import Scale, amount, exact_lots, near_ticks

_HTTP_OK = 200
_ANY_MARKET = Category.LINEAR.value
_CANDLE_FIELDS = 6

_read_wallet = lenient(WalletPage)
_read_positions = lenient(PositionPage)
_read_orders = lenient(OrderPage)
_read_candles = lenient(CandlePage)
_read_trades = lenient(PastTrades)


class Wallet(msgspec.Struct, frozen=True):
    """Coins and the account as a whole."""

    balances: list[BalanceChanged]
    totals: AccountTotals


class Positions(msgspec.Struct, frozen=True):
    """A page of positions, and which of its symbols are in hedge mode (T31)."""

    positions: list[PositionReported]
    hedged: frozenset[Symbol]
    cursor: str


class RestCodec:
    """Reads REST replies of one account.

    Methods raise ``DataError`` for damaged bodies and, but for ``outcome`` and ``batch``, the
    venue's refusal.
    """

    def __init__(
        self, instruments: Mapping[Symbol, Instrument], known: KnownOrders | None = None
    ) -> None:
        self._instruments = instruments
        self._translator = Translator(instruments, known)
        self._books: dict[Symbol, tuple[Scale, msgspec.json.Decoder[BookPage]]] = {}

    @property
    def doubt(self) -> str:
        """Why positions should be read again, else empty: see ``Translator``."""
        return self._translator.doubt

    @doubt.setter
    def doubt(self, reason: str) -> None:
        self._translator.doubt = reason

    def outcome(self, asked: Asked, status: int, body: bytes, received_ns: int) -> Outcome:
        """Say what the answer to an order request means, success or refusal.

        A refused list is no empty list: ``OPEN_ORDERS``, ``EXECUTIONS`` and ``CANCEL_ALL``
        raise the venue's refusal.
        """
        envelope = open_envelope(body)
        failure = failure_of(status, envelope)
        if failure is not None:
            if asked.what in LISTS:
                checked(failure, envelope, {})
            return failed(asked, failure, received_ns)
        return succeeded(asked, envelope.payload or b"{}", self._translator, received_ns)

    def batch(
        self, asked: list[Asked], status: int, body: bytes, received_ns: int
    ) -> list[Outcome]:
        """Say what the answer to a batch means, item by item."""
        envelope = open_envelope(body)
        failure = failure_of(status, envelope)
        if failure is not None:
            return [failed(each, failure, received_ns) for each in asked]
        result = envelope.payload or b"{}"
        return batch(asked, result, envelope.extra, self._translator, received_ns)

    def depth(self, symbol: Symbol, status: int, body: bytes, received_ns: int) -> DepthSnapshotted:
        """Read a book; its number belongs to the 1000-level stream (§4.3)."""
        result = result_of(status, body, f"depth of {symbol}")
        known = self._books.get(symbol)
        if known is None:
            scale = Scale(self._instruments[symbol])
            known = self._books[symbol] = (scale, read_book_page(scale))
        scale, decoder = known
        book = read(decoder, result, f"depth of {symbol}")
        for side in (book.bids, book.asks):
            scale.check_prices(side, f"depth of {symbol}")
        per_price, per_quantity = scale.per_price, scale.per_quantity
        bids = [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in book.bids]
        asks = [(int(p * per_price + 0.5), int(q * per_quantity + 0.5)) for p, q in book.asks]
        event_ns = (book.cts or book.ts) * NS_PER_MS
        return DepthSnapshotted(
            symbol, book.update_id, sorted(bids, reverse=True), sorted(asks), event_ns, received_ns
        )

    def wallet(self, status: int, body: bytes, received_ns: int) -> Wallet:
        """Read balances and totals; the answer has no time per coin."""
        page = read(_read_wallet, result_of(status, body, "wallet-balance"), "wallet-balance")
        if not page.rows:
            raise DataError("wallet-balance: no account")
        wallet = page.rows[0]
        return Wallet(balances(wallet, received_ns, received_ns), totals(wallet))

    def positions(self, status: int, body: bytes, received_ns: int) -> Positions:
        """Read a page of positions; flat ones are told where the venue lists them."""
        page = read(_read_positions, result_of(status, body, "position list"), "position list")
        rows = page.rows or []
        category = page.category or _ANY_MARKET
        told = [position(row, category, self._instruments, received_ns) for row in rows]
        return Positions(
            positions=[each for each in told if each is not None],
            hedged=hedged_symbols(rows),
            cursor=(page.next_page_cursor or "") if rows else "",
        )

    def candles(
        self, symbol: Symbol, length_s: int, status: int, body: bytes, now_ns: int
    ) -> list[CandleClosed]:
        """Read candles, oldest first; one that is still open at ``now_ns`` is left out (§4.4)."""
        page = read(_read_candles, result_of(status, body, "kline"), "kline")
        instrument = self._instruments[symbol]
        told = [_candle(instrument, length_s, row, now_ns) for row in reversed(page.rows or [])]
        return [each for each in told if each.open_ns + length_s * NS_PER_S <= now_ns]

    def recent_trades(
        self, symbol: Symbol, status: int, body: bytes, received_ns: int
    ) -> list[Traded]:
        """Read the newest trades, oldest first; block trades are left out as in the stream."""
        page = read(_read_trades, result_of(status, body, "recent-trade"), "recent-trade")
        instrument = self._instruments[symbol]
        return [
            Traded(
                symbol,
                trade_id(row.exec_id),
                near_ticks(instrument, row.price, "price"),
                exact_lots(instrument, row.size, "size"),
                side_of(row.side),
                time_ns(row.time),
                received_ns,
            )
            for row in reversed(page.rows or [])
            if not row.is_block_trade
        ]


def listed_orders(category: Category, status: int, body: bytes) -> tuple[list[ListedOrder], str]:
    """Read a page of a category's open orders on every market, and where the next begins."""
    page = read(_read_orders, result_of(status, body, "open orders"), "open orders")
    rows = page.rows or []
    orders = [
        ListedOrder(
            symbol_of(category, row.symbol),
            row.order_link_id or row.order_id,
            row.side,
            row.qty or "0",
        )
        for row in rows
    ]
    return orders, (page.next_page_cursor or "") if rows else ""


def listed_positions(status: int, body: bytes) -> tuple[list[ListedPosition], str]:
    """Read a page of perpetual positions on every market, and where the next begins."""
    page = read(_read_positions, result_of(status, body, "position list"), "position list")
    rows = page.rows or []
    told = [
        ListedPosition(
            symbol_of(Category.LINEAR, row.symbol),
            signed_size(row),
            leg_of(row.position_idx),
        )
        for row in rows
    ]
    found = [position for position in told if position.quantity]
    return found, (page.next_page_cursor or "") if rows else ""


def reconciled(
    wallet: Wallet,
    open_orders: Iterable[LiveOrder],
    positions: Iterable[PositionReported],
    received_ns: int,
) -> AccountReconciled:
    """Join the parts of the venue's word on an account; all pages of each must be in."""
    return AccountReconciled(
        balances=[(coin.asset, coin.free, coin.locked) for coin in wallet.balances],
        open_orders=list(open_orders),
        received_ns=received_ns,
        positions=[each for each in positions if each.lots],
    )


def _candle(
    instrument: Instrument, length_s: int, row: list[str], received_ns: int
) -> CandleClosed:
    if len(row) < _CANDLE_FIELDS:
        raise DataError(f"kline: {len(row)} fields in a row")
    open_ticks, high_ticks, low_ticks, close_ticks = (
        near_ticks(instrument, text, "kline") for text in row[1:5]
    )
    return CandleClosed(
        symbol=instrument.symbol,
        timeframe_s=length_s,
        open_ns=time_ns(row[0]),
        open_ticks=open_ticks,
        high_ticks=high_ticks,
        low_ticks=low_ticks,
        close_ticks=close_ticks,
        lots=round(amount(row[5], "volume") / instrument.lot_size),
        received_ns=received_ns,
    )
