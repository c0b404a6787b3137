"""Orders over one connection of the WebSocket API, without a socket (binance.md §11.4).

Ask with ``place``, ``cancel`` …: each returns the frame to send. Give every frame that
arrives to ``receive``. Two clocks: ``now_ms`` is the venue's time (Unix ms, our clock plus
the measured offset) and goes into signatures; ``now_ns`` is any clock of ours and only
measures waiting. This API has no cancel-all, no list of open orders and no question about a
conditional order: those go by REST. Fills come by the user stream, never by a reply.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import AccountStopped, DataError, UsageError
from obiterm.core.events import Event
from obiterm.core.instruments import Instrument
from obiterm.core.orders import ApprovedOrder, RehearsedOrder
from obiterm.core.values import NS_PER_MS, ClientOrderId, Side, Symbol, VenueOrderId
from obiterm.venues.binance.futures.conditional import ConditionalOrders
from obiterm.venues.binance.futures.errors import CLOCK_CODES, HINTS, Failure
from obiterm.venues.binance.futures.frames import ApiFrames
from obiterm.venues.binance.futures.limits import FuturesBudget
from obiterm.venues.binance.futures.order_fields import (
    AlgoOrder,
    OrderPolicy,
    algo_fields,
    algo_order,
    is_algo,
    modify_fields,
    order_fields,
    which_algo,
    which_order,
)
from obiterm.venues.binance.futures.replies import Ask, Asked, failed, succeeded, unanswered
from obiterm.venues.binance.futures.symbols import name_of
from obiterm.venues.binance.futures.translate import Translator
from obiterm.venues.binance.limits import TOO_MANY_ORDERS, TOO_MUCH
from obiterm.venues.binance.messages import ApiFrame, ErrorBody, ErrorData
from obiterm.venues.binance.signing import Credentials
from obiterm.venues.common.pending import Pending
from obiterm.venues.common.refusals import Verdict

_HTTP_OK = 200
_ORDER_ASKS = frozenset({Ask.PLACE, Ask.PLACE_ALGO, Ask.MODIFY})

_read_frame = msgspec.json.Decoder(ApiFrame)
_read_error_data = msgspec.json.Decoder(ErrorData)


class Answer(msgspec.Struct, frozen=True):
    """The venue answered one request; for callers that wait for a certain one."""

    request_id: int
    """What ``last_id`` was after the request was built."""
    asked: Asked
    failure: Failure | None
    """The venue's refusal, or None."""
    result: msgspec.Raw = msgspec.Raw()
    """Of balances and positions: the same body that REST sends, for ``RestCodec``."""
    next_order: VenueOrderId = VenueOrderId("")
    """A normal order that must be asked for now (``Outcome.next_order``)."""


class TradeSession:
    """One order connection of one account.

    Attributes:
        ready: True when orders may be sent: at once for keys that sign each request, after
            the logon for Ed25519.
        must_reconnect: why the connection must be replaced, else empty.
        stopped: set when key, permission or client are refused: the account must stop.
        clock_suspect: set when the venue refused our time: measure the offset, then clear it.
        last_id: id of the request built last.
    """

    def __init__(
        self,
        credentials: Credentials,
        instruments: Mapping[Symbol, Instrument],
        conditionals: ConditionalOrders,
        *,
        policy: OrderPolicy | None = None,
        recv_window_ms: int = 5000,
        deadline_ms: int = 5000,
        budget: FuturesBudget | None = None,
    ) -> None:
        self.ready = False
        self.must_reconnect = ""
        self.stopped: AccountStopped | None = None
        self.clock_suspect = False
        self.last_id = 0
        self._can_log_on = credentials.can_log_on
        self._frames = ApiFrames(credentials, recv_window_ms=recv_window_ms)
        self._instruments = instruments
        self._conditionals = conditionals
        self._policy = policy or OrderPolicy()
        self._translator = Translator(instruments, conditionals)
        self._budget = budget
        self._pending: Pending[int, Asked] = Pending(deadline_ms)
        self._answers: list[Answer] = []

    # ── asking ──────────────────────────────────────────────────────────────

    def logon_frames(self, now_ms: int, now_ns: int) -> list[bytes]:
        """Return what to send first on a new connection; call again after every reconnect."""
        self._frames.logged_on = False
        self.must_reconnect = ""
        self.ready = not self._can_log_on
        if not self._can_log_on:
            return []
        request_id = self._ask(Asked(Ask.LOGON), 2, now_ms, now_ns)
        return [self._frames.logon(request_id, now_ms)]

    def place(self, order: ApprovedOrder, now_ms: int, now_ns: int) -> bytes:
        """Place an order in the book it belongs to: a stop becomes a conditional order."""
        intent = order.intent
        if is_algo(intent):
            return self.place_algo(algo_order(order, self._policy), now_ms, now_ns)
        fields = order_fields(order, self._instrument(intent.symbol), self._policy)
        self._conditionals.sending_plain(order)
        asked = Asked(Ask.PLACE, intent.symbol, intent.client_id)
        return self._send(asked, fields, 0, now_ms, now_ns)

    def rehearse(self, order: RehearsedOrder, now_ms: int) -> bytes:
        """Return the frame that ``place`` would return; nothing is remembered or counted."""
        fields = order_fields(order, self._instrument(order.intent.symbol), self._policy)
        return self._frames.private(self.last_id + 1, Ask.PLACE.value, fields, now_ms)

    def place_algo(self, order: AlgoOrder, now_ms: int, now_ns: int) -> bytes:
        """Place a conditional order of any type."""
        fields = algo_fields(order, self._instrument(order.symbol))
        self._conditionals.sending(order)
        asked = Asked(Ask.PLACE_ALGO, order.symbol, order.client_id)
        return self._send(asked, fields, 0, now_ms, now_ns)

    def modify(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        side: Side,
        lots: int,
        price_ticks: int,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
    ) -> bytes:
        """Change size (new total) and price of a resting limit order; it loses its place."""
        instrument = self._instrument(symbol)
        which = which_order(client_id, venue_id)
        fields = modify_fields(symbol, side, lots, price_ticks, instrument, which)
        return self._send(Asked(Ask.MODIFY, symbol, client_id), fields, 0, now_ms, now_ns)

    def cancel(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
    ) -> bytes:
        """Cancel one order where it lives now: a stop that fired is a normal order."""
        home = self._conditionals.home(client_id, venue_id)
        if home.is_algo:
            fields = which_algo(client_id, home.algo_id)
            asked = Asked(Ask.CANCEL_ALGO, symbol, client_id)
            return self._send(asked, fields, 1, now_ms, now_ns)
        fields = {"symbol": name_of(symbol), **which_order(client_id, home.order_id)}
        return self._send(Asked(Ask.CANCEL, symbol, client_id), fields, 1, now_ms, now_ns)

    def query(
        self,
        symbol: Symbol,
        client_id: ClientOrderId,
        now_ms: int,
        now_ns: int,
        venue_id: VenueOrderId | None = None,
    ) -> bytes:
        """Ask for the state of a normal order; raises ``UsageError`` for a waiting stop."""
        home = self._conditionals.home(client_id, venue_id)
        if home.is_algo:
            raise UsageError(f"{client_id}: a conditional order can be asked for by REST only")
        fields = {"symbol": name_of(symbol), **which_order(client_id, home.order_id)}
        return self._send(Asked(Ask.QUERY, symbol, client_id), fields, 1, now_ms, now_ns)

    def balance(self, now_ms: int, now_ns: int) -> bytes:
        """Ask for the balances; they come in an ``Answer``."""
        return self._send(Asked(Ask.BALANCE), {}, 5, now_ms, now_ns)

    def positions(self, now_ms: int, now_ns: int) -> bytes:
        """Ask for the positions; they come in an ``Answer``."""
        return self._send(Asked(Ask.POSITIONS), {}, 5, now_ms, now_ns)

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
            raise DataError(f"order connection: {error}") from error
        if self._budget is not None and frame.rate_limits:
            self._budget.take_rate_limits(frame.rate_limits, received_ns)
        failure = None
        if frame.status != _HTTP_OK and (frame.error is not None or frame.status):
            failure = self._note_failure(frame, received_ns)
        return self._answered(frame, failure, received_ns)

    def expire(self, now_ns: int, received_ns: int) -> list[Event]:
        """Report requests without an answer after the deadline; late answers still count."""
        events: list[Event] = []
        why = self._pending.why_overdue()
        for asked in self._pending.overdue(now_ns):
            events += unanswered(asked, why, self._translator, received_ns)
            if asked.what is Ask.LOGON:
                self.must_reconnect = f"{asked.what.value}: {why}"
        return events

    def lost(self, received_ns: int) -> list[Event]:
        """Report that the socket was cut: nothing that is pending will be answered."""
        events: list[Event] = []
        for asked in self._pending.lost():
            events += unanswered(asked, "the connection was cut", self._translator, received_ns)
        self._frames.logged_on = False
        self.ready = False
        return events

    # ── inside ──────────────────────────────────────────────────────────────

    def _instrument(self, symbol: Symbol) -> Instrument:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise UsageError(f"{symbol} is not traded by this account")
        return instrument

    def _send(
        self, asked: Asked, fields: Mapping[str, str], weight: int, now_ms: int, now_ns: int
    ) -> bytes:
        request_id = self._ask(asked, weight, now_ms, now_ns)
        return self._frames.private(request_id, asked.what.value, fields, now_ms)

    def _ask(self, asked: Asked, weight: int, now_ms: int, now_ns: int) -> int:
        self.last_id += 1
        self._pending.add(self.last_id, asked, now_ns)
        if self._budget is not None:
            self._budget.sent(weight, asked.what in _ORDER_ASKS, now_ms * NS_PER_MS)
        return self.last_id

    def _note_failure(self, frame: ApiFrame, received_ns: int) -> Failure:
        error = frame.error or ErrorBody(msg="the venue gave no reason")
        failure = Failure(frame.status, error.code, error.msg)
        if failure.verdict is Verdict.STOP and self.stopped is None:
            hint = HINTS.get(failure.code, "")
            self.stopped = AccountStopped(failure.shown_code, failure.msg, hint=hint)
        if failure.code in CLOCK_CODES:
            self.clock_suspect = True
        if frame.status in TOO_MUCH and self._budget is not None:
            own = failure.code == TOO_MANY_ORDERS
            until_ms = _retry_after_ms(error)
            if until_ms:
                self._budget.block_until_ms(until_ms, own=own)
            else:
                self._budget.refused(received_ns, own=own)
        return failure

    def _answered(self, frame: ApiFrame, failure: Failure | None, received_ns: int) -> list[Event]:
        request_id = frame.id if isinstance(frame.id, int) else 0
        pending = self._pending.pop(request_id)
        if pending is None:
            return []
        asked = pending.asked
        if asked.what is Ask.LOGON:
            self._logged_on(failure)
            return []
        if failure is not None:
            outcome = failed(asked, failure, self._translator, received_ns)
            self._answers.append(Answer(request_id, asked, failure))
        else:
            outcome = succeeded(asked, frame.result, self._translator, received_ns)
            answer = Answer(request_id, asked, None, frame.result, outcome.next_order)
            self._answers.append(answer)
        return [*outcome.events]

    def _logged_on(self, failure: Failure | None) -> None:
        if failure is not None:
            self.must_reconnect = f"{Ask.LOGON.value}: {failure.shown_code} {failure.msg}"
            return
        self._frames.logged_on = True
        self.ready = True


def _retry_after_ms(error: ErrorBody) -> int:
    if not error.data:
        return 0
    try:
        return _read_error_data.decode(error.data).retry_after
    except msgspec.DecodeError:
        return 0
