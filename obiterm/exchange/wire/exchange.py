"""One dialect as a web application: the market's life, accounts, the back door."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from aiohttp import web

from obiterm.exchange.wire.control import ControlSide, Doors
from obiterm.exchange.wire.fault_desk import FaultDesk
from obiterm.exchange.wire.faults import FaultKind, Faults
from obiterm.exchange.wire.keys import Credential, Keys
from obiterm.exchange.wire.office import Json, Office
from obiterm.exchange.wire.options import AccountKeys, AccountOptions, Addresses
from obiterm.exchange.wire.protection import ProtectionMeter
from obiterm.exchange.wire.pump import Pump
from obiterm.exchange.wire.sockets import Outbox

log = logging.getLogger(__name__)


class WireExchange(ABC):
    """What a dialect is on top of: subclasses answer requests.

    A subclass builds its sides, appends its sinks to ``office.sinks`` and then has
    ``application`` served on one port.
    """

    def __init__(
        self,
        office: Office,
        keys: Keys,
        faults: Faults,
        ledger: Callable[[], Json],
        *,
        is_model: bool = True,
    ) -> None:
        self.office = office
        self.keys = keys
        self.faults = faults
        self.fault_desk = FaultDesk(office, faults, self.cut, self.stall)
        self.protection = ProtectionMeter(office.venue)
        office.sinks.append(self.protection.take)
        doors = Doors(
            self.notice, ledger, self.private_streams, self.expire, self.protection.describe
        )
        self.control = ControlSide(office, keys, doors, is_model=is_model)
        self.broken = asyncio.Event()
        """Set when the market cannot go on; ``failure`` holds what broke it."""
        self.failure: BaseException | None = None
        self.closing = asyncio.Event()
        """Set when the server stops: requests that are kept waiting end."""
        self._pumping: asyncio.Task[None] | None = None

    # -- what a dialect says ----------------------------------------------------

    @abstractmethod
    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer one request or serve one socket."""

    @abstractmethod
    def beat(self, now_ns: int) -> None:
        """Publish what is due at this tenth of a second."""

    @abstractmethod
    def outboxes(self, which: str) -> Iterable[Outbox]:
        """Return connections of a class: ``market``, ``user``, ``ws_api`` or ``all``."""

    @abstractmethod
    def addresses(self, base: str) -> Addresses:
        """Return where the sockets are, given ``ws://host:port``."""

    @abstractmethod
    def notice(self, event: Json) -> None:
        """Tell every connection something that concerns the exchange itself."""

    @abstractmethod
    def private_streams(self) -> int:
        """Count the live subscriptions to account events."""

    def expire(self, account: str) -> int:
        """End the sessions of an account's private streams as time would; return how many."""
        return 0

    # -- accounts ---------------------------------------------------------------

    def open_account(self, options: AccountOptions) -> AccountKeys:
        """Open a funded account and return how a client signs for it."""
        self.office.add_account(options.name, options.balances)
        self.protection.watch(options.name, options.balances)
        if options.hedge_mode:
            self.office.venue.set_hedge_mode(options.name, hedged=True)
        keys = AccountKeys(options.name, options.api_key, options.api_secret)
        self._register(options, keys.api_key, secret=keys.api_secret)
        for api_key, public_key in options.ed25519_keys.items():
            self._register(options, api_key, public_key=public_key)
        return keys

    def _register(
        self, options: AccountOptions, api_key: str, *, secret: str = "", public_key: bytes = b""
    ) -> None:
        self.keys.add(
            Credential(
                api_key,
                options.name,
                secret=secret,
                public_key=public_key,
                may_trade=options.may_trade,
                may_withdraw=options.may_withdraw,
            )
        )

    # -- life -------------------------------------------------------------------

    def application(self) -> web.Application:
        """Return the web application; the market starts and stops with it."""
        app = web.Application(client_max_size=1024 * 1024)
        app.add_routes([*self.control.routes(), *self.fault_desk.routes()])
        app.router.add_route("*", "/{path:.*}", self._receive)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._stop)
        return app

    def cut(self, which: str) -> int:
        """Break the connections of a class and return how many there were."""
        outboxes = list(self.outboxes(which))
        for outbox in outboxes:
            outbox.cut()
        return len(outboxes)

    def stall(self, which: str, seconds: float) -> int:
        """Let the connections of a class stand still and return how many there were."""
        outboxes = list(self.outboxes(which))
        for outbox in outboxes:
            outbox.stall(seconds)
        return len(outboxes)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        """Dispatch a request unless a fault keeps callers out."""
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        labels = ("all", "socket" if is_socket else "rest", request.path)
        refused = self.faults.take(FaultKind.REFUSE, labels, self.office.market_ns())
        if refused is None or request.transport is None:
            return await self.dispatch(request)
        request.transport.abort()
        return web.Response(status=503)

    async def _start(self, app: web.Application) -> None:
        self._pumping = asyncio.create_task(Pump(self.office, self.beat).run())
        self._pumping.add_done_callback(self._pump_ended)

    def _pump_ended(self, task: asyncio.Task[None]) -> None:
        """Leave nobody connected to a market that stands still by accident."""
        self.failure = None if task.cancelled() else task.exception()
        if self.failure is not None:
            log.error("the market stopped: %s", self.failure)
            self.broken.set()
            self.cut("all")

    async def _stop(self, app: web.Application) -> None:
        self.closing.set()
        self.fault_desk.stop_script()
        self.cut("all")
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.gather(self._pumping, return_exceptions=True)
