"""The Backpack dialect as one web application over one core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import WSCloseCode, web

from obiterm.exchange.backpack.feed import Feeds, is_book
from obiterm.exchange.backpack.gateway import Gateway
from obiterm.exchange.backpack.limits import LimitOptions, Limits
from obiterm.exchange.backpack.office import BackpackOffice
from obiterm.exchange.backpack.rest import RestSide
from obiterm.exchange.backpack.signing import as_text, public_key_of, seed_of
from obiterm.exchange.backpack.streams import StreamSide
from obiterm.exchange.backpack.user_streams import UserStreams
from obiterm.exchange.wire.core import GatedCore
from obiterm.exchange.wire.exchange import WireExchange
from obiterm.exchange.wire.faults import Faults
from obiterm.exchange.wire.hub import Hub
from obiterm.exchange.wire.keys import Credential, Keys
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.options import AccountKeys, AccountOptions, Addresses
from obiterm.exchange.wire.sockets import Outbox

_REST = ("/api/", "/wapi/")


class BackpackExchange(WireExchange):
    """REST and streams over one core, on one port: spot and perpetuals of one account."""

    def __init__(
        self, core: GatedCore, ledger: Callable[[], Json], limits: LimitOptions | None = None
    ) -> None:
        keys, faults = Keys(), Faults()
        self.core = core
        office = BackpackOffice(core, Limits(limits or LimitOptions()))
        super().__init__(office, keys, faults, ledger)
        self.hub = Hub(faults, self._subscribed, is_book)
        self.feeds = Feeds(office, self.hub)
        self.user_streams = UserStreams(office, faults)
        office.sinks += [self.user_streams.take, self.feeds.take]
        self.rest = RestSide(Gateway(office, keys, faults), self.closing)
        self.streams = StreamSide(office, keys, self.hub, self.user_streams)
        self._farewells: set[asyncio.Task[bool]] = set()

    def open_account(self, options: AccountOptions) -> AccountKeys:
        """Open a funded account; its secret is a seed, its key the public key of it."""
        self.office.add_account(options.name, options.balances)
        seed = seed_of(options.api_secret)
        own = public_key_of(seed)
        for name, public_key in ({as_text(own): own} | options.ed25519_keys).items():
            self.keys.add(
                Credential(name, options.name, public_key=public_key, may_trade=options.may_trade)
            )
        return AccountKeys(options.name, as_text(own), as_text(seed))

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Pass a request to REST, or to the streams at any other path."""
        if request.path.startswith(_REST):
            return await self.rest.handle(request)
        return await self.streams.handle(request)

    def beat(self, now_ns: int) -> None:
        """Publish what is due at this tenth of a second."""
        self.feeds.beat(now_ns)

    def addresses(self, base: str) -> Addresses:
        """Return where the socket is: public and private streams share it."""
        return Addresses(stream=base, private_stream=base)

    def private_streams(self) -> int:
        """Count the private streams that are subscribed."""
        return self.user_streams.count()

    def outboxes(self, which: str) -> Iterable[Outbox]:
        """Return connections of a class; one may be of both, as it carries both."""
        for client in list(self.streams.clients):
            fits = {
                "all": True,
                "market": bool(client.listener.streams),
                "user": bool(client.private.streams),
            }
            if fits.get(which, False):
                yield client.socket.outbox

    def notice(self, event: Json) -> None:
        """Announce a restart as the venue does: by a Close frame on every connection."""
        for client in list(self.streams.clients):
            task = asyncio.create_task(client.socket.socket.close(code=WSCloseCode.SERVICE_RESTART))
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)

    def _subscribed(self, stream: str) -> None:
        if is_book(stream):
            self.core.start()
