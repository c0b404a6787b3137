"""Orders over Bybit's trade socket, without a socket (bybit.md §10).

Ask with ``place``, ``amend``, ``cancel``: each returns the frame to send; it carries no
signature, the logon vouches for the connection. An answer is only an acknowledgement: what
became of an order comes by the private stream. A refusal is final and becomes an event. Give
every frame that arrives to ``receive``, then send what ``to_send`` returns.

``now_ms`` is the venue's time (Unix ms); ``now_ns`` is any clock of ours. There is no
cancel-all, no query and no trading-stop here: these go by REST. Orders stay alive when the
socket is cut.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import AccountStopped, DataError, UsageError
from obiterm.core.events import Event
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, RehearsedOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, Symbol, VenueOrderId
from obiterm.venues.bybit.errors import CLOCK_CODE, DRAINING_CODE, KEY_CODE
from obiterm.venues.bybit.known_orders import KnownOrders
from obiterm.venues.bybit.limits import Budget
from obiterm.venues.bybit.logon import Logon
from obiterm.venues.bybit.order_fields import (
    Fields,
    OrderPolicy,
    amend_fields,
    is_spot_stop,
    order_fields,
)
from obiterm.venues.bybit.order_requests import amended, cancel_fields
from obiterm.venues.bybit.replies import Ask, Asked, failed, succeeded, unanswered
from obiterm.venues.bybit.signing import Credentials
from obiterm.venues.bybit.socket_messages import PING_EVERY_NS, ControlFrame, Heartbeat
from obiterm.venues.bybit.symbols import category_of
from obiterm.venues.bybit.translate import Failure, Translator
from obiterm.venues.common.pending import Pending
from obiterm.venues.common.refusals import Verdict

_HTTP_OK = 200
_ENDPOINTS = {Ask.PLACE: "create", Ask.AMEND: "amend", Ask.CANCEL: "cancel"}

_encode = msgspec.json.Encoder().encode
_read_frame = msgspec.json.Decoder(ControlFrame, strict=False)
_read_header = msgspec.json.Decoder(dict[str, str], strict=False)


class Answer(msgspec.Struct, frozen=True):
    """The venue answered one request.

    Attributes:
        request_id: what ``last_id`` was after the request was built.
        asked: the request.
        failure: the venue's refusal, or None.
        venue_id: the venue's id of the order, where it told one.
    """

    request_id: str
    asked: Asked
    failure: Failure | None
    venue_id: VenueOrderId


class TradeSession:
    """One order connection of one account; keep it over reconnects.

    Attributes:
        ready: True while orders may be sent here.
        must_reconnect: why the connection must be replaced, else empty. Requests under way
            are still answered on the old one (§10, ``10019``).
        stopped: set when key or permission are refused: the account must stop.
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
        policy: OrderPolicy | None = None,
        known: KnownOrders | None = None,
        budget: Budget | None = None,
        ping_every_ns: int = PING_EVERY_NS,
    ) -> None:
        self.must_reconnect = ""
        self.stopped: AccountStopped | None = None
        self.last_id = ""
        self.policy = policy or OrderPolicy()
        self._instruments = instruments
        self._translator = Translator(instruments, known)
        self._recv_window = str(recv_window_ms)
        self._budget = budget
        self._logon = Logon(credentials)
        self._heartbeat = Heartbeat(ping_every_ns)
        self._pending: Pending[str, Asked] = Pending(deadline_ms)
        self._answers: list[Answer] = []
        self._number = 0
        self.clock_suspect = False

    @property
    def ready(self) -> bool:
        """True while orders may be sent here."""
        return self._logon.done and not self.must_reconnect

    # ── asking ──────────────────────────────────────────────────────────────

    def logon_frames(self, now_ms: int, now_ns: int) -> list[bytes]:
        """Return what to send first on a new connection; call again after every reconnect."""
        self.must_reconnect = ""
        self._heartbeat.start(now_ns)
        return [self._logon.frame(now_ms, now_ns)]

    def place(self, order: ApprovedOrder, now_ms: int, now_ns: int) -> bytes:
        """Place an order."""
        intent = order.intent
        instrument = self._instrument(intent.symbol)
        if is_spot_stop(intent):
            self._translator.known.mark_spot_stop(intent.client_id)
        fields = order_fields(order, instrument, self.policy)
        asked = Asked(Ask.PLACE, intent.symbol, intent.client_id)
        return self._ask(asked, fields, now_ms, now_ns)

    def rehearse(self, order: RehearsedOrder, now_ms: int) -> bytes:
        """Return the frame that ``place`` would return; nothing is remembered or counted."""
        fields = order_fields(order, self._instrument(order.intent.symbol), self.policy)
        return self._frame(f"{now_ms}-{self._number + 1}", Ask.PLACE, fields, now_ms)

    def amend(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
        *,
        lots: int | None = None,
        price_ticks: int | None = None,
        trigger_ticks: int | None = None,
    ) -> bytes:
        """Change an open order; ``lots`` is the new total, filled part included."""
        instrument = self._instrument(symbol)
        changes = amend_fields(
            instrument, lots=lots, price_ticks=price_ticks, trigger_ticks=trigger_ticks
        )
        fields = amended(instrument, client_id, venue_id, changes)
        return self._ask(Asked(Ask.AMEND, symbol, client_id), fields, now_ms, now_ns)

    def cancel(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
    ) -> bytes:
        """Cancel one order, by the venue's id when it is known."""
        spot_stop = self._translator.known.is_spot_stop(client_id)
        fields = cancel_fields(symbol, client_id, venue_id, spot_stop=spot_stop)
        return self._ask(Asked(Ask.CANCEL, symbol, client_id), fields, now_ms, now_ns)

    def to_send(self, now_ns: int) -> list[bytes]:
        """Return frames that the session itself wants sent now: pings.

        Call it every second or so. It sets ``must_reconnect`` when the venue stays silent.
        """
        if not self.must_reconnect:
            dead = "no answer to a ping" if self._heartbeat.is_dead(now_ns) else ""
            self.must_reconnect = dead or self._logon.late(now_ns)
        return self._heartbeat.due(now_ns)

    @property
    def waiting(self) -> int:
        """How many requests were sent whose answer may still come."""
        return self._pending.waiting

    def forget(self, request_id: str) -> None:
        """Forget a request that was not written after all: nothing will answer it."""
        self._pending.pop(request_id)

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
            raise DataError(f"trade stream: {error}") from error
        self._heartbeat.heard()
        if frame.op == "auth":
            self.must_reconnect = self._logon.take(frame)
            self._logon.wants_topics = False
            self.stopped = self.stopped or self._logon.stopped
            self.clock_suspect = self.clock_suspect or self._logon.clock_suspect
            self._logon.clock_suspect = False
            return []
        return [] if frame.is_pong else self._answered(frame, received_ns)

    def expire(self, now_ns: int, received_ns: int) -> list[Event]:
        """Report requests without an answer after the deadline; late answers still count."""
        events: list[Event] = []
        why = self._pending.why_overdue()
        for asked in self._pending.overdue(now_ns):
            events += unanswered(asked, why, received_ns)
        return events

    def lost(self, received_ns: int) -> list[Event]:
        """Report that the socket was cut: nothing that is pending will be answered."""
        events: list[Event] = []
        for asked in self._pending.lost():
            events += unanswered(asked, "the connection was cut", received_ns)
        self._logon.lost()
        return events

    # ── inside ──────────────────────────────────────────────────────────────

    def _instrument(self, symbol: Symbol) -> Instrument:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise UsageError(f"{symbol} is not traded by this account")
        return instrument

    def _ask(self, asked: Asked, fields: Fields, now_ms: int, now_ns: int) -> bytes:
        """Build the frame; its id is new for ever, the venue refuses a second use (§10)."""
        self._number += 1
        self.last_id = f"{now_ms}-{self._number}"
        venue_ns = now_ms * NS_PER_MS
        self._pending.add(self.last_id, asked, now_ns, venue_ns)
        if self._budget is not None:
            self._budget.sent(
                _ENDPOINTS[asked.what], category_of(asked.symbol), venue_ns, by_socket=True
            )
        return self._frame(self.last_id, asked.what, fields, now_ms)

    def _frame(self, request_id: str, what: Ask, fields: Fields, now_ms: int) -> bytes:
        header = {"X-BAPI-TIMESTAMP": str(now_ms), "X-BAPI-RECV-WINDOW": self._recv_window}
        return _encode({"reqId": request_id, "header": header, "op": what.value, "args": [fields]})

    def _answered(self, frame: ControlFrame, received_ns: int) -> list[Event]:
        failure = None if frame.is_good else self._note_failure(frame)
        request_id = frame.request_id or frame.req_id or ""
        pending = self._pending.pop(request_id)
        if pending is None:
            return []
        asked = pending.asked
        self._note_limits(frame, asked, failure, pending.venue_ns)
        if failure is None:
            data = frame.data or b"{}"
            outcome = succeeded(asked, data, self._translator, received_ns)
        else:
            outcome = failed(asked, failure, received_ns)
        self._answers.append(Answer(request_id, asked, failure, outcome.venue_id))
        return [*outcome.events]

    def _note_failure(self, frame: ControlFrame) -> Failure:
        failure = Failure(_HTTP_OK, frame.code or 0, frame.words or "the venue gave no reason")
        if failure.verdict is Verdict.STOP and self.stopped is None:
            self.stopped = AccountStopped(failure.shown_code, failure.msg, hint=failure.hint)
        if failure.code == CLOCK_CODE:
            self.clock_suspect = True
        if failure.code in (DRAINING_CODE, KEY_CODE):
            self.must_reconnect = f"{failure.shown_code} {failure.msg}"
        return failure

    def _note_limits(
        self, frame: ControlFrame, asked: Asked, failure: Failure | None, venue_ns: int
    ) -> None:
        """Tell the budget, in the venue's time: that of the request, our clock may be off (R14)."""
        budget = self._budget
        if budget is None:
            return
        endpoint, category = _ENDPOINTS[asked.what], category_of(asked.symbol)
        if frame.header:
            try:
                header = _read_header.decode(frame.header)
            except msgspec.DecodeError:
                return  # a header of another shape tells nothing about limits
            lower = {name.lower(): value for name, value in header.items()}
            budget.take_headers(endpoint, category, lower, venue_ns)
        if failure is not None:
            budget.failed(endpoint, category, _HTTP_OK, failure.code, failure.msg, venue_ns)
