"""The Binance dialect as one web application over one core."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal

from aiohttp import web

from obiterm.exchange.binance.auth import Credential, KeyRing
from obiterm.exchange.binance.backoffice import BackOffice
from obiterm.exchange.binance.control import ControlSide, Doors
from obiterm.exchange.binance.core import GatedCore
from obiterm.exchange.binance.faults import Faults
from obiterm.exchange.binance.feed import Feeds
from obiterm.exchange.binance.gateway import Gateway
from obiterm.exchange.binance.hub import Hub
from obiterm.exchange.binance.limits import LimitOptions, Limits
from obiterm.exchange.binance.pump import Pump
from obiterm.exchange.binance.rest import RestSide
from obiterm.exchange.binance.sockets import Outbox
from obiterm.exchange.binance.stream_messages import encode
from obiterm.exchange.binance.streams import StreamSide
from obiterm.exchange.binance.user_streams import UserStreams
from obiterm.exchange.binance.wire import Json
from obiterm.exchange.binance.ws_api import WsApiSide

log = logging.getLogger(__name__)


class BinanceExchange:
    """REST, market streams and WebSocket API over one core, on one port.

    ``recorded`` names the streams that the core passes on word for word; the set
    may grow while a capture plays. ``None`` when the market is a model.
    """

    def __init__(
        self,
        core: GatedCore,
        ledger: Callable[[], dict[str, object]],
        limits: LimitOptions | None = None,
        *,
        recorded: set[str] | None = None,
    ) -> None:
        options = limits or LimitOptions()
        self.core = core
        self.keys = KeyRing()
        self.faults = Faults()
        counters = Limits(options)
        self.office = BackOffice(core, counters)
        self.hub = Hub(self.faults, self._subscribed)
        self.feeds = Feeds(self.office, self.hub, recorded if recorded is not None else set())
        self.user_streams = UserStreams(self.office, self.faults)
        self.office.sinks += [self.user_streams.take, self.feeds.take]
        gateway = Gateway(self.office, self.keys, self.faults)
        self.rest = RestSide(gateway)
        self.streams = StreamSide(self.hub, counters)
        self.ws_api = WsApiSide(gateway, self.user_streams)
        self.control = ControlSide(
            self.office,
            self.keys,
            self.faults,
            Doors(self.cut, self.notice, ledger, self.user_streams.count),
            is_model=recorded is None,
        )
        self._pump = Pump(self.office, self.feeds)
        self._pumping: asyncio.Task[None] | None = None
        self.broken = asyncio.Event()
        """Set when the market cannot go on; ``failure`` holds what broke it."""
        self.failure: BaseException | None = None

    def add_account(
        self, name: str, balances: dict[str, Decimal], credentials: list[Credential]
    ) -> None:
        """Open a funded account with its API keys."""
        self.office.add_account(name, balances)
        for credential in credentials:
            self.keys.add(credential)

    def application(self) -> web.Application:
        """Return the web application; the market starts and stops with it."""
        app = web.Application(client_max_size=1024 * 1024)
        app.add_routes(self.control.routes())
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._stop)
        return app

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path.startswith("/ws-api/"):
            return await self.ws_api.handle(request)
        if path.startswith(("/ws", "/stream")):
            return await self.streams.handle(request)
        return await self.rest.handle(request)

    def _subscribed(self, stream: str) -> None:
        if "@depth" in stream:
            self.core.start()

    def cut(self, which: str) -> int:
        """Break the connections of a class and return how many there were."""
        outboxes: list[Outbox] = []
        if which in ("market", "all"):
            outboxes += [listener.outbox for listener in self.hub.everyone]
        if which in ("ws_api", "user", "all"):
            outboxes += [
                client.outbox
                for client, session in self.ws_api.clients.items()
                if which != "user" or session.subscriptions.accounts
            ]
        for outbox in outboxes:
            outbox.cut()
        return len(outboxes)

    def notice(self, event: Json) -> None:
        """Tell every connection something that concerns the exchange itself."""
        self.user_streams.broadcast(event)
        for listener in list(self.hub.everyone):
            data = encode(event)
            if listener.combined:
                data = b'{"stream":"!serverShutdown","data":' + data + b"}"
            listener.outbox.send(data)

    async def _start(self, app: web.Application) -> None:
        self._pumping = asyncio.create_task(self._pump.run())
        self._pumping.add_done_callback(self._pump_ended)

    def _pump_ended(self, task: asyncio.Task[None]) -> None:
        """Leave nobody connected to a market that stands still by accident."""
        self.failure = None if task.cancelled() else task.exception()
        if self.failure is not None:
            log.error("the market stopped: %s", self.failure)
            self.broken.set()
            self.cut("all")

    async def _stop(self, app: web.Application) -> None:
        self.rest.closing.set()
        self.cut("all")
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.gather(self._pumping, return_exceptions=True)
