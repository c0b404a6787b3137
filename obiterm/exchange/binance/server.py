"""The Binance spot dialect as one web application over one core."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from obiterm.exchange.binance.auth import KeyRing
from obiterm.exchange.binance.backoffice import BackOffice
from obiterm.exchange.binance.feed import Feeds
from obiterm.exchange.binance.gateway import Gateway
from obiterm.exchange.binance.limits import LimitOptions, Limits
from obiterm.exchange.binance.operations import ROUTES
from obiterm.exchange.binance.rest import RestSide
from obiterm.exchange.binance.sessions import METHODS
from obiterm.exchange.binance.stream_messages import encode
from obiterm.exchange.binance.streams import StreamSide
from obiterm.exchange.binance.user_streams import UserStreams
from obiterm.exchange.binance.ws_api import WsApiSide
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.exchange import WireExchange
from obiterm.exchange.wire.faults import Faults
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.options import Addresses
from obiterm.exchange.wire.sockets import Outbox

CONNECT_WEIGHT = 2


class BinanceExchange(WireExchange):
    """REST, market streams and WebSocket API over one core, on one port.

    ``recorded`` names the streams that the core passes on word for word; the set
    may grow while a capture plays. ``None`` when the market is a model.
    """

    def __init__(
        self,
        core: GatedCore,
        ledger: Callable[[], Json],
        limits: LimitOptions | None = None,
        *,
        recorded: set[str] | None = None,
    ) -> None:
        keys, faults, counters = KeyRing(), Faults(), Limits(limits or LimitOptions())
        self.core = core
        office = BackOffice(core, counters)
        super().__init__(office, keys, faults, ledger, is_model=recorded is None)
        self.hub = Hub(faults, self._subscribed, lambda stream: "@depth" in stream)
        self.feeds = Feeds(office, self.hub, recorded if recorded is not None else set())
        self.user_streams = UserStreams(office, faults)
        office.sinks += [self.user_streams.take, self.feeds.take]
        gateway = Gateway(office, keys, faults)
        self.rest = RestSide(gateway, ROUTES, self.closing)
        self.streams = StreamSide(self.hub, counters)
        self.ws_api = WsApiSide(
            gateway, METHODS, self.user_streams.connections, connect_weight=CONNECT_WEIGHT
        )

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Pass a request to the side that its path names."""
        path = request.raw_path.partition("?")[0]
        if path.startswith("/ws-api/"):
            return await self.ws_api.handle(request)
        if path.startswith(("/ws", "/stream")):
            return await self.streams.handle(request)
        return await self.rest.handle(request)

    def beat(self, now_ns: int) -> None:
        """Publish what is due at this tenth of a second."""
        self.feeds.beat(now_ns)

    def addresses(self, base: str) -> Addresses:
        """Return where the sockets are."""
        return Addresses(stream=base, ws_api=f"{base}/ws-api/v3")

    def private_streams(self) -> int:
        """Count the live user data subscriptions."""
        return self.user_streams.count()

    def _subscribed(self, stream: str) -> None:
        if "@depth" in stream:
            self.core.start()

    def outboxes(self, which: str) -> Iterable[Outbox]:
        """Return connections of a class."""
        if which in ("market", "all"):
            yield from [listener.outbox for listener in self.hub.everyone]
        if which in ("ws_api", "user", "all"):
            for client, session in list(self.ws_api.clients.items()):
                if which != "user" or session.subscriptions.accounts:
                    yield client.outbox

    def notice(self, event: Json) -> None:
        """Tell every connection something that concerns the exchange itself."""
        self.user_streams.broadcast(event)
        for listener in list(self.hub.everyone):
            data = encode(event)
            if listener.combined:
                data = b'{"stream":"!serverShutdown","data":' + data + b"}"
            listener.outbox.send(data)
