"""One account and one simulated venue in one process, in simulated time.

The same kernel, journal and exchange core as over sockets; what is left out is the
wire. Time is a heap of things that are due, so the same input gives the same orders
and fills however fast the machine is.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable

import msgspec

from obiterm.core.commands import ALL_ACCOUNTS, Kill
from obiterm.core.effects import (
    Cancel,
    CancelAll,
    Effect,
    Note,
    Query,
    Reconcile,
    Resync,
    Send,
    Verb,
)
from obiterm.core.events import (
    AccountReconciled,
    CancelRefused,
    Commanded,
    DepthChanged,
    Event,
    FeedChanged,
    FundingChanged,
    OrderNotFound,
    OrderRefused,
    Ticked,
    TopChanged,
    Traded,
)
from obiterm.core.latency import LatencyWindow
from obiterm.core.values import NS_PER_MS, Symbol
from obiterm.exchange.api import (
    BalanceUpdate,
    FundingPayment,
    OrderUpdate,
    Output,
    PositionUpdate,
    Refusal,
    VenueCore,
    Verbatim,
)
from obiterm.journal.log import Journal
from obiterm.research import translate
from obiterm.trading.kernel import Kernel
from obiterm.trading.record import StartRecord, build_setup, journal_order

_TICK_NS = 100 * NS_PER_MS
_GROUP_ROWS = 32
ORDER_LATENCY_NS = 2 * NS_PER_MS
"""From our decision to the matching engine, and back again: a server near the venue."""
SNAPSHOT_LATENCY_NS = 20 * NS_PER_MS

MarketReader = Callable[[Verbatim, int], Iterable[Event]]
"""Reads a recorded message as the venue's session would."""

_PRIVATE = OrderUpdate | BalanceUpdate | PositionUpdate | FundingPayment

_encode = msgspec.msgpack.Encoder()


class SimulatedRun:
    """Runs a kernel against a venue core until the market or the time ends.

    Attributes:
        decisions: computing time from a market message to the journaled order.
        orders_sent: orders that reached the venue, in order, by client id.
    """

    def __init__(
        self,
        record: StartRecord,
        venue: VenueCore,
        account: str,
        journal: Journal,
        read: MarketReader | None,
    ) -> None:
        self.kernel = Kernel(build_setup(record))
        self.decisions = LatencyWindow(kept=1 << 20)
        self.orders_sent: list[str] = []
        self.signals = 0
        self._record = record
        self._venue = venue
        self._account = account
        self._journal = journal
        self._read = read
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._number = 0
        self._rows = 0
        self._began = 0.0

    def run(self, start_ns: int, until_ns: int | None, progress: Callable[[int], None]) -> int:
        """Run from ``start_ns``; return the simulated time at the end."""
        self._write("start", _encode.encode(self._record), start_ns)
        now_ns = start_ns
        self._step(FeedChanged("market", True, "simulated", now_ns), now_ns)
        self._step(FeedChanged("account", True, "simulated", now_ns), now_ns)
        tick_ns = now_ns + _TICK_NS
        while until_ns is None or now_ns < until_ns:
            market_ns = self._venue.next_event_ns()
            if market_ns is None:
                break
            wait_ns = self._due[0][0] if self._due else market_ns
            now_ns = max(now_ns, min(market_ns, wait_ns, tick_ns))
            if now_ns == tick_ns:
                tick_ns += _TICK_NS
                self._step(Ticked(received_ns=now_ns), now_ns)
                progress(now_ns)
            elif self._due and self._due[0][0] <= now_ns:
                _, _, act = heapq.heappop(self._due)
                act(now_ns)
            else:
                self._venue.advance(now_ns)
            self._take_outputs(now_ns)
        return self._finish(now_ns)

    def _finish(self, now_ns: int) -> int:
        """Kill: cancel everything and let the answers arrive."""
        self._step(
            Commanded(command=Kill(account=ALL_ACCOUNTS), who="end of run", received_ns=now_ns),
            now_ns,
        )
        for symbol in self.kernel.markets:
            self._cancel_all(symbol, now_ns)
        self._take_outputs(now_ns)
        while self._due:
            due_ns, _, act = heapq.heappop(self._due)
            now_ns = max(now_ns, due_ns)
            act(now_ns)
            self._take_outputs(now_ns)
        self._write("stop", b"", now_ns)
        self._journal.commit()
        return now_ns

    # -- time ----------------------------------------------------------------------------------

    def _later(self, at_ns: int, act: Callable[[int], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (at_ns, self._number, act))

    def _take_outputs(self, now_ns: int) -> None:
        for output in self._venue.drain():
            if isinstance(output, _PRIVATE):
                if _account_of(output) == self._account:
                    self._deliver(output, now_ns + ORDER_LATENCY_NS)
            elif isinstance(output, Verbatim) and self._read is not None:
                self._began = time.perf_counter()
                for event in self._read(output, now_ns):
                    self._step(event, now_ns)
            else:
                event_or_none = translate.market_event(self._venue, output, now_ns)
                if event_or_none is not None:
                    self._began = time.perf_counter()
                    self._step(event_or_none, now_ns)

    def _deliver(self, output: Output, at_ns: int) -> None:
        if isinstance(output, BalanceUpdate):
            assets = [asset for asset, _, _ in output.balances]
            told = translate.balances(self._venue, self._account, assets)
            output = msgspec.structs.replace(output, balances=told)

        def act(now_ns: int) -> None:
            for event in translate.account_events(output, now_ns):
                self._step(event, now_ns)

        self._later(at_ns, act)

    # -- deciding and doing ----------------------------------------------------------------------

    def _step(self, event: Event, now_ns: int) -> None:
        is_market = isinstance(event, DepthChanged | TopChanged | Traded | FundingChanged)
        if self._record.market_events or not (is_market or isinstance(event, Ticked)):
            self._write("event", _encode.encode((now_ns, event)), now_ns)
        effects = self.kernel.step(event, now_ns)
        if not effects:
            return
        sends = False
        for effect in journal_order(effects):
            is_send = isinstance(effect, Send)
            sends = sends or is_send
            kind = "intent" if is_send else "effect"
            self._write(kind, _encode.encode((now_ns, effect)), now_ns)
        if sends:
            self._journal.commit()
            if is_market:
                self.decisions.add(int((time.perf_counter() - self._began) * 1e9))
        for effect in effects:
            self._do(effect, now_ns)

    def _do(self, effect: Effect, now_ns: int) -> None:
        arrives_ns = now_ns + ORDER_LATENCY_NS
        match effect:
            case Send():
                self._later(arrives_ns, lambda at_ns: self._place(effect, at_ns))
            case Cancel():
                self._later(arrives_ns, lambda at_ns: self._cancel(effect, at_ns))
            case CancelAll():
                self._later(arrives_ns, lambda at_ns: self._cancel_all(effect.symbol, at_ns))
            case Query():
                self._later(arrives_ns, lambda at_ns: self._query(effect, at_ns))
            case Resync():
                self._later(
                    now_ns + SNAPSHOT_LATENCY_NS, lambda at_ns: self._snapshot(effect.symbol, at_ns)
                )
            case Note():
                self.signals += effect.verb is Verb.SIGNAL
            case Reconcile():
                self._later(arrives_ns, self._reconcile)
            case _:
                return

    def _reconcile(self, now_ns: int) -> None:
        """Tell the venue's whole word; fills are told as they happen, so none is missing."""
        self._answer(
            AccountReconciled(
                balances=translate.balances(self._venue, self._account),
                open_orders=[
                    translate.live_order(order) for order in self._venue.open_orders(self._account)
                ],
                received_ns=now_ns + ORDER_LATENCY_NS,
                positions=[
                    translate.position(held, held.updated_ns, now_ns + ORDER_LATENCY_NS)
                    for held in self._venue.positions(self._account)
                    if held.lots
                ],
            )
        )

    def _snapshot(self, symbol: Symbol, now_ns: int) -> None:
        self._step(translate.snapshot(self._venue, symbol, now_ns), now_ns)

    def _place(self, effect: Send, now_ns: int) -> None:
        intent = effect.order.intent
        self.orders_sent.append(intent.client_id)
        try:
            market = self._venue.markets[intent.symbol]
            self._venue.place(self._account, translate.new_order(intent, market), now_ns)
        except Refusal as refusal:
            self._answer(
                OrderRefused(
                    symbol=intent.symbol,
                    client_id=intent.client_id,
                    code="",
                    text=str(refusal),
                    received_ns=now_ns + ORDER_LATENCY_NS,
                )
            )

    def _cancel(self, effect: Cancel, now_ns: int) -> None:
        try:
            self._venue.cancel(self._account, effect.symbol, now_ns, client_id=effect.client_id)
        except Refusal as refusal:
            self._answer(
                CancelRefused(
                    symbol=effect.symbol,
                    client_id=effect.client_id,
                    code="",
                    text=str(refusal),
                    received_ns=now_ns + ORDER_LATENCY_NS,
                )
            )

    def _query(self, effect: Query, now_ns: int) -> None:
        at_ns = now_ns + ORDER_LATENCY_NS
        try:
            order = self._venue.find_order(self._account, effect.symbol, client_id=effect.client_id)
        except Refusal:
            self._answer(OrderNotFound(effect.symbol, effect.client_id, at_ns))
            return
        self._answer(translate.reported(order, at_ns))

    def _cancel_all(self, symbol: Symbol, now_ns: int) -> None:
        if self._venue.open_orders(self._account, symbol):
            self._venue.cancel_all(self._account, symbol, now_ns)

    def _answer(self, event: Event) -> None:
        self._later(event.received_ns, lambda at_ns: self._step(event, at_ns))

    def _write(self, kind: str, payload: bytes, now_ns: int) -> None:
        self._journal.append(self._record.account, kind, payload, now_ns)
        self._rows += 1
        if self._rows % _GROUP_ROWS == 0:
            self._journal.commit()


def _account_of(output: OrderUpdate | BalanceUpdate | PositionUpdate | FundingPayment) -> str:
    if isinstance(output, OrderUpdate):
        return output.order.account
    if isinstance(output, PositionUpdate):
        return output.position.account
    return output.account
