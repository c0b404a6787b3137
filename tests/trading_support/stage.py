"""One kernel, one market, time in our hands: say what happens, see what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from obiterm.core.commands import AnyCommand
from obiterm.core.effects import Cancel, Effect, Note, Query, Reconcile, Send, Verb
from obiterm.core.events import (
    AccountReconciled,
    BalanceChanged,
    Commanded,
    DepthChanged,
    DepthSnapshotted,
    Event,
    FeedChanged,
    Filled,
    OrderReported,
    Ticked,
)
from obiterm.core.instruments import Instrument
from obiterm.core.limits import RiskLimits
from obiterm.core.orders import LiveOrder, OrderIntent
from obiterm.core.values import (
    NS_PER_MS,
    NS_PER_S,
    AccountId,
    ClientOrderId,
    Environment,
    MarketKind,
    OrderKind,
    OrderRole,
    OrderState,
    RunId,
    Side,
    Symbol,
    TradingState,
    VenueOrderId,
)
from obiterm.strategies.base import Decision, Report, Strategy, View, Wish
from obiterm.trading.kernel import Kernel
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.setup import AccountSetup, StrategySetup

BTC = Symbol("BTCUSDT")
BTCUSDT = Instrument(
    venue="binance",
    symbol=BTC,
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00001"),
    min_lots=1,
    min_notional=Decimal(5),
)
START_NS = 1_760_000_000 * NS_PER_S
MID = 10_000_000
"""100,000.00 in ticks."""
BID, ASK = MID - 50, MID + 50
GENEROUS = RiskLimits(
    max_order_notional=Decimal(10_000_000),
    max_position_notional=Decimal(10_000_000),
    max_exposure_notional=Decimal(20_000_000),
    max_open_orders=200,
    max_orders_per_10s=300,
    max_daily_loss=Decimal(1_000_000),
)


class Puppet:
    """A strategy that wishes what the test says."""

    kind: ClassVar[str] = "puppet"
    obi_levels = 20

    def __init__(self) -> None:
        self.wishes: tuple[Wish, ...] = ()
        self.error: Exception | None = None
        self.views: list[View] = []

    def decide(self, view: View) -> Decision:
        self.views.append(view)
        if self.error is not None:
            raise self.error
        return Decision(self.wishes, "as told")

    def report(self, view: View) -> Report:
        return Report(signal=0.0, enter_at=0.0, exit_at=0.0, position_share=0.0)


def entry(lots: int = 1_000, price: int = BID, tag: str = "entry", side: Side = Side.BUY) -> Wish:
    return Wish(
        tag=tag,
        side=side,
        kind=OrderKind.LIMIT,
        lots=lots,
        role=OrderRole.ENTRY,
        price_ticks=price,
        post_only=True,
    )


def stop(lots: int, trigger: int = BID - 5_000, tag: str = "stop") -> Wish:
    return Wish(
        tag=tag,
        side=Side.SELL,
        kind=OrderKind.STOP_MARKET,
        lots=lots,
        role=OrderRole.STOP,
        trigger_ticks=trigger,
    )


def leave(lots: int, tag: str = "exit") -> Wish:
    return Wish(tag=tag, side=Side.SELL, kind=OrderKind.MARKET, lots=lots, role=OrderRole.EXIT)


class Stage:
    """A kernel with helpers around it. Every helper returns the effects of its last event."""

    def __init__(
        self,
        strategies: dict[str, Strategy] | None = None,
        limits: RiskLimits = GENEROUS,
        *,
        start_state: TradingState = TradingState.ACTIVE,
        environment: Environment = Environment.SIM,
        armed: bool = True,
        quote: Decimal = Decimal(1_000_000),
        base: Decimal = Decimal(0),
        instrument: Instrument = BTCUSDT,
    ) -> None:
        self.puppet = Puppet()
        named = strategies if strategies is not None else {"one": self.puppet}
        self.kernel = Kernel(
            AccountSetup(
                account=AccountId("main"),
                environment=environment,
                run=RunId("run1"),
                instruments={instrument.symbol: instrument},
                limits=limits,
                strategies=tuple(
                    StrategySetup(name=name, symbol=instrument.symbol, strategy=strategy)
                    for name, strategy in named.items()
                ),
                start_state=start_state,
                armed=armed,
                balances={"USDT": (quote, Decimal(0)), "BTC": (base, Decimal(0))},
            )
        )
        self.now_ns = START_NS
        self.log: list[Effect] = []
        self.sent: list[OrderIntent] = []
        self._update_id = 0
        self._trade_id = 0
        self._venue_id = 0
        self._venue_ids: dict[str, VenueOrderId] = {}

    # -- time and events ------------------------------------------------------------------

    def step(self, event: Event) -> list[Effect]:
        effects = self.kernel.step(event, self.now_ns)
        self.log += effects
        self.sent += [effect.order.intent for effect in effects if isinstance(effect, Send)]
        return effects

    def later(self, ms: float) -> None:
        """Let time pass without an event."""
        self.now_ns += int(ms * NS_PER_MS)

    def tick(self, ms: float = 100) -> list[Effect]:
        """Let time pass and tell the kernel."""
        self.later(ms)
        return self.step(Ticked(self.now_ns))

    def ticks(self, seconds: float, *, with_book: bool = True) -> list[Effect]:
        """Tick ten times a second; the book stays fresh unless told otherwise."""
        effects: list[Effect] = []
        for _ in range(int(seconds * 10)):
            effects += self.tick()
            if with_book:
                effects += self.book()
        return effects

    def ready(self) -> list[Effect]:
        """Bring both feeds up, sync the book and tell the venue's word."""
        self.step(FeedChanged("market", True, "connected", self.now_ns))
        effects = self.snapshot()
        self.step(FeedChanged("account", True, "subscribed", self.now_ns))
        return effects + self.reconcile()

    def feed(self, stream: str, up: bool) -> list[Effect]:
        return self.step(FeedChanged(stream, up, "test", self.now_ns))

    def reconcile(self, open_orders: Sequence[LiveOrder] = ()) -> list[Effect]:
        balances = [(a, free, locked) for a, (free, locked) in self.kernel.gate.balances.items()]
        return self.step(AccountReconciled(balances, list(open_orders), self.now_ns))

    def command(self, command: AnyCommand, who: str = "test") -> list[Effect]:
        return self.step(Commanded(command, who, self.now_ns))

    # -- market ---------------------------------------------------------------------------

    def snapshot(self, bid: int = BID, ask: int = ASK) -> list[Effect]:
        self._update_id += 10
        return self.step(
            DepthSnapshotted(
                symbol=BTC,
                last_id=self._update_id,
                bids=[(bid - n, 1_000) for n in range(30)],
                asks=[(ask + n, 1_000) for n in range(30)],
                event_ns=self.now_ns,
                received_ns=self.now_ns,
            )
        )

    def book(
        self,
        bids: Sequence[tuple[int, int]] = (),
        asks: Sequence[tuple[int, int]] = (),
        *,
        skip: int = 0,
    ) -> list[Effect]:
        """Change levels; ``skip`` update ids go missing before."""
        first = self._update_id + 1 + skip
        self._update_id = first
        return self.step(
            DepthChanged(
                symbol=BTC,
                first_id=first,
                last_id=first,
                bids=list(bids),
                asks=list(asks),
                event_ns=self.now_ns,
                received_ns=self.now_ns,
            )
        )

    def lean(self, bid_lots: int, ask_lots: int) -> list[Effect]:
        """Set the best twenty levels of both sides to one size each: an imbalance."""
        return self.book(
            [(BID - n, bid_lots) for n in range(20)], [(ASK + n, ask_lots) for n in range(20)]
        )

    # -- the venue's word -------------------------------------------------------------------

    def order(self, tag: str) -> TrackedOrder:
        """Return the newest live order under a tag."""
        return [o for o in self.kernel.desk.live() if o.intent.tag == tag][-1]

    def venue_id(self, client_id: str) -> VenueOrderId:
        if client_id not in self._venue_ids:
            self._venue_id += 1
            self._venue_ids[client_id] = VenueOrderId(str(self._venue_id))
        return self._venue_ids[client_id]

    def report(
        self,
        intent: OrderIntent,
        state: OrderState,
        filled: int = 0,
        *,
        code: str = "",
        text: str = "",
    ) -> list[Effect]:
        return self.step(
            OrderReported(
                symbol=intent.symbol,
                client_id=intent.client_id,
                venue_id=self.venue_id(intent.client_id),
                state=state,
                side=intent.side,
                kind=intent.kind,
                lots=intent.lots,
                filled_lots=filled,
                price_ticks=intent.price_ticks,
                trigger_ticks=intent.trigger_ticks,
                event_ns=self.now_ns,
                received_ns=self.now_ns,
                code=code,
                text=text,
            )
        )

    def ack(self, tag: str) -> list[Effect]:
        return self.report(self.order(tag).intent, OrderState.OPEN)

    def cancelled(self, tag: str) -> list[Effect]:
        order = self.order(tag)
        return self.report(order.intent, OrderState.CANCELLED, order.filled_lots)

    def fill_event(
        self,
        intent: OrderIntent,
        lots: int,
        price: int = 0,
        *,
        trade_id: int = 0,
        fee: Decimal = Decimal(0),
        fee_asset: str = "USDT",
    ) -> Filled:
        if not trade_id:
            self._trade_id += 1
            trade_id = self._trade_id
        return Filled(
            symbol=intent.symbol,
            client_id=intent.client_id,
            venue_id=self.venue_id(intent.client_id),
            trade_id=trade_id,
            side=intent.side,
            price_ticks=price or intent.price_ticks or BID,
            lots=lots,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=True,
            event_ns=self.now_ns,
            received_ns=self.now_ns,
        )

    def fill(self, tag: str, lots: int, price: int = 0) -> list[Effect]:
        """Fill a part of an order, then tell its state, as the stream does."""
        order = self.order(tag)
        total = order.filled_lots + lots
        effects = self.step(self.fill_event(order.intent, lots, price))
        done = total == order.intent.lots
        state = OrderState.FILLED if done else OrderState.PARTIAL
        return effects + self.report(order.intent, state, total)

    def balance(self, asset: str, free: Decimal, locked: Decimal = Decimal(0)) -> list[Effect]:
        return self.step(BalanceChanged(asset, free, locked, self.now_ns, self.now_ns))

    # -- what there is ----------------------------------------------------------------------

    @property
    def position(self) -> int:
        return self.kernel.gate.net_lots(BTC)

    def live(self) -> list[tuple[str, OrderState]]:
        return [(o.intent.tag, o.state) for o in self.kernel.desk.live()]


# -- reading effects --------------------------------------------------------------------------


def sends(effects: Sequence[Effect]) -> list[OrderIntent]:
    return [effect.order.intent for effect in effects if isinstance(effect, Send)]


def cancels(effects: Sequence[Effect]) -> list[ClientOrderId]:
    return [effect.client_id for effect in effects if isinstance(effect, Cancel)]


def queries(effects: Sequence[Effect]) -> list[ClientOrderId]:
    return [effect.client_id for effect in effects if isinstance(effect, Query)]


def reconciles(effects: Sequence[Effect]) -> list[str]:
    return [effect.reason for effect in effects if isinstance(effect, Reconcile)]


def notes(effects: Sequence[Effect], verb: Verb | None = None) -> list[str]:
    return [
        effect.text
        for effect in effects
        if isinstance(effect, Note) and (verb is None or effect.verb is verb)
    ]


def listed(order: TrackedOrder, filled: int = 0) -> LiveOrder:
    """Return an order as the venue's open list shows it."""
    intent = order.intent
    return LiveOrder(
        symbol=intent.symbol,
        client_id=intent.client_id,
        venue_id=order.venue_id or VenueOrderId("99"),
        side=intent.side,
        kind=intent.kind,
        lots=intent.lots,
        filled_lots=filled,
        price_ticks=intent.price_ticks,
        trigger_ticks=intent.trigger_ticks,
        created_ns=0,
    )
