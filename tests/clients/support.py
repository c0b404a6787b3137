"""A plain client of the exchange that signs by the venue's documents, for tests.

It shares no code with the exchange or with the product's own client.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
from nacl.signing import SigningKey
from yarl import URL

from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions

SEED = bytes(range(32))
ED25519_KEY = "TESTKEY"
DEADLINE_S = 10.0
Json = dict[str, Any]


def account_with_both_keys() -> AccountOptions:
    """The default account, with the documented Ed25519 test key beside its HMAC key."""
    public = bytes(SigningKey(SEED).verify_key)
    return AccountOptions(ed25519_keys={ED25519_KEY: public})


def default_options() -> ServeOptions:
    """One market, two accounts."""
    return ServeOptions(accounts=[account_with_both_keys(), AccountOptions(name="other")])


class Signer:
    """Signs with one key."""

    def __init__(self, api_key: str, secret: str = "", *, seed: bytes = b"") -> None:
        self.api_key = api_key
        self._secret = secret
        self._seed = seed

    def sign(self, payload: str) -> str:
        data = payload.encode()
        if self._seed:
            return base64.b64encode(SigningKey(self._seed).sign(data).signature).decode()
        return hmac.new(self._secret.encode(), data, hashlib.sha256).hexdigest()


def hmac_signer(server: ExchangeServer, account: int = 0) -> Signer:
    options = server.options.accounts[account]
    return Signer(options.api_key, options.api_secret)


def ed25519_signer() -> Signer:
    return Signer(ED25519_KEY, seed=SEED)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask again until the answer is true, for as long as the deadline allows."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - it asks another program
            await asyncio.sleep(0.01)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Reply:
    """Status, body and headers of one answer."""

    def __init__(self, status: int, body: Any, headers: dict[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    @property
    def code(self) -> int:
        return int(self.body["code"])

    @property
    def msg(self) -> str:
        return str(self.body["msg"])


class Rest:
    """REST calls, signed or not."""

    def __init__(self, base_url: str, signer: Signer | None = None) -> None:
        self.base = base_url
        self.signer = signer
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

    async def raw(
        self, method: str, target: str, *, body: str | None = None, key: str | None = None
    ) -> Reply:
        """Send a finished target, byte for byte."""
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = URL(self.base + target, encoded=True)
        async with self.http.request(method, url, data=body, headers=headers) as response:
            text = await response.text()
            return Reply(response.status, json.loads(text or "null"), dict(response.headers))

    async def public(self, path: str, **params: object) -> Reply:
        query = f"?{urlencode(params)}" if params else ""
        return await self.raw("GET", path + query)

    async def signed(self, method: str, path: str, **params: object) -> Reply:
        """Sign everything in the query string."""
        assert self.signer is not None
        params.setdefault("timestamp", now_ms())
        query = urlencode(params)
        signature = quote(self.signer.sign(query), safe="")
        target = f"{path}?{query}&signature={signature}"
        return await self.raw(method, target, key=self.signer.api_key)

    async def order(self, side: str, kind: str, **params: object) -> Reply:
        return await self.signed(
            "POST", "/api/v3/order", symbol="BTCUSDT", side=side, type=kind, **params
        )

    async def limit(self, side: str, quantity: object, price: object, **more: object) -> Reply:
        return await self.order(
            side, "LIMIT", timeInForce="GTC", quantity=quantity, price=price, **more
        )

    async def touch(self) -> tuple[float, float]:
        """Return best bid and ask."""
        body = (await self.public("/api/v3/ticker/bookTicker", symbol="BTCUSDT")).body
        return float(body["bidPrice"]), float(body["askPrice"])

    async def away(self, share: float) -> str:
        """Return a price that far (0.1 = 10 %) from the best bid, on the grid."""
        bid, _ = await self.touch()
        return f"{bid * (1 + share):.2f}"

    async def fault(self, kind: str, **more: object) -> Reply:
        return await self._post("/_exchange/faults", {"kind": kind} | more)

    async def control(self, do: str, **more: object) -> Reply:
        return await self._post("/_exchange/control", {"do": do} | more)

    async def _post(self, path: str, body: dict[str, object]) -> Reply:
        async with self.http.post(self.base + path, json=body) as response:
            return Reply(response.status, await response.json(), dict(response.headers))

    async def ledger(self, account: str = "main") -> Json:
        body = (await self.public("/_exchange/ledger")).body
        found: Json = body["accounts"][account]
        return found


class Socket:
    """A WebSocket whose messages are kept until a test asks for them."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.closed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.inbox: list[Any] = []
        self.texts: list[str] = []
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._socket = await self._http.ws_connect(self._url, max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._socket is not None
        assert self._reader is not None
        await self._socket.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    @property
    def socket(self) -> aiohttp.ClientWebSocketResponse:
        assert self._socket is not None
        return self._socket

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    async with self._arrived:
                        self.texts.append(message.data)
                        self.inbox.append(json.loads(message.data))
                        self._arrived.notify_all()
        finally:
            self.closed.set()

    async def send(self, body: object) -> None:
        await self.socket.send_str(json.dumps(body))

    async def first(self, matches: Callable[[Any], bool], *, skip: int = 0) -> Any:
        """Wait for a message and return it; ``skip`` messages from the start are not looked at."""

        def found() -> list[Any]:
            return [one for one in self.inbox[skip:] if matches(one)]

        async with self._arrived, asyncio.timeout(DEADLINE_S):
            await self._arrived.wait_for(lambda: bool(found()))
            return found()[0]

    async def collect(self, count: int, matches: Callable[[Any], bool]) -> list[Any]:
        """Wait for ``count`` messages that match."""

        def found() -> list[Any]:
            return [one for one in self.inbox if matches(one)]

        async with self._arrived, asyncio.timeout(DEADLINE_S):
            await self._arrived.wait_for(lambda: len(found()) >= count)
            return found()[:count]


class WsApi(Socket):
    """A WebSocket API connection."""

    def __init__(self, http: aiohttp.ClientSession, url: str, signer: Signer) -> None:
        super().__init__(http, url)
        self.signer = signer
        self._next_id = 1

    async def start(self, method: str, params: dict[str, object] | None = None) -> int:
        """Send a request and return its id."""
        number, self._next_id = self._next_id, self._next_id + 1
        await self.send({"id": number, "method": method, "params": params or {}})
        return number

    async def answer(self, number: int) -> Json:
        found: Json = await self.first(lambda one: one.get("id") == number)
        return found

    async def plain(self, method: str, **params: object) -> Json:
        return await self.answer(await self.start(method, params))

    def sign(self, params: dict[str, object]) -> dict[str, object]:
        params = {"apiKey": self.signer.api_key, "timestamp": now_ms()} | params
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return params | {"signature": self.signer.sign(payload)}

    async def signed(self, method: str, **params: object) -> Json:
        return await self.answer(await self.start(method, self.sign(params)))

    async def event(self, name: str, **fields: object) -> Json:
        """Wait for a user event with these fields."""

        def matches(one: Any) -> bool:
            event = one.get("event", {})
            return event.get("e") == name and all(
                event.get(field) == value for field, value in fields.items()
            )

        found: Json = (await self.first(matches))["event"]
        return found
