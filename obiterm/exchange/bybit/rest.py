"""The REST side: exact bytes in, the venue's envelope and headers out (bybit.md §2, §3)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from aiohttp import web

from obiterm.exchange.bybit import limits, numbers
from obiterm.exchange.bybit.auth import Signed
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.gateway import Asked, Gateway, ReplyDropped
from obiterm.exchange.bybit.numbers import Json
from obiterm.exchange.bybit.operations import ROUTES, Operation
from obiterm.exchange.bybit.params import Params, parse_body, parse_query

DROPPED_REPLY_S = 60.0


class RestSide:
    """Answers ``/v5``."""

    def __init__(self, gateway: Gateway, closing: asyncio.Event) -> None:
        self._gateway = gateway
        self._closing = closing

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        gateway = self._gateway
        try:
            gateway.office.limits.address(request.remote or "").admit(gateway.now_ns())
        except ApiError as error:
            return web.Response(status=error.status, text=error.msg)
        operation = ROUTES.get((request.method, path))
        if operation is None:
            return web.Response(status=404, text="404 page not found")
        body = await request.read()
        if request.method == "GET" and body:
            return web.Response(status=403, text="GET with a body")
        headers: dict[str, str] = {}
        try:
            asked = self._asked(request, operation, query, body)
            try:
                envelope, status = self._envelope(await gateway.perform(asked)), 200
            finally:
                headers = self._quota_headers(asked)
        except ApiError as error:
            envelope, status = self._refusal(error), error.status
        except ReplyDropped:
            return await self._never_answer(request)
        return web.Response(
            status=status,
            body=msgspec.json.encode(envelope),
            content_type="application/json",
            headers=headers,
        )

    def _asked(self, request: web.Request, operation: Operation, query: str, body: bytes) -> Asked:
        credential = stamp = None
        posts = request.method == "POST"
        if operation.signed:
            signed = Signed(request.headers, body if posts else query.encode())
            credential, stamp = signed.owner(self._gateway.keys), signed.stamp
        params = Params(parse_body(body) if posts else parse_query(query))
        labels = (operation.name, f"{operation.method} {operation.path}", operation.path)
        return Asked(operation, params, labels, credential, stamp)

    def _envelope(self, result: object) -> Json:
        extra: object = {}
        if isinstance(result, tuple):
            result, extra = result
        return {
            "retCode": 0,
            "retMsg": "OK",
            "result": result,
            "retExtInfo": extra,
            "time": numbers.ms(self._gateway.now_ns()),
        }

    def _refusal(self, error: ApiError) -> Json:
        return {
            "retCode": error.code,
            "retMsg": error.msg,
            "result": {},
            "retExtInfo": {},
            "time": numbers.ms(self._gateway.now_ns()),
        }

    def _quota_headers(self, asked: Asked) -> dict[str, str]:
        """Tell what is left, after a refusal too."""
        if asked.credential is None:
            return {}
        quota = self._gateway.quota(asked.operation, asked.params, asked.credential.account)
        return {} if quota is None else limits.headers(quota, self._gateway.now_ns())

    async def _never_answer(self, request: web.Request) -> web.StreamResponse:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), DROPPED_REPLY_S)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)
