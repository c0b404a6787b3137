"""Close a position by hand: free the coins, sell what is there, look again (T11 T45)."""

from __future__ import annotations

from obiterm.core.effects import Effect, Note, Verb
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    Side,
    Symbol,
)
from obiterm.trading.desk import MANUAL, RESTING
from obiterm.trading.gatekeeper import Gatekeeper
from obiterm.trading.hand_orders import CLOSE_TAG, HandOrders, Terms
from obiterm.trading.runner import Runner

_FIRST_WAIT_NS = 100 * NS_PER_MS
_MOST_REFUSALS = 3
_REFUSED = (OrderState.REJECTED, OrderState.EXPIRED)


class _Close:
    """One close under way."""

    __slots__ = ("client_id", "has_sent", "not_before_ns", "refusals", "who")

    def __init__(self, who: str) -> None:
        self.who = who
        self.client_id: ClientOrderId | None = None
        self.has_sent = False
        self.refusals = 0
        self.not_before_ns = 0


class Closer:
    """Carries every close to its end, one step per order event or tick.

    The size always comes from the position, never from what an earlier order was meant
    to do. A venue that keeps refusing is asked three times; then the strategies get their
    position back to protect, and a human is told.
    """

    def __init__(self, gate: Gatekeeper, hand: HandOrders, runners: list[Runner]) -> None:
        self._gate = gate
        self._hand = hand
        self._runners = runners
        self._closes: dict[Symbol, _Close] = {}

    def is_closing(self, symbol: Symbol) -> bool:
        """Return whether a close is under way: strategies wait meanwhile."""
        return symbol in self._closes

    def start(self, symbol: Symbol, who: str, now_ns: int) -> tuple[list[Effect], tuple[bool, str]]:
        """Begin, unless there is nothing to close."""
        if not self._gate.net_lots(symbol):
            return [], (False, f"no position on {symbol}")
        if not self._gate.exposure_lots(symbol) and not self._gate.desk.fills_owed(symbol):
            return [], (False, self._why_not(symbol))
        for runner in self._runners:
            if runner.symbol == symbol:
                runner.stop(f"position closed by {who}", hands_off=True)
        self._closes.setdefault(symbol, _Close(who))
        effects = self._go_on(symbol, now_ns)
        if symbol not in self._closes:  # ended at once: the gate refused the order
            told = [one.text for one in effects if isinstance(one, Note)]
            return effects, (False, "; ".join(told) or self._why_not(symbol))
        return effects, (True, f"closing {symbol}")

    def _why_not(self, symbol: Symbol) -> str:
        """Say why no order can close what our fills make."""
        if self._gate.setup.instruments[symbol].is_perpetual:
            return f"nothing to close on {symbol}: the venue holds no position of ours"
        return f"nothing to close on {symbol}: what is held is less than one lot"

    def give_up_all(self) -> None:
        """Leave every close to the panic path."""
        self._closes.clear()

    def go_on(self, now_ns: int) -> list[Effect]:
        """Take the next step of every close."""
        effects: list[Effect] = []
        for symbol in list(self._closes):
            effects += self._go_on(symbol, now_ns)
        return effects

    def _go_on(self, symbol: Symbol, now_ns: int) -> list[Effect]:
        close = self._closes[symbol]
        desk = self._gate.desk
        live = list(desk.live(symbol))
        if live:
            return [
                desk.cancel(order, now_ns)
                for order in live
                if order.state in RESTING and order.intent.tag != CLOSE_TAG
            ]
        if desk.fills_owed(symbol):
            return []
        self._judge_last(close, now_ns)
        held = self._gate.exposure_lots(symbol)
        if not held:
            return [*self._nothing_left(symbol, close, now_ns), *self._end(symbol)]
        if close.refusals >= _MOST_REFUSALS:
            return self._fail(symbol, close, now_ns)
        if now_ns < close.not_before_ns:
            return []
        instrument = self._gate.setup.instruments[symbol]
        terms = Terms(
            symbol=symbol,
            side=Side.SELL if held > 0 else Side.BUY,
            kind=OrderKind.MARKET,
            lots=min(abs(held), instrument.market_max_lots),
        )
        sent = self._hand.send(terms, now_ns, closing=True)
        if not sent.ok:
            return sent.effects + self._end(symbol)
        close.client_id = sent.client_id
        close.has_sent = True
        return sent.effects

    def _nothing_left(self, symbol: Symbol, close: _Close, now_ns: int) -> list[Effect]:
        """Tell that a close sent no order, since the position ended while it made way."""
        if close.has_sent:
            return []
        text = "no order was needed to close: the position has ended meanwhile"
        return [Note(verb=Verb.INFO, symbol=symbol, text=text, at_ns=now_ns, owner=MANUAL)]

    def _judge_last(self, close: _Close, now_ns: int) -> None:
        """Count a close order that the venue refused, and wait longer before the next."""
        if close.client_id is None:
            return
        order = self._gate.desk.get(close.client_id)
        close.client_id = None
        if order is None or order.state not in _REFUSED or order.filled_lots:
            close.refusals = 0
            return
        close.not_before_ns = now_ns + (_FIRST_WAIT_NS << close.refusals)
        close.refusals += 1

    def _end(self, symbol: Symbol) -> list[Effect]:
        """Finish. What an order cannot close is left to its owner, protected if it can be."""
        del self._closes[symbol]
        if self._gate.net_lots(symbol):
            self._hand_back(symbol)
        return []

    def _fail(self, symbol: Symbol, close: _Close, now_ns: int) -> list[Effect]:
        self._hand_back(symbol)
        del self._closes[symbol]
        text = f"close by {close.who} given up: the venue refused {close.refusals} orders"
        return [Note(verb=Verb.RISK, symbol=symbol, text=text, at_ns=now_ns, owner=MANUAL)]

    def _hand_back(self, symbol: Symbol) -> None:
        for runner in self._runners:
            if runner.symbol == symbol:
                runner.hands_off = False
