"""The Bybit V5 dialect as one web application over one core."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from obiterm.exchange.bybit import private_ws, public_ws, trade_ws
from obiterm.exchange.bybit.auth import KeyRing
from obiterm.exchange.bybit.exits import ExitKeeper
from obiterm.exchange.bybit.feed import Feed
from obiterm.exchange.bybit.gateway import Gateway
from obiterm.exchange.bybit.limits import BybitLimits, Limits
from obiterm.exchange.bybit.office import BackOffice
from obiterm.exchange.bybit.private_ws import PrivateSide
from obiterm.exchange.bybit.public_ws import PublicSide
from obiterm.exchange.bybit.rest import RestSide
from obiterm.exchange.bybit.trade_ws import TradeSide
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.exchange import WireExchange
from obiterm.exchange.wire.faults import Faults
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.options import Addresses
from obiterm.exchange.wire.sockets import Outbox


class BybitExchange(WireExchange):
    """REST, public, private and trade sockets of spot and linear, on one port."""

    def __init__(
        self,
        core: GatedCore,
        ledger: Callable[[], Json],
        limits: BybitLimits | None = None,
    ) -> None:
        keys, faults = KeyRing(), Faults()
        office = BackOffice(core, Limits(limits or BybitLimits()))
        super().__init__(office, keys, faults, ledger)
        gateway = Gateway(office, keys, faults)
        self.hub = Hub(faults, self._subscribed, lambda stream: "/orderbook." in stream)
        self.feed = Feed(office, self.hub)
        self.private = PrivateSide(gateway)
        self.public = PublicSide(gateway, self.hub, self.feed)
        self.trade = TradeSide(gateway)
        self.rest = RestSide(gateway, self.closing)
        office.sinks += [self.private.take, self.feed.take]
        office.reactors.append(ExitKeeper(office).react)

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Pass a request to the side that its path names."""
        path = request.raw_path.partition("?")[0]
        if path == private_ws.PATH:
            return await self.private.handle(request)
        if path == trade_ws.PATH:
            return await self.trade.handle(request)
        if path.startswith(public_ws.PATH):
            return await self.public.handle(request)
        return await self.rest.handle(request)

    def beat(self, now_ns: int) -> None:
        """Publish what is due at this tenth of a second."""
        self.feed.beat(now_ns)

    def addresses(self, base: str) -> Addresses:
        """Return where the sockets are; ``/spot`` or ``/linear`` hang off ``stream``."""
        return Addresses(
            stream=f"{base}{public_ws.PATH.rstrip('/')}",
            private_stream=f"{base}{private_ws.PATH}",
            ws_api=f"{base}{trade_ws.PATH}",
        )

    def private_streams(self) -> int:
        """Count the private connections that hear of an account."""
        return self.private.count()

    def _subscribed(self, stream: str) -> None:
        """Do nothing: a model market does not wait for its audience."""

    def outboxes(self, which: str) -> Iterable[Outbox]:
        """Return connections of a class."""
        if which in ("market", "all"):
            yield from [listener.outbox for listener in self.hub.everyone]
        if which in ("user", "all"):
            yield from [session.outbox for session in self.private.sessions]
        if which in ("ws_api", "all"):
            yield from [session.outbox for session in self.trade.sessions]

    def notice(self, event: Json) -> None:
        """Let trade sockets drain (10019); the venue restarts its streams unannounced."""
        for session in self.trade.sessions:
            session.draining = True
