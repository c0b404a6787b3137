"""Publish frames and log lines to every viewer; a fault here stops no engine (T1)."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from obiterm.core.clock import Clock
from obiterm.core.effects import Note, Verb
from obiterm.core.events import Event, Traded
from obiterm.core.values import Symbol
from obiterm.engine.account import AccountEngine
from obiterm.host import frames
from obiterm.host.history import COLUMN_NS, DepthHistory, merge_trades
from obiterm.link.messages import Frame, LogLine, LogLines, TradeDot
from obiterm.link.server import Viewer

_PERIOD_S = 0.1
_PAST_LINES = 500
_MOST_PENDING_TRADES = 5_000

_LOG = logging.getLogger("obiterm.host")
_Row = TypeVar("_Row")


class Publisher:
    """Builds what screens paint, ten times a second, from the engines' state."""

    def __init__(self, engines: Sequence[AccountEngine], clock: Clock) -> None:
        self._engines = list(engines)
        self._clock = clock
        self._seq = 0
        self._line_seq = 0
        self._lines: deque[LogLine] = deque(maxlen=_PAST_LINES)
        self._new_lines: list[LogLine] = []
        self._trades: dict[str, list[TradeDot]] = {}
        self._column_trades: dict[str, list[TradeDot]] = {}
        self._history: dict[str, DepthHistory] = {}
        self._column_due_ns = 0
        self._faults = 0
        self.loop_lag_ms = 0.0
        self.journal_rows = 0

    def attach(self, engines: Sequence[AccountEngine]) -> None:
        """Take the engines to publish."""
        self._engines = list(engines)

    # -- what the engines tell ----------------------------------------------------------

    def on_note(self, account: str, note: Note) -> None:
        """Take one log line. Called by engines, so it never raises."""
        try:
            self._add_line(account, note)
        except Exception as error:  # task boundary: what is shown never stops what trades
            self._count_fault(error)

    def on_event(self, account: str, event: Event) -> None:
        """Take one event; only prints matter here. Called by engines, so it never raises."""
        if not isinstance(event, Traded):
            return
        try:
            self._add_trade(event)
        except Exception as error:  # task boundary: what is shown never stops what trades
            self._count_fault(error)

    def tell(self, account: str, text: str) -> None:
        """Log something about the host itself."""
        note = Note(verb=Verb.RISK, symbol=Symbol(""), text=text, at_ns=self._clock.wall_ns())
        self.on_note(account, note)

    def _add_line(self, account: str, note: Note) -> None:
        self._line_seq += 1
        line = LogLine(
            seq=self._line_seq,
            at_ns=note.at_ns,
            account=account,
            verb=note.verb,
            symbol=note.symbol,
            text=note.text,
            side=note.side,
        )
        self._lines.append(line)
        self._new_lines.append(line)

    def _add_trade(self, event: Traded) -> None:
        dot = TradeDot(event.price_ticks, event.lots, event.aggressor)
        for pending in (self._trades, self._column_trades):
            dots = pending.setdefault(event.symbol, [])
            if len(dots) < _MOST_PENDING_TRADES:
                dots.append(dot)

    # -- what viewers get ------------------------------------------------------------------

    def welcome(self, viewer: Viewer) -> None:
        """Send the past to a viewer that has just come."""
        viewer.post(LogLines(lines=list(self._lines)))
        self.send_history(viewer)

    def send_history(self, viewer: Viewer) -> None:
        """Send the past of the viewer's symbol."""
        history = self._history.get(viewer.watch.symbol)
        if history is not None:
            for message in history.messages():
                viewer.post(message)

    async def run(self, viewers: Callable[[], Sequence[Viewer]]) -> None:
        """Publish until cancelled."""
        while True:
            due = asyncio.get_running_loop().time() + _PERIOD_S
            self.publish_now(viewers())
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    def publish_now(self, viewers: Sequence[Viewer]) -> None:
        """Publish one round; a fault is told and stops nothing."""
        try:
            self.publish(viewers)
        except Exception as error:  # task boundary: painting never stops trading
            self._fault(error)

    def publish(self, viewers: Sequence[Viewer]) -> None:
        """Build and post one round of frames and lines."""
        now_ns = self._clock.wall_ns()
        if self._new_lines:
            lines, self._new_lines = LogLines(lines=self._new_lines), []
            for viewer in viewers:
                viewer.post(lines)
        self._keep_columns(now_ns)
        made: dict[tuple[str, str, bool], Frame] = {}
        screens = sum(1 for viewer in viewers if viewer.wants_frames)
        for viewer in viewers:
            if not viewer.wants_frames:
                continue
            key = (viewer.watch.symbol, viewer.watch.account, viewer.has_lease)
            frame = made.get(key)
            if frame is None:
                frame = made[key] = self.frame(*key, viewers=screens, now_ns=now_ns)
            viewer.post(frame)
        self._trades.clear()

    def frame(
        self, symbol: str, account: str, has_lease: bool, *, viewers: int, now_ns: int
    ) -> Frame:
        """Build one whole frame."""
        self._seq += 1
        engines = [e for e in self._engines if not account or e.name == account] or self._engines
        engine = self._engine_of(symbol, engines)
        runner = next((r for r in engine.kernel.runners if r.symbol == symbol), None)
        obi_levels = runner.setup.strategy.obi_levels if runner else 20
        return Frame(
            seq=self._seq,
            published_ns=now_ns,
            market=frames.market_pane(engine, symbol, obi_levels, now_ns),
            depth=frames.depth_of(engine, symbol),
            trades=merge_trades(self._trades.get(symbol, [])),
            accounts=self._each(self._engines, lambda e: [frames.account_pane(e, now_ns)]),
            positions=self._each(engines, lambda e: frames.position_rows(e, now_ns)),
            orders=self._each(engines, lambda e: frames.order_rows(e, now_ns)),
            strategies=self._each(engines, lambda e: frames.strategy_cards(e, now_ns)),
            risk=frames.risk_pane(self._engines, self.loop_lag_ms, self.journal_rows, now_ns),
            panic=frames.panic_pane(self._engines),
            holding=any(e.kernel.gate.holding for e in self._engines),
            has_lease=has_lease,
            viewers=viewers,
        )

    # -- inside --------------------------------------------------------------------------

    def _each(
        self, engines: Sequence[AccountEngine], rows_of: Callable[[AccountEngine], list[_Row]]
    ) -> list[_Row]:
        """Return the rows of all accounts; one that cannot be shown hides none of the others."""
        rows: list[_Row] = []
        for engine in engines:
            try:
                rows += rows_of(engine)
            except Exception as error:  # task boundary between accounts (R126)
                self._fault(error)
        return rows

    def _engine_of(self, symbol: str, engines: Sequence[AccountEngine]) -> AccountEngine:
        for engine in [*engines, *self._engines]:
            if symbol in engine.kernel.markets:
                return engine
        return self._engines[0]

    def _keep_columns(self, now_ns: int) -> None:
        if now_ns < self._column_due_ns:
            return
        self._column_due_ns = now_ns - now_ns % COLUMN_NS + COLUMN_NS
        done = set()
        for engine in self._engines:
            for symbol, market in engine.kernel.markets.items():
                if symbol in done or not market.book.synced:
                    continue
                done.add(symbol)
                bid, _, ask, _ = market.best()
                mid = (bid + ask) / 2 if bid and ask else math.nan
                history = self._history.setdefault(symbol, DepthHistory(symbol))
                history.add(
                    now_ns,
                    frames.depth_of(engine, symbol),
                    mid,
                    market.book.imbalance(20),
                    merge_trades(self._column_trades.pop(symbol, [])),
                )

    def _fault(self, error: Exception) -> None:
        """Count a fault in painting and log the first one and every hundredth."""
        if self._count_fault(error):
            self.tell("host", f"publisher fault {self._faults}: {type(error).__name__}: {error}")

    def _count_fault(self, error: Exception) -> bool:
        """Count a fault; return whether it is one of the few that are told."""
        self._faults += 1
        told = self._faults == 1 or self._faults % 100 == 0
        if told:
            _LOG.warning("publisher fault %d", self._faults, exc_info=error)
        return told


async def measure_loop_lag(publisher: Publisher) -> None:
    """Keep ``publisher.loop_lag_ms`` at the worst lag of the last second."""
    period_s = 0.05
    worst: deque[float] = deque(maxlen=20)
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.sleep(period_s)
        worst.append(max(0.0, loop.time() - began - period_s) * 1_000)
        publisher.loop_lag_ms = max(worst)
