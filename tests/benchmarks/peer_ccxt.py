"""The peer: ccxt.pro watches the book, takes the imbalance of 20 levels, sends an order.

Run as a script with the exchange's JSON line and the number of orders. Same work as the
engine under test: every fourth book update cancels the order before and places the next.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import ccxt.pro as ccxtpro
import uvloop

EVERY = 4
LEVELS = 20


def client(address: dict[str, str]) -> Any:
    """Return ccxt.pro's Binance with its URLs turned to the simulated exchange."""
    exchange = ccxtpro.binance(
        {
            "apiKey": address["api_key"],
            "secret": address["api_secret"],
            "enableRateLimit": False,
            "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        }
    )
    exchange.options["fetchMarkets"] = ["spot"]
    exchange.options["fetchCurrencies"] = False
    exchange.has["fetchCurrencies"] = False
    api = exchange.urls["api"]
    for name in list(api):
        if isinstance(api[name], str) and api[name].startswith("http"):
            api[name] = api[name].replace("https://api.binance.com", address["rest"])
    api["ws"]["spot"] = address["stream"] + "/ws"
    api["ws"]["ws-api"]["spot"] = address["ws_api"]
    return exchange


async def main(address: dict[str, str], orders: int) -> None:
    """Send ``orders`` orders, each answering a book update."""
    exchange = client(address)
    await exchange.load_markets()
    updates = sent = 0
    before: asyncio.Task[Any] | None = None
    cancels: list[asyncio.Task[Any]] = []
    try:
        while sent < orders:
            book = await exchange.watch_order_book("BTC/USDT", 100)
            updates += 1
            bids = sum(level[1] for level in book["bids"][:LEVELS])
            asks = sum(level[1] for level in book["asks"][:LEVELS])
            imbalance = (bids - asks) / (bids + asks) if bids + asks else 0.0
            if updates % EVERY or abs(imbalance) > 1 or updates < 5 * EVERY:
                continue
            sent += 1
            price = round(book["bids"][0][0] * 0.99, 2)
            placing = asyncio.ensure_future(
                exchange.create_order_ws("BTC/USDT", "limit", "buy", 0.001, price)
            )
            if before is not None:
                placed = await before
                cancels.append(
                    asyncio.ensure_future(exchange.cancel_order_ws(placed["id"], "BTC/USDT"))
                )
            before = placing
        if before is not None:
            await before
    finally:
        await exchange.close()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1]), int(sys.argv[2])))
