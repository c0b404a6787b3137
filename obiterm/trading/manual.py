"""Commands of a human: they pass the same gate as strategies (ARCHITECTURE §3)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

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
from obiterm.core.effects import Cancel, Effect, Latch, Note, Panic, Send, Verb
from obiterm.core.events import Commanded
from obiterm.core.orders import OrderIntent, RefusedOrder
from obiterm.core.values import (
    ClientOrderId,
    OrderKind,
    OrderRole,
    OrderState,
    Side,
    Symbol,
    TradingState,
)
from obiterm.trading.desk import MANUAL
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.order_states import TrackedOrder
from obiterm.trading.panic_state import rearm_refusal
from obiterm.trading.runner import Runner


class _Terms(msgspec.Struct, frozen=True):
    """What a hand-made order asks for."""

    symbol: Symbol
    side: Side
    kind: OrderKind
    lots: int
    price_ticks: int = 0
    post_only: bool = False


def _moved(order: TrackedOrder, price_ticks: int) -> _Terms:
    """Return the terms of an order's rest at another price."""
    intent = order.intent
    return _Terms(
        symbol=intent.symbol,
        side=intent.side,
        kind=intent.kind,
        lots=intent.lots - order.filled_lots,
        price_ticks=price_ticks,
        post_only=intent.post_only,
    )


Result = tuple[list[Effect], tuple[bool, str]]

_RESTING = (OrderState.OPEN, OrderState.PARTIAL)


class ManualDesk:
    """Obeys commands and finishes those that take more than one step."""

    def __init__(self, gate: Gatekeeper, runners: list[Runner]) -> None:
        self._gate = gate
        self._runners = runners
        self._closing: dict[Symbol, str] = {}
        self._moving: dict[ClientOrderId, int] = {}
        self._tag_number = 0

    def is_closing(self, symbol: Symbol) -> bool:
        """Return whether a close by hand is under way: strategies wait meanwhile."""
        return symbol in self._closing

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
                return self._close(command.symbol, event.who, now_ns)
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
        effects: list[Effect] = []
        for symbol in list(self._closing):
            effects += self._go_on_closing(symbol, now_ns)
        for client_id, price_ticks in list(self._moving.items()):
            order = self._gate.desk.get(client_id)
            if order is None or order.state.is_final:
                del self._moving[client_id]
                if order is not None and order.state is OrderState.CANCELLED:
                    effects += self._send(_moved(order, price_ticks), now_ns)[0]
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
        return self._send(
            _Terms(
                symbol=command.symbol,
                side=command.side,
                kind=OrderKind.LIMIT if limit else OrderKind.MARKET,
                lots=command.lots,
                price_ticks=price,
                post_only=command.post_only and limit,
            ),
            now_ns,
        )

    def _send(self, terms: _Terms, now_ns: int, role: OrderRole = OrderRole.MANUAL) -> Result:
        self._tag_number += 1
        tag = "close" if role is OrderRole.EXIT else f"m{self._tag_number}"
        intent = OrderIntent(
            client_id=self._gate.next_id(MANUAL, tag),
            symbol=terms.symbol,
            side=terms.side,
            kind=terms.kind,
            lots=terms.lots,
            role=role,
            owner=MANUAL,
            tag=tag,
            price_ticks=terms.price_ticks,
            post_only=terms.post_only,
            reduce_only=role is OrderRole.EXIT,
        )
        outcome = self._gate.check(intent, now_ns)
        text = self._gate.desk.describe(intent)
        if isinstance(outcome, RefusedOrder):
            note = Note(
                verb=Verb.RISK,
                symbol=terms.symbol,
                text=outcome.reason,
                at_ns=now_ns,
                side=terms.side,
                owner=MANUAL,
            )
            return [note], (False, f"{outcome.limit}: {outcome.reason}")
        self._gate.desk.sent(outcome, now_ns)
        note = Note(
            verb=Verb.SEND,
            symbol=terms.symbol,
            text=text,
            at_ns=now_ns,
            side=terms.side,
            owner=MANUAL,
        )
        return [Send(order=outcome), note], (True, f"sent {terms.side.value} {text}")

    def _cancel(self, client_id: ClientOrderId, now_ns: int) -> Result:
        order = self._gate.desk.get(client_id)
        if order is None or order.state.is_final:
            return [], (False, f"no open order {client_id}")
        return [self._cancel_one(order, now_ns)], (True, "cancel sent")

    def _cancel_one(self, order: TrackedOrder, now_ns: int) -> Effect:
        self._gate.desk.cancelling(order, now_ns)
        return Cancel(
            symbol=order.intent.symbol,
            client_id=order.intent.client_id,
            venue_id=order.venue_id,
        )

    def _cancel_symbol(self, symbol: Symbol, who: str, now_ns: int) -> Result:
        self._pause(symbol, f"all orders cancelled by {who}")
        orders = [o for o in self._gate.desk.live(symbol) if o.state is not OrderState.CANCELLING]
        return (
            [self._cancel_one(order, now_ns) for order in orders],
            (True, f"{len(orders)} cancels sent; strategies on {symbol} stopped"),
        )

    def _reprice(self, command: RepriceOrder, now_ns: int) -> Result:
        order = self._gate.desk.get(command.client_id)
        if order is None or order.state not in _RESTING:
            return [], (False, f"no resting order {command.client_id}")
        if order.intent.owner != MANUAL or order.intent.kind is not OrderKind.LIMIT:
            return [], (False, f"the order belongs to {order.intent.owner}: stop it first")
        self._moving[command.client_id] = command.price_ticks
        return [self._cancel_one(order, now_ns)], (True, "moving")

    # -- closing --------------------------------------------------------------------------

    def _close(self, symbol: Symbol, who: str, now_ns: int) -> Result:
        if not self._gate.net_lots(symbol):
            return [], (False, f"no position on {symbol}")
        self._pause(symbol, f"position closed by {who}")
        self._closing[symbol] = who
        return self._go_on_closing(symbol, now_ns), (True, f"closing {symbol}")

    def _go_on_closing(self, symbol: Symbol, now_ns: int) -> list[Effect]:
        """Free the coins first, then sell what is there (T45); ends when flat."""
        live = list(self._gate.desk.live(symbol))
        others = [o for o in live if o.intent.tag != "close"]
        effects = [self._cancel_one(o, now_ns) for o in others if o.state in _RESTING]
        if others or len(live) > len(others):
            return effects
        net = self._gate.net_lots(symbol)
        lots = self._gate.sellable_lots(symbol) if net > 0 else -net
        if lots <= 0 or self._gate.desk.fills_owed(symbol, MANUAL):
            if lots <= 0:
                del self._closing[symbol]
            return effects
        terms = _Terms(
            symbol=symbol,
            side=Side.SELL if net > 0 else Side.BUY,
            kind=OrderKind.MARKET,
            lots=lots,
        )
        sent, (ok, _) = self._send(terms, now_ns, OrderRole.EXIT)
        if not ok:
            del self._closing[symbol]
        return effects + sent

    # -- states ---------------------------------------------------------------------------

    def _hold(self, who: str, now_ns: int) -> Result:
        if self._gate.state is not TradingState.ACTIVE:
            return [], (True, f"already {self._gate.state.value}")
        self._gate.enter(TradingState.REDUCING)
        self._gate.holding = True
        reason = f"hold fire by {who}"
        return [
            Latch(state=TradingState.REDUCING, reason=reason),
            self._state_note(reason, now_ns),
        ], (True, reason)

    def _panic(self, flatten: bool, who: str, now_ns: int) -> Result:
        self._gate.enter(TradingState.HALTED)
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
                runner.running = running
                runner.reason = f"{'started' if running else 'stopped'} by {who}"
                return [self._state_note(f"{name} {runner.reason}", now_ns)], (True, runner.reason)
        known = ", ".join(r.name for r in self._runners) or "none"
        return [], (False, f"no strategy {name!r}: there are {known}")

    def _pause(self, symbol: Symbol, reason: str) -> None:
        for runner in self._on(symbol):
            runner.running = False
            runner.reason = reason

    def _on(self, symbol: Symbol) -> Iterator[Runner]:
        return (runner for runner in self._runners if runner.symbol == symbol)

    def _state_note(self, text: str, now_ns: int) -> Note:
        verb = Verb.KILL if self._gate.state is TradingState.HALTED else Verb.INFO
        return Note(verb=verb, symbol=Symbol(""), text=text, at_ns=now_ns, owner=MANUAL)
