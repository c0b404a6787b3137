"""Publish frames and log lines to every viewer; a fault here stops no engine (T1)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from obiterm.core.clock import Clock
from obiterm.core.effects import Note, Verb
from obiterm.core.events import Event, Traded
from obiterm.core.values import Symbol
from obiterm.engine.account import AccountEngine
from obiterm.host import frames, rows
from obiterm.host.history import (
    Pasts,
    merge_trades,
)
from obiterm.host.places import MarketKey, Places
from obiterm.host.slots import AccountSlot
from obiterm.host.spectators import Spectators
from obiterm.link.messages import (
    Depth,
    Frame,
    InstrumentInfo,
    LogLine,
    LogLines,
    MarketPane,
    Markets,
    RiskPane,
    TradeDot,
)
from obiterm.link.server import Viewer
from obiterm.market.state import MarketState

_PERIOD_S = 0.1
_SLOW_ROUNDS = 3
"""Rounds between two looks at what a screen paints twice a second anyway."""
_PAST_LINES = 500
_MOST_PENDING_TRADES = 5_000

_LOG = logging.getLogger("obiterm.host")
_Row = TypeVar("_Row")
_Thing = TypeVar("_Thing")
_Part = TypeVar("_Part")


class Publisher:
    """Builds what screens paint, ten times a second, from the state of the accounts.

    Only watched books are put into frames. What several viewers see is built once a round.
    """

    def __init__(
        self,
        slots: Sequence[AccountSlot],
        clock: Clock,
        sizes: tuple[Decimal, ...] = (),
        spectators: Spectators | None = None,
    ) -> None:
        self._clock = clock
        self._spectators = spectators
        self._sizes = sizes
        self._seq = 0
        self._line_seq = 0
        self._lines: deque[LogLine] = deque(maxlen=_PAST_LINES)
        self._new_lines: list[LogLine] = []
        self._trades: dict[MarketKey, list[TradeDot]] = {}
        self._pasts = Pasts()
        self._faults = 0
        self._round = 0
        self._parts: dict[tuple[str, ...], tuple[int, object]] = {}
        self._known: tuple[int, ...] = ()
        self._signs: tuple[object, ...] = ()
        self.loop_lag_ms = 0.0
        self.journal_rows = 0
        self.attach(slots)

    def attach(self, slots: Sequence[AccountSlot]) -> None:
        """Take the accounts to publish."""
        self._places = Places(slots, self._sizes)
        self._leaders = self._places.leaders()

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
            self._add_trade(account, event)
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
            venue=self._places.venues.get(account, "") if note.symbol else "",
            symbol=note.symbol,
            text=note.text,
            side=note.side,
        )
        self._lines.append(line)
        self._new_lines.append(line)

    def _add_trade(self, account: str, event: Traded) -> None:
        """Keep a print once: every account of a venue is told of it, the leader counts."""
        key = (self._places.venues.get(account, ""), str(event.symbol))
        leader = self._leaders.get(key)
        if leader is None or leader.name == account:
            self._keep_print(key, event)

    def _keep_print(self, key: MarketKey, event: Traded) -> None:
        dot = TradeDot(event.price_ticks, event.lots, event.aggressor)
        self._pasts.add_print(key, dot)
        dots = self._trades.setdefault(key, [])
        if len(dots) < _MOST_PENDING_TRADES:
            dots.append(dot)

    # -- what viewers get ------------------------------------------------------------------

    def instruments(self) -> list[InstrumentInfo]:
        """Return every market that is known by now, those that are only watched at the end."""
        watched = self._spectators.all() if self._spectators is not None else {}
        known = {key: one.instrument for key, one in watched.items()}
        return self._places.instruments() + self._places.watched(known)

    def first_market(self) -> MarketKey:
        """Return what a screen shows before it has chosen: a market that is known, if any."""
        return next(iter([*self._places.leaders(), *self._places.symbols()]), ("", ""))

    def has_market(self, venue: str, symbol: str) -> bool:
        """Tell whether a market can be shown: one of the profile's, or of a venue of its."""
        key = (venue, symbol)
        return key in self._places.symbols() or self._places.is_elsewhere(key)

    def welcome(self, viewer: Viewer) -> None:
        """Send the past to a viewer that has just come."""
        viewer.post(LogLines(lines=list(self._lines)))
        self.send_history(viewer)

    def send_history(self, viewer: Viewer) -> None:
        """Send the past of the viewer's market."""
        for message in self._pasts.messages((viewer.watch.venue, viewer.watch.symbol)):
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
        self._round += 1
        self._leaders = self._places.leaders()
        painted = [viewer for viewer in viewers if viewer.wants_frames]
        watched = [(viewer.watch.venue, viewer.watch.symbol) for viewer in painted]
        self._spectate(watched)
        self._tell_markets(viewers)
        signs = tuple((one.state, one.holding, one.trouble) for one in self._places.slots)
        if signs != self._signs:  # a kill, a hold or a lost account is shown at once
            self._signs = signs
            self._parts.clear()
        if self._new_lines:
            lines, self._new_lines = LogLines(lines=self._new_lines), []
            for viewer in viewers:
                viewer.post(lines)
        self._pasts.keep(now_ns, watched, self._states())
        made: dict[tuple[MarketKey, str, bool], Frame] = {}
        for viewer in painted:
            watch = viewer.watch
            key = ((watch.venue, watch.symbol), watch.account, viewer.has_lease)
            frame = made.get(key)
            if frame is None:
                frame = made[key] = self.frame(*key, viewers=len(painted), now_ns=now_ns)
            viewer.post(frame)
        self._trades.clear()

    def frame(
        self, market: MarketKey, account: str, has_lease: bool, *, viewers: int, now_ns: int
    ) -> Frame:
        """Build one whole frame, with every account's rows; risk and book are the chosen one's."""
        self._seq += 1
        slots, venues = self._places.slots, self._places.venues
        name = account if account in venues else ""
        engines = self._places.engines()
        pane, depth = self._market(market, name, now_ns)
        return Frame(
            seq=self._seq,
            published_ns=now_ns,
            market=pane,
            depth=depth,
            trades=merge_trades(self._trades.get(market, [])),
            accounts=self._slow(
                ("accounts",),
                lambda: self._each(slots, lambda s: [frames.account_pane(s, venues[s.name])]),
            ),
            positions=self._once(
                ("positions",),
                lambda: self._each(
                    engines, lambda e: rows.position_rows(e, venues[e.name], now_ns)
                ),
            ),
            orders=self._once(
                ("orders",),
                lambda: self._each(engines, lambda e: rows.order_rows(e, venues[e.name], now_ns)),
            ),
            strategies=self._slow(
                ("cards",),
                lambda: self._each(
                    engines, lambda e: rows.strategy_cards(e, venues[e.name], now_ns)
                ),
            ),
            risk=self._slow(("risk", name), lambda: self._risk(name, now_ns)),
            panic=frames.panic_pane(slots),
            holding=any(slot.holding for slot in slots),
            has_lease=has_lease,
            viewers=viewers,
        )

    # -- inside --------------------------------------------------------------------------

    def _risk(self, account: str, now_ns: int) -> RiskPane:
        return frames.risk_pane(
            self._places.slots, account, self.loop_lag_ms, self.journal_rows, now_ns
        )

    def _market(self, market: MarketKey, account: str, now_ns: int) -> tuple[MarketPane, Depth]:
        """Return figures and book of a market, by the chosen account's engine if it trades it."""
        venue, symbol = market
        engine = self._engine_of(market, account)
        if engine is None:
            return self._watched_market(market, now_ns)
        runner = next((r for r in engine.kernel.runners if r.symbol == symbol), None)
        levels = runner.setup.strategy.obi_levels if runner else 20
        pane = self._once(
            ("market", venue, symbol, engine.name),
            lambda: frames.market_pane(engine, venue, symbol, levels, now_ns),
        )
        depth = self._once(
            ("depth", venue, symbol, engine.name),
            lambda: frames.depth_of(engine.kernel.markets[Symbol(symbol)].book),
        )
        return pane, depth

    def _watched_market(self, market: MarketKey, now_ns: int) -> tuple[MarketPane, Depth]:
        """Return figures and book of a market that no account trades, or that is not there yet."""
        spectators = self._spectators
        if spectators is None or not self._places.is_elsewhere(market):
            return frames.unknown_market(*market), frames.EMPTY_DEPTH
        spectator = spectators.at(market)
        pane = self._once(
            ("market", *market), lambda: frames.watched_market(spectator, market, now_ns)
        )
        if spectator is None:
            return msgspec.structs.replace(pane, trouble=spectators.refusal), frames.EMPTY_DEPTH
        state = spectator.state
        if state is None:
            return pane, frames.EMPTY_DEPTH
        return pane, self._once(("depth", *market), lambda: frames.depth_of(state.book))

    def _spectate(self, watched: Sequence[MarketKey]) -> None:
        """Watch what viewers look at and no account trades; forget what nobody looks at."""
        if self._spectators is None:
            return
        elsewhere = [key for key in watched if self._places.is_elsewhere(key)]
        for gone in self._spectators.want(elsewhere):
            self._trades.pop(gone, None)
            self._pasts.forget(gone)
        for key, spectator in self._spectators.all().items():
            for event in spectator.take_trades():
                self._keep_print(key, event)

    def _engine_of(self, market: MarketKey, account: str) -> AccountEngine | None:
        venue, symbol = market
        for slot in self._places.slots:
            is_there = slot.name == account and self._places.venues[slot.name] == venue
            if is_there and slot.engine is not None and symbol in slot.engine.kernel.markets:
                return slot.engine
        return self._leaders.get(market)

    def _once(self, name: tuple[str, ...], build: Callable[[], _Part], rounds: int = 1) -> _Part:
        """Return a part of the frame, built anew when it is ``rounds`` rounds old."""
        found = self._parts.get(name)
        if found is not None and self._round - found[0] < rounds:
            return found[1]  # type: ignore[return-value]
        part = build()
        self._parts[name] = (self._round, part)
        return part

    def _slow(self, name: tuple[str, ...], build: Callable[[], _Part]) -> _Part:
        return self._once(name, build, _SLOW_ROUNDS)

    def _each(
        self, things: Sequence[_Thing], rows_of: Callable[[_Thing], list[_Row]]
    ) -> list[_Row]:
        """Return the rows of all accounts; one that cannot be shown hides none of the others."""
        made: list[_Row] = []
        for thing in things:
            try:
                made += rows_of(thing)
            except Exception as error:  # task boundary between accounts (R126)
                self._fault(error)
        return made

    def _tell_markets(self, viewers: Sequence[Viewer]) -> None:
        """Tell viewers of markets that have become known since they came, or are gone."""
        spectators = self._spectators.all() if self._spectators is not None else {}
        known = (
            *(id(engine) for engine in self._places.engines()),
            *(id(one.instrument) for one in spectators.values() if one.instrument is not None),
        )
        if known == self._known:
            return
        self._known = known
        self._parts.clear()
        message = Markets(instruments=self.instruments())
        for viewer in viewers:
            if viewer.wants_frames:
                viewer.post(message)

    def _states(self) -> dict[MarketKey, MarketState]:
        """Return what is known of every market, traded or only watched."""
        found = {
            key: engine.kernel.markets[Symbol(key[1])] for key, engine in self._leaders.items()
        }
        if self._spectators is not None:
            for key, spectator in self._spectators.all().items():
                if spectator.state is not None:
                    found[key] = spectator.state
        return found

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
