"""Starting, announcing and stopping the exchange."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from obiterm.core.errors import DataError, UsageError
from obiterm.exchange.binance.server import BinanceExchange
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.exchange.venue import SimVenue
from tests.clients.support import DEADLINE_S, Rest, Signer, Socket

PROGRAM = """
import sys
from obiterm.exchange.serve import ServeOptions, run_exchange
run_exchange(
    ServeOptions(exit_on_stdin_eof=sys.argv[1] == "eof"),
    lambda line: print(line, flush=True),
)
print("stopped", flush=True)
"""


async def _run(mode: str) -> tuple[asyncio.subprocess.Process, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        mode,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
    told: dict[str, object] = json.loads(line)
    return process, told


async def _last_words(process: asyncio.subprocess.Process) -> tuple[bytes, int]:
    assert process.stdout is not None
    words = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
    return words.strip(), await asyncio.wait_for(process.wait(), DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_line_tells_how_to_reach_it_and_a_signal_ends_it(number: int) -> None:
    process, told = await _run("signal")
    assert list(told) == [
        "venue",
        "rest",
        "stream",
        "private_stream",
        "ws_api",
        "api_key",
        "api_secret",
        "symbols",
        "accounts",
    ]
    assert told["venue"] == "binance"
    assert told["private_stream"] is None
    assert told["symbols"] == ["BTCUSDT"]
    signer = Signer(str(told["api_key"]), str(told["api_secret"]))
    async with Rest(str(told["rest"]), signer) as rest:
        account = await rest.signed("GET", "/api/v3/account")
        assert {row["asset"]: row["free"] for row in account.body["balances"]} == {
            "BTC": "1.00000000",
            "USDT": "100000.00000000",
        }
    process.send_signal(number)
    assert await _last_words(process) == (b"stopped", 0)


async def test_the_end_of_its_parent_ends_it() -> None:
    process, _ = await _run("eof")
    assert process.stdin is not None
    process.stdin.close()
    assert await _last_words(process) == (b"stopped", 0)


async def test_a_port_in_use_is_named() -> None:
    async with ExchangeServer() as first:
        port = int(first.rest_url.rsplit(":", 1)[1])
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is in use"):
            async with ExchangeServer(ServeOptions(port=port)):
                pytest.fail("two servers on one port")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ServeOptions(venue="nasdaq"), "nasdaq"),
        (ServeOptions(symbol="NOPEUSDT"), "NOPEUSDT"),
        (ServeOptions(speed=0), "speed 0"),
        (ServeOptions(capture=Path("/nowhere/at-all.jsonl.gz")), "at-all.jsonl.gz"),
    ],
)
async def test_bad_options_are_usage_errors(options: ServeOptions, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ExchangeServer(options)


async def test_keys_are_random_and_never_shown() -> None:
    async with ExchangeServer() as server:
        other = AccountOptions()
        assert server.api_key != other.api_key
        for shown in (repr(server.options), repr(server.announcement()), repr(server)):
            assert server.api_secret not in shown


async def test_several_markets(tmp_path: Path) -> None:
    async with (
        ExchangeServer(ServeOptions(symbol="BTCUSDT,ETHUSDT")) as server,
        Rest(server.rest_url) as rest,
    ):
        info = (await rest.public("/api/v3/exchangeInfo")).body
        assert [market["symbol"] for market in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
        prices = (await rest.public("/api/v3/ticker/price")).body
        assert len(prices) == 2


class _BreakingVenue(SimVenue):
    """A market that turns out to be damaged once somebody listens to its book."""

    listened_to = False

    def start(self) -> None:
        self.listened_to = True

    def advance(self, now_ns: int) -> None:
        if self.listened_to:
            raise DataError("line 12 is damaged")
        super().advance(now_ns)


async def test_a_market_that_breaks_leaves_nobody_connected() -> None:
    venue = _BreakingVenue.named(["BTCUSDT"], seed=1, start_ns=time.time_ns())
    exchange = BinanceExchange(venue, dict)
    runner = web.AppRunner(exchange.application(), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with (
            aiohttp.ClientSession() as http,
            Socket(http, f"ws://127.0.0.1:{port}/ws/btcusdt@depth@100ms") as stream,
        ):
            async with asyncio.timeout(DEADLINE_S):
                await exchange.broken.wait()
                await stream.closed.wait()
        assert isinstance(exchange.failure, DataError)
    finally:
        await runner.cleanup()
