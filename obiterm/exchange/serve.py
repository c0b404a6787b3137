"""Runs the simulated exchange as a server, for a command or inside a test."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import uvloop
from aiohttp import web

from obiterm.core.errors import UsageError
from obiterm.exchange.backpack.limits import LimitOptions as BackpackLimits
from obiterm.exchange.backpack.server import BackpackExchange
from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.binance.server import BinanceExchange
from obiterm.exchange.binance_futures.server import BinanceFuturesExchange
from obiterm.exchange.bybit.limits import BybitLimits
from obiterm.exchange.bybit.server import BybitExchange
from obiterm.exchange.ledger import build_ledger
from obiterm.exchange.replay import ReplayVenue
from obiterm.exchange.specs import DEFAULT_SYMBOLS, listings
from obiterm.exchange.venue import SimVenue
from obiterm.exchange.wire.exchange import WireExchange
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.options import (
    AccountKeys,
    AccountOptions,
    Addresses,
    Announcement,
    default_balances,
)

__all__ = [
    "AccountOptions",
    "Announcement",
    "ExchangeServer",
    "ServeOptions",
    "default_balances",
    "run_exchange",
    "serve",
]

VENUES = ("binance", "binance-futures", "backpack", "bybit")
_STOP_WITHIN_S = 1.0


class ServeOptions(msgspec.Struct, frozen=True):
    """What to serve, and where."""

    venue: str = "binance"
    symbol: str = ""
    """One market, or several with commas between; empty: the venue's own choice."""
    seed: int = 7
    host: str = "127.0.0.1"
    port: int = 0
    """0 = any free port."""
    capture: Path | None = None
    speed: float = 1.0
    """How many times faster than recorded a capture runs."""
    accounts: list[AccountOptions] = msgspec.field(default_factory=lambda: [AccountOptions()])
    limits: LimitOptions | BackpackLimits | BybitLimits | None = None
    """Other limits than the venue's own."""
    funding_interval_s: int = 0
    """Seconds between funding payments; 0: the venue's own."""
    exit_on_stdin_eof: bool = False
    """Stop when the parent that holds our standard input ends."""

    @property
    def symbols(self) -> list[str]:
        """The markets that are wanted; empty when none was named."""
        return [name.strip() for name in self.symbol.split(",") if name.strip()]


class ExchangeServer:
    """The exchange on a loopback port; ``async with`` starts and stops it."""

    def __init__(self, options: ServeOptions | None = None) -> None:
        self.options = options or ServeOptions()
        if self.options.venue not in VENUES:
            raise UsageError(
                f"no simulated exchange for venue {self.options.venue!r}",
                hint=f"there is: {', '.join(VENUES)}",
            )
        self.venue = _open_venue(self.options)
        self.exchange = _open_dialect(self.options, self.venue)
        self.accounts: list[AccountKeys] = []
        """How clients sign, account by account."""
        for account in self.options.accounts:
            balances = account.balances or default_balances(self.options.venue)
            _require_known(balances, self.options.venue, self.venue)
            funded = msgspec.structs.replace(account, balances=balances)
            self.accounts.append(self.exchange.open_account(funded))
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def rest_url(self) -> str:
        """Base address of REST."""
        return f"http://{self.options.host}:{self._port}"

    @property
    def addresses(self) -> Addresses:
        """Where the sockets are."""
        return self.exchange.addresses(f"ws://{self.options.host}:{self._port}")

    @property
    def stream_url(self) -> str:
        """Base address of the market streams."""
        return self.addresses.stream

    @property
    def ws_api_url(self) -> str:
        """Address of order entry by WebSocket; empty where the venue has none."""
        return self.addresses.ws_api or ""

    @property
    def api_key(self) -> str:
        """Key of the first account."""
        return self.accounts[0].api_key

    @property
    def api_secret(self) -> str:
        """Secret of the first account."""
        return self.accounts[0].api_secret

    def announcement(self) -> Announcement:
        """Return how to reach the exchange."""
        addresses = self.addresses
        return Announcement(
            venue=self.options.venue,
            rest=self.rest_url,
            stream=addresses.stream,
            private_stream=addresses.private_stream,
            ws_api=addresses.ws_api,
            api_key=self.api_key,
            api_secret=self.api_secret,
            symbols=[spec.venue_symbol for spec in self.venue.markets.values()],
            accounts=self.accounts,
        )

    async def start(self) -> None:
        """Listen. Raises ``UsageError`` when the port is taken."""
        runner = web.AppRunner(
            self.exchange.application(), access_log=None, shutdown_timeout=_STOP_WITHIN_S
        )
        await runner.setup()
        site = web.TCPSite(runner, self.options.host, self.options.port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise UsageError(
                    f"port {self.options.port} on {self.options.host} is in use",
                    hint="choose another port, or 0 for any",
                ) from error
            raise UsageError(
                f"cannot listen on {self.options.host}:{self.options.port}: {error.strerror}"
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut every connection and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _open_venue(options: ServeOptions) -> SimVenue | ReplayVenue:
    """Open the market: a recorded one, or the seeded order flow."""
    if not options.speed > 0:
        raise UsageError(f"speed {options.speed} must be greater than 0")
    symbols = options.symbols
    if options.capture is None:
        listed = listings(options.venue, symbols or DEFAULT_SYMBOLS[options.venue])
        if options.funding_interval_s:
            interval_s = options.funding_interval_s
            listed = [one.with_interval(interval_s) for one in listed]
        return SimVenue(listed, seed=options.seed, start_ns=time.time_ns())
    if options.venue != "binance":
        raise UsageError(f"captures of {options.venue} cannot be served, only those of binance")
    if len(symbols) > 1:
        raise UsageError("a capture holds one market; name one symbol, or none")
    return ReplayVenue(
        options.capture,
        symbol=symbols[0] if symbols else None,
        speed=options.speed,
        derived=True,
    )


def _require_known(
    balances: Mapping[str, Decimal], venue: str, core: SimVenue | ReplayVenue
) -> None:
    """Raise ``UsageError`` for money in an asset that no market of the exchange trades."""
    specs = core.markets.values()
    known = {asset for spec in specs for asset in (spec.base, spec.quote)}
    known |= set(default_balances(venue))
    unknown = sorted(asset for asset, amount in balances.items() if amount and asset not in known)
    if unknown:
        raise UsageError(
            f"--balance {unknown[0]}: no market here trades it; known: {', '.join(sorted(known))}"
        )


def _open_dialect(options: ServeOptions, venue: SimVenue | ReplayVenue) -> WireExchange:
    """Put the venue's own wire in front of the core."""

    def ledger() -> Json:
        return build_ledger(venue)

    limits = options.limits
    if options.venue == "bybit":
        return BybitExchange(venue, ledger, limits if isinstance(limits, BybitLimits) else None)
    if options.venue == "backpack":
        own = limits if isinstance(limits, BackpackLimits) else None
        return BackpackExchange(venue, ledger, own)
    binance = limits if isinstance(limits, LimitOptions) else None
    if options.venue == "binance-futures":
        return BinanceFuturesExchange(venue, ledger, binance)
    recorded = venue.recorded_streams if isinstance(venue, ReplayVenue) else None
    return BinanceExchange(venue, ledger, binance, recorded=recorded)


async def serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or, when asked, the end of standard input.

    ``announce`` receives one line of JSON as soon as the exchange answers.
    Raises ``UsageError`` for a port in use or an unknown market.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.exit_on_stdin_eof:
        _watch_stdin(loop, stop)
    async with ExchangeServer(options) as server:
        announce(msgspec.json.encode(server.announcement()).decode())
        await _until(stop, server.exchange)


async def _until(stop: asyncio.Event, exchange: WireExchange) -> None:
    """Wait to be told to stop; raise what broke the market, if it breaks first."""
    waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(exchange.broken.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if exchange.failure is not None:
        raise exchange.failure


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def read() -> None:
        # A thread, as standard input may be a file or a device that no loop can watch.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read, name="stdin-watch", daemon=True).start()


def run_exchange(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve in a loop of its own; returns when stopped. Raises as ``serve``."""
    uvloop.run(serve(options, announce))
