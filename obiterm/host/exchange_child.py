"""Start the simulated exchange as a child process that ends with its host."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from obiterm.core.errors import DataError, UsageError

_START_LIMIT_S = 20.0


class ExchangeAddress(msgspec.Struct, frozen=True):
    """The JSON line that ``obiterm exchange --json`` prints."""

    venue: str
    rest: str
    stream: str
    ws_api: str
    api_key: str
    api_secret: str
    symbols: list[str]
    private_stream: str | None = None

    def __repr__(self) -> str:
        return f"ExchangeAddress(venue={self.venue!r}, rest={self.rest!r})"


class ExchangeChild:
    """A running simulated exchange; its keys live in memory only."""

    def __init__(self, process: asyncio.subprocess.Process, address: ExchangeAddress) -> None:
        self._process = process
        self.address = address

    @classmethod
    async def start(
        cls, *, symbol: str, seed: int, port: int, capture: Path | None, speed: float
    ) -> ExchangeChild:
        """Start it and wait for its address. Raises ``UsageError`` with its own words."""
        arguments = [
            *("--venue", "binance", "--symbol", symbol, "--seed", str(seed)),
            *("--port", str(port), "--json", "--exit-with-parent"),
        ]
        if capture is not None:
            arguments += ["--capture", str(capture), "--speed", f"{speed:g}"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "obiterm", "exchange", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        if process.stdout is None or process.stderr is None:
            raise DataError("the exchange was started without pipes")
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                line = await process.stdout.readline()
        except TimeoutError:
            process.kill()
            raise DataError("the simulated exchange did not start in time") from None
        if not line:
            words = (await process.stderr.read()).decode(errors="replace").strip()
            status = await process.wait()
            message = words.splitlines()[-1] if words else f"it ended with status {status}"
            raise UsageError(f"simulated exchange: {message.removeprefix('obiterm: ')}")
        return cls(process, msgspec.json.decode(line, type=ExchangeAddress))

    @property
    def ended(self) -> bool:
        """Return whether the process is gone."""
        return self._process.returncode is not None

    async def stop(self) -> None:
        """End the process."""
        if self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(3.0):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
