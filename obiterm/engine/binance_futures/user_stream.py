"""The private stream of one futures account and the key that it lives by (binance.md §11.3).

A key is made, extended in time and made anew when it ends. The stream has no replay and may
go silent without a word: whatever REST shows and the stream did not tell, opens it anew
(T10). Reconciliation follows every start of the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import AccountStopped, ObitermError
from obiterm.core.events import FeedChanged, Filled
from obiterm.core.values import NS_PER_S
from obiterm.engine.binance_futures.order_line import PRIVATE_SOCKET
from obiterm.engine.binance_futures.rest import FuturesRest
from obiterm.engine.gateway import Emit
from obiterm.engine.shared.tasks import TaskSet
from obiterm.net.ws import Socket
from obiterm.venues.binance.futures.errors import read_error
from obiterm.venues.binance.futures.listen_key import KeyStep, ListenKey
from obiterm.venues.binance.futures.rest_codec import listen_key
from obiterm.venues.binance.futures.user_session import ACCOUNT_STREAM, UserSession

_GOODBYE_S = 1.0
_HTTP_OK = 200
_BALANCE_EVERY_NS = 5 * NS_PER_S
_PROVE_EVERY_NS = NS_PER_S
_STREAM_LAG_NS = 5 * NS_PER_S
"""The stream tells of a fill well within this time."""
_FUNDING_LAG_MS = 60_000
"""A payment may show in the list so long after it was made; each is booked once."""
_FILLS_KEPT = 4096


class UserStream:
    """Keeps one account's private stream up; ``tick`` is called a few times a second."""

    def __init__(
        self,
        rest: FuturesRest,
        address: Callable[[str], str],
        clock: Clock,
        tasks: TaskSet,
        emit: Emit,
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._tasks = tasks
        self._emit = emit
        self._key = ListenKey()
        self._has_key = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._session = UserSession(rest.instruments, rest.conditionals, rest.wallet)
        self._socket = Socket(
            lambda: address(self._path()),
            clock,
            PRIVATE_SOCKET,
        )
        self._terms = ""
        self._complaint = ""
        self._connected_ns = 0
        self._is_proved = True
        self._prove_ns = 0
        self._told_fills: dict[tuple[str, int], None] = {}
        self._balances_due_ns = 0
        self._begun_ms = self._funding_from_ms = rest.venue_ms()
        self._funding_wanted = False

    @property
    def is_ready(self) -> bool:
        """True while the venue would tell what happens."""
        return self._socket.is_up and self._session.ready

    async def run(self, terms: str) -> None:
        """Keep the stream up until cancelled. ``terms`` is told with every start."""
        self._terms = terms
        self.tick()
        await self._has_key.wait()
        await self._socket.run(self._receive, self._up, self._down)

    async def end(self) -> None:
        """Give the key back, if there is one; never raises what the venue says."""
        if not self._key.is_live:
            return
        with contextlib.suppress(ObitermError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._rest.send(self._rest.account.close_listen_key(), urgent=True)
        self._key = ListenKey()
        self._has_key.clear()

    # -- time ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due. Raises ``AccountStopped`` for an account in hedge mode."""
        session, now_ns = self._session, self._clock.monotonic_ns()
        for event in session.expire(self._clock.wall_ns()):
            self._emit(event)
        if session.hedged:
            raise AccountStopped(
                "hedge",
                "the futures account was set to hedge mode",
                hint="close all positions and orders, then set Position Mode to One-way",
            )
        if session.key_expired:
            session.key_expired = False
            self._key.expired()
        self._keep_key(now_ns)
        reason = self._key.must_reconnect or session.must_reconnect
        if reason and self._key.is_live:
            self._key.must_reconnect = session.must_reconnect = ""
            self._socket.reconnect(reason)
        if session.balances_stale and now_ns >= self._balances_due_ns:
            self._balances_due_ns = now_ns + _BALANCE_EVERY_NS
            self._tasks.spawn(self._read_balances())
        if session.funding_unread:
            session.funding_unread = False
            self._funding_wanted = True
        if self._funding_wanted and self.is_ready:
            self._funding_wanted = False
            self._tasks.spawn(self._read_funding())

    def _keep_key(self, now_ns: int) -> None:
        if self._asking is not None and not self._asking.done():
            return
        step = self._key.due(now_ns)
        if step is None and not self._is_proved and self.is_ready and now_ns >= self._prove_ns:
            self._prove_ns = now_ns + _PROVE_EVERY_NS
            step = KeyStep.CREATE
        if step is not None:
            self._asking = self._tasks.spawn(self._ask_key(step))

    async def _ask_key(self, step: KeyStep) -> None:
        """Make or extend the key; what fails is tried again by ``ListenKey.due``."""
        account = self._rest.account
        is_new = step is KeyStep.CREATE
        request = account.create_listen_key() if is_new else account.extend_listen_key()
        try:
            reply = await self._rest.send(request)
        except ObitermError as error:
            self._complain(str(error))
            return
        now_ns = self._clock.monotonic_ns()
        if reply.status != _HTTP_OK:
            refusal = read_error(reply.status, reply.body)
            self._key.refused(refusal.code)
            self._complain(f"{refusal.code or reply.status} {refusal.msg}")
            return
        self._complaint = ""
        if is_new:
            self._key.created(listen_key(reply.body), now_ns)
            self._is_proved = True
        else:
            self._key.extended(now_ns)
        if self._key.is_live:
            self._has_key.set()

    def _complain(self, words: str) -> None:
        """Tell once why there is no key, while the stream is down for it."""
        if words != self._complaint and not self._key.is_live:
            self._say(f"the private stream waits for its key: {words}")
        self._complaint = words

    # -- the stream ----------------------------------------------------------------------------

    def _receive(self, data: bytes, received_ns: int) -> None:
        for event in self._session.receive(data, received_ns):
            if isinstance(event, Filled):
                self._told_fills[event.symbol, event.trade_id] = None
                if len(self._told_fills) > _FILLS_KEPT:
                    del self._told_fills[next(iter(self._told_fills))]
            self._emit(event)
        for warning in self._session.take_warnings():
            self._say(warning)

    def _path(self) -> str:
        """Return path and query; raise ``OSError`` while there is no key: it would be silent."""
        if not self._key.is_live:
            raise ConnectionError("there is no listen key")
        return self._key.connect_path()

    def _up(self) -> None:
        self._connected_ns = self._clock.wall_ns()
        self._funding_wanted = True  # what was paid meanwhile is not told again
        for event in self._session.connected(self._connected_ns):
            if isinstance(event, FeedChanged):
                event = msgspec.structs.replace(event, text=f"{event.text}; {self._terms}")
            self._emit(event)

    def _down(self, reason: str) -> None:
        # A stream on a key that ended meanwhile opens and says nothing: asking for the key
        # again gives the same one if it lives.
        self._is_proved = False
        for event in self._session.lost(self._clock.wall_ns()):
            self._emit(event)

    def compare(self, fills: list[Filled]) -> None:
        """Take fills that REST showed: one that the stream left out opens it anew (T10)."""
        now_ns = self._clock.wall_ns()
        for fill in fills:
            told_in_time = self._connected_ns < fill.event_ns - _STREAM_LAG_NS
            overdue = now_ns - fill.event_ns > _STREAM_LAG_NS
            is_told = (fill.symbol, fill.trade_id) in self._told_fills
            if self.is_ready and told_in_time and overdue and not is_told:
                self._key.expired()  # it may have ended in silence: ask for the live one
                return

    async def _read_balances(self) -> None:
        with contextlib.suppress(ObitermError):  # they stay stale and are asked for again
            for event in await self._rest.balance_changes():
                self._emit(event)

    async def _read_funding(self) -> None:
        until_ms = self._rest.venue_ms()
        try:
            payments = await self._rest.funding_since(self._funding_from_ms)
        except ObitermError:
            self._funding_wanted = True
            return
        self._funding_from_ms = max(self._begun_ms, until_ms - _FUNDING_LAG_MS)
        for payment in payments:
            self._emit(payment)

    def _say(self, text: str) -> None:
        """Tell a human; the account is read again, because what is told changed it."""
        self._emit(FeedChanged(ACCOUNT_STREAM, self.is_ready, text, self._clock.wall_ns()))
