"""The WebSocket: public and private streams on one connection (backpack.md §8.1).

A subscription is not acknowledged; a name that does not exist is answered with an
error that does not repeat it. Codes other than 4006 are ours: the venue's are unknown.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from obiterm.exchange.backpack.errors import ApiError
from obiterm.exchange.backpack.feed import stream_names
from obiterm.exchange.backpack.office import BackpackOffice
from obiterm.exchange.backpack.params import Params
from obiterm.exchange.backpack.signing import (
    check_signature,
    find_key,
    make_stamp,
    signed_text,
)
from obiterm.exchange.backpack.user_streams import KINDS, Subscriptions, UserStreams
from obiterm.exchange.wire.hub import Hub, Listener
from obiterm.exchange.wire.keys import Keys
from obiterm.exchange.wire.sockets import ClientSocket, Outbox

INVALID_STREAM = 4006
_BAD_FRAME = 4000
_NOT_SIGNED = 4001
_SIGNATURE_PARTS = 4
_NO_PARAMS = Params({})


class Frame(msgspec.Struct):
    """A control frame of a client."""

    method: str
    params: list[str] = msgspec.field(default_factory=list)
    signature: list[str] | None = None


class Client:
    """One connection."""

    def __init__(self, socket: ClientSocket) -> None:
        self.socket = socket
        self.listener = Listener(socket.outbox, combined=True)
        self.private = Subscriptions(socket.outbox)


class StreamSide:
    """Serves the streams."""

    def __init__(
        self, office: BackpackOffice, keys: Keys, hub: Hub, user_streams: UserStreams
    ) -> None:
        self._office = office
        self._keys = keys
        self._hub = hub
        self._user_streams = user_streams
        self._public = stream_names(office)
        self._private = frozenset(KINDS) | {
            f"{kind}.{symbol}" for kind in KINDS for symbol in office.scales
        }
        self.clients: dict[Client, None] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        socket = ClientSocket(request, self._office.limits.options, frames_per_second=None)
        client = Client(socket)
        self.clients[client] = None
        self._hub.join(client.listener)
        self._user_streams.connections[client.private] = None
        try:
            async for text in socket.texts():
                self._take(client, text)
        finally:
            self._user_streams.connections.pop(client.private, None)
            self._hub.leave(client.listener)
            self.clients.pop(client, None)
        return socket.socket

    def _take(self, client: Client, text: str) -> None:
        try:
            frame = msgspec.json.decode(text, type=Frame)
        except msgspec.DecodeError:
            _refuse(client.socket.outbox, _BAD_FRAME, "Invalid request")
            return
        if frame.method == "SUBSCRIBE":
            self._subscribe(client, frame)
        elif frame.method == "UNSUBSCRIBE":
            for stream in frame.params:
                client.private.streams.pop(stream, None)
                self._hub.unsubscribe(client.listener, stream)
        elif frame.method != "PING":
            _refuse(client.socket.outbox, _BAD_FRAME, "Invalid method")

    def _subscribe(self, client: Client, frame: Frame) -> None:
        private = [stream for stream in frame.params if stream in self._private]
        account = ""
        if private:
            try:
                account = self._signer(frame.signature)
            except ApiError as error:
                _refuse(client.socket.outbox, _NOT_SIGNED, error.message)
                return
        for stream in frame.params:
            if stream in self._private:
                self._user_streams.subscribe(client.private, stream, account)
            elif stream in self._public:
                self._hub.subscribe(client.listener, stream)
            else:
                _refuse(client.socket.outbox, INVALID_STREAM, "Invalid stream")

    def _signer(self, signature: list[str] | None) -> str:
        """Return the account whose key signed; raise ``ApiError``."""
        if signature is None or len(signature) != _SIGNATURE_PARTS:
            raise ApiError(401, "UNAUTHORIZED", "Signature is required")
        stamp = make_stamp(*signature)
        credential = find_key(self._keys, stamp.api_key)
        stamp.check(self._office.clock_ns())
        check_signature(credential, signed_text("subscribe", [_NO_PARAMS], stamp), stamp.signature)
        return credential.account


def _refuse(outbox: Outbox, code: int, message: str) -> None:
    outbox.send(msgspec.json.encode({"id": None, "error": {"code": code, "message": message}}))
