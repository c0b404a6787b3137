"""An exit whose close the venue took, while everything behind it fails: never sent twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from obiterm.core.commands import EmergencyExit, Kill
from obiterm.core.errors import AccountStopped, DataError, RetryLater
from obiterm.core.values import Side, Symbol, TradingState
from obiterm.exchange.serve import ExchangeServer
from tests.engine.panic_parts import ALL_VENUES, Venue, instrument, panic_path
from tests.trading_support.crowd import Crowd, crowd

_CUT_S = 2.5
_ABOUT_ONE = ("orderlinkid", "clientorderid", "clientid", "execution", "trades", "fills", "history")
"""What questions about one order and about fills have in their address."""
_NO = {"code": -1102, "msg": "no", "retCode": 10001, "retMsg": "no"}
"""A refusal that every dialect can read."""


class Spoiler:
    """Stands before an exchange: what it answers after a POST of an order is spoilt."""

    def __init__(self, server: ExchangeServer, how: str) -> None:
        self.how = how
        self.closes = 0
        self.spoilt = 0
        self.is_armed = False
        self._until_s = 0.0
        self._serve = server.exchange.dispatch
        server.exchange.dispatch = self.dispatch  # type: ignore[method-assign]

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        now_s = asyncio.get_running_loop().time()
        is_order = request.method == "POST" and request.path.endswith(("/order", "/order/create"))
        if self.is_armed and is_order:
            self.closes += 1
            reply = await self._serve(request)
            self._until_s = self._until_s or now_s + _CUT_S
            if self.how == "damaged" and self.closes == 1:
                self.spoilt += 1
                return web.Response(body=b'{"or', content_type="application/json")
            return reply
        words = f"{request.path_qs}".lower()
        is_question = request.method == "GET" and any(part in words for part in _ABOUT_ONE)
        if is_question and now_s < self._until_s:
            self.spoilt += 1
            if self.how == "refused":
                return web.json_response(_NO, status=400)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return await self._serve(request)


async def bought(one: Crowd) -> None:
    engine = one.engines["main"]
    [market] = engine.kernel.setup.instruments.values()
    lots = max(market.min_lots, int(200 / market.notional(one.best("main")[1], 1)))
    taken, text = one.place("main", Side.BUY, 0, lots)
    assert taken, text
    await one.settled()
    await one.until(lambda: engine.exposure_lots(market.symbol) > 0)


@pytest.mark.parametrize("how", ["cut", "refused", "damaged"])
@pytest.mark.parametrize(("venue", "symbol"), ALL_VENUES)
async def test_t7_a_close_that_was_taken_is_never_sent_again(
    tmp_path: Path, venue: str, symbol: Symbol, how: str
) -> None:
    async with crowd(tmp_path, ["main"], venue=venue, symbol=symbol) as one:
        await bought(one)
        spoiler = Spoiler(one.server, how)
        spoiler.is_armed = True
        await one.fault(kind="silence", match="user")
        engine = one.engines["main"]
        engine.command(EmergencyExit(account="main"), "test")
        progress = engine.panic.progress
        assert progress is not None
        await one.until(lambda: progress.done)
        assert (spoiler.closes, progress.left_positions) == (1, 0)
        fills = (await one.ledger())["accounts"]["main"]["fills"]
        assert len({fill["order_id"] for fill in fills if fill["side"] == "SELL"}) == 1


async def test_a_position_left_elsewhere_does_not_end_the_exit_of_another() -> None:
    """One that the venue will not close vanishes by itself: the others are closed to the end."""
    venue = Venue({"AAA": 5, "BBB": 200})
    venue.refuses["AAA"] = 3  # its stop takes it right after the last refusal
    path = panic_path(venue, [instrument("AAA"), instrument("BBB")])
    path.start("main", True, "test")
    await asyncio.wait_for(path.wait(), 20)
    assert path.progress is not None
    assert (venue.held["BBB"], path.progress.left_positions) == (0, 0)
    assert path.progress.text == ""


async def test_a_position_that_stays_is_named_and_ends_the_exit() -> None:
    venue = Venue({"AAA": 5, "BBB": 30})
    venue.refuses["AAA"] = 10_000
    path = panic_path(venue, [instrument("AAA"), instrument("BBB")])
    path.start("main", True, "test")
    await asyncio.wait_for(path.wait(), 20)
    assert path.progress is not None
    assert (venue.held, path.progress.left_positions) == ({"AAA": 5, "BBB": 0}, 1)
    assert "AAA" in path.progress.text
    assert "no such luck" in path.progress.text


@pytest.mark.parametrize("error", [RetryLater("1", "busy"), AccountStopped("2", "no right")])
async def test_what_did_not_reach_the_venue_is_sent_again(error: Exception) -> None:
    venue = Venue({"AAA": 5})
    venue.fails = [error]
    path = panic_path(venue, [instrument("AAA")])
    path.start("main", True, "test")
    await asyncio.wait_for(path.wait(), 20)
    assert (len(venue.sent), venue.held["AAA"]) == (2, 0)
    assert venue.asked == []


async def test_whatever_else_goes_wrong_with_a_close_leaves_it_in_doubt() -> None:
    venue = Venue({"AAA": 5})
    venue.fails = [DataError("nonsense")]
    path = panic_path(venue, [instrument("AAA")])
    path.start("main", True, "test")
    async with asyncio.timeout(20):
        while len(venue.asked) < 2:  # noqa: ASYNC110 - the path's own pace
            await asyncio.sleep(0.01)
    assert len(venue.sent) == 1
    await path.stop()


@pytest.mark.parametrize("command", [Kill(account="main"), EmergencyExit(account="main")])
async def test_what_waits_is_given_up_by_a_halted_account_whatever_it_raises(
    tmp_path: Path, command: Kill | EmergencyExit
) -> None:
    """A strategy that hears of the given-up order must not send another one."""
    async with crowd(tmp_path, ["main"]) as one:
        engine = one.engines["main"]
        seen: list[TradingState] = []

        def broken() -> None:
            seen.append(engine.kernel.state)
            raise LookupError("broken")

        engine.gateway.drop_unsent = broken  # type: ignore[method-assign]
        taken, text = engine.command(command, "test")
        assert taken, text
        assert seen == [TradingState.HALTED]
        progress = engine.panic.progress
        assert progress is not None
        await one.until(lambda: progress.done)
        assert any("broken" in text for text in one.texts("main"))
