"""The market stream side: ``/ws``, ``/ws/<a>/<b>`` and ``/stream?streams=a/b`` (binance.md §8)."""

from __future__ import annotations

import time
from urllib.parse import unquote

import msgspec
from aiohttp import web

from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.limits import Limits
from obiterm.exchange.wire.hub import Hub, Listener
from obiterm.exchange.wire.sockets import ClientSocket

MAX_STREAMS = 1024
RequestId = int | str | None


class StreamRequest(msgspec.Struct):
    """A control frame of a client."""

    method: str
    params: list[object] = msgspec.field(default_factory=list)
    id: RequestId = None


class StreamSide:
    """Serves market streams."""

    def __init__(self, hub: Hub, limits: Limits) -> None:
        self._hub = hub
        self._limits = limits

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        path, _, query = request.raw_path.partition("?")
        combined = path.startswith("/stream")
        options = self._limits.options
        try:
            self._limits.address(request.remote or "").admit_connect(time.time_ns())
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        client = ClientSocket(request, options, frames_per_second=options.frames_per_second)
        listener = Listener(client.outbox, combined=combined)
        self._hub.join(listener)
        names = _names_in_query(query) if combined else _names_in_path(path)
        for name in names[:MAX_STREAMS]:
            self._hub.subscribe(listener, name)
        try:
            async for text in client.texts():
                client.outbox.send(msgspec.json.encode(self._answer(listener, text)))
        finally:
            self._hub.leave(listener)
        return client.socket

    def _answer(self, listener: Listener, text: str) -> dict[str, object]:
        try:
            asked = msgspec.json.decode(text, type=StreamRequest)
        except msgspec.DecodeError as error:
            return _refusal(3, f"Invalid JSON: {error}", None)
        if asked.method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            names = [name for name in asked.params if isinstance(name, str)]
            if len(names) != len(asked.params) or not names:
                return _refusal(2, "Invalid request: params must be an array of strings", asked.id)
            return self._change(listener, asked, names)
        if asked.method == "LIST_SUBSCRIPTIONS":
            return {"result": list(listener.streams), "id": asked.id}
        if asked.method == "SET_PROPERTY":
            return _set_property(listener, asked)
        if asked.method == "GET_PROPERTY":
            return {"result": listener.combined, "id": asked.id}
        words = (
            "Invalid request: unknown variant `" + asked.method + "`, expected one of `SUBSCRIBE`,"
            " `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
        )
        return _refusal(2, words, asked.id)

    def _change(
        self, listener: Listener, asked: StreamRequest, names: list[str]
    ) -> dict[str, object]:
        if asked.method == "UNSUBSCRIBE":
            for name in names:
                self._hub.unsubscribe(listener, name)
        else:
            if len(listener.streams.keys() | set(names)) > MAX_STREAMS:
                return _refusal(2, "Invalid request: too many streams", asked.id)
            for name in names:
                self._hub.subscribe(listener, name)
        return {"result": None, "id": asked.id}


def _set_property(listener: Listener, asked: StreamRequest) -> dict[str, object]:
    if len(asked.params) != 2 or asked.params[0] != "combined":
        return _refusal(0, "Unknown property", asked.id)
    value = asked.params[1]
    if not isinstance(value, bool):
        return _refusal(1, "Invalid value type: expected Boolean", asked.id)
    listener.combined = value
    return {"result": None, "id": asked.id}


def _refusal(code: int, msg: str, request_id: RequestId) -> dict[str, object]:
    return {"code": code, "msg": msg, "id": request_id}


def _names_in_path(path: str) -> list[str]:
    return [unquote(name) for name in path.split("/")[2:] if name]


def _names_in_query(query: str) -> list[str]:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == "streams":
            return [unquote(stream) for stream in unquote(value).split("/") if stream]
    return []
