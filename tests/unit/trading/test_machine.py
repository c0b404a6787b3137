"""Any interleaving of a venue's answers keeps what must always hold.

A small venue matches nothing by itself: hypothesis decides when a request arrives, when it is
answered, what fills, and which messages are lost, doubled or late. Queries and trade lists
always tell the truth, as a venue's do.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from obiterm.core.commands import (
    AnyCommand,
    CancelSymbol,
    ClosePosition,
    HoldFire,
    Kill,
    Rearm,
    StartStrategy,
    StopStrategy,
)
from obiterm.core.effects import Cancel, Effect, Query, Reconcile, Send
from obiterm.core.events import (
    AccountReconciled,
    CancelRefused,
    Event,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.orders import LiveOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_S,
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    TradingState,
)
from obiterm.trading.kernel import Kernel
from obiterm.trading.questions import ANSWER_AGE_NS
from tests.trading_support.stage import ASK, BID, BTC, Stage, entry, stop
from tests.trading_support.wire import Trader, VenueOrder

S = OrderState
WINDOW_NS = 5 * NS_PER_S
WIRE = st.sampled_from(["works", "works", "slow"])
SELDOM = st.sampled_from([False, False, False, False, True])
"""Humans and outages are rarer than markets."""
FEE = Decimal("0.000001")


class KernelAgainstVenue(RuleBasedStateMachine):
    """The kernel on one side, a venue with a bad wire on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.trader = Trader()
        self.stage = Stage({"one": self.trader})
        self.stage.ready()
        self.trader.mode = "trade"
        self.requests: list[tuple[int, Send | Cancel]] = []
        self.inbound: list[Event] = []
        self.venue: dict[ClientOrderId, VenueOrder] = {}
        self.trades: list[Filled] = []
        self.numbers = 0

    @property
    def kernel(self) -> Kernel:
        return self.stage.kernel

    # -- wiring -----------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Give the kernel an event and take what it wants done, as a gateway would."""
        age_ns = self.stage.now_ns - event.received_ns
        if isinstance(event, OrderNotFound) and age_ns > ANSWER_AGE_NS:
            return
        self.take(self.stage.step(event))

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.may_leave(effect.order.intent)
                self.requests.append((self.stage.now_ns, effect))
            elif isinstance(effect, Cancel):
                self.requests.append((self.stage.now_ns, effect))
            elif isinstance(effect, Query):
                self.inbound.append(self.answer(effect.client_id))
            elif isinstance(effect, Reconcile):
                self.reconcile()

    def may_leave(self, intent: OrderIntent) -> None:
        """T4: strategies send nothing when halted, and enter only when active and in sight.

        No sell offers more than is held, together with the others of its owner.
        """
        owner = intent.owner
        if intent.side is Side.SELL:
            offered = sum(
                order.lots_left
                for order in self.kernel.desk.live(BTC, owner)
                if order.intent.side is Side.SELL
            )
            held = self.kernel.gate.exposure_lots(BTC)
            assert offered <= held, f"{offered} lots offered, {held} held"
        if owner != "one":
            return
        assert self.kernel.state is not TradingState.HALTED
        assert self.kernel.in_sight
        if intent.role is OrderRole.ENTRY:
            assert self.kernel.state is TradingState.ACTIVE

    def report(self, order: VenueOrder) -> OrderReported:
        intent = order.intent
        return OrderReported(
            symbol=intent.symbol,
            client_id=intent.client_id,
            venue_id=order.venue_id,
            state=S.PARTIAL if order.state is S.OPEN and order.filled else order.state,
            side=intent.side,
            kind=intent.kind,
            lots=intent.lots,
            filled_lots=order.filled,
            price_ticks=intent.price_ticks,
            trigger_ticks=intent.trigger_ticks,
            event_ns=self.stage.now_ns,
            received_ns=self.stage.now_ns,
        )

    def answer(self, client_id: ClientOrderId) -> Event:
        order = self.venue.get(client_id)
        if order is None:
            return OrderNotFound(BTC, client_id, self.stage.now_ns)
        return self.report(order)

    def reconcile(self) -> None:
        """Queue the whole truth: trades first, then what rests."""
        self.inbound += self.trades
        self.inbound.append(
            AccountReconciled(
                balances=[],
                open_orders=[
                    LiveOrder(
                        symbol=BTC,
                        client_id=o.intent.client_id,
                        venue_id=o.venue_id,
                        side=o.intent.side,
                        kind=o.intent.kind,
                        lots=o.intent.lots,
                        filled_lots=o.filled,
                        price_ticks=o.intent.price_ticks,
                        trigger_ticks=o.intent.trigger_ticks,
                        created_ns=0,
                    )
                    for o in self.venue.values()
                    if o.rests
                ],
                received_ns=self.stage.now_ns,
            )
        )

    def settle(self, wire: str) -> None:
        """Let a wire that works carry everything that waits."""
        if wire != "works":
            return
        while self.requests or self.inbound:
            while self.inbound:
                self.tell(self.inbound.pop(0))
            if self.requests:
                self.request_comes_in(0, told=True)

    # -- the strategy -----------------------------------------------------------------------

    @rule(mode=st.sampled_from(["trade", "trade", "idle", "leave"]), wire=WIRE)
    def want(self, mode: str, wire: str) -> None:
        self.trader.mode = mode
        self.take(self.stage.book())
        self.settle(wire)

    @rule(size=st.integers(1, 3_000), price=st.integers(BID - 20, BID), wire=WIRE)
    def want_another_entry(self, size: int, price: int, wire: str) -> None:
        self.trader.target, self.trader.price = size, price
        self.take(self.stage.book())
        self.settle(wire)

    # -- the human --------------------------------------------------------------------------

    @rule(
        command=st.sampled_from(
            [
                Kill(account="main"),
                HoldFire(account="main"),
                StopStrategy(account="main", name="one"),
                StartStrategy(account="main", name="one"),
                ClosePosition(account="main", symbol=BTC),
                CancelSymbol(account="main", symbol=BTC),
            ]
        ),
        really=SELDOM,
    )
    def command(self, command: AnyCommand, really: bool) -> None:
        if really:
            self.take(self.stage.command(command))

    @rule(wire=WIRE)
    def back_to_work(self, wire: str) -> None:
        self.take(self.stage.command(Rearm(account="main", typed="main")))
        self.take(self.stage.command(StartStrategy(account="main", name="one")))
        self.account_stream_comes_back(wire)

    @rule(really=SELDOM)
    def account_stream_is_lost(self, really: bool) -> None:
        if really:
            self.take(self.stage.feed("account", up=False))

    @rule(wire=WIRE)
    def account_stream_comes_back(self, wire: str) -> None:
        self.take(self.stage.feed("account", up=True))
        self.settle(wire)

    # -- time -------------------------------------------------------------------------------

    @rule(ms=st.sampled_from([1, 50, 300, 1_100, 3_100, 6_500]))
    def time_passes(self, ms: int) -> None:
        self.take(self.stage.tick(ms))
        self.take(self.stage.snapshot())
        self.take(self.stage.book())

    # -- the wire to the venue --------------------------------------------------------------

    @precondition(lambda self: self.requests)
    @rule(at=st.integers(0, 3), told=st.booleans())
    def request_arrives(self, at: int, told: bool) -> None:
        self.request_comes_in(min(at, len(self.requests) - 1), told=told)

    def request_comes_in(self, at: int, *, told: bool) -> None:
        """A request reaches the venue, in any order, within its window; the reply may be lost."""
        sent_ns, request = self.requests.pop(at)
        if self.stage.now_ns - sent_ns > WINDOW_NS:
            return  # the venue refuses what is older than its window; nobody hears of it
        reply = self.act(request)
        if told:
            self.inbound.append(reply)

    @precondition(lambda self: self.requests)
    @rule(at=st.integers(0, 3), told=st.booleans())
    def request_is_lost(self, at: int, told: bool) -> None:
        _, request = self.requests.pop(min(at, len(self.requests) - 1))
        if told:
            now_ns = self.stage.now_ns
            if isinstance(request, Send):
                lost = request.order.intent.client_id
                self.inbound.append(OrderOutcomeLost(BTC, lost, "cut", now_ns))
            else:
                self.inbound.append(CancelRefused(BTC, request.client_id, "", "cut", now_ns))

    @precondition(lambda self: any(isinstance(r, Send) for _, r in self.requests))
    @rule()
    def request_is_refused(self) -> None:
        for at, (_, request) in enumerate(self.requests):
            if isinstance(request, Send):
                del self.requests[at]
                client_id = request.order.intent.client_id
                self.inbound.append(OrderRefused(BTC, client_id, "-1", "no", self.stage.now_ns))
                return

    def act(self, request: Send | Cancel) -> Event:
        now_ns = self.stage.now_ns
        if isinstance(request, Cancel):
            order = self.venue.get(request.client_id)
            if order is None or not order.rests:
                return CancelRefused(BTC, request.client_id, "-2011", "Unknown order", now_ns)
            order.state = S.CANCELLED
            return self.report(order)
        intent = request.order.intent
        assert intent.client_id not in self.venue, "sent twice under one id"
        self.numbers += 1
        order = self.venue[intent.client_id] = VenueOrder(intent, self.numbers)
        if intent.kind is OrderKind.MARKET:
            self.execute(order, intent.lots, told=True)
        return self.report(order)

    # -- the market at the venue ------------------------------------------------------------

    @precondition(lambda self: any(o.rests for o in self.venue.values()))
    @rule(which=st.integers(0, 5), share=st.sampled_from([1, 2, 3]), told=st.booleans(), wire=WIRE)
    def order_fills(self, which: int, share: int, told: bool, wire: str) -> None:
        resting = [o for o in self.venue.values() if o.rests]
        order = resting[which % len(resting)]
        self.execute(order, max(1, (order.intent.lots - order.filled) // share), told=told)
        self.settle(wire)

    def execute(self, order: VenueOrder, lots: int, *, told: bool) -> None:
        order.filled += lots
        if order.filled == order.intent.lots:
            order.state = S.FILLED
        intent = order.intent
        fill = Filled(
            symbol=BTC,
            client_id=intent.client_id,
            venue_id=order.venue_id,
            trade_id=len(self.trades) + 1,
            side=intent.side,
            price_ticks=intent.price_ticks or BID,
            lots=lots,
            fee=FEE if intent.side is Side.BUY else Decimal("0.01"),
            fee_asset="BTC" if intent.side is Side.BUY else "USDT",
            is_maker=True,
            event_ns=self.stage.now_ns,
            received_ns=self.stage.now_ns,
        )
        self.trades.append(fill)
        if told:
            self.inbound += [fill, self.report(order)]

    # -- the wire back ----------------------------------------------------------------------

    @precondition(lambda self: self.inbound)
    @rule(at=st.integers(0, 4))
    def message_comes(self, at: int) -> None:
        """Messages come in any order: reply, stream and query are three ways."""
        self.tell(self.inbound.pop(min(at, len(self.inbound) - 1)))

    @precondition(lambda self: self.inbound)
    @rule(at=st.integers(0, 4))
    def message_comes_twice(self, at: int) -> None:
        event = self.inbound[min(at, len(self.inbound) - 1)]
        self.tell(event)

    @precondition(lambda self: self.inbound)
    @rule(at=st.integers(0, 4))
    def message_is_lost(self, at: int) -> None:
        event = self.inbound[min(at, len(self.inbound) - 1)]
        if not isinstance(event, AccountReconciled):
            self.inbound.remove(event)

    # -- what must always hold --------------------------------------------------------------

    @invariant()
    def one_live_order_per_intent(self) -> None:
        """T7: at the venue, not in our books."""
        seen: set[tuple[str, str]] = set()
        for order in self.venue.values():
            key = (order.intent.owner, order.intent.tag)
            if order.rests and order.intent.owner == "one":
                assert key not in seen, f"two orders rest for {key}"
                seen.add(key)

    @invariant()
    def positions_are_the_fills_we_know(self) -> None:
        booked = sum((p.quantity for p in self.kernel.gate.positions.values()), Decimal(0))
        log = self.kernel.desk._fills
        known = [fill for fill in self.trades if log.is_known(fill)]
        total = sum(
            (
                Decimal(fill.side.sign * fill.lots) / 100_000
                - (fill.fee if fill.fee_asset == "BTC" else 0)
                for fill in known
            ),
            Decimal(0),
        )
        assert booked == total

    @invariant()
    def the_venue_never_sold_more_than_was_bought(self) -> None:
        """Whatever was lost on the wire: no double stop, no second exit for the same coins."""
        assert sum(fill.side.sign * fill.lots for fill in self.trades) >= 0

    def teardown(self) -> None:
        """When the wire heals, our books and the venue's agree: on orders and on position."""
        stage = self.stage
        if stage.kernel.state is TradingState.HALTED:
            self.take(stage.command(Rearm(account="main", typed="main")))
        self.trader.mode = "idle"
        self.take(stage.feed("account", up=True))
        for _ in range(120):
            self.reconcile()
            while self.inbound:
                self.tell(self.inbound.pop(0))
            while self.requests:
                sent_ns, request = self.requests.pop(0)
                if stage.now_ns - sent_ns <= WINDOW_NS:
                    self.inbound.append(self.act(request))
            self.take(stage.tick(500))
            self.take(stage.snapshot(BID, ASK))
        at_venue = {o.intent.client_id for o in self.venue.values() if o.rests}
        ours = {o.intent.client_id for o in stage.kernel.desk.live()}
        assert ours == at_venue
        assert all(stage.kernel.desk._fills.is_known(fill) for fill in self.trades)
        self.positions_are_the_fills_we_know()


KernelAgainstVenue.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestKernelAgainstVenue = KernelAgainstVenue.TestCase


def test_the_same_events_give_the_same_effects_byte_for_byte() -> None:
    """A kernel has no other input than its events."""

    def run() -> bytes:
        stage = Stage()
        stage.ready()
        stage.puppet.wishes = (entry(1_000),)
        stage.book()
        stage.ack("entry")
        stage.puppet.wishes = (stop(1_000),)
        stage.fill("entry", 1_000)
        stage.ticks(3)
        stage.command(Kill(account="main"))
        return b"".join(msgspec.msgpack.encode(effect) for effect in stage.log)

    assert run() == run()
