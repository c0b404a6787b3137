"""The REST side (backpack.md §3-§7)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from aiohttp import web

from obiterm.exchange.backpack.errors import ApiError
from obiterm.exchange.backpack.gateway import Asked, Gateway, ReplyDropped
from obiterm.exchange.backpack.operations import ROUTES, Operation
from obiterm.exchange.backpack.params import Params, parse_batch, parse_body, parse_query
from obiterm.exchange.wire.faults import FOREVER_MS

_JSON = "application/json"


class RestSide:
    """Answers ``/api/v1`` and ``/wapi/v1``. ``closing`` ends requests that are kept waiting."""

    def __init__(self, gateway: Gateway, closing: asyncio.Event) -> None:
        self._gateway = gateway
        self._closing = closing

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        operation = ROUTES.get((request.method, path))
        if operation is None:
            return _refusal(ApiError(404, "RESOURCE_NOT_FOUND", "Not Found"))
        body = await request.read()
        try:
            asked = Asked(
                operation=operation,
                parts=_parts(operation, query, body),
                headers=request.headers,
                address=request.remote or "",
                labels=(operation.name, f"{request.method} {path}", path),
            )
            result = await self._gateway.perform(asked)
        except ApiError as error:
            return _refusal(error)
        except ReplyDropped:
            return await self._never_answer(request)
        return _answer(operation, result)

    async def _never_answer(self, request: web.Request) -> web.StreamResponse:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), FOREVER_MS / 1000)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)


def _parts(operation: Operation, query: str, body: bytes) -> tuple[Params, ...]:
    if operation.batch:
        return tuple(parse_batch(body, operation.payload))
    if operation.payload:
        return (parse_body(body, operation.payload),)
    return (parse_query(query),)


def _answer(operation: Operation, result: object) -> web.Response:
    if operation.text:
        return web.Response(text=str(result))
    if result is None:
        # Settings were changed: 200 without a body. A ticker without a trade: 204.
        return web.Response(status=200 if operation.payload else 204)
    return web.Response(body=msgspec.json.encode(result), content_type=_JSON, charset="utf-8")


def _refusal(error: ApiError) -> web.Response:
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else None
    return web.Response(
        status=error.status,
        body=msgspec.json.encode(error.body()),
        content_type=_JSON,
        charset="utf-8",
        headers=headers,
    )
