"""A plain Backpack client that signs by the venue's documents, for tests.

It shares no code with the exchange or with the product's own client.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from nacl.signing import SigningKey

from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from tests.clients.support import Reply, Socket

PERP = "SOL_USDC_PERP"
SPOT = "SOL_USDC"
SEED = bytes(range(32))
"""The seed of the documented signatures (backpack.md §3.1)."""
SECRET = base64.b64encode(SEED).decode()
Json = dict[str, Any]

_INSTRUCTIONS = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/api/v1/order"): "orderQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/funding"): "fundingHistoryQueryAll",
    ("GET", "/wapi/v1/history/position"): "positionHistoryQueryAll",
    ("GET", "/wapi/v1/history/settlement"): "settlementHistoryQueryAll",
}


def backpack_options(**more: Any) -> ServeOptions:
    """All four markets, two accounts; the first one has the documented key."""
    accounts = [AccountOptions(api_secret=SECRET), AccountOptions(name="other")]
    return ServeOptions(venue="backpack", accounts=accounts, **more)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class BackpackSigner:
    """Signs with one key."""

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        self._key = SigningKey(base64.b64decode(secret))

    def sign(self, text: str) -> str:
        return base64.b64encode(self._key.sign(text.encode()).signature).decode()

    def headers(
        self,
        instruction: str,
        rows: Sequence[Mapping[str, object]],
        *,
        timestamp: int | None = None,
        window: int | None = 5000,
    ) -> dict[str, str]:
        sent = str(now_ms() if timestamp is None else timestamp)
        parts: list[str] = []
        for row in rows:
            parts.append(f"instruction={instruction}")
            parts += [f"{name}={_text(row[name])}" for name in sorted(row)]
        parts += [f"timestamp={sent}", f"window={5000 if window is None else window}"]
        headers = {
            "X-API-Key": self.api_key,
            "X-Timestamp": sent,
            "X-Signature": self.sign("&".join(parts)),
        }
        return headers if window is None else headers | {"X-Window": str(window)}

    def subscribe(self, *streams: str) -> Json:
        sent = str(now_ms())
        signature = self.sign(f"instruction=subscribe&timestamp={sent}&window=5000")
        return {
            "method": "SUBSCRIBE",
            "params": list(streams),
            "signature": [self.api_key, signature, sent, "5000"],
        }


def signer_of(server: ExchangeServer, account: int = 0) -> BackpackSigner:
    keys = server.accounts[account]
    return BackpackSigner(keys.api_key, keys.api_secret)


class Backpack:
    """REST calls, signed where the path asks for it."""

    def __init__(self, server: ExchangeServer, account: int = 0) -> None:
        self.base = server.rest_url
        self.stream_url = server.stream_url
        self.signer = signer_of(server, account)
        self.http = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.close()

    async def send(
        self,
        method: str,
        path: str,
        params: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send as it is."""
        texts = (
            {name: _text(value) for name, value in (params or {}).items()}
            if (method == "GET")
            else None
        )
        async with self.http.request(
            method,
            self.base + path,
            params=texts,
            json=None if method == "GET" else params,
            headers=headers,
        ) as response:
            text = await response.text()
            is_json = response.content_type == "application/json" and text
            body = json.loads(text) if is_json else text
            return Reply(response.status, body, dict(response.headers))

    async def call(self, method: str, path: str, **params: object) -> Reply:
        """Sign and send."""
        instruction = _INSTRUCTIONS[method, path]
        return await self.send(method, path, params, self.signer.headers(instruction, [params]))

    async def get(self, path: str, **params: object) -> Reply:
        """Call what is public, or sign what is not."""
        if ("GET", path) in _INSTRUCTIONS:
            return await self.call("GET", path, **params)
        return await self.send("GET", path, params)

    async def batch(self, rows: Sequence[Mapping[str, object]]) -> Reply:
        headers = self.signer.headers("orderExecute", rows)
        return await self.send("POST", "/api/v1/orders", rows, headers)

    async def order(self, symbol: str, side: str, kind: str, **more: object) -> Reply:
        return await self.call(
            "POST", "/api/v1/order", symbol=symbol, side=side, orderType=kind, **more
        )

    async def limit(
        self, symbol: str, side: str, quantity: str, price: str, **more: object
    ) -> Reply:
        return await self.order(symbol, side, "Limit", quantity=quantity, price=price, **more)

    async def touch(self, symbol: str) -> tuple[float, float]:
        """Return best bid (the last of the bids) and best ask."""
        book = (await self.get("/api/v1/depth", symbol=symbol, limit=5)).body
        return float(book["bids"][-1][0]), float(book["asks"][0][0])

    async def away(self, symbol: str, share: float) -> str:
        """Return a price that far (0.1 = 10 %) from the best bid, on the grid of SOL."""
        bid, _ = await self.touch(symbol)
        return f"{bid * (1 + share):.2f}"

    async def fault(self, kind: str, **more: object) -> Reply:
        return await self.send("POST", "/_exchange/faults", {"kind": kind} | more)

    async def control(self, do: str, **more: object) -> Reply:
        return await self.send("POST", "/_exchange/control", {"do": do} | more)

    async def ledger(self, account: str = "main") -> Json:
        body = (await self.send("GET", "/_exchange/ledger")).body
        found: Json = body["accounts"][account]
        return found


class BackpackSocket(Socket):
    """The one socket of the venue."""

    def __init__(self, client: Backpack) -> None:
        super().__init__(client.http, client.stream_url)
        self._signer = client.signer

    async def subscribe(self, *streams: str) -> None:
        await self.send({"method": "SUBSCRIBE", "params": list(streams)})

    async def subscribe_private(self, *streams: str) -> None:
        await self.send(self._signer.subscribe(*streams))

    async def data(self, stream: str, name: str | None = None, **fields: object) -> Json:
        """Wait for a frame of a stream and return its data."""

        def matches(one: Any) -> bool:
            data = one.get("data", {})
            return (
                one.get("stream") == stream
                and (name is None or data.get("e") == name)
                and all(data.get(field) == value for field, value in fields.items())
            )

        found: Json = (await self.first(matches))["data"]
        return found

    async def frames(self, stream: str, count: int) -> list[Json]:
        """Wait for frames of a stream and return their data."""
        found = await self.collect(count, lambda one: one.get("stream") == stream)
        return [one["data"] for one in found]
