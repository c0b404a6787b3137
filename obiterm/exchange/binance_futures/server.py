"""The Binance futures dialect as one web application over one core."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.binance.auth import KeyRing
from obiterm.exchange.binance.feed import Feeds
from obiterm.exchange.binance.gateway import Gateway
from obiterm.exchange.binance.limits import LimitOptions, Limits
from obiterm.exchange.binance.rest import RestSide
from obiterm.exchange.binance.stream_messages import encode
from obiterm.exchange.binance.user_streams import Subscriptions
from obiterm.exchange.binance.ws_api import WsApiSide
from obiterm.exchange.binance_futures.market_feed import ExtraFeed
from obiterm.exchange.binance_futures.office import FuturesOffice
from obiterm.exchange.binance_futures.operations import METHODS, ROUTES
from obiterm.exchange.binance_futures.refusals import from_refusal
from obiterm.exchange.binance_futures.stream_words import FuturesWords
from obiterm.exchange.binance_futures.streams import FuturesStreamSide
from obiterm.exchange.binance_futures.user_data import UserData
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.exchange import WireExchange
from obiterm.exchange.wire.faults import Faults
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.options import Addresses
from obiterm.exchange.wire.pump import BEAT_MS
from obiterm.exchange.wire.sockets import Outbox

CONNECT_WEIGHT = 5
FUTURES_LIMITS = LimitOptions(
    weight_per_minute=2400,
    orders_per_10s=300,
    orders_per_minute=1200,
    orders_per_day=0,
    raw_per_5min=0,
    fill_gives_back=False,
    frames_per_second=10,
    ping_every_s=180.0,
    pong_within_s=600.0,
)
"""The pools of the futures (binance.md §5)."""


class BinanceFuturesExchange(WireExchange):
    """REST, split streams and WebSocket API over one core, on one port."""

    def __init__(
        self, core: GatedCore, ledger: Callable[[], Json], limits: LimitOptions | None = None
    ) -> None:
        keys, faults, counters = KeyRing(), Faults(), Limits(limits or FUTURES_LIMITS)
        office = FuturesOffice(core, counters)
        super().__init__(office, keys, faults, ledger)
        self._futures = office
        words = FuturesWords()
        self.hub = Hub(faults, lambda stream: None, lambda stream: "@depth" in stream)
        self._feeds = Feeds(office, self.hub, set(), words)
        self._extra = ExtraFeed(office, self.hub, words)
        self._user_data = UserData(office, self.hub)
        office.sinks += [self._user_data.take, self._feeds.take, self._extra.take]
        gateway = Gateway(office, keys, faults, from_refusal)
        self._rest = RestSide(gateway, ROUTES, self.closing)
        self._streams = FuturesStreamSide(self.hub, counters, office.listen_keys)
        # Account events come on the private stream alone, never on these sockets.
        silent: dict[Subscriptions, None] = {}
        self._ws_api = WsApiSide(gateway, METHODS, silent, connect_weight=CONNECT_WEIGHT)

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Pass a request to the side that its path names."""
        path = request.raw_path.partition("?")[0]
        if path.startswith("/ws-fapi/"):
            return await self._ws_api.handle(request)
        if path.startswith(("/public/", "/market/", "/private/", "/ws", "/stream")):
            return await self._streams.handle(request)
        return await self._rest.handle(request)

    def beat(self, now_ns: int) -> None:
        """Publish what is due; run out timers and listen keys."""
        self._futures.run_countdowns(now_ns)
        self._user_data.beat(now_ns)
        self._feeds.beat(now_ns)
        self._extra.beat(now_ns // (BEAT_MS * NS_PER_MS), now_ns)

    def addresses(self, base: str) -> Addresses:
        """Return where the sockets are; routes hang off the stream address."""
        return Addresses(stream=base, private_stream=f"{base}/private", ws_api=f"{base}/ws-fapi/v1")

    def private_streams(self) -> int:
        """Count the live listen keys that somebody listens to."""
        return self._user_data.listeners()

    def expire(self, account: str) -> int:
        """End the listen key of an account, or of all, as time would."""
        now_ns = self.office.clock_ns()
        accounts = [account] if account else self._futures.listen_keys.accounts()
        return sum(self._user_data.expire(name, now_ns) for name in accounts)

    def outboxes(self, which: str) -> Iterable[Outbox]:
        """Return connections of a class."""
        keys = self._futures.listen_keys
        for listener in list(self.hub.everyone):
            is_private = any(keys.is_live(name.partition("@")[0]) for name in listener.streams)
            if which == "all" or which == ("user" if is_private else "market"):
                yield listener.outbox
        if which in ("ws_api", "all"):
            yield from [client.outbox for client in list(self._ws_api.clients)]

    def notice(self, event: Json) -> None:
        """Tell every stream connection something that concerns the exchange itself."""
        for listener in list(self.hub.everyone):
            data = encode(event)
            if listener.combined:
                data = b'{"stream":"!serverShutdown","data":' + data + b"}"
            listener.outbox.send(data)
