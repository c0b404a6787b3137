"""A WebSocket that stays up: reconnects, watches for silence, renews itself in time.

The venue's session stands above it and is told of every start and end, because each
connection needs its own logon and every gap a reconciliation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.errors import ObitermError, RetryLater
from obiterm.core.values import NS_PER_S
from obiterm.net.backoff import Backoff
from obiterm.net.conceal import Concealer
from obiterm.net.ws_connection import OnText, WsConnection, frame_text, open_connection

OnUp = Callable[[], None]
OnDown = Callable[[str], None]
"""Called with the reason."""

_GOODBYE_S = 1.0
_RENEWAL = "planned renewal"
_RENEWAL_SPREAD = 0.05


class SocketOptions(msgspec.Struct, frozen=True):
    """How one socket is kept alive. Times in seconds.

    A connection is replaced after ``silence_s`` without any bytes. An own ping goes out
    after ``ping_s`` of silence, so that a quiet stream stays up and a half-open
    connection is found (T16).
    """

    silence_s: float = 10.0
    ping_s: float = 5.0
    data_silence_s: float = 0.0
    """Replace the connection after so long without a text frame, although it answers pings
    (T38 T41); 0 = never. For streams that are known to be busy."""
    renew_s: float = 23 * 3600.0
    """Planned renewal; each socket picks a moment in the last 5 % before it."""
    steady_s: float = 10.0
    """A connection that lived this long resets the back-off; one that is replaced earlier,
    for whatever reason, makes the next wait longer, so that no defect turns into a storm."""
    open_timeout_s: float = 10.0
    first_backoff_s: float = 0.25
    backoff_ceiling_s: float = 30.0
    overlap: bool = False
    """Renew by opening the new connection before the old one closes. Only for streams that
    need no logon; the reader sees some frames twice."""


class Socket:
    """One long-lived socket to one address.

    An address that is told by a function is asked for before every try; ``OSError`` from it
    counts as a failed one. What ``conceal`` knows is masked in every frame and reason.

    Attributes:
        connects: how many connections were opened.
        last_reason: why the last connection or attempt ended.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        clock: Clock,
        options: SocketOptions | None = None,
        *,
        seed: int | None = None,
        conceal: Concealer | None = None,
    ) -> None:
        self.connects = 0
        self.last_reason = ""
        self._url = url
        self._clock = clock
        self._options = options or SocketOptions()
        self._conceal = conceal
        self._backoff = Backoff(
            first_s=self._options.first_backoff_s,
            ceiling_s=self._options.backoff_ceiling_s,
            seed=seed,
        )
        self._connection: WsConnection | None = None
        self._closing = asyncio.Event()
        self._replacing = False

    @property
    def is_up(self) -> bool:
        """True while ``send`` works."""
        return self._connection is not None and self._connection.is_open

    @property
    def silent_ns(self) -> int:
        """How long nothing came; -1 while down."""
        if self._connection is None:
            return -1
        return self._clock.monotonic_ns() - self._connection.last_frame_ns

    def send(self, text: bytes) -> None:
        """Send one text frame now; raises ``RetryLater`` when nothing was written."""
        if self._connection is None:
            raise RetryLater("connection", "not connected: nothing was sent")
        self._connection.send(text)

    def rehearse(self, text: bytes) -> None:
        """Build the frame that ``send`` would write, and drop it."""
        frame_text(text)

    def reconnect(self, reason: str) -> None:
        """Replace the connection: at once if it was steady, else after the back-off.

        Does nothing while the socket is down and trying anyway.
        """
        if self._connection is not None:
            self._replacing = True
            self._connection.cut(reason)

    async def run(
        self, on_text: OnText, on_up: OnUp | None = None, on_down: OnDown | None = None
    ) -> None:
        """Keep the socket up until ``close`` or cancellation.

        ``on_text`` gets every frame with its time of arrival, in the loop's own turn.
        ``on_up`` and ``on_down`` come in pairs around each connection. An expected error
        (``ObitermError``) of ``on_text`` or ``on_up`` replaces the connection; any other
        ends ``run``.
        """
        if self._conceal is not None:
            on_text = self._conceal.before(on_text)
        try:
            while not self._closing.is_set():
                connection = await self._open(on_text)
                if connection is None:
                    await self._wait(self._backoff.next_s())
                    continue
                self._replacing = False
                started_ns = self._clock.monotonic_ns()
                self.last_reason = "the reader failed"
                try:
                    if on_up is not None:
                        self._start(connection, on_up)
                    self.last_reason = self._told(await self._keep(connection, on_text))
                finally:
                    self._drop()
                    if on_down is not None:
                        on_down(self.last_reason)
                lived_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
                if lived_s >= self._options.steady_s:
                    self._backoff.reset()
                    if self._replacing:
                        continue
                await self._wait(self._backoff.next_s())
        finally:
            self._drop()

    async def close(self) -> None:
        """Say goodbye and end ``run``."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            connection.close("closed by us")
            await asyncio.wait({connection.closed}, timeout=_GOODBYE_S)
            connection.cut("closed by us")

    async def _open(self, on_text: OnText) -> WsConnection | None:
        try:
            url = self._url if isinstance(self._url, str) else self._url()
            connection = await open_connection(
                url, on_text, self._clock, timeout_s=self._options.open_timeout_s
            )
        except (OSError, TimeoutError) as error:
            self.last_reason = self._told(str(error)) or "no answer to the handshake"
            return None
        self._connection = connection
        self.connects += 1
        return connection

    def _told(self, reason: str) -> str:
        return self._conceal.in_text(reason) if self._conceal is not None else reason

    def _start(self, connection: WsConnection, on_up: OnUp) -> None:
        try:
            on_up()
        except ObitermError as error:
            connection.cut(str(error))

    async def _keep(self, connection: WsConnection, on_text: OnText) -> str:
        """Watch one connection until it ends; return why."""
        options = self._options
        waits_s = (options.silence_s, options.ping_s, options.data_silence_s, options.renew_s)
        step_s = min(1.0, *(wait_s / 4 for wait_s in waits_s if wait_s))
        renew_ns = self._renewal_ns()
        pinged_ns = 0
        while not connection.closed.done():
            await asyncio.wait({connection.closed}, timeout=step_s)
            now_ns = self._clock.monotonic_ns()
            silent_s = (now_ns - connection.last_frame_ns) / NS_PER_S
            if silent_s >= options.silence_s:
                connection.cut(f"nothing came for {silent_s:.1f} s")
            elif 0 < options.data_silence_s <= (now_ns - connection.last_text_ns) / NS_PER_S:
                connection.cut(f"no data for {options.data_silence_s:g} s")
            elif silent_s >= options.ping_s and pinged_ns < connection.last_frame_ns:
                pinged_ns = now_ns
                connection.ping()
            elif now_ns >= renew_ns:
                connection = await self._renew(connection, on_text)
                renew_ns = self._renewal_ns()
        return await connection.closed

    async def _renew(self, connection: WsConnection, on_text: OnText) -> WsConnection:
        """Replace a connection that is about to be cut by the venue for its age."""
        if not self._options.overlap:
            connection.close(_RENEWAL)
            await asyncio.wait({connection.closed}, timeout=_GOODBYE_S)
            connection.cut(_RENEWAL)
            self._replacing = True
            return connection
        fresh = await self._open(on_text)
        if fresh is None:
            return connection
        connection.close(_RENEWAL)
        return fresh

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.cut("closed by us")
            self._connection = None

    def _renewal_ns(self) -> int:
        delay_s = self._backoff.spread_s(self._options.renew_s, _RENEWAL_SPREAD)
        return self._clock.monotonic_ns() + int(delay_s * NS_PER_S)

    async def _wait(self, seconds: float) -> None:
        """Wait before the next try, or until the socket is closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
