"""Commands of a human: they pass the same gate as strategies (ARCHITECTURE §3)."""

from __future__ import annotations

from obiterm.core.commands import (
    ALL_ACCOUNTS,
    AnyCommand,
    CancelOrder,
    CancelSymbol,
    ClosePosition,
    EmergencyExit,
    HoldFire,
    Kill,
    PlaceOrder,
    Rearm,
    RepriceOrder,
    StartStrategy,
    StopStrategy,
)
from obiterm.core.effects import Effect, Latch, Note, Panic, Verb
from obiterm.core.events import Commanded
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderState,
    Side,
    Symbol,
    TradingState,
)
from obiterm.trading.closing import Closer
from obiterm.trading.desk import MANUAL, RESTING
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.hand_orders import HandOrders, Terms, moved
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.panic_state import rearm_refusal
from obiterm.trading.runner import PROTECTION, Runner

Result = tuple[list[Effect], tuple[bool, str]]


class ManualDesk:
    """Obeys commands and finishes those that take more than one step."""

    def __init__(self, gate: Gatekeeper, runners: list[Runner]) -> None:
        self._gate = gate
        self._runners = runners
        self._hand = HandOrders(gate)
        self._closer = Closer(gate, self._hand, runners)
        self._moving: dict[ClientOrderId, int] = {}

    def is_closing(self, symbol: Symbol) -> bool:
        """Return whether a close by hand is under way: strategies wait meanwhile."""
        return self._closer.is_closing(symbol)

    def obey(self, event: Commanded, now_ns: int) -> Result:
        """Carry out a command; return effects and what to tell the asker."""
        command = event.command
        refusal = self._refusal(command)
        if refusal:
            return [], (False, refusal)
        match command:
            case PlaceOrder():
                return self._place(command, now_ns)
            case CancelOrder():
                return self._cancel(command.client_id, now_ns)
            case CancelSymbol():
                return self._cancel_symbol(command.symbol, event.who, now_ns)
            case RepriceOrder():
                return self._reprice(command, now_ns)
            case ClosePosition():
                return self._closer.start(command.symbol, event.who, now_ns)
            case HoldFire():
                return self._hold(event.who, now_ns)
            case Kill() | EmergencyExit():
                return self._panic(isinstance(command, EmergencyExit), event.who, now_ns)
            case Rearm():
                return self._rearm(command, event.who, now_ns)
            case StartStrategy():
                return self._run(command.name, True, event.who, now_ns)
            case StopStrategy():
                return self._run(command.name, False, event.who, now_ns)

    def after_order_event(self, now_ns: int) -> list[Effect]:
        """Go on with closes and moves that waited for a cancel."""
        effects = self._closer.go_on(now_ns)
        for client_id, price_ticks in list(self._moving.items()):
            order = self._gate.desk.get(client_id)
            if order is None or order.state.is_final:
                del self._moving[client_id]
                if order is not None and order.state is OrderState.CANCELLED:
                    effects += self._hand.send(moved(order, price_ticks), now_ns).effects
        return effects

    # -- orders ---------------------------------------------------------------------------

    def _refusal(self, command: AnyCommand) -> str:
        account = self._gate.setup.account
        if command.account not in (account, ALL_ACCOUNTS):
            return f"account {command.account!r} is not {account!r}"
        symbol = getattr(command, "symbol", None)
        if symbol is not None and symbol not in self._gate.setup.instruments:
            known = ", ".join(self._gate.setup.instruments)
            return f"symbol {symbol!r} is not traded by {account}: it has {known}"
        return ""

    def _place(self, command: PlaceOrder, now_ns: int) -> Result:
        bid, _, ask, _ = self._gate.markets[command.symbol].best()
        price = command.price_ticks
        if command.join:
            price = bid if command.side is Side.BUY else ask
        limit = command.join or price > 0
        sent = self._hand.send(
            Terms(
                symbol=command.symbol,
                side=command.side,
                kind=OrderKind.LIMIT if limit else OrderKind.MARKET,
                lots=command.lots,
                price_ticks=price,
                post_only=command.post_only and limit,
            ),
            now_ns,
        )
        return sent.effects, (sent.ok, sent.text)

    def _cancel(self, client_id: ClientOrderId, now_ns: int) -> Result:
        order = self._gate.desk.get(client_id)
        if order is None or order.state.is_final:
            return [], (False, f"no open order {client_id}")
        self._moving.pop(client_id, None)
        return [self._gate.desk.cancel(order, now_ns)], (True, "cancel sent")

    def _cancel_symbol(self, symbol: Symbol, who: str, now_ns: int) -> Result:
        """Cancel all but what protects an open position; its strategy goes on protecting it."""
        for runner in self._runners:
            if runner.symbol == symbol:
                hands_off = runner.hands_off or runner.position.is_flat
                runner.stop(f"all orders cancelled by {who}", hands_off=hands_off)
        live = [o for o in self._gate.desk.live(symbol) if o.state is not OrderState.CANCELLING]
        kept = [order for order in live if self._protects(order)]
        orders = [order for order in live if order not in kept]
        for order in orders:
            self._moving.pop(order.intent.client_id, None)
        text = f"{len(orders)} cancels sent; strategies on {symbol} stopped"
        if kept:
            named = ", ".join(self._gate.desk.describe(order.intent) for order in kept)
            text += f"; stop kept: {named}: close the position to be rid of it"
        return [self._gate.desk.cancel(order, now_ns) for order in orders], (True, text)

    def _protects(self, order: TrackedOrder) -> bool:
        """Return whether an order limits what its owner's open position can lose or gives back."""
        owner, symbol = order.intent.owner, order.intent.symbol
        held = self._gate.positions.get((owner, symbol))
        return order.intent.role in PROTECTION and held is not None and not held.is_flat

    def _reprice(self, command: RepriceOrder, now_ns: int) -> Result:
        order = self._gate.desk.get(command.client_id)
        if order is None or order.state not in RESTING:
            return [], (False, f"no resting order {command.client_id}")
        if order.intent.owner != MANUAL or order.intent.kind is not OrderKind.LIMIT:
            return [], (False, f"the order belongs to {order.intent.owner}: stop it first")
        self._moving[command.client_id] = command.price_ticks
        return [self._gate.desk.cancel(order, now_ns)], (True, "moving")

    # -- states ---------------------------------------------------------------------------

    def _hold(self, who: str, now_ns: int) -> Result:
        if self._gate.state is not TradingState.ACTIVE:
            return [], (True, f"already {self._gate.state.value}")
        self._gate.enter(TradingState.REDUCING, holding=True)
        reason = f"hold fire by {who}"
        return [
            Latch(state=TradingState.REDUCING, reason=reason),
            self._state_note(reason, now_ns),
        ], (True, reason)

    def _panic(self, flatten: bool, who: str, now_ns: int) -> Result:
        self._gate.enter(TradingState.HALTED)
        self._gate.killed_ns = now_ns
        self._moving.clear()
        self._closer.give_up_all()
        self._gate.armed = self._gate.armed and not self._gate.setup.environment.is_real_money
        reason = f"{'emergency exit' if flatten else 'kill'} by {who}"
        return [
            Latch(state=TradingState.HALTED, reason=reason),
            Panic(flatten=flatten, who=who),
            self._state_note(reason, now_ns),
        ], (True, reason)

    def _rearm(self, command: Rearm, who: str, now_ns: int) -> Result:
        refusal = rearm_refusal(command, self._gate.setup.account)
        if refusal:
            return [], (False, refusal)
        self._gate.enter(TradingState.ACTIVE)
        self._gate.armed = True
        reason = f"armed by {who}"
        return [
            Latch(state=TradingState.ACTIVE, reason=reason),
            self._state_note(reason, now_ns),
        ], (True, reason)

    def _run(self, name: str, running: bool, who: str, now_ns: int) -> Result:
        for runner in self._runners:
            if runner.name == name:
                if running:
                    runner.start()
                    runner.reason = f"started by {who}"
                else:
                    runner.stop(f"stopped by {who}", hands_off=runner.hands_off)
                return [self._state_note(f"{name} {runner.reason}", now_ns)], (True, runner.reason)
        known = ", ".join(r.name for r in self._runners) or "none"
        return [], (False, f"no strategy {name!r}: there are {known}")

    def _state_note(self, text: str, now_ns: int) -> Note:
        verb = Verb.KILL if self._gate.state is TradingState.HALTED else Verb.INFO
        return Note(verb=verb, symbol=Symbol(""), text=text, at_ns=now_ns, owner=MANUAL)
