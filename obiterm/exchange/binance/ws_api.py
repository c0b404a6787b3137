"""The WebSocket API at ``/ws-api/v3``: requests, replies, user data on one socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Generic

import msgspec
from aiohttp import web

from obiterm.exchange.binance import errors
from obiterm.exchange.binance.auth import object_payload
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.gateway import Asked, Gateway, ReplyDropped, retry_after_ms
from obiterm.exchange.binance.operation import OfficeT, Operation
from obiterm.exchange.binance.params import Params, parse_object
from obiterm.exchange.binance.sessions import Session
from obiterm.exchange.binance.user_streams import Subscriptions
from obiterm.exchange.binance.wire import ms
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.office import Json
from obiterm.exchange.wire.sockets import ClientSocket

MAX_ID_LENGTH = 36
RequestId = int | str | None


class WireRequest(msgspec.Struct):
    """A request as it stands on the wire; parameters keep their bytes."""

    id: RequestId
    method: str
    params: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


class WsApiSide(Generic[OfficeT]):
    """Serves the WebSocket API.

    ``connections`` is where the sockets that may carry account events are kept.
    """

    def __init__(
        self,
        gateway: Gateway[OfficeT],
        methods: Mapping[str, Operation[OfficeT]],
        connections: dict[Subscriptions, None],
        *,
        connect_weight: int,
    ) -> None:
        self._gateway = gateway
        self._methods = methods
        self._connections = connections
        self._connect_weight = connect_weight
        self.clients: dict[ClientSocket, Session] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        address, limits = request.remote or "", self._gateway.office.limits
        try:
            counters = limits.address(address)
            counters.admit_connect(self._gateway.now_ns())
            counters.admit(self._connect_weight, self._gateway.now_ns())
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        # Request weight bounds this socket, not a count of frames.
        client = ClientSocket(request, limits.options, frames_per_second=None)
        subscriptions = Subscriptions(client.outbox)
        session = Session(subscriptions, self._gateway.now_ns())
        session.return_rate_limits = request.query.get("returnRateLimits") != "false"
        self.clients[client] = session
        self._connections[subscriptions] = None
        try:
            async with asyncio.TaskGroup() as running:
                async for text in client.texts():
                    serving = self._serve(client, session, address, text)
                    if self._gateway.faults.active:
                        # A delayed request must not hold up the ones behind it.
                        running.create_task(serving)
                    else:
                        await serving
        finally:
            self._connections.pop(subscriptions, None)
            self.clients.pop(client, None)
        return client.socket

    async def _serve(self, client: ClientSocket, session: Session, address: str, text: str) -> None:
        wire: WireRequest | None = None
        try:
            wire = _decode(text)
            reply = await self._perform(session, address, wire)
        except ApiError as error:
            reply = {"id": _answered_id(session, wire, error), "status": error.status}
            reply["error"] = self._error_body(error)
            if session.return_rate_limits:
                reply["rateLimits"] = self._rate_limits(address, None, None)
        except ReplyDropped:
            return
        client.outbox.send(msgspec.json.encode(reply))

    async def _perform(self, session: Session, address: str, wire: WireRequest) -> Json:
        operation = self._methods.get(wire.method)
        if operation is None:
            raise ApiError(400, -1020, "This operation is not supported.")
        try:
            values = parse_object(wire.params)
        except msgspec.DecodeError as error:
            raise _bad_json() from error

        def authenticate(params: Params) -> Credential:
            return self._authenticate(session, values, params)

        params = Params(values)
        api_key = values.get("apiKey")
        labels = (operation.name,)
        asked = Asked(operation, params, address, labels, authenticate, api_key, session)
        result, credential = await self._gateway.perform(asked)
        reply: Json = {"id": wire.id, "status": 200, "result": result}
        if session.return_rate_limits and values.get("returnRateLimits") != "false":
            reply["rateLimits"] = self._rate_limits(address, operation, credential)
        return reply

    def _authenticate(
        self, session: Session, values: Mapping[str, str], params: Params
    ) -> Credential:
        """Return the key of the request's own signature, else the one that is logged on."""
        keys = self._gateway.keys
        if session.credential is not None and "apiKey" not in values:
            params.need("timestamp")
            return keys.find(session.credential.api_key)
        credential = keys.find(params.need("apiKey"))
        params.need("timestamp")
        if not credential.signed(object_payload(values), params.need("signature")):
            raise errors.bad_signature()
        return credential

    def _rate_limits(
        self, address: str, operation: Operation[OfficeT] | None, credential: Credential | None
    ) -> list[Json]:
        limits, now_ns = self._gateway.office.limits, self._gateway.now_ns()
        rules: list[Json] = []
        if operation is not None and operation.tells_orders and credential is not None:
            rules = limits.order_rules(credential.account, now_ns)
        return [*rules, limits.weight_rule(address, now_ns)]

    def _error_body(self, error: ApiError) -> Json:
        body = error.body()
        if error.retry_after_s:
            now_ns = self._gateway.now_ns()
            body["data"] = {"serverTime": ms(now_ns), "retryAfter": retry_after_ms(error, now_ns)}
        return body


def _answered_id(session: Session, wire: WireRequest | None, error: ApiError) -> RequestId:
    """Return the id of a refusal: none at all when the key that logged on was revoked."""
    if wire is None:
        return None
    if error.status == 401 and session.credential is not None and "apiKey" not in wire.params:
        session.credential = None
        return None
    return wire.id


def _decode(text: str) -> WireRequest:
    try:
        wire = msgspec.json.decode(text, type=WireRequest)
    except msgspec.DecodeError as error:
        raise _bad_json() from error
    if isinstance(wire.id, str) and len(wire.id) > MAX_ID_LENGTH:
        raise errors.illegal("id", "^[a-zA-Z0-9-_]{1,36}$")
    return wire


def _bad_json() -> ApiError:
    return ApiError(400, -1135, "Invalid JSON Request")
