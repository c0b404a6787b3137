"""The trade socket ``/v5/trade``: order entry by WebSocket (bybit.md §10)."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from obiterm.exchange.bybit import errors, limits
from obiterm.exchange.bybit.auth import DEFAULT_WINDOW, Stamp, socket_owner
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.gateway import Asked, Gateway, ReplyDropped
from obiterm.exchange.bybit.numbers import Json, ms_text
from obiterm.exchange.bybit.operations import TRADING
from obiterm.exchange.bybit.params import Params
from obiterm.exchange.bybit.public_ws import new_connection_id
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.sockets import ClientSocket, Outbox

PATH = "/v5/trade"
MAX_ID_LENGTH = 36
_KEPT_IDS = 10_000


class TradeRequest(msgspec.Struct, rename={"req_id": "reqId"}):
    """A request as it stands on the wire."""

    op: str = ""
    req_id: str = ""
    header: dict[str, object] = msgspec.field(default_factory=dict)
    args: list[object] = msgspec.field(default_factory=list)


class TradeSession:
    """One connection: who logged on, which request ids it has used."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.credential: Credential | None = None
        self.used_ids: dict[str, None] = {}
        self.connection = new_connection_id()
        self.draining = False
        """The venue asks the client to open a new connection (10019)."""

    def use(self, req_id: str) -> None:
        """Note a request id, or refuse it."""
        if not req_id:
            return
        if len(req_id) > MAX_ID_LENGTH:
            raise errors.bad("params error: reqId too long")
        if req_id in self.used_ids:
            raise ApiError(20006, "reqId is duplicated")
        self.used_ids[req_id] = None
        if len(self.used_ids) > _KEPT_IDS:
            self.used_ids.pop(next(iter(self.used_ids)))


class TradeSide:
    """Serves trade sockets."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.sessions: dict[TradeSession, None] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        counters = self._gateway.office.limits
        try:
            counters.address(request.remote or "").admit_connect(self._gateway.now_ns())
        except ApiError as error:
            return web.Response(status=error.status, text=error.msg)
        client = ClientSocket(request, counters.options, frames_per_second=None)
        session = TradeSession(client.outbox)
        self.sessions[session] = None
        try:
            async with asyncio.TaskGroup() as running:
                async for text in client.texts():
                    serving = self._serve(session, text)
                    if self._gateway.faults.active:
                        # A delayed request must not hold up the ones behind it.
                        running.create_task(serving)
                    else:
                        await serving
        finally:
            self.sessions.pop(session, None)
        return client.socket

    async def _serve(self, session: TradeSession, text: str) -> None:
        asked = TradeRequest()
        reply: Json = {}
        try:
            asked = _decode(text)
            reply = await self._answer(session, asked)
        except ApiError as error:
            reply = {"retCode": error.code, "retMsg": error.msg, "data": {}, "retExtInfo": {}}
            reply["header"] = self._header(session, asked)
        except ReplyDropped:
            return
        reply = {"op": asked.op, "connId": session.connection} | reply
        if asked.req_id:
            reply["reqId"] = asked.req_id
        session.outbox.send(msgspec.json.encode(reply))

    async def _answer(self, session: TradeSession, asked: TradeRequest) -> Json:
        now_ns = self._gateway.now_ns()
        if asked.op == "ping":
            return {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [ms_text(now_ns)]}
        if asked.op == "auth":
            if session.credential is not None:
                raise ApiError(20001, "Repeat auth")
            session.credential = socket_owner(self._gateway.keys, asked.args, now_ns)
            return {"retCode": 0, "retMsg": "OK"}
        session.use(asked.req_id)
        if session.draining:
            raise ApiError(10019, "The connection is being closed, please open a new one")
        result = await self._gateway.perform(self._asked(session, asked))
        extra: object = {}
        if isinstance(result, tuple):
            result, extra = result
        return {
            "retCode": 0,
            "retMsg": "OK",
            "data": result,
            "retExtInfo": extra,
            "header": self._header(session, asked),
        }

    def _asked(self, session: TradeSession, asked: TradeRequest) -> Asked:
        if session.credential is None:
            raise ApiError(10007, "User authentication failed.")
        credential = self._gateway.keys.find(session.credential.api_key)
        operation = TRADING.get(asked.op)
        if operation is None:
            raise ApiError(10404, f"op {asked.op} is not found")
        sent = str(asked.header.get("X-BAPI-TIMESTAMP", ""))
        window = str(asked.header.get("X-BAPI-RECV-WINDOW", DEFAULT_WINDOW))
        labels = (operation.name, f"ws {operation.name}", operation.path)
        return Asked(operation, _params(asked), labels, credential, Stamp(sent, window))

    def _header(self, session: TradeSession, asked: TradeRequest) -> Json:
        now_ns = self._gateway.now_ns()
        header: Json = {"Traceid": session.connection, "Timenow": ms_text(now_ns)}
        operation = TRADING.get(asked.op)
        if operation is not None and session.credential is not None:
            try:
                params = _params(asked)
            except ApiError:
                return header
            quota = self._gateway.quota(operation, params, session.credential.account)
            if quota is not None:
                header |= limits.headers(quota, now_ns)
        return header


def _params(asked: TradeRequest) -> Params:
    one = asked.args[0] if len(asked.args) == 1 else None
    if not isinstance(one, dict):
        raise errors.bad("params error: args must hold one object")
    return Params(one)


def _decode(text: str) -> TradeRequest:
    try:
        return msgspec.json.decode(text, type=TradeRequest)
    except msgspec.DecodeError as error:
        raise errors.bad("params error: invalid JSON") from error
