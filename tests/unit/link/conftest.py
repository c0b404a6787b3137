"""A host of one's own: a server with a handler that writes down what it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from obiterm.core.commands import AnyCommand
from obiterm.core.values import Environment
from obiterm.link.messages import (
    PROTOCOL_VERSION,
    AskStatus,
    Depth,
    Done,
    Frame,
    MarketPane,
    Request,
    RiskPane,
    Status,
    ToHost,
    Welcome,
)
from obiterm.link.server import LinkServer, Viewer

WELCOME = Welcome(
    version=PROTOCOL_VERSION,
    program="0.1.0",
    host_pid=42,
    profile="demo",
    environment=Environment.SIM,
    run_id="r1",
    instruments=[],
    accounts=["demo"],
    has_lease=True,
    on_detach="keep",
)
STATUS = Status(host_pid=42, profile="demo", uptime_s=1.5, state="ACTIVE", accounts=[])


class Recorder:
    """A handler that keeps what it is told and answers as a host does."""

    def __init__(self) -> None:
        self.joined_viewers: list[Viewer] = []
        self.left_viewers: list[Viewer] = []
        self.messages: list[ToHost] = []
        self.fail_on: type[AnyCommand] | None = None
        self.greets = True

    @property
    def commands(self) -> list[AnyCommand]:
        return [one.command for one in self.messages if isinstance(one, Request)]

    def joined(self, viewer: Viewer) -> None:
        self.joined_viewers.append(viewer)
        if self.greets:
            viewer.post(WELCOME)

    def received(self, viewer: Viewer, message: ToHost) -> None:
        self.messages.append(message)
        if isinstance(message, Request):
            if self.fail_on is not None and isinstance(message.command, self.fail_on):
                raise RuntimeError("a fault in the host")
            viewer.post(Done(message.request_id, ok=True, text="done"))
        elif isinstance(message, AskStatus):
            viewer.post(STATUS)

    def left(self, viewer: Viewer) -> None:
        self.left_viewers.append(viewer)


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "demo.sock"


@pytest.fixture
async def server(path: Path, handler: Recorder) -> AsyncIterator[LinkServer]:
    server = LinkServer(path, handler)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def make_frame() -> Callable[[int], Frame]:
    return frame


@pytest.fixture
def until() -> Callable[[Callable[[], object]], object]:
    return wait_until


async def wait_until(condition: Callable[[], object], limit_s: float = 5.0) -> None:
    """Return once ``condition`` holds; fail after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.002)


def frame(seq: int, levels: int = 400) -> Frame:
    """Return a frame of a size that a busy screen gets."""
    ticks = list(range(6_000_000, 6_000_000 + levels))
    lots = [1_000 + seq] * levels
    nan = float("nan")
    return Frame(
        seq=seq,
        published_ns=seq,
        market=MarketPane(
            venue="binance",
            symbol="BTCUSDT",
            bid_ticks=1,
            bid_lots=1,
            ask_ticks=2,
            ask_lots=1,
            last_ticks=1,
            last_up=True,
            change_pct=0.0,
            obi=0.1,
            obi_levels=20,
            micro_ticks=1.5,
            spread_ticks=1,
            spread_bps=0.1,
            flow=0.0,
            atr_ticks=nan,
            volume_quote=0.0,
            wall_ticks=0,
            wall_lots=0,
            bias="FLAT",
            feed_age_ms=1.0,
            stale=False,
            crossed=False,
            synced=True,
            mark_ticks=0,
            funding_rate=nan,
            next_funding_ns=0,
        ),
        depth=Depth(bid_ticks=ticks, bid_lots=lots, ask_ticks=ticks, ask_lots=lots),
        trades=[],
        accounts=[],
        positions=[],
        orders=[],
        strategies=[],
        risk=RiskPane(
            account="",
            armed=1,
            accounts=1,
            day_loss_share=0.0,
            exposure_share=0.0,
            orders_open=0,
            orders_limit=1,
            weight_share=0.0,
            clock_offset_ms=0.0,
            rtt_p50_ms=nan,
            rtt_p99_ms=nan,
            tick_to_order_p50_us=nan,
            tick_to_order_p99_us=nan,
            sockets=["up"],
            gaps=0,
            loop_lag_ms=0.0,
            feed_age_ms=0.0,
            stops_resting=0,
            stops_needed=0,
            fees_quote=0.0,
            funding_quote=0.0,
            journal_rows=0,
            refusals=0,
            self_trades_prevented=0,
        ),
        panic=None,
        holding=False,
        has_lease=True,
        viewers=1,
    )
