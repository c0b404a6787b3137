"""Orders and user data over one WebSocket API connection, without a socket (binance.md §7).

Ask with ``place``, ``cancel``, ``query`` …: each returns the frame to send. Give every
frame that arrives to ``receive``, then send what ``to_send`` returns. Two clocks:
``now_ms`` is the venue's time (Unix ms, our clock plus the measured offset) and goes into
signatures; ``now_ns`` is any clock of ours and only measures waiting.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import AccountStopped, DataError, UsageError
from obiterm.core.events import Event, FeedChanged
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, LiveOrder, RehearsedOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.binance.errors import CLOCK_CODE
from obiterm.venues.binance.frames import ApiFrames
from obiterm.venues.binance.limits import TOO_MUCH, Budget
from obiterm.venues.binance.messages import (
    AccountPosition,
    ApiFrame,
    ErrorBody,
    ErrorData,
    EventHead,
    ExecutionReport,
)
from obiterm.venues.binance.order_fields import SelfTradePolicy
from obiterm.venues.binance.replies import Ask, Asked, failed, succeeded, unanswered
from obiterm.venues.binance.signing import Credentials
from obiterm.venues.binance.translate import Failure, Translator, changed_balances
from obiterm.venues.common.pending import Entry, Pending
from obiterm.venues.common.refusals import Verdict

ACCOUNT_STREAM = "account"
"""Name of this connection in ``FeedChanged``."""

_ALREADY_SUBSCRIBED = -2035
_HTTP_OK = 200

_read_frame = msgspec.json.Decoder(ApiFrame)
_read_head = msgspec.json.Decoder(EventHead)
_read_execution = msgspec.json.Decoder(ExecutionReport)
_read_position = msgspec.json.Decoder(AccountPosition)
_read_error_data = msgspec.json.Decoder(ErrorData)


class Answer(msgspec.Struct, frozen=True):
    """The venue answered one request; for callers that wait for a certain one.

    Attributes:
        request_id: what ``last_id`` was after the request was built.
        asked: the request.
        failure: the venue's refusal, or None.
        open_orders: what ``open_orders`` asked for.
    """

    request_id: int
    asked: Asked
    failure: Failure | None
    open_orders: list[LiveOrder]


class UserSession:
    """One connection of one account.

    Attributes:
        ready: True while user data is subscribed.
        must_reconnect: why the connection must be replaced, else empty.
        stopped: set when key, permission or client are refused: the account must stop.
        clock_suspect: set when the venue refused our time: measure the offset, then clear it.
        last_id: id of the request built last.
    """

    def __init__(
        self,
        credentials: Credentials,
        instruments: Mapping[Symbol, Instrument],
        *,
        recv_window_ms: int = 5000,
        deadline_ms: int = 5000,
        self_trade: SelfTradePolicy | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.ready = False
        self.must_reconnect = ""
        self.stopped: AccountStopped | None = None
        self.clock_suspect = False
        self.last_id = 0
        self._can_log_on = credentials.can_log_on
        self._frames = ApiFrames(credentials, recv_window_ms=recv_window_ms, self_trade=self_trade)
        self._instruments = instruments
        self._translator = Translator(instruments)
        self._budget = budget
        self._pending: Pending[int, Asked] = Pending(deadline_ms)
        self._outbox: list[bytes] = []
        self._answers: list[Answer] = []

    # ── asking ──────────────────────────────────────────────────────────────

    def logon_frames(self, now_ms: int, now_ns: int) -> list[bytes]:
        """Return what to send first on a new connection; call again after every reconnect.

        Ed25519 logs on and subscribes once that is answered (``to_send``); HMAC keys
        subscribe with a signature and sign each request.
        """
        self._frames.logged_on = False
        self.must_reconnect = ""
        if self._can_log_on:
            request_id = self._ask(Asked(Ask.LOGON), 2, now_ms, now_ns)
            return [self._frames.logon(request_id, now_ms)]
        request_id = self._ask(Asked(Ask.SUBSCRIBE), 2, now_ms, now_ns)
        return [self._frames.subscribe_signed(request_id, now_ms)]

    def place(self, order: ApprovedOrder, now_ms: int, now_ns: int) -> bytes:
        """Place an order."""
        intent = order.intent
        instrument = self._instrument(intent.symbol)
        asked = Asked(Ask.PLACE, intent.symbol, intent.client_id)
        request_id = self._ask(asked, 1, now_ms, now_ns)
        return self._frames.place(request_id, order, instrument, now_ms)

    def rehearse(self, order: RehearsedOrder, now_ms: int) -> bytes:
        """Return the frame that ``place`` would return; nothing is remembered or counted."""
        instrument = self._instrument(order.intent.symbol)
        return self._frames.place(self.last_id + 1, order, instrument, now_ms)

    def cancel(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
    ) -> bytes:
        """Cancel one order, by the venue's id when it is known (fastest)."""
        request_id = self._ask(Asked(Ask.CANCEL, symbol, client_id), 1, now_ms, now_ns)
        return self._frames.cancel(request_id, symbol, client_id, venue_id, now_ms)

    def replace(
        self, client_id: ClientOrderId, order: ApprovedOrder, now_ms: int, now_ns: int
    ) -> bytes:
        """Cancel an untouched order and place ``order``; nothing is placed if that fails."""
        intent = order.intent
        instrument = self._instrument(intent.symbol)
        asked = Asked(Ask.REPLACE, intent.symbol, client_id, intent.client_id)
        request_id = self._ask(asked, 1, now_ms, now_ns)
        return self._frames.cancel_replace(request_id, client_id, order, instrument, now_ms)

    def cancel_all(self, symbol: Symbol, now_ms: int, now_ns: int) -> bytes:
        """Cancel every order of a symbol, whoever placed it."""
        request_id = self._ask(Asked(Ask.CANCEL_ALL, symbol), 1, now_ms, now_ns)
        return self._frames.cancel_all(request_id, symbol, now_ms)

    def query(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
    ) -> bytes:
        """Ask for the state of one order."""
        request_id = self._ask(Asked(Ask.QUERY, symbol, client_id), 4, now_ms, now_ns)
        return self._frames.query(request_id, symbol, client_id, venue_id, now_ms)

    def open_orders(self, symbol: Symbol | None, now_ms: int, now_ns: int) -> bytes:
        """List open orders of a symbol or of the account; they come in an ``Answer``."""
        asked = Asked(Ask.OPEN_ORDERS, symbol or Symbol(""))
        request_id = self._ask(asked, 6 if symbol else 80, now_ms, now_ns)
        return self._frames.open_orders(request_id, symbol, now_ms)

    def account(self, now_ms: int, now_ns: int) -> bytes:
        """Ask for the balances."""
        request_id = self._ask(Asked(Ask.ACCOUNT), 20, now_ms, now_ns)
        return self._frames.account(request_id, now_ms)

    def my_trades(
        self,
        symbol: Symbol,
        from_id: int | None,
        client_ids: Mapping[VenueOrderId, ClientOrderId],
        now_ms: int,
        now_ns: int,
    ) -> bytes:
        """Ask for our trades, the newest or from a trade id on; they come as ``Filled``."""
        asked = Asked(Ask.TRADES, symbol, client_ids=client_ids)
        request_id = self._ask(asked, 20, now_ms, now_ns)
        return self._frames.my_trades(request_id, symbol, from_id, now_ms)

    def to_send(self) -> list[bytes]:
        """Return frames that the session itself wants sent, and forget them."""
        frames, self._outbox = self._outbox, []
        return frames

    def take_answers(self) -> list[Answer]:
        """Return the answers since the last call, and forget them."""
        answers, self._answers = self._answers, []
        return answers

    # ── hearing ─────────────────────────────────────────────────────────────

    def receive(self, data: bytes | str, received_ns: int) -> list[Event]:
        """Turn one frame into events; ``received_ns`` is our Unix time of arrival.

        Raises ``DataError`` for a frame that cannot be trusted: reconcile then.
        """
        try:
            frame = _read_frame.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"account stream: {error}") from error
        if frame.event:
            return self._happened(frame.event, received_ns)
        if self._budget is not None and frame.rate_limits:
            self._budget.take_rate_limits(frame.rate_limits, received_ns)
        if frame.status == _HTTP_OK:
            return self._answered(frame, None, received_ns)
        return self._answered(frame, self._note_failure(frame, received_ns), received_ns)

    def expire(self, now_ns: int, received_ns: int) -> list[Event]:
        """Report requests without an answer after the deadline; late answers still count."""
        events: list[Event] = []
        why = self._pending.why_overdue()
        for asked in self._pending.overdue(now_ns):
            events += unanswered(asked, why, self._translator, received_ns)
            if asked.what in (Ask.LOGON, Ask.SUBSCRIBE):
                self.must_reconnect = f"{asked.what.value}: {why}"
        return events

    def lost(self, received_ns: int) -> list[Event]:
        """Report that the socket was cut: nothing that is pending will be answered."""
        events: list[Event] = []
        for asked in self._pending.lost():
            events += unanswered(asked, "the connection was cut", self._translator, received_ns)
        self._outbox.clear()
        self._frames.logged_on = False
        if self.ready:
            self.ready = False
            events.append(FeedChanged(ACCOUNT_STREAM, False, "connection cut", received_ns))
        return events

    # ── inside ──────────────────────────────────────────────────────────────

    def _instrument(self, symbol: Symbol) -> Instrument:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise UsageError(f"{symbol} is not traded by this account")
        return instrument

    def _ask(self, asked: Asked, weight: int, now_ms: int, now_ns: int) -> int:
        self.last_id += 1
        self._pending.add(self.last_id, asked, now_ns)
        if self._budget is not None:
            is_order = asked.what in (Ask.PLACE, Ask.REPLACE)
            self._budget.sent(weight, is_order, now_ms * NS_PER_MS)
        return self.last_id

    def _note_failure(self, frame: ApiFrame, received_ns: int) -> Failure:
        error = frame.error or ErrorBody(msg="the venue gave no reason")
        failure = Failure(frame.status, error.code, error.msg)
        if failure.verdict is Verdict.STOP and self.stopped is None:
            self.stopped = AccountStopped(failure.shown_code, failure.msg)
        if failure.code == CLOCK_CODE:
            self.clock_suspect = True
        if frame.status in TOO_MUCH and self._budget is not None:
            until_ms = _retry_after_ms(error)
            if until_ms:
                self._budget.block_until_ms(until_ms)
            else:
                self._budget.refused(received_ns)
        return failure

    def _answered(self, frame: ApiFrame, failure: Failure | None, received_ns: int) -> list[Event]:
        request_id = frame.id if isinstance(frame.id, int) else 0
        pending = self._pending.pop(request_id)
        if pending is None:
            return []
        asked = pending.asked
        if asked.what in (Ask.LOGON, Ask.SUBSCRIBE):
            return self._joined(pending, failure, received_ns)
        if failure is None:
            outcome = succeeded(asked, frame.result, self._translator, received_ns)
        else:
            data = frame.error.data if frame.error is not None else b""
            outcome = failed(asked, failure, data, self._translator, received_ns)
        self._answers.append(Answer(request_id, asked, failure, outcome.open_orders))
        return [*outcome.events]

    def _joined(
        self, pending: Entry[Asked], failure: Failure | None, received_ns: int
    ) -> list[Event]:
        """Take the answer to a logon or a subscription."""
        what = pending.asked.what
        if failure is not None and failure.code != _ALREADY_SUBSCRIBED:
            self.must_reconnect = f"{what.value}: {failure.shown_code} {failure.msg}"
            return []
        if what is Ask.LOGON:
            self._frames.logged_on = True
            self.last_id += 1
            self._pending.add(self.last_id, Asked(Ask.SUBSCRIBE), pending.sent_ns)
            self._outbox.append(self._frames.subscribe(self.last_id))
            return []
        self.ready = True
        return [FeedChanged(ACCOUNT_STREAM, True, "user data subscribed", received_ns)]

    def _happened(self, event: msgspec.Raw, received_ns: int) -> list[Event]:
        """Take an event of the user stream; kinds that we do not use are let go."""
        try:
            name = _read_head.decode(event).event
            if name == "executionReport":
                report = _read_execution.decode(event)
                return [*self._translator.execution(report, received_ns)]
            if name == "outboundAccountPosition":
                return [*changed_balances(_read_position.decode(event), received_ns)]
        except msgspec.DecodeError as error:
            raise DataError(f"account stream event: {error}") from error
        if name == "serverShutdown":
            self.must_reconnect = "the venue announced the end of this connection"
        elif name == "eventStreamTerminated":
            self.ready = False
            self.must_reconnect = "the venue ended the user data stream"
            return [FeedChanged(ACCOUNT_STREAM, False, self.must_reconnect, received_ns)]
        return []


def _retry_after_ms(error: ErrorBody) -> int:
    if not error.data:
        return 0
    try:
        return _read_error_data.decode(error.data).retry_after
    except msgspec.DecodeError:
        return 0
