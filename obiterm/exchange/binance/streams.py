"""The market stream side: ``/ws``, ``/ws/<a>/<b>`` and ``/stream?streams=a/b`` (binance.md §8)."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    """Serves market streams.

    ``may_carry`` tells whether a connection on this path hears a stream; one that it does
    not is acknowledged all the same, and silent.
    """

    def __init__(
        self,
        hub: Hub,
        limits: Limits,
        may_carry: Callable[[str, str], bool] = lambda path, name: True,
    ) -> None:
        self._hub = hub
        self._limits = limits
        self._may_carry = may_carry

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        path, _, query = request.raw_path.partition("?")
        combined = "stream" in path.split("/")[1:3]
        options = self._limits.options
        try:
            self._limits.address(request.remote or "").admit_connect(time.time_ns())
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        client = ClientSocket(request, options, frames_per_second=options.frames_per_second)
        listener = Listener(client.outbox, combined=combined)
        self._hub.join(listener)
        names = self.names(path, query, combined=combined)
        self._subscribe(listener, path, names[:MAX_STREAMS])
        try:
            async for text in client.texts():
                client.outbox.send(msgspec.json.encode(self._answer(listener, path, text)))
        finally:
            self._hub.leave(listener)
        return client.socket

    def names(self, path: str, query: str, *, combined: bool) -> list[str]:
        """Return the streams that the address itself asks for."""
        return _names_in_query(query) if combined else _names_in_path(path)

    def _subscribe(self, listener: Listener, path: str, names: list[str]) -> None:
        for name in names:
            if self._may_carry(path, name):
                self._hub.subscribe(listener, name)
            else:
                listener.streams[name] = None

    def _answer(self, listener: Listener, path: str, text: str) -> dict[str, object]:
        try:
            asked = msgspec.json.decode(text, type=StreamRequest)
        except msgspec.DecodeError as error:
            return _refusal(3, f"Invalid JSON: {error}", None)
        if asked.method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            names = [name for name in asked.params if isinstance(name, str)]
            if len(names) != len(asked.params) or not names:
                return _refusal(2, "Invalid request: params must be an array of strings", asked.id)
            return self._change(listener, path, asked, names)
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
        self, listener: Listener, path: str, asked: StreamRequest, names: list[str]
    ) -> dict[str, object]:
        if asked.method == "UNSUBSCRIBE":
            for name in names:
                self._hub.unsubscribe(listener, name)
        else:
            if len(listener.streams.keys() | set(names)) > MAX_STREAMS:
                return _refusal(2, "Invalid request: too many streams", asked.id)
            self._subscribe(listener, path, names)
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
    _, _, names = path.partition("/ws")
    return [unquote(name) for name in names.split("/") if name]


def _names_in_query(query: str) -> list[str]:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == "streams":
            return [unquote(stream) for stream in unquote(value).split("/") if stream]
    return []
