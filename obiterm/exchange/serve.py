"""Runs the simulated exchange as a server, for a command or inside a test."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import signal
import string
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import uvloop
from aiohttp import web

from obiterm.core.errors import UsageError
from obiterm.exchange.binance.auth import Credential
from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.binance.server import BinanceExchange
from obiterm.exchange.ledger import build_ledger
from obiterm.exchange.replay import ReplayVenue
from obiterm.exchange.venue import SimVenue

VENUES = ("binance",)
MAIN_ACCOUNT = "main"
DEFAULT_SYMBOL = "BTCUSDT"
_ALPHABET = string.ascii_letters + string.digits
_STOP_WITHIN_S = 1.0


def default_balances() -> dict[str, Decimal]:
    """Return what an account starts with: flat in value terms, able to trade both ways."""
    return {"BTC": Decimal(1), "USDT": Decimal(100_000)}


def _new_key() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(64))


class AccountOptions(msgspec.Struct, frozen=True):
    """An account to open. Keys that are left empty are made at random."""

    name: str = MAIN_ACCOUNT
    balances: dict[str, Decimal] = msgspec.field(default_factory=default_balances)
    api_key: str = msgspec.field(default_factory=_new_key)
    api_secret: str = msgspec.field(default_factory=_new_key)
    ed25519_keys: dict[str, bytes] = msgspec.field(default_factory=dict)
    """API key -> raw public key (32 bytes)."""
    may_trade: bool = True
    may_withdraw: bool = False
    """What ``apiRestrictions`` and ``account`` tell about the account's keys."""

    def __repr__(self) -> str:
        return f"AccountOptions(name={self.name!r})"


class ServeOptions(msgspec.Struct, frozen=True):
    """What to serve, and where."""

    venue: str = "binance"
    symbol: str = ""
    """One market, or several with commas between; empty: BTCUSDT, or what was captured."""
    seed: int = 7
    host: str = "127.0.0.1"
    port: int = 0
    """0 = any free port."""
    capture: Path | None = None
    speed: float = 1.0
    """How many times faster than recorded a capture runs."""
    accounts: list[AccountOptions] = msgspec.field(default_factory=lambda: [AccountOptions()])
    limits: LimitOptions = msgspec.field(default_factory=LimitOptions)
    exit_on_stdin_eof: bool = False
    """Stop when the parent that holds our standard input ends."""

    @property
    def symbols(self) -> list[str]:
        """The markets that are wanted; empty when none was named."""
        return [name.strip() for name in self.symbol.split(",") if name.strip()]


class Announcement(msgspec.Struct, frozen=True):
    """The one line that tells a caller how to reach the exchange."""

    venue: str
    rest: str
    stream: str
    private_stream: str | None
    ws_api: str | None
    api_key: str
    api_secret: str
    symbols: list[str]

    def __repr__(self) -> str:
        return f"Announcement({self.rest!r})"


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
        self.exchange = BinanceExchange(
            self.venue,
            lambda: build_ledger(self.venue),
            self.options.limits,
            recorded=self.venue.recorded_streams if isinstance(self.venue, ReplayVenue) else None,
        )
        for account in self.options.accounts:
            self.exchange.add_account(account.name, account.balances, _credentials(account))
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def rest_url(self) -> str:
        """Base address of REST."""
        return f"http://{self.options.host}:{self._port}"

    @property
    def stream_url(self) -> str:
        """Base address of the market streams; ``/ws`` and ``/stream`` hang off it."""
        return f"ws://{self.options.host}:{self._port}"

    @property
    def ws_api_url(self) -> str:
        """Address of the WebSocket API."""
        return f"{self.stream_url}/ws-api/v3"

    @property
    def api_key(self) -> str:
        """HMAC key of the first account."""
        return self.options.accounts[0].api_key

    @property
    def api_secret(self) -> str:
        """HMAC secret of the first account."""
        return self.options.accounts[0].api_secret

    def announcement(self) -> Announcement:
        """Return how to reach the exchange."""
        return Announcement(
            venue=self.options.venue,
            rest=self.rest_url,
            stream=self.stream_url,
            private_stream=None,
            ws_api=self.ws_api_url,
            api_key=self.api_key,
            api_secret=self.api_secret,
            symbols=list(self.venue.markets),
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
        return SimVenue.named(
            symbols or [DEFAULT_SYMBOL], seed=options.seed, start_ns=time.time_ns()
        )
    if len(symbols) > 1:
        raise UsageError("a capture holds one market; name one symbol, or none")
    return ReplayVenue(
        options.capture,
        symbol=symbols[0] if symbols else None,
        speed=options.speed,
        derived=True,
    )


def _credentials(account: AccountOptions) -> list[Credential]:
    may_trade, may_withdraw = account.may_trade, account.may_withdraw
    hmac_key = Credential(
        account.api_key,
        account.name,
        secret=account.api_secret,
        may_trade=may_trade,
        may_withdraw=may_withdraw,
    )
    return [hmac_key] + [
        Credential(
            api_key,
            account.name,
            public_key=public_key,
            may_trade=may_trade,
            may_withdraw=may_withdraw,
        )
        for api_key, public_key in account.ed25519_keys.items()
    ]


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


async def _until(stop: asyncio.Event, exchange: BinanceExchange) -> None:
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
