"""The REST side: exact bytes in, the venue's answers and headers out (binance.md §3, §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Generic

import msgspec
from aiohttp import web

from obiterm.exchange.binance import errors
from obiterm.exchange.binance.auth import rest_payload
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.gateway import Asked, Gateway, ReplyDropped
from obiterm.exchange.binance.operation import OfficeT, Operation
from obiterm.exchange.binance.params import Params, parse_form
from obiterm.exchange.wire.keys import Credential

DROPPED_REPLY_S = 60.0
_JSON = "application/json"


class RestSide(Generic[OfficeT]):
    """Answers by method and path."""

    def __init__(
        self,
        gateway: Gateway[OfficeT],
        routes: Mapping[tuple[str, str], Operation[OfficeT]],
        closing: asyncio.Event,
    ) -> None:
        self._gateway = gateway
        self._routes = routes
        self._closing = closing

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        operation = self._routes.get((request.method, path))
        address = request.remote or ""
        if operation is None:
            return self._refusal(ApiError(404, -1000, "No such path or method."), address)
        raw = await request.read()
        body = raw.decode("utf-8", "surrogateescape")
        try:
            asked = self._asked(request, operation, query, body)
            result, credential = await self._gateway.perform(asked)
        except ApiError as error:
            return self._refusal(error, address)
        except ReplyDropped:
            return await self._never_answer(request)
        headers = self._headers(address)
        if operation.new_orders and credential is not None:
            headers |= self._order_headers(credential)
        return web.Response(
            body=msgspec.json.encode(result), content_type=_JSON, charset="UTF-8", headers=headers
        )

    def _asked(
        self, request: web.Request, operation: Operation[OfficeT], query: str, body: str
    ) -> Asked[OfficeT]:
        def authenticate(params: Params) -> Credential:
            credential = self._gateway.keys.find(request.headers.get("X-MBX-APIKEY"))
            params.need("timestamp")
            payload, signature = rest_payload(query, body)
            if not signature:
                raise errors.missing("signature")
            if not credential.signed(payload, signature):
                raise errors.bad_signature()
            return credential

        path = request.raw_path.partition("?")[0]
        return Asked(
            operation=operation,
            params=Params(parse_form(query, body)),
            address=request.remote or "",
            labels=(operation.name, f"{request.method} {path}", path),
            authenticate=authenticate,
            api_key=request.headers.get("X-MBX-APIKEY"),
        )

    def _headers(self, address: str) -> dict[str, str]:
        now_ns = self._gateway.now_ns()
        used = str(self._gateway.office.limits.address(address).weight.roll(now_ns))
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def _order_headers(self, credential: Credential) -> dict[str, str]:
        counts = self._gateway.office.limits.orders(credential.account)
        return counts.headers(self._gateway.now_ns())

    def _refusal(self, error: ApiError, address: str) -> web.Response:
        headers = self._headers(address)
        if error.retry_after_s:
            headers["Retry-After"] = str(error.retry_after_s)
        return web.Response(
            status=error.status,
            body=msgspec.json.encode(error.body()),
            content_type=_JSON,
            charset="UTF-8",
            headers=headers,
        )

    async def _never_answer(self, request: web.Request) -> web.StreamResponse:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), DROPPED_REPLY_S)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)
