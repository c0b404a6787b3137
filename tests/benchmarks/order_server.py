"""A simulated exchange in a process of its own that stamps every order as it arrives.

Run as a script with a venue: prints the exchange's JSON line, then serves; a line on
standard input makes it print the stamps (``time.perf_counter_ns``, which processes of one
machine share) as JSON. Both sides of a comparison talk to the same code.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import msgspec
import uvloop
from aiohttp import WSMessage, web

from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions

_FRAMES = ('"order.place"', '"order.create"')
_PATHS = ("/api/v3/order", "/fapi/v1/order", "/v5/order/create", "/api/v1/order")


def install(server: ExchangeServer, stamps: list[int]) -> None:
    """Put the stamps where requests and frames arrive, before anything is read of them."""
    serve = server.exchange.dispatch
    receive = web.WebSocketResponse.receive

    async def stamped_serve(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and request.path in _PATHS:
            stamps.append(time.perf_counter_ns())
        return await serve(request)

    async def stamped_receive(self_: web.WebSocketResponse, *args: Any, **words: Any) -> WSMessage:
        message = await receive(self_, *args, **words)
        if isinstance(message.data, str) and any(one in message.data for one in _FRAMES):
            stamps.append(time.perf_counter_ns())
        return message

    server.exchange.dispatch = stamped_serve  # type: ignore[method-assign]
    setattr(web.WebSocketResponse, "receive", stamped_receive)  # noqa: B010 - somebody else's


async def main(venue: str) -> None:
    """Serve until standard input ends."""
    stamps: list[int] = []
    accounts = [AccountOptions(name="ours"), AccountOptions(name="theirs")]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    server = ExchangeServer(ServeOptions(venue=venue, accounts=accounts))
    install(server, stamps)
    async with server:
        _say(server.announcement())
        while await reader.readline():
            _say(stamps)


def _say(what: object) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
