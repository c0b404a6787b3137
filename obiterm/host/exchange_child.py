"""Start a simulated exchange as a child process that ends with its host."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque

import msgspec

from obiterm.config.keys import ApiKeys
from obiterm.config.markets import exchange_symbol
from obiterm.config.models import ExchangeProfile
from obiterm.core.errors import ObitermError, UsageError

_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 3.0
_LAST_WORDS_S = 0.5
_KEPT_WORDS = 20
_USAGE_STATUS = 2

_LOG = logging.getLogger("obiterm.host")


class AccountKeys(msgspec.Struct, frozen=True):
    """How one account of the exchange signs."""

    name: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"AccountKeys(name={self.name!r})"


class ExchangeAddress(msgspec.Struct, frozen=True):
    """The JSON line that ``obiterm exchange --json`` prints."""

    venue: str
    rest: str
    stream: str
    symbols: list[str]
    accounts: list[AccountKeys]
    ws_api: str | None = None
    private_stream: str | None = None

    def __repr__(self) -> str:
        return f"ExchangeAddress(venue={self.venue!r}, rest={self.rest!r})"

    @property
    def port(self) -> int:
        """The port that all its faces share."""
        return int(self.rest.rpartition(":")[2])

    def keys(self, number: int) -> ApiKeys:
        """Return the keys of its account with this number, from 0."""
        account = self.accounts[number]
        return ApiKeys(account.api_key, account.api_secret)

    def urls(self) -> dict[str, str]:
        """Return its base addresses by the names that the venue's room has for them."""
        match self.venue:
            case "bybit":
                found = {
                    "rest": self.rest,
                    "public": self.stream,
                    "private": self.private_stream,
                    "trade": self.ws_api,
                }
            case "backpack":
                found = {"rest": self.rest, "stream": self.stream}
            case _:
                found = {"rest": self.rest, "stream": self.stream, "ws_api": self.ws_api}
        return {name: address for name, address in found.items() if address}


class ExchangeGone(ObitermError):
    """The simulated exchange ended by itself; there is nothing to trade on."""

    title = "exchange"


class ExchangeChild:
    """A running simulated exchange; its keys live in memory only.

    It is in a session of its own, so that Ctrl+C in a terminal reaches the host alone, which
    still needs it to withdraw its orders. It ends when its standard input does, however the
    host ended.
    """

    def __init__(self, process: asyncio.subprocess.Process, address: ExchangeAddress) -> None:
        self._process = process
        self._stopping = False
        self._words: deque[str] = deque(maxlen=_KEPT_WORDS)
        self._reader = asyncio.create_task(self._listen())
        self.address = address

    @classmethod
    async def start(cls, profile: ExchangeProfile, accounts: int, port: int) -> ExchangeChild:
        """Start it and wait for its address.

        Args:
            profile: what it plays.
            accounts: how many accounts it opens.
            port: where it listens; 0 = any free port.

        Raises:
            UsageError: it refuses what it was asked for, in its own words.
            ExchangeGone: it failed to start, or did not in time.
        """
        symbols = ",".join(exchange_symbol(profile.venue, one) for one in profile.symbols)
        arguments = [
            *("--venue", profile.venue, "--symbol", symbols, "--seed", str(profile.seed)),
            *("--port", str(port), "--accounts", str(accounts), "--json", "--exit-with-parent"),
        ]
        if profile.capture is not None:
            arguments += ["--capture", str(profile.capture), "--speed", f"{profile.speed:g}"]
        for asset, amount in profile.balances.items():
            arguments += ["--balance", f"{asset}={amount:f}"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "obiterm", "exchange", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            return cls(process, await _greeting(process))
        except BaseException:  # also when the host is interrupted while it waits
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise

    @property
    def ended(self) -> bool:
        """Return whether the process is gone."""
        return self._process.returncode is not None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def until_gone(self) -> None:
        """Wait while the process lives.

        Raises:
            ExchangeGone: it ended without being asked to.
        """
        status = await self._process.wait()
        await asyncio.wait([self._reader], timeout=_LAST_WORDS_S)
        if self._stopping:
            return
        words = self._words[-1].removeprefix("obiterm: ") if self._words else f"status {status}"
        raise ExchangeGone(f"the simulated exchange ended by itself: {words}")

    async def stop(self) -> None:
        """End the process."""
        self._stopping = True
        if self._process.returncode is None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                async with asyncio.timeout(_STOP_LIMIT_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._reader.cancel()

    async def _listen(self) -> None:
        """Keep what it says on standard error: a full pipe would stop it."""
        stream = self._process.stderr
        while stream is not None and (line := await stream.readline()):
            if text := line.decode(errors="replace").strip():
                self._words.append(text)
                _LOG.warning("exchange: %s", text)


async def _greeting(process: asyncio.subprocess.Process) -> ExchangeAddress:
    if process.stdout is None or process.stderr is None:
        raise ExchangeGone("the simulated exchange was started without pipes")
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise ExchangeGone(
            f"the simulated exchange did not start in {_START_LIMIT_S:.0f} s"
        ) from None
    if line:
        return msgspec.json.decode(line, type=ExchangeAddress)
    words = (await process.stderr.read()).decode(errors="replace").strip()
    status = await process.wait()
    message = words.splitlines()[-1].removeprefix("obiterm: ") if words else f"status {status}"
    if status == _USAGE_STATUS:
        raise UsageError(f"simulated exchange: {message}")
    raise ExchangeGone(f"the simulated exchange did not start: {message}")
