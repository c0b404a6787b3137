"""Where faults are asked for: one at a time, or as a script of timed ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.exchange.wire.control import json_reply
from obiterm.exchange.wire.fault_script import ScriptRequest, TimedFault, draw_script
from obiterm.exchange.wire.faults import FaultKind, FaultRequest, Faults
from obiterm.exchange.wire.office import Json, Office

_OnConnections = Callable[[str], int]


class FaultDesk:
    """Serves ``/_exchange/faults`` and ``/_exchange/script``.

    Args:
        cut: breaks the connections of a class; returns how many.
        stall: lets them stand still for so many seconds; returns how many.
    """

    def __init__(
        self,
        office: Office,
        faults: Faults,
        cut: _OnConnections,
        stall: Callable[[str, float], int],
    ) -> None:
        self._office = office
        self._faults = faults
        self._cut = cut
        self._stall = stall
        self._script: list[TimedFault] = []
        self._played: list[Json] = []
        self._playing: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/_exchange/faults", self._list),
            web.post("/_exchange/faults", self._add),
            web.delete("/_exchange/faults", self._clear),
            web.get("/_exchange/script", self._tell_script),
            web.post("/_exchange/script", self._play_script),
            web.delete("/_exchange/script", self._end_script),
        ]

    def add(self, asked: FaultRequest) -> Json:
        """Put one fault in force; return it, with how many connections it hit at once."""
        fault = self._faults.add(asked, self._office.market_ns())
        self._office.clock_offset_ns = self._faults.clock_offset_ns
        answer = fault.describe()
        which = "all" if asked.match == "*" else asked.match
        if asked.kind is FaultKind.CUT:
            answer["cut"] = self._cut(which)
        elif asked.kind is FaultKind.STALL:
            answer["stalled"] = self._stall(which, asked.ms / 1000)
        return answer

    def play(self, script: Sequence[TimedFault]) -> None:
        """Put faults in force one after the other, from now on; another script ends."""
        self.stop_script()
        self._script, self._played = sorted(script, key=lambda one: one.at_ms), []
        self._playing = asyncio.create_task(self._run(self._office.market_ns()))

    def stop_script(self) -> None:
        """Put no more faults of the script in force; those that are stay."""
        if self._playing is not None:
            self._playing.cancel()
            self._playing = None

    async def _run(self, began_ns: int) -> None:
        for timed in self._script:
            due_ns = began_ns + timed.at_ms * NS_PER_MS
            await asyncio.sleep(max(0, due_ns - self._office.market_ns()) / NS_PER_S)
            at_ns = self._office.market_ns()
            self._played.append(self.add(timed.fault) | {"at_ns": at_ns})

    def _mend(self, fault_id: int | None = None) -> None:
        self._faults.clear(fault_id)
        self._office.clock_offset_ns = self._faults.clock_offset_ns

    async def _list(self, request: web.Request) -> web.Response:
        return json_reply({"faults": [fault.describe() for fault in self._faults.active]})

    async def _add(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=FaultRequest)
        except msgspec.DecodeError as error:
            return json_reply({"error": str(error)}, status=400)
        return json_reply(self.add(asked))

    async def _clear(self, request: web.Request) -> web.Response:
        number = request.query.get("id")
        self._mend(int(number) if number is not None and number.isdigit() else None)
        return await self._list(request)

    async def _play_script(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=ScriptRequest)
        except msgspec.DecodeError as error:
            return json_reply({"error": str(error)}, status=400)
        script = asked.faults or draw_script(asked.seed, asked.seconds, asked.venue)
        self.play(script)
        return json_reply({"script": script})

    async def _tell_script(self, request: web.Request) -> web.Response:
        left = self._script[len(self._played) :]
        return json_reply({"played": self._played, "left": left})

    async def _end_script(self, request: web.Request) -> web.Response:
        """End the script and every fault."""
        self.stop_script()
        self._mend()
        return json_reply({"played": self._played, "left": []})
