"""The user data stream of futures, without a socket (binance.md §11.3).

Opened with a listen key; nothing is sent on it. Ours are: order changes and fills,
conditional orders under their one id, positions, balances, funding payments. The stream has
no replay: after every start, and whenever a hint below is set, ask REST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import Event, FeedChanged, FundingPaid
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.venues.binance.futures.account_events import FUNDING_FEE, Wallet, account_changed
from obiterm.venues.binance.futures.conditional import ConditionalOrders
from obiterm.venues.binance.futures.stream_messages import (
    AccountUpdate,
    AlgoUpdate,
    ConfigUpdate,
    EventHead,
    MarginCall,
    OrderTradeUpdate,
    OrderUpdate,
)
from obiterm.venues.binance.futures.stream_translate import StreamTranslator
from obiterm.venues.binance.futures.symbols import by_name, symbol_of
from obiterm.venues.binance.futures.translate import side_of
from obiterm.venues.common.scale import decimal, lots_down

ACCOUNT_STREAM = "account"
"""Name of this connection in ``FeedChanged``."""

HOLD_NS = 500 * NS_PER_MS
"""An order that nobody knows is held so long, while a stop of ours may have become it."""

_NOT_OURS = ("autoclose-", "adl_autoclose", "settlement_autoclose-", "delivery_autoclose-")
"""How client ids of the venue's own closing orders begin (§11.3)."""

_read_head = msgspec.json.Decoder(EventHead, strict=False)
_read_order = msgspec.json.Decoder(OrderTradeUpdate, strict=False)
_read_algo = msgspec.json.Decoder(AlgoUpdate, strict=False)
_read_account = msgspec.json.Decoder(AccountUpdate, strict=False)
_read_config = msgspec.json.Decoder(ConfigUpdate, strict=False)
_read_margin = msgspec.json.Decoder(MarginCall, strict=False)


class UserSession:
    """One private connection of one account.

    Attributes:
        ready: True between ``connected`` and the end of the connection or of its key.
        must_reconnect: why the connection must be replaced, else empty.
        key_expired: set when the venue ended the listen key: get a new one, then reconnect.
        balances_stale: set when balances changed: REST alone tells what is free.
        funding_unread: set when funding was paid for a market that the venue did not name:
            read ``income``.
        hedged: set when a long or short leg was seen: the account is in hedge mode (T31).
    """

    def __init__(
        self,
        instruments: Mapping[Symbol, Instrument],
        conditionals: ConditionalOrders,
        wallet: Wallet | None = None,
    ) -> None:
        self.ready = False
        self.must_reconnect = ""
        self.key_expired = False
        self.funding_unread = False
        self.hedged = False
        self._by_name = by_name(instruments)
        self._wallet = wallet or Wallet()
        self._conditionals = conditionals
        self._translator = StreamTranslator(instruments, conditionals)
        self._held: dict[int, list[tuple[OrderTradeUpdate, int]]] = {}
        self._warnings: list[str] = []
        self._takers: dict[str, Callable[[bytes | msgspec.Raw, int], list[Event]]] = {
            "ORDER_TRADE_UPDATE": self._take_order,
            "ALGO_UPDATE": self._take_algo,
            "ACCOUNT_UPDATE": self._take_account,
            "ACCOUNT_CONFIG_UPDATE": self._take_config,
            "MARGIN_CALL": self._take_margin_call,
            "listenKeyExpired": self._take_expiry,
            "serverShutdown": self._take_shutdown,
        }

    @property
    def balances_stale(self) -> bool:
        """True when REST has to be asked what is free."""
        return self._wallet.stale

    def connected(self, received_ns: int) -> list[Event]:
        """Take that the connection is up; what happened before is REST's to tell."""
        self.ready = True
        self.must_reconnect = ""
        return [FeedChanged(ACCOUNT_STREAM, True, "user data connected", received_ns)]

    def lost(self, received_ns: int) -> list[Event]:
        """Take that the connection was cut."""
        events = self._release(received_ns, received_ns)
        if self.ready:
            self.ready = False
            events.append(FeedChanged(ACCOUNT_STREAM, False, "connection cut", received_ns))
        return events

    def receive(self, data: bytes | str, received_ns: int) -> list[Event]:
        """Turn one frame into events; ``received_ns`` is our Unix time of arrival.

        Frames of ``/ws`` and of ``/stream`` are understood; kinds that we do not use are let
        go. Raises ``DataError`` for a frame that cannot be trusted: reconcile then.
        """
        raw: bytes | msgspec.Raw = data.encode() if isinstance(data, str) else data
        try:
            head = _read_head.decode(raw)
            if not head.event and head.data:
                raw = head.data
                head = _read_head.decode(raw)
            taker = self._takers.get(head.event)
            if taker is not None:
                return taker(raw, received_ns)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"account stream: {error}") from error
        if head.code:
            raise DataError(f"account stream: the venue answered {head.code} {head.msg}")
        return []

    def expire(self, received_ns: int) -> list[Event]:
        """Let go of orders that were held long enough: they are somebody else's."""
        return self._release(received_ns, received_ns - HOLD_NS)

    def take_warnings(self) -> list[str]:
        """Return what a human must see (liquidation, margin call), and forget it."""
        warnings, self._warnings = self._warnings, []
        return warnings

    # ── inside ──────────────────────────────────────────────────────────────

    def _take_order(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        update = _read_order.decode(raw)
        told = update.order
        if told.client_id.startswith(_NOT_OURS):
            self._warn_of_close(told)
        elif self._must_hold(update):
            self._held.setdefault(told.order_id, []).append((update, received_ns))
            return []
        return [*self._translator.order_update(update, received_ns)]

    def _warn_of_close(self, told: OrderUpdate) -> None:
        """Tell of each execution by which the venue shrinks or settles a position."""
        if told.trade_id > 0:
            self._warnings.append(
                f"{symbol_of(told.symbol)}: the venue closes by itself: {told.side} "
                f"{told.last_quantity} at {told.last_price} ({told.client_id})"
            )

    def _must_hold(self, update: OrderTradeUpdate) -> bool:
        """Tell whether to wait for the word that this order is a stop of ours (§10.4)."""
        told = update.order
        instrument = self._by_name.get(told.symbol)
        if instrument is None or told.order_id in self._held:
            return instrument is not None
        if self._conditionals.of_order(str(told.order_id)) is not None:
            return False
        if self._conditionals.of_client(told.client_id) is not None:
            return False
        lots = lots_down(instrument, told.quantity, "q")
        return self._conditionals.may_have_fired(
            told.client_id, instrument.symbol, side_of(told.side), lots
        )

    def _take_algo(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        update = _read_algo.decode(raw)
        report = self._translator.algo_update(update, received_ns)
        order_id = str(update.order.order_id or "")
        events: list[Event] = []
        if order_id.isdigit():
            for held, held_ns in self._held.pop(int(order_id), []):
                events += self._translator.order_update(held, held_ns)
        return [*report, *events]

    def _take_account(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        update = _read_account.decode(raw)
        told = update.change
        if any(change.position_side in ("LONG", "SHORT") for change in told.positions):
            self.hedged = True
        events = account_changed(update, self._wallet, self._by_name, received_ns)
        if told.reason == FUNDING_FEE and not any(isinstance(e, FundingPaid) for e in events):
            self.funding_unread = True
        return [*events]

    def _take_config(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        told = _read_config.decode(raw).leverage
        if told is not None and told.symbol in self._by_name:
            text = f"{symbol_of(told.symbol)}: leverage was set to {told.leverage}"
            self._warnings.append(text)
        return []

    def _take_margin_call(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        for position in _read_margin.decode(raw).positions:
            self._warnings.append(
                f"{symbol_of(position.symbol)}: margin call, position {position.amount}, "
                f"maintenance {_short(position.maintenance)}, "
                f"open result {_short(position.unrealized)}"
            )
        return []

    def _take_expiry(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        self.key_expired = True
        self.must_reconnect = "the listen key expired"
        was_ready, self.ready = self.ready, False
        if not was_ready:
            return []
        return [FeedChanged(ACCOUNT_STREAM, False, self.must_reconnect, received_ns)]

    def _take_shutdown(self, raw: bytes | msgspec.Raw, received_ns: int) -> list[Event]:
        self.must_reconnect = "the venue announced the end of this connection"
        return []

    def _release(self, received_ns: int, before_ns: int) -> list[Event]:
        events: list[Event] = []
        due = [order_id for order_id, held in self._held.items() if held[0][1] <= before_ns]
        for order_id in due:
            for update, held_ns in self._held.pop(order_id):
                events += self._translator.order_update(update, held_ns)
        return events


def _short(text: str) -> str:
    value: Decimal = decimal(text, "margin call")
    return f"{value:.2f}"
