"""The last door before the wire: a halt, a broken journal and the self-trade guard stop orders.

Everything that the kernel approved comes through here in the same turn of the loop. Refusals
are our own: they go back to the kernel as events, and nothing has reached the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from obiterm.core.clock import Clock
from obiterm.core.commands import CancelOrder
from obiterm.core.effects import Verb
from obiterm.core.events import (
    Commanded,
    Event,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
    Ticked,
)
from obiterm.core.latency import LatencyWindow
from obiterm.core.orders import ApprovedOrder, LiveOrder, OrderIntent, RehearsedOrder
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    RefusalKind,
    Side,
    Symbol,
    TradingState,
)
from obiterm.engine.gateway import Gateway
from obiterm.engine.guard import HOLD_S, Meeting, SelfTradeGuard, is_close, make_way
from obiterm.market.state import MarketState
from obiterm.trading.desk import MANUAL, PANIC
from obiterm.trading.kernel import Kernel
from obiterm.trading.order_states import TrackedOrder

SELF_TRADE = "self_trade"
"""Code of the refusals of the guard, in the journal and on the screen."""
_Fault = Callable[[Exception, Event | None, int], None]


class Door:
    """Where the orders of one account leave, or do not.

    Attributes:
        orders_sent: orders that left.
        prevented: orders refused or withdrawn here, and orders that the venue's own flag
            ended, so that own orders do not meet (R15).
        held: closes that waited until orders of other accounts had given way.
        hold_longest_ns: the longest such wait.
        decisions: our time from the arrival of a market message to the order leaving (Q19).
    """

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        gateway: Gateway,
        guard: SelfTradeGuard,
        clock: Clock,
        *,
        handle: Callable[[Event], None],
        write: Callable[[str, object], None],
        tell: Callable[[str, Verb], None],
        leaving_lots: Callable[[Symbol], int],
        fault: _Fault,
    ) -> None:
        setup = kernel.setup
        self.name = name
        self.collar_bps = setup.limits.price_collar_bps
        self.orders_sent = 0
        self.prevented = 0
        self.held = 0
        self.hold_longest_ns = 0
        self.decisions = LatencyWindow()
        self._kernel = kernel
        self._gateway = gateway
        self._clock = clock
        self._handle = handle
        self._write = write
        self._tell = tell
        self._leaving_lots = leaving_lots
        self._fault = fault
        self._guard = guard
        self._seats = guard.join(self, setup.environment, gateway.rest_url, setup.instruments)
        self._timers: dict[ClientOrderId, asyncio.TimerHandle] = {}
        self._told_by_venue: set[ClientOrderId] = set()

    # -- out --------------------------------------------------------------------------------

    def send(self, order: ApprovedOrder, journaled: bool, now_ns: int, tick_ns: int) -> None:
        """Let one order out, unless something forbids it (T4).

        Args:
            journaled: whether its intent is on disk.
            tick_ns: when the market message came that it answers to; 0 if none did.
        """
        intent = order.intent
        refusal = ""
        if self._kernel.state is TradingState.HALTED and intent.owner not in (MANUAL, PANIC):
            refusal = "halted before it left"
        elif not journaled and not self._only_shrinks(intent):
            refusal = "the journal cannot write"
        if refusal:
            self._refuse(intent, refusal, now_ns)
            return
        seat = self._seats[intent.symbol]
        if (seat.rivals or seat.absent) and self._is_stopped(order, now_ns):
            return
        self.orders_sent += 1
        self._gateway.send(order)
        if tick_ns:
            self.decisions.add(self._clock.wall_ns() - tick_ns)

    def _only_shrinks(self, intent: OrderIntent) -> bool:
        """Return whether an order takes off what is held, whatever it is called."""
        sells_coins = intent.owner == MANUAL and intent.side is Side.SELL
        if is_close(intent) or not sells_coins or self._seats[intent.symbol].instrument.settle:
            return is_close(intent)
        return intent.lots <= self._kernel.gate.exposure_lots(intent.symbol)

    def rehearse(self, order: RehearsedOrder) -> None:
        """Ask what ``send`` asks and build the order's bytes; nothing is refused, held or sent."""
        seat = self._seats[order.intent.symbol]
        if seat.rivals:
            self._guard.meeting(seat, order.intent)
        self._gateway.rehearse(order)

    def _is_stopped(self, order: ApprovedOrder, now_ns: int) -> bool:
        """Return whether the guard refuses or holds an order, and do what follows from it."""
        intent = order.intent
        seat = self._seats[intent.symbol]
        if is_close(intent):
            waits_for = self._guard.hold(seat, intent, partial(self._release, order, now_ns))
            if waits_for:
                self._hold(order, waits_for, now_ns)
            return bool(waits_for)
        if seat.absent and intent.kind is not OrderKind.STOP_MARKET:
            names = ", ".join(sorted(seat.absent))
            text = f"account {names} is not connected: its orders may rest here (R15)"
            self._refuse(intent, text, now_ns, SELF_TRADE, RefusalKind.SELF_TRADE)
            return True
        found = self._guard.meeting(seat, intent)
        if found is None:
            return False
        self.prevented += 1
        self._record("refused", intent.client_id, found, now_ns)
        self._tell(f"{intent.side.value} not sent: {found.text}", Verb.RISK)
        self._refuse(intent, found.text, now_ns, SELF_TRADE, RefusalKind.SELF_TRADE)
        return True

    def _refuse(
        self,
        intent: OrderIntent,
        text: str,
        now_ns: int,
        code: str = "",
        kind: RefusalKind = RefusalKind.LATER,
    ) -> None:
        if intent.owner == MANUAL:  # the human who asked hears it, not that it was sent
            self._kernel.last_result = (False, f"{code}: {text}" if code else text)
        self._handle(OrderRefused(intent.symbol, intent.client_id, code, text, now_ns, kind))

    def _record(self, what: str, client_id: ClientOrderId, met: Meeting, now_ns: int) -> None:
        self._write("guard", (now_ns, what, client_id, met.account, met.text))

    # -- closes that wait -------------------------------------------------------------------

    def _hold(self, order: ApprovedOrder, waits_for: list[Meeting], now_ns: int) -> None:
        client_id = order.intent.client_id
        if not self._guard.holds(self, client_id):
            return  # what it waited for gave way at once
        self.held += 1
        for met in waits_for:
            self._record("waits", client_id, met, now_ns)
        loop = asyncio.get_running_loop()
        self._timers[client_id] = loop.call_later(HOLD_S, self._out_of_patience, order, now_ns)

    def _out_of_patience(self, order: ApprovedOrder, held_ns: int) -> None:
        self._timers.pop(order.intent.client_id, None)
        if self._guard.let_go(self, order.intent.client_id):
            self._tell("a close left although other accounts' orders may be there", Verb.RISK)
            self._release(order, held_ns)

    def _release(self, order: ApprovedOrder, held_ns: int) -> None:
        """Let a held close out, if it is still allowed to leave."""
        intent = order.intent
        timer = self._timers.pop(intent.client_id, None)
        if timer is not None:
            timer.cancel()
        now_ns = self._clock.wall_ns()
        self.hold_longest_ns = max(self.hold_longest_ns, now_ns - held_ns)
        gate = self._kernel.gate
        is_human = intent.owner in (MANUAL, PANIC)
        if held_ns <= gate.killed_ns or (gate.state is TradingState.HALTED and not is_human):
            self._refuse(intent, "halted before it left", now_ns)
            return
        self.orders_sent += 1
        try:
            self._gateway.send(order)
        except Exception as error:  # task boundary: it may be another account's turn
            text = f"{type(error).__name__}: {error}"
            self._fault(error, None, now_ns)
            self._handle(OrderOutcomeLost(intent.symbol, intent.client_id, text, now_ns))

    def recall(self, symbol: Symbol, client_id: ClientOrderId) -> bool:
        """Take back a close that waits here; return whether it did, so that none is cancelled."""
        if not self._guard.let_go(self, client_id):
            return False
        timer = self._timers.pop(client_id, None)
        if timer is not None:
            timer.cancel()
        now_ns, text = self._clock.wall_ns(), "given up before it left"
        self._handle(OrderRefused(symbol, client_id, "", text, now_ns, RefusalKind.LATER))
        return True

    def recall_all(self) -> None:
        """Take back everything that waits here: a kill came, or the account ends."""
        for client_id in self._guard.held_of(self):
            order = self._kernel.desk.get(client_id)
            if order is not None:
                self.recall(order.intent.symbol, client_id)

    def recall_unsent(self) -> None:
        """Take back what waits here or for a connection; the kernel must be halted by then.

        An order that is given up is told at once, and what is told makes strategies act.
        """
        try:
            self._gateway.drop_unsent()
        except Exception as error:  # task boundary: a defect here must not stop a kill
            self._tell(f"orders that wait: {type(error).__name__}: {error}", Verb.RISK)
        self.recall_all()

    # -- other accounts ---------------------------------------------------------------------

    def look_around(self, event: Event) -> None:
        """Do what an event of this account, but the market's, means for the others."""
        try:
            self._look_around(event)
        except Exception as error:  # task boundary: a defect in the guard ends no engine
            self._fault(error, None, self._clock.wall_ns())

    def _look_around(self, event: Event) -> None:
        if self._guard.is_holding:
            self._guard.settle()
        if isinstance(event, OrderReported):
            self._count(event)
        elif isinstance(event, Ticked):
            reason = f"a stop of account {self.name} is about to fire"
            for seat in self._seats.values():
                make_way(self._guard.near_stops(seat), reason)

    def _count(self, event: OrderReported) -> None:
        """Count an order that the venue's own flag ended; it is told by reply and by stream."""
        is_prevented = event.refusal is RefusalKind.SELF_TRADE and event.state.is_final
        if is_prevented and event.client_id not in self._told_by_venue:
            self._told_by_venue.add(event.client_id)
            self.prevented += 1
            row = (event.received_ns, "by the venue", event.client_id, "", event.text)
            self._write("guard", row)

    def clear_way(self) -> None:
        """Make others withdraw what an emergency exit of this account would meet; never waits."""
        for symbol, seat in self._seats.items():
            lots = self._leaving_lots(symbol)
            if lots and seat.rivals:
                close = OrderIntent(
                    client_id=ClientOrderId(""),
                    symbol=symbol,
                    side=Side.SELL if lots > 0 else Side.BUY,
                    kind=OrderKind.MARKET,
                    lots=abs(lots),
                    role=OrderRole.PANIC,
                    owner=PANIC,
                    reduce_only=True,
                )
                in_the_way = self._guard.in_the_way(seat, close)
                make_way(in_the_way, f"for the emergency exit of account {self.name}")

    def market(self, symbol: Symbol) -> MarketState:
        """Return the book as this account sees it."""
        return self._kernel.markets[symbol]

    def live(self, symbol: Symbol) -> Iterable[TrackedOrder]:
        """Return orders of this account that are not final."""
        return self._kernel.desk.live(symbol)

    def foreign(self, symbol: Symbol) -> Iterable[LiveOrder]:
        """Return open orders of other programs or people on this account."""
        return [one for one in self._kernel.desk.foreign.values() if one.symbol == symbol]

    def leaving_lots(self, symbol: Symbol) -> int:
        """Return the signed lots that the panic path is closing."""
        return self._leaving_lots(symbol)

    def give_way(self, order: TrackedOrder, reason: str) -> None:
        """Cancel an order that another account's close would meet (R15)."""
        try:
            self._give_way(order, reason)
        except Exception as error:  # task boundary: it is the other account's turn
            self._fault(error, None, self._clock.wall_ns())

    def _give_way(self, order: TrackedOrder, reason: str) -> None:
        now_ns, intent = self._clock.wall_ns(), order.intent
        self.prevented += 1
        self._write("guard", (now_ns, "withdrawn", intent.client_id, "", reason))
        self._tell(f"{intent.side.value} order withdrawn: {reason} (R15)", Verb.RISK)
        command = CancelOrder(account=self.name, symbol=intent.symbol, client_id=intent.client_id)
        self._handle(Commanded(command=command, who="guard", received_ns=now_ns))
