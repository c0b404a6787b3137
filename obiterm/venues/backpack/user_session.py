"""Own orders and positions as the private streams tell them, without a socket (§8.4, §8.5).

Orders go by REST, there is no order entry over the socket; this session only listens. Send
``logon_frames`` on every new connection, give every frame to ``receive`` and call ``expire``
a few times a second. The venue confirms no subscription: the session counts as up when its
first frame comes, or when ``SETTLE_MS`` pass without a refusal. No open orders are sent at
the start: list them by REST after that (§8.4). There is no stream of balances either:
``balances_due`` says when to read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from obiterm.core.errors import AccountStopped, DataError
from obiterm.core.events import Event, FeedChanged, Filled
from obiterm.core.instruments import Instrument
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.venues.backpack.client_ids import ClientIds
from obiterm.venues.backpack.errors import BAD_REQUEST, classify, hint, is_clock_fault
from obiterm.venues.backpack.holdings import position_update
from obiterm.venues.backpack.market_session import subscribe_frames
from obiterm.venues.backpack.messages import (
    OrderUpdate,
    PositionUpdate,
    StreamError,
    StreamFrame,
    decoder,
)
from obiterm.venues.backpack.signing import Credentials
from obiterm.venues.backpack.translate import Translator
from obiterm.venues.common.refusals import Verdict

ACCOUNT_STREAM = "account"
"""Name of this connection in ``FeedChanged``."""

SETTLE_MS = 1000
"""A subscription that was not refused for so long counts as taken."""

_ORDERS = "account.orderUpdate"
_POSITIONS = "account.positionUpdate"

_HTTP_REFUSED = 400

_read_frame = decoder(StreamFrame)
_read_order = decoder(OrderUpdate)
_read_position = decoder(PositionUpdate)


class UserSession:
    """One connection of one account.

    Attributes:
        ready: True while the private streams are taken as subscribed.
        must_reconnect: why the connection must be replaced, else empty.
        stopped: set when the venue refuses the key: the account must stop.
        clock_suspect: set when the venue refused our time: measure the offset, then clear it.
        balances_due: set by fills and position changes: read the balances, then clear it.
        ignored: frames that carried nothing we asked for.
    """

    def __init__(
        self,
        credentials: Credentials,
        instruments: Mapping[Symbol, Instrument],
        ids: ClientIds,
        *,
        settle_ms: int = SETTLE_MS,
    ) -> None:
        self.ready = False
        self.must_reconnect = ""
        self.stopped: AccountStopped | None = None
        self.clock_suspect = False
        self.balances_due = False
        self.ignored = 0
        self._credentials = credentials
        self._instruments = instruments
        self._translator = Translator(instruments, ids)
        self._settle_ns = settle_ms * NS_PER_MS
        self._asked_ns = 0
        self._is_asked = False

    def logon_frames(self, now_ms: int, now_ns: int) -> list[bytes]:
        """Return what to send first on a new connection; call again after every reconnect.

        ``now_ms`` is the venue's time and is signed; ``now_ns`` is any clock of ours.
        """
        self.must_reconnect = ""
        self.ready = False
        self._asked_ns = now_ns
        self._is_asked = True
        signature = self._credentials.subscription(now_ms)

        def build(names: Sequence[str]) -> dict[str, object]:
            return {"method": "SUBSCRIBE", "params": list(names), "signature": signature}

        return subscribe_frames([_ORDERS, _POSITIONS], build)

    def receive(self, data: bytes | str, received_ns: int) -> list[Event]:
        """Turn one frame into events; ``received_ns`` is our Unix time of arrival.

        Raises ``DataError`` for a frame that cannot be trusted: reconcile then.
        """
        try:
            frame = _read_frame.decode(data)
            if frame.error is not None:
                return self._refused(frame.error, received_ns)
            events = self._happened(frame, received_ns)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"account stream: {error}") from error
        if not self.ready and frame.stream.startswith((_ORDERS, _POSITIONS)):
            return [self._up("the private streams speak", received_ns), *events]
        return events

    def expire(self, now_ns: int, received_ns: int) -> list[Event]:
        """Take a subscription as given that was not refused in time."""
        waiting = self._is_asked and not self.ready and not self.must_reconnect
        if not waiting or now_ns - self._asked_ns < self._settle_ns:
            return []
        return [self._up("subscribed; the venue does not confirm it", received_ns)]

    def lost(self, received_ns: int) -> list[Event]:
        """Report that the socket was cut."""
        self._is_asked = False
        return self._down("connection cut", received_ns)

    def _happened(self, frame: StreamFrame, received_ns: int) -> list[Event]:
        if frame.stream.startswith(_ORDERS):
            events: list[Event] = [
                *self._translator.update(_read_order.decode(frame.data), received_ns)
            ]
            self.balances_due |= any(isinstance(event, Filled) for event in events)
            return events
        if frame.stream.startswith(_POSITIONS):
            told = _read_position.decode(frame.data)
            position = position_update(told, self._instruments, received_ns)
            self.balances_due |= told.event is not None
            return [] if position is None else [position]
        self.ignored += 1
        return []

    def _refused(self, error: StreamError, received_ns: int) -> list[Event]:
        """Take an error frame; its codes are numbers of which only a few are known."""
        code, words = str(error.code or ""), error.message or "refused without a word"
        if is_clock_fault(BAD_REQUEST, words):
            self.clock_suspect = True
        elif classify(_HTTP_REFUSED, BAD_REQUEST, words) is Verdict.STOP:
            self.stopped = AccountStopped(code, words, hint=hint(BAD_REQUEST, words))
        self.must_reconnect = f"subscription: {code} {words}"
        return self._down(self.must_reconnect, received_ns)

    def _up(self, text: str, received_ns: int) -> FeedChanged:
        self.ready = True
        return FeedChanged(ACCOUNT_STREAM, True, text, received_ns)

    def _down(self, text: str, received_ns: int) -> list[Event]:
        if not self.ready:
            return []
        self.ready = False
        return [FeedChanged(ACCOUNT_STREAM, False, text, received_ns)]
