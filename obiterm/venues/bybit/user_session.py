"""The private stream of one Bybit account, without a socket (bybit.md §9).

Give every frame that arrives to ``receive`` and send what ``to_send`` returns. Two clocks:
``now_ms`` is the venue's time (Unix ms, our clock plus the measured offset) and goes into the
logon; ``now_ns`` is any clock of ours and only measures waiting.

The stream has no snapshot and repeats nothing that was missed: after ``ready`` load orders,
executions, positions and wallet by REST (trap 14).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import AccountStopped, DataError
from obiterm.core.events import Event, FeedChanged, OrderReported, PositionReported
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.venues.bybit.holdings import AccountTotals, balances, position, totals
from obiterm.venues.bybit.known_orders import KnownOrders, SeenIds
from obiterm.venues.bybit.logon import Logon
from obiterm.venues.bybit.messages import ExecutionRow, OrderRow, PositionRow, WalletRow
from obiterm.venues.bybit.signing import Credentials
from obiterm.venues.bybit.socket_messages import PING_EVERY_NS, ControlFrame, Heartbeat
from obiterm.venues.bybit.subscriptions import Subscriptions
from obiterm.venues.bybit.translate import Translator

ACCOUNT_STREAM = "account"
"""Name of this connection in ``FeedChanged``."""
TOPICS = ("order", "execution", "position", "wallet")
"""All categories in one topic each; the split forms must not stand beside them (§9)."""
_NEEDED = frozenset({"order", "execution"})
"""Without these there is no account stream. A key for spot alone may be refused the others:
their news then comes by REST."""

_PER_REQUEST = 10


class PrivateHead(msgspec.Struct, frozen=True, rename="camel"):
    """Topic and time of a private frame."""

    topic: str
    creation_time: int = 0
    data: msgspec.Raw = msgspec.Raw()


_read_head = msgspec.json.Decoder(PrivateHead, strict=False)
_read_control = msgspec.json.Decoder(ControlFrame, strict=False)
_read_orders = msgspec.json.Decoder(list[OrderRow], strict=False)
_read_executions = msgspec.json.Decoder(list[ExecutionRow], strict=False)
_read_positions = msgspec.json.Decoder(list[PositionRow], strict=False)
_read_wallets = msgspec.json.Decoder(list[WalletRow], strict=False)

_TOPIC_MARK = b'"topic"'


class UserSession:
    """One private connection of one account; keep it over reconnects.

    Attributes:
        ready: True while orders and executions are subscribed.
        must_reconnect: why the connection must be replaced, else empty.
        stopped: set when the key is refused: the account must stop.
        clock_suspect: set when the venue refused our time: measure the offset, then clear it.
        doubt: why positions should be read again by REST, else empty; clear it then.
        account: the account as a whole at the last ``wallet`` frame, in USD.
    """

    def __init__(
        self,
        credentials: Credentials,
        instruments: Mapping[Symbol, Instrument],
        *,
        known: KnownOrders | None = None,
        ping_every_ns: int = PING_EVERY_NS,
    ) -> None:
        self.ready = False
        self.must_reconnect = ""
        self.account: AccountTotals | None = None
        self._instruments = instruments
        self._translator = Translator(instruments, known)
        self._logon = Logon(credentials)
        self._heartbeat = Heartbeat(ping_every_ns)
        self._subscriptions = Subscriptions(_PER_REQUEST)
        self._executions = SeenIds()
        self._positions: dict[tuple[Symbol, str], tuple[object, ...]] = {}

    @property
    def stopped(self) -> AccountStopped | None:
        """Why the account must stop; None while it need not."""
        return self._logon.stopped

    @property
    def clock_suspect(self) -> bool:
        """True when the venue refused our time."""
        return self._logon.clock_suspect

    @clock_suspect.setter
    def clock_suspect(self, suspect: bool) -> None:
        self._logon.clock_suspect = suspect

    @property
    def doubt(self) -> str:
        """Why positions should be read again; empty when they need not."""
        return self._translator.doubt

    @doubt.setter
    def doubt(self, reason: str) -> None:
        self._translator.doubt = reason

    @property
    def refused(self) -> Mapping[str, str]:
        """Topics that the venue does not give, with its words: ask for their news by REST."""
        return self._subscriptions.refused

    # ── asking ──────────────────────────────────────────────────────────────

    def logon_frames(self, now_ms: int, now_ns: int) -> list[bytes]:
        """Return what to send first on a new connection; call again after every reconnect.

        The subscriptions follow by ``to_send`` when the logon is answered (trap 21).
        """
        self.ready = False
        self.must_reconnect = ""
        self._heartbeat.start(now_ns)
        self._subscriptions.clear()
        return [self._logon.frame(now_ms, now_ns)]

    def to_send(self, now_ns: int) -> list[bytes]:
        """Return frames that the session itself wants sent now: subscriptions, pings.

        Call it after every ``receive`` while not ``ready``, and every second or so. It sets
        ``must_reconnect`` when the venue stays silent or does not answer.
        """
        if not self.must_reconnect:
            dead = "no answer to a ping" if self._heartbeat.is_dead(now_ns) else ""
            late = self._logon.late(now_ns) or self._subscriptions.late(now_ns)
            self.must_reconnect = dead or late
        if self._logon.wants_topics:
            self._logon.wants_topics = False
            self._subscriptions.ask(TOPICS, now_ns)
        return [*self._subscriptions.to_send(), *self._heartbeat.due(now_ns)]

    # ── hearing ─────────────────────────────────────────────────────────────

    def receive(self, data: bytes | str, received_ns: int) -> list[Event]:
        """Turn one frame into events; ``received_ns`` is our Unix time of arrival.

        Raises ``DataError`` for a frame that cannot be trusted: reconcile then.
        """
        if isinstance(data, str):
            data = data.encode()
        self._heartbeat.heard()
        try:
            if _TOPIC_MARK in data:
                return self._happened(_read_head.decode(data), received_ns)
            return self._answered(_read_control.decode(data), received_ns)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"account stream: {error}") from error

    def lost(self, received_ns: int, why: str = "connection cut") -> list[Event]:
        """Report that the socket was cut, and why."""
        self._subscriptions.clear()
        self._logon.lost()
        self._positions.clear()
        if not self.ready:
            return []
        self.ready = False
        return [FeedChanged(ACCOUNT_STREAM, False, why, received_ns)]

    # ── inside ──────────────────────────────────────────────────────────────

    def _answered(self, frame: ControlFrame, received_ns: int) -> list[Event]:
        if frame.op == "auth":
            self.must_reconnect = self._logon.take(frame)
            return []
        if frame.op not in ("subscribe", "unsubscribe"):
            return []
        self._subscriptions.take(frame)
        told = self._subscriptions
        missing = sorted(_NEEDED & told.refused.keys())
        if missing:
            words = told.refused[missing[0]]
            self.must_reconnect = f"the venue does not give {missing[0]}: {words}"
        elif not self.ready and told.is_settled and told.active >= _NEEDED:
            self.ready = True
            return [FeedChanged(ACCOUNT_STREAM, True, "account subscribed", received_ns)]
        return []

    def _happened(self, frame: PrivateHead, received_ns: int) -> list[Event]:
        """Take an event of the stream; topics that we do not use are let go."""
        topic = frame.topic.partition(".")[0]
        if frame.topic.startswith("execution.fast"):
            return []
        if topic == "order":
            return self._orders(_read_orders.decode(frame.data), received_ns)
        if topic == "execution":
            return self._fills(_read_executions.decode(frame.data), received_ns)
        if topic == "position":
            return self._holdings(_read_positions.decode(frame.data), received_ns)
        if topic == "wallet":
            return self._wallets(frame, received_ns)
        return []

    def _orders(self, rows: list[OrderRow], received_ns: int) -> list[Event]:
        told = [self._translator.order(row, "", received_ns) for row in rows]
        return [report for report in told if report is not None and self._is_news(report)]

    def _is_news(self, report: OrderReported) -> bool:
        return self._translator.known.is_news(
            report.venue_id,
            report.event_ns // NS_PER_MS,
            report.filled_lots,
            report.state.is_final,
        )

    def _fills(self, rows: list[ExecutionRow], received_ns: int) -> list[Event]:
        """Take executions once each: the venue's id tells them apart (§6.1)."""
        events: list[Event] = []
        for row in rows:
            if row.exec_id in self._executions:
                continue
            told = self._translator.execution(row, "", received_ns)
            self._executions.add(row.exec_id)
            if told is not None:
                events.append(told)
        return events

    def _holdings(self, rows: list[PositionRow], received_ns: int) -> list[Event]:
        """Take positions; the venue repeats them on every order, changed or not (trap 13)."""
        events: list[Event] = []
        for row in rows:
            told = position(row, "", self._instruments, received_ns)
            if told is not None and self._has_changed(told):
                events.append(told)
        return events

    def _has_changed(self, told: PositionReported) -> bool:
        key = (told.symbol, told.leg)
        figures = (told.lots, told.entry_price, told.liquidation_price, told.unrealised_quote)
        if self._positions.get(key) == figures:
            return False
        self._positions[key] = figures
        return True

    def _wallets(self, frame: PrivateHead, received_ns: int) -> list[Event]:
        events: list[Event] = []
        for wallet in _read_wallets.decode(frame.data):
            self.account = totals(wallet)
            events += balances(wallet, frame.creation_time * NS_PER_MS, received_ns)
        return events
