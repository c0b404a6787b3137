"""The private socket ``/v5/private``: orders, executions, positions, wallet (bybit.md §9)."""

from __future__ import annotations

import secrets
import time

import msgspec
from aiohttp import web

from obiterm.exchange.api import (
    BalanceUpdate,
    FundingPayment,
    OrderUpdate,
    Output,
    PositionUpdate,
)
from obiterm.exchange.bybit.auth import socket_owner
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.gateway import Gateway
from obiterm.exchange.bybit.numbers import Json, ms, ms_text
from obiterm.exchange.bybit.office import BackOffice
from obiterm.exchange.bybit.public_ws import SocketRequest, new_connection_id
from obiterm.exchange.bybit.rows import (
    fill_row,
    funding_row,
    order_row,
    position_row,
    wallet_row,
)
from obiterm.exchange.wire.keys import Credential
from obiterm.exchange.wire.sockets import ClientSocket, Outbox

PATH = "/v5/private"
_STREAMS = ("order", "execution", "execution.fast", "position", "wallet", "greeks")
TOPICS = (
    frozenset(_STREAMS)
    | {f"{stream}.{category.value}" for stream in _STREAMS[:4] for category in Category}
    | {"dcp.future", "dcp.spot"}
)
_FAST = (
    "category",
    "symbol",
    "execId",
    "execPrice",
    "execQty",
    "orderId",
    "isMaker",
    "orderLinkId",
    "side",
    "execTime",
    "seq",
)


class PrivateSession:
    """One private connection."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.credential: Credential | None = None
        self.topics: dict[str, None] = {}
        self.connection = new_connection_id()


class PrivateSide:
    """Serves private sockets and sends account events; a sink of the back office."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._office: BackOffice = gateway.office
        self.sessions: dict[PrivateSession, None] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        limits = self._office.limits
        try:
            limits.address(request.remote or "").admit_connect(self._gateway.now_ns())
        except ApiError as error:
            return web.Response(status=error.status, text=error.msg)
        client = ClientSocket(request, limits.options, frames_per_second=None)
        session = PrivateSession(client.outbox)
        self.sessions[session] = None
        try:
            async for text in client.texts():
                session.outbox.send(msgspec.json.encode(self._answer(session, text)))
        finally:
            self.sessions.pop(session, None)
        return client.socket

    def count(self) -> int:
        """Return how many connections hear of an account."""
        return sum(1 for one in self.sessions if one.credential is not None and one.topics)

    # -- requests -------------------------------------------------------------------

    def _answer(self, session: PrivateSession, text: str) -> Json:
        try:
            asked = msgspec.json.decode(text, type=SocketRequest)
        except msgspec.DecodeError:
            return {"success": False, "ret_msg": "Params Error", "op": ""}
        reply: Json = {"success": True, "ret_msg": "", "op": asked.op}
        if asked.op == "ping":
            reply = {"op": "pong", "args": [ms_text(self._gateway.now_ns())]}
        else:
            try:
                self._perform(session, asked)
            except ApiError as error:
                reply |= {"success": False, "ret_msg": error.msg}
        reply["conn_id"] = session.connection
        if asked.req_id is not None:
            reply["req_id"] = asked.req_id
        return reply

    def _perform(self, session: PrivateSession, asked: SocketRequest) -> None:
        if asked.op == "auth":
            keys, now_ns = self._gateway.keys, self._gateway.now_ns()
            session.credential = socket_owner(keys, asked.args, now_ns)
            return
        if asked.op not in ("subscribe", "unsubscribe"):
            raise ApiError(10001, f"error:unknown op {asked.op}")
        if session.credential is None:
            raise ApiError(10007, "Request not authorized")
        names = [str(one) for one in asked.args]
        for name in names:
            if name not in TOPICS:
                raise ApiError(10001, f"error:handler not found,topic:{name}")
        if asked.op == "unsubscribe":
            for name in names:
                session.topics.pop(name, None)
            return
        if any(f"{name}.{one.value}" in names for name in names for one in Category):
            raise ApiError(10001, "error:all-in-one and categorised topics in one request")
        session.topics.update(dict.fromkeys(names))

    # -- events ---------------------------------------------------------------------

    def take(self, outputs: list[Output], now_ns: int) -> None:
        """Send what concerns accounts: orders, executions, positions, wallet."""
        if not self.sessions:
            return
        accounts = {one.credential.account for one in self.sessions if one.credential is not None}
        for account in accounts:
            news = _News(self._office, account)
            for output in outputs:
                news.add(output)
            for stream, rows in news.streams():
                if rows:
                    self._send(account, stream, rows, now_ns)

    def _send(self, account: str, stream: str, rows: list[Json], now_ns: int) -> None:
        fault_ns = time.time_ns()
        copies, late_s = self._gateway.faults.passage(("user", stream), fault_ns)
        by_topic = {stream: rows}
        for category in Category:
            by_topic[f"{stream}.{category.value}"] = [
                row for row in rows if row.get("category") == category.value
            ]
        for session in list(self.sessions):
            if session.credential is None or session.credential.account != account:
                continue
            for topic, chosen in by_topic.items():
                if chosen and topic in session.topics:
                    data = _frame(topic, chosen, now_ns)
                    for _ in range(copies):
                        session.outbox.send(data, late_s)


def _frame(topic: str, rows: list[Json], now_ns: int) -> bytes:
    frame: Json = {"topic": topic, "creationTime": ms(now_ns), "data": rows}
    if not topic.startswith("execution.fast"):
        frame["id"] = secrets.token_hex(16)
    return msgspec.json.encode(frame)


class _News:
    """What one account learns of one step of the market."""

    def __init__(self, office: BackOffice, account: str) -> None:
        self._office = office
        self._account = account
        self._orders: dict[int, Json] = {}
        self._executions: list[Json] = []
        self._positions: dict[tuple[object, object], Json] = {}
        self._coins: list[str] = []

    def add(self, output: Output) -> None:
        """Take in an output of the core."""
        if isinstance(output, OrderUpdate) and output.order.account == self._account:
            self._add_order(output)
        elif isinstance(output, FundingPayment) and output.account == self._account:
            self._executions.append(funding_row(self._office, output))
        elif isinstance(output, PositionUpdate) and output.position.account == self._account:
            row = position_row(self._office, output.position, entry_name="entryPrice")
            self._positions[row["symbol"], row["positionIdx"]] = {"category": "linear"} | row
        elif isinstance(output, BalanceUpdate) and output.account == self._account:
            self._coins += [asset for asset, _, _ in output.balances]

    def _add_order(self, output: OrderUpdate) -> None:
        order, fill = output.order, output.fill
        category = self._office.scale(order.symbol).category
        row = {"category": category.value} | order_row(self._office, order)
        # One frame tells the last state of an order; re-insert to keep the order of events.
        self._orders.pop(order.order_id, None)
        self._orders[order.order_id] = row
        if fill is not None:
            left = order.lots - order.filled_lots
            self._executions.append(fill_row(self._office, fill, order, left))
        if category is Category.LINEAR:
            # The venue sends the position on every deed, changed or not.
            held = self._office.venue.position(order.account, order.symbol, order.position_side)
            shown = position_row(self._office, held, entry_name="entryPrice")
            self._positions[shown["symbol"], shown["positionIdx"]] = {"category": "linear"} | shown

    def streams(self) -> list[tuple[str, list[Json]]]:
        """Return the rows of each stream."""
        fast = [
            {name: row[name] for name in _FAST}
            for row in self._executions
            if row["execType"] == "Trade"
        ]
        wallet = []
        if self._coins:
            coins = list(dict.fromkeys(self._coins))
            wallet = [wallet_row(self._office, self._account, coins)]
        return [
            ("order", list(self._orders.values())),
            ("execution", self._executions),
            ("execution.fast", fast),
            ("position", list(self._positions.values())),
            ("wallet", wallet),
        ]
