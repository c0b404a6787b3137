"""A plain client of the Bybit dialect that signs by the venue's documents, for tests."""

from __future__ import annotations

import hashlib
import hmac
import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from tests.clients.support import Json, Socket, now_ms

SPOT, LINEAR = "spot", "linear"
SYMBOL = "BTCUSDT"


def bybit_options(**more: Any) -> ServeOptions:
    """Both categories of one market, two accounts."""
    return ServeOptions(
        venue="bybit", accounts=[AccountOptions(), AccountOptions(name="other")], **more
    )


class BybitReply:
    """Status, envelope and headers of one answer."""

    def __init__(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.status = status
        self.text = text
        self.headers = headers

    @property
    def body(self) -> Json:
        found: Json = json.loads(self.text)
        return found

    @property
    def code(self) -> int:
        return int(self.body["retCode"])

    @property
    def msg(self) -> str:
        return str(self.body["retMsg"])

    @property
    def result(self) -> Any:
        assert self.code == 0, self.body
        return self.body["result"]

    @property
    def rows(self) -> list[Any]:
        found: list[Any] = self.result["list"]
        return found


class BybitRest:
    """REST calls of one key."""

    def __init__(self, server: ExchangeServer, account: int = 0) -> None:
        self.base = server.rest_url
        self.addresses = server.addresses
        self.key = server.accounts[account].api_key
        self.secret = server.accounts[account].api_secret
        self.window = "5000"
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

    def sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def headers(self, payload: str, stamp_ms: int | None = None) -> dict[str, str]:
        stamp = str(now_ms() if stamp_ms is None else stamp_ms)
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": self.window,
            "X-BAPI-SIGN": self.sign(stamp + self.key + self.window + payload),
        }

    async def raw(
        self, method: str, target: str, headers: dict[str, str], body: str | None = None
    ) -> BybitReply:
        """Send a finished target and body, byte for byte."""
        url = URL(self.base + target, encoded=True)
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        async with self.http.request(method, url, data=body, headers=headers) as response:
            return BybitReply(response.status, await response.text(), dict(response.headers))

    async def public(self, path: str, **params: object) -> BybitReply:
        return await self.raw("GET", f"/v5/market/{path}?{_query(params)}", {})

    async def get(self, path: str, **params: object) -> BybitReply:
        query = _query(params)
        target = f"/v5/{path}?{query}" if query else f"/v5/{path}"
        return await self.raw("GET", target, self.headers(query))

    async def post(self, path: str, **fields: object) -> BybitReply:
        body = json.dumps(fields)
        return await self.raw("POST", f"/v5/{path}", self.headers(body), body)

    # -- what tests often do --------------------------------------------------------

    async def touch(self, category: str) -> tuple[float, float]:
        """Return best bid and ask."""
        book = (await self.public("orderbook", category=category, symbol=SYMBOL, limit=1)).result
        return float(book["b"][0][0]), float(book["a"][0][0])

    async def away(self, category: str, share: float) -> str:
        """Return a price that far (0.1 = 10 %) from the best bid, on the grid."""
        bid, _ = await self.touch(category)
        return f"{bid * (1 + share):.1f}"

    async def order(self, category: str, side: str, kind: str, **more: object) -> BybitReply:
        fields: Json = {"category": category, "symbol": SYMBOL, "side": side, "orderType": kind}
        return await self.post("order/create", **(fields | more))

    async def limit(
        self, category: str, side: str, qty: str, price: str, **more: object
    ) -> BybitReply:
        return await self.order(category, side, "Limit", qty=qty, price=price, **more)

    async def find(self, category: str, order_id: str) -> Json:
        """Return an order, open or not."""
        rows = (await self.get("order/realtime", category=category, orderId=order_id)).rows
        found: Json = rows[0]
        return found

    async def position(self) -> Json:
        rows = (await self.get("position/list", category=LINEAR, symbol=SYMBOL)).rows
        found: Json = rows[0]
        return found

    async def fault(self, kind: str, **more: object) -> Json:
        return await self._back_door("faults", {"kind": kind} | more)

    async def control(self, do: str, **more: object) -> Json:
        return await self._back_door("control", {"do": do} | more)

    async def _back_door(self, path: str, body: Json) -> Json:
        async with self.http.post(f"{self.base}/_exchange/{path}", json=body) as response:
            answer: Json = await response.json()
            assert response.status == 200, answer
            return answer

    async def ledger(self, account: str = "main") -> Json:
        async with self.http.get(f"{self.base}/_exchange/ledger") as response:
            found: Json = (await response.json())["accounts"][account]
            return found

    # -- sockets ----------------------------------------------------------------------

    def public_socket(self, category: str) -> BybitSocket:
        return BybitSocket(self, f"{self.addresses.stream}/{category}")

    def private_socket(self) -> BybitSocket:
        return BybitSocket(self, str(self.addresses.private_stream))

    def trade_socket(self) -> BybitSocket:
        return BybitSocket(self, str(self.addresses.ws_api))


def _query(params: dict[str, object]) -> str:
    return "&".join(f"{name}={quote(str(value), safe='%')}" for name, value in params.items())


class BybitSocket(Socket):
    """A public, private or trade socket."""

    def __init__(self, rest: BybitRest, url: str) -> None:
        super().__init__(rest.http, url)
        self._rest = rest
        self._next_id = 1

    async def ask(self, op: str, *args: object) -> Json:
        """Send an operation and return its answer."""
        number, self._next_id = f"r{self._next_id}", self._next_id + 1
        await self.send({"op": op, "args": list(args), "req_id": number})
        found: Json = await self.first(lambda one: one.get("req_id") == number)
        return found

    async def log_on(self) -> Json:
        expires = now_ms() + 10_000
        await self.send(
            {
                "op": "auth",
                "args": [self._rest.key, expires, self._rest.sign(f"GET/realtime{expires}")],
            }
        )
        found: Json = await self.first(lambda one: one.get("op") == "auth")
        return found

    async def trade(self, op: str, **fields: object) -> Json:
        """Send a trade request and return its answer."""
        number, self._next_id = f"t{self._next_id}", self._next_id + 1
        header = {"X-BAPI-TIMESTAMP": str(now_ms()), "X-BAPI-RECV-WINDOW": "5000"}
        await self.send({"reqId": number, "header": header, "op": op, "args": [fields]})
        found: Json = await self.first(lambda one: one.get("reqId") == number)
        return found

    async def row(self, topic: str, **fields: object) -> Json:
        """Wait for a data row of a private topic with these fields."""

        def rows(one: Any) -> list[Json]:
            return [
                row
                for row in one.get("data", [])
                if all(row.get(name) == value for name, value in fields.items())
            ]

        frame = await self.first(lambda one: one.get("topic") == topic and bool(rows(one)))
        return rows(frame)[0]
