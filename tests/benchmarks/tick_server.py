"""The simulated exchange in a process of its own that stamps ticks out and orders in.

Run as a script: prints the exchange's JSON line, then serves; a line on standard input
makes it print the delays (µs from the last depth message out to the order in) as JSON
and start over. Both sides of a comparison talk to the same code.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from obiterm.exchange.binance import ws_api
from obiterm.exchange.binance.limits import LimitOptions
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from obiterm.exchange.wire.sockets import Outbox


class Stamps:
    """When the newest depth message left, and how long each order took to answer it."""

    def __init__(self) -> None:
        self.out_ns = 0
        self.delays_us: list[float] = []

    def install(self) -> None:
        """Put the stamps where messages leave and requests arrive."""
        send = Outbox.send
        serve = ws_api.WsApiSide._serve

        def stamped_send(client: Outbox, data: bytes, *more: Any) -> None:
            if b'"depthUpdate"' in data[:120]:
                self.out_ns = time.perf_counter_ns()
            send(client, data, *more)

        async def stamped_serve(
            self_: Any, client: Any, session: Any, address: str, text: str
        ) -> None:
            if '"order.place"' in text:
                self.delays_us.append((time.perf_counter_ns() - self.out_ns) / 1_000)
            await serve(self_, client, session, address, text)

        setattr(Outbox, "send", stamped_send)  # noqa: B010 - a stamp put into somebody else's class
        setattr(ws_api.WsApiSide, "_serve", stamped_serve)  # noqa: B010


async def main(capture: str, speed: float) -> None:
    """Serve until standard input ends."""
    stamps = Stamps()
    stamps.install()
    options = ServeOptions(
        capture=Path(capture) if capture else None,
        speed=speed,
        limits=LimitOptions(orders_per_10s=1_000_000, orders_per_day=10_000_000),
    )
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with ExchangeServer(options) as server:
        line = server.announcement()
        sys.stdout.write(
            json.dumps(
                {
                    "rest": line.rest,
                    "stream": line.stream,
                    "ws_api": line.ws_api,
                    "api_key": line.api_key,
                    "api_secret": line.api_secret,
                }
            )
            + "\n"
        )
        sys.stdout.flush()
        while await reader.readline():
            sys.stdout.write(json.dumps(stamps.delays_us) + "\n")
            sys.stdout.flush()
            stamps.delays_us = []


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2])))
