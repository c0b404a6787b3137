"""The order path is walked again and again, and nothing of it reaches a venue."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from obiterm.config.models import AccountProfile
from obiterm.core.clock import Clock
from obiterm.core.events import OrderRefused
from obiterm.core.orders import ApprovedOrder, OrderIntent, RehearsedOrder
from obiterm.core.values import ClientOrderId, OrderKind, OrderRole, Side, Symbol
from obiterm.engine.latches import LatchStore
from obiterm.engine.rehearsal import Rehearsal
from obiterm.host.rehearsal import Rehearsals
from obiterm.host.slots import AccountSlot
from obiterm.net.http import HttpPool
from obiterm.net.ws_connection import WsConnection
from obiterm.trading.record import StrategyRecord
from tests.trading_support.crowd import BTC, Crowd, crowd

MARKETS = {
    "binance": "BTCUSDT",
    "binance-futures": "BTCUSDT-PERP",
    "bybit": "BTCUSDT",
    "backpack": "SOL_USDC_PERP",
}


def surf(symbol: str) -> StrategyRecord:
    """Return a strategy that runs and never enters."""
    parameters: dict[str, object] = {
        "quantity": Decimal(1),
        "enter_obi": Decimal("0.99"),
        "confirm_updates": 10_000,
    }
    return StrategyRecord("surf", "surf", Symbol(symbol), parameters, running=True)


class Wire:
    """What orders are written with, and how often it was used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames = self.requests = 0
        send, write_now = WsConnection.send, HttpPool.write_now

        def counting_send(connection: WsConnection, text: bytes) -> None:
            self.frames += 1
            send(connection, text)

        def counting_write(pool: HttpPool, *words: Any, **more: Any) -> Any:
            self.requests += 1
            return write_now(pool, *words, **more)

        monkeypatch.setattr(WsConnection, "send", counting_send)
        monkeypatch.setattr(HttpPool, "write_now", counting_write)


@pytest.mark.parametrize("venue", MARKETS)
async def test_rehearsals_reach_no_venue_and_change_no_figure(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbol = MARKETS[venue]
    plan = {"venue": venue, "symbol": Symbol(symbol), "strategies": [surf(symbol)]}
    async with crowd(tmp_path, ["main"], **plan) as one:  # type: ignore[arg-type]
        engine = one.engines["main"]
        await one.until(lambda: set(engine.gateway.health().sockets.values()) == {"up"})
        engine.flush()
        rows, wire = one.journal.rows_written, Wire(monkeypatch)
        used = engine.gateway.health().weight_share
        assert sum(engine.rehearsal.walk() for _ in range(500)) == 500
        assert (wire.frames, wire.requests) == (0, 0)
        assert engine.gateway.health().weight_share <= used
        assert (engine.orders_sent, engine.kernel.desk.live_count) == (0, 0)
        engine.flush()
        assert one.journal.rows_written == rows
        assert not one.journal._buffer
        orders = (await one.ledger())["accounts"]["main"]["open_orders"]
        assert orders == []
        # The next order is the first one, and the venue takes it.
        market = engine.kernel.markets[Symbol(symbol)]
        instrument = engine.kernel.setup.instruments[Symbol(symbol)]
        ticks = market.best()[0] * 98 // 100
        lots = max(
            instrument.min_lots,
            int(instrument.min_notional / instrument.notional(ticks, 1)) + 1,
        )
        assert one.place("main", Side.BUY, ticks, lots)[0]
        await one.until(lambda: [state for _, _, state in one.live("main")] == ["OPEN"])
        (order,) = engine.kernel.desk.live()
        assert "-1m-" in order.client_id


@pytest.mark.parametrize("venue", MARKETS)
async def test_what_was_not_approved_is_not_sent(venue: str, tmp_path: Path) -> None:
    symbol = Symbol(MARKETS[venue])
    async with crowd(tmp_path, ["main"], venue=venue, symbol=symbol) as one:
        engine = one.engines["main"]
        intent = OrderIntent(
            client_id=ClientOrderId("ob-runx-0e-surf-dry"),
            symbol=symbol,
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            lots=engine.kernel.setup.instruments[symbol].min_lots,
            role=OrderRole.ENTRY,
            owner="surf",
            price_ticks=one.best("main")[0],
        )
        forged: Any = RehearsedOrder(intent, engine.now_ns())
        with pytest.raises(TypeError, match="nothing was sent"):
            engine.gateway.send(forged)
        with pytest.raises(TypeError, match="nothing was sent"):
            engine.door.send(forged, True, engine.now_ns(), 0)
        assert not isinstance(forged, ApprovedOrder)
        assert (await one.ledger())["accounts"]["main"]["open_orders"] == []
        assert not any(isinstance(event, OrderRefused) for _, event in one.heard)


def slot_of(one: Crowd, name: str, folder: Path, clock: Clock) -> AccountSlot:
    profile = AccountProfile(
        name=name, venue="binance", environment="sim", symbols=(BTC,), keys="sim"
    )
    slot = AccountSlot(profile, LatchStore(folder / "slots"), clock)
    slot.engine = one.engines[name]
    return slot


async def test_an_account_whose_rehearsal_fails_is_told_once_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[Rehearsal] = []
    walk = Rehearsal.walk
    async with crowd(tmp_path, ["main", "other"], strategies=[surf(BTC)]) as one:
        broken = one.engines["main"].rehearsal

        def failing(rehearsal: Rehearsal) -> bool:
            if rehearsal is broken:
                raise ArithmeticError("made to fail")
            walked.append(rehearsal)
            return walk(rehearsal)

        monkeypatch.setattr(Rehearsal, "walk", failing)
        told: list[tuple[str, str]] = []
        slots = [slot_of(one, name, tmp_path, one.clock) for name in ("main", "other")]
        rehearsals = Rehearsals(slots, lambda account, text: told.append((account, text)))
        running = asyncio.create_task(rehearsals.run())
        await one.until(lambda: len(walked) >= 20)
        assert set(walked) == {one.engines["other"].rehearsal}
        [(account, text)] = told
        assert account == "main"
        assert "ArithmeticError: made to fail" in text
        assert one.place("main", Side.BUY, one.best("main")[0] - 1_000)[0]  # it trades on
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        count = len(walked)
        await one.settled()
        assert [state for _, _, state in one.live("main")] == ["OPEN"]
        assert len(walked) == count  # it ended with its task


async def test_accounts_have_their_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with crowd(tmp_path, ["main", "other"], strategies=[surf(BTC)]) as one:
        slots = [slot_of(one, name, tmp_path, one.clock) for name in ("main", "other")]
        walked: list[Rehearsal] = []
        walk = Rehearsal.walk

        def noting(rehearsal: Rehearsal) -> bool:
            walked.append(rehearsal)
            return walk(rehearsal)

        monkeypatch.setattr(Rehearsal, "walk", noting)
        rehearsals = Rehearsals(slots, lambda account, text: None)
        assert all(rehearsals.rehearse() for _ in range(4))
        first, second = (one.engines[name].rehearsal for name in ("main", "other"))
        assert walked == [first, second, first, second]
        slots[0].engine = slots[1].engine = None
        assert not rehearsals.rehearse()
