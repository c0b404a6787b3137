"""Public sockets ``/v5/public/{spot|linear}`` (bybit.md §7, §8)."""

from __future__ import annotations

import secrets

import msgspec
from aiohttp import web

from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.feed import Feed
from obiterm.exchange.bybit.gateway import Gateway
from obiterm.exchange.bybit.numbers import Json
from obiterm.exchange.bybit.topics import Topic, parse
from obiterm.exchange.wire.hub import Hub, Listener
from obiterm.exchange.wire.sockets import ClientSocket

PATH = "/v5/public/"
MOST_SPOT_ARGS = 10
MOST_ARGS_CHARS = 21_000


class SocketRequest(msgspec.Struct):
    """A control frame of a client on a public or private socket."""

    op: str = ""
    args: list[object] = msgspec.field(default_factory=list)
    req_id: object = None


def new_connection_id() -> str:
    """Return a name for a connection."""
    return secrets.token_hex(12)


class PublicSide:
    """Serves market streams."""

    def __init__(self, gateway: Gateway, hub: Hub, feed: Feed) -> None:
        self._gateway = gateway
        self._hub = hub
        self._feed = feed

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        path = request.raw_path.partition("?")[0]
        try:
            category = Category(path.removeprefix(PATH))
        except ValueError:
            return web.Response(status=404, text="404 page not found")
        limits = self._gateway.office.limits
        try:
            limits.address(request.remote or "").admit_connect(self._gateway.now_ns())
        except ApiError as error:
            return web.Response(status=error.status, text=error.msg)
        client = ClientSocket(request, limits.options, frames_per_second=None)
        listener = Listener(client.outbox, combined=False)
        session = PublicSession(self, category, listener)
        self._hub.join(listener)
        try:
            async for text in client.texts():
                session.take(text)
        finally:
            self._hub.leave(listener)
        return client.socket

    def topics(self, category: Category, args: list[object]) -> list[Topic]:
        """Read the topics of a request; one bad name fails all of them."""
        if not args:
            raise ApiError(10001, "error:no args")
        if category is Category.SPOT and len(args) > MOST_SPOT_ARGS:
            raise ApiError(10001, "args size >10")
        if sum(len(str(one)) for one in args) > MOST_ARGS_CHARS:
            raise ApiError(10001, "error:args too long")
        return [parse(self._gateway.office, category, str(one)) for one in args]

    def subscribe(self, listener: Listener, topics: list[Topic]) -> None:
        """Join topics."""
        for topic in topics:
            self._feed.open(topic, self._gateway.office.market_ns())
            self._hub.subscribe(listener, topic.stream)

    def greet(self, listener: Listener, topics: list[Topic]) -> None:
        """Send the frames with which topics begin, unless a fault keeps them silent."""
        now_ns = self._gateway.office.market_ns()
        for topic in topics:
            frame = self._feed.first(topic, now_ns)
            silent = self._gateway.faults.silent((topic.stream, "market"), now_ns)
            if frame is not None and not silent:
                listener.outbox.send(frame)

    def unsubscribe(self, listener: Listener, topics: list[Topic]) -> None:
        """Leave topics."""
        for topic in topics:
            self._hub.unsubscribe(listener, topic.stream)


class PublicSession:
    """One public connection."""

    def __init__(self, side: PublicSide, category: Category, listener: Listener) -> None:
        self._side = side
        self._category = category
        self._listener = listener
        self._connection = new_connection_id()

    def take(self, text: str) -> None:
        """Answer one frame of the client."""
        try:
            asked = msgspec.json.decode(text, type=SocketRequest)
        except msgspec.DecodeError:
            self._reply(SocketRequest(), "error:invalid JSON", ok=False)
            return
        if asked.op == "ping":
            self._reply(asked, "pong")
        elif asked.op in ("subscribe", "unsubscribe"):
            self._change(asked)
        else:
            self._reply(asked, f"error:unknown op {asked.op}", ok=False)

    def _change(self, asked: SocketRequest) -> None:
        try:
            topics = self._side.topics(self._category, asked.args)
        except ApiError as error:
            self._reply(asked, error.msg, ok=False)
            return
        words = asked.op if self._category is Category.SPOT else ""
        if asked.op == "unsubscribe":
            self._side.unsubscribe(self._listener, topics)
            self._reply(asked, words)
            return
        fresh = [one for one in topics if one.stream not in self._listener.streams]
        self._side.subscribe(self._listener, fresh)
        self._reply(asked, words)
        self._side.greet(self._listener, fresh)

    def _reply(self, asked: SocketRequest, words: str, *, ok: bool = True) -> None:
        reply: Json = {"success": ok, "ret_msg": words, "conn_id": self._connection}
        if asked.req_id is not None:
            reply["req_id"] = asked.req_id
        elif self._category is Category.LINEAR:
            reply["req_id"] = ""
        reply["op"] = asked.op
        self._listener.outbox.send(msgspec.json.encode(reply))
