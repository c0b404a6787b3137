"""Orders by hand (R127): from keys and clicks to commands for the host.

Nothing is decided here that the risk gate decides: the desk says what was asked, the
host answers ``Done``. Without control of the host it sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from obiterm.core.commands import (
    AnyCommand,
    CancelSymbol,
    ClosePosition,
    PlaceOrder,
    RepriceOrder,
    StartStrategy,
    StopStrategy,
)
from obiterm.core.values import NS_PER_MS, ClientOrderId, Side, Symbol
from obiterm.link.messages import InstrumentInfo, OrderRow, PositionRow, StrategyCard
from obiterm.ui.cancelling import cancel_order
from obiterm.ui.marketlist import how_to_trade
from obiterm.ui.paint.context import market_of
from obiterm.ui.paint.numbers import scale_of
from obiterm.ui.state import Cockpit

REPEAT_NS = 250 * NS_PER_MS
"""The same order key again within this time is a held key, not a second order."""

LEFT, RIGHT = 1, 3


class Counter(Protocol):
    """What the desk needs of the screen."""

    def submit(self, command: AnyCommand, text: str) -> None:
        """Send a command; ``text`` says what it is in the answer's line."""
        ...

    def ask(self, text: str, then: Callable[[], None]) -> None:
        """Ask once, in one line; ``then`` runs on yes."""
        ...

    def say(self, text: str, *, good: bool = True) -> None:
        """Show one line for a while."""
        ...

    def cursor_ticks(self) -> int:
        """Price under the ladder's cursor; 0 = none."""
        ...

    def selected(self) -> OrderRow | PositionRow | None:
        """The chosen row of the positions pane."""
        ...

    def move_selection(self, rows: int) -> None:
        """Choose another row; positive is down."""
        ...

    def card(self) -> StrategyCard | None:
        """The strategy instance on the card."""
        ...

    def choose_account(self, words: str, names: list[str], then: Callable[[str], None]) -> None:
        """Ask which of several accounts something is for."""
        ...


class Desk:
    """Methods are named by ``actions.ACTIONS`` with target ``desk``."""

    def __init__(self, cockpit: Cockpit, counter: Counter, clock: Callable[[], int]) -> None:
        self._cockpit = cockpit
        self._counter = counter
        self._clock = clock
        self._cursor_set = False
        self._last: tuple[AnyCommand, int] | None = None
        self._clicked: tuple[int, Side] | None = None

    # -- cursor and choice -------------------------------------------------------

    def cursor_moved(self) -> None:
        """Remember that the operator chose a price; ``place`` refuses until then."""
        self._cursor_set = True

    def cursor_off(self) -> None:
        """Forget the cursor: Enter places nothing until it is moved again."""
        self._cursor_set = False
        self._clicked = None

    def next_order(self) -> None:
        """Choose the next row of orders and positions."""
        self._counter.move_selection(1)

    def previous_order(self) -> None:
        """Choose the row before."""
        self._counter.move_selection(-1)

    # -- orders ------------------------------------------------------------------

    def join_bid(self) -> None:
        """Buy at the best bid, post-only."""
        self._join(Side.BUY)

    def join_ask(self) -> None:
        """Sell at the best ask, post-only."""
        self._join(Side.SELL)

    def take_buy(self) -> None:
        """Buy at market, after one question."""
        self._take(Side.BUY)

    def take_sell(self) -> None:
        """Sell at market, after one question."""
        self._take(Side.SELL)

    def place(self) -> None:
        """Place a post-only limit at the cursor; the side follows from the price."""
        ticks = self._counter.cursor_ticks()
        if not self._cursor_set or ticks <= 0:
            self._counter.say("move the price cursor first: ↑ ↓ Home or a click", good=False)
            return
        side = self._side_at(ticks)
        if side is None:
            self._counter.say(
                "no side there: the cursor is at the mid price, or there is no book yet", good=False
            )
            return
        self._place_at(side, ticks)

    def cancel(self) -> None:
        """Cancel the chosen order."""
        row = self._chosen_order()
        if row is not None:
            self._cancel(row)

    def cancel_symbol(self) -> None:
        """Cancel every order of the market but stops: of the chosen account, or of all, asked."""
        instrument = self._traded()
        if instrument is None:
            return
        names = self._cockpit.traders
        text = f"cancel every order on {instrument.symbol} of {', '.join(names)}"

        def cancel() -> None:
            for name in names:
                self._send(CancelSymbol(name, Symbol(instrument.symbol)), text)

        if len(names) == 1:
            cancel()
        else:
            self._counter.ask(text, cancel)

    def reprice(self) -> None:
        """Move the chosen order to the cursor."""
        row, ticks = self._chosen_order(), self._counter.cursor_ticks()
        if row is None:
            return
        instrument = self._cockpit.find_instrument(row)
        if market_of(row) != self._cockpit.market or instrument is None:
            place = f"{row.symbol} at {row.venue}"
            self._counter.say(f"that order is on {place}: press s first", good=False)
        elif not self._cursor_set or ticks <= 0 or not self._cockpit.in_step:
            self._counter.say("move the price cursor first: ↑ ↓ Home or a click", good=False)
        else:
            command = RepriceOrder(
                row.account, Symbol(row.symbol), ClientOrderId(row.client_id), ticks
            )
            price = scale_of(instrument).price(ticks)
            self._send(command, f"move {row.side.value} {row.symbol} of {row.account} to {price}")

    def close_position(self) -> None:
        """Close the chosen position, else the market's, at market, after one question."""
        chosen = self._counter.selected()
        if isinstance(chosen, PositionRow) and chosen.lots:
            self._close(chosen)
            return
        rows = {row.account: row for row in self._cockpit.positions_here()}
        if not rows:
            self._counter.say("no position here", good=False)
        else:
            words = f"close the position in {self._cockpit.market[1]}"
            self._for_account(words, list(rows), lambda name: self._close(rows[name]))

    def _close(self, row: PositionRow) -> None:
        size = scale_of(self._cockpit.find_instrument(row)).quantity(row.lots)
        word = "long" if row.side is Side.BUY else "short"
        text = f"close {word} {size} {row.symbol} at market on {row.account}"
        command = ClosePosition(row.account, Symbol(row.symbol))
        self._counter.ask(text, lambda: self._send(command, text))

    # -- size --------------------------------------------------------------------

    def size_1(self) -> None:
        """Use preset 1."""
        self._preset(0)

    def size_2(self) -> None:
        """Use preset 2."""
        self._preset(1)

    def size_3(self) -> None:
        """Use preset 3."""
        self._preset(2)

    def size_4(self) -> None:
        """Use preset 4."""
        self._preset(3)

    def size_5(self) -> None:
        """Use preset 5."""
        self._preset(4)

    def size_up(self) -> None:
        """Use the next larger preset."""
        larger = [lots for lots in sorted(self._cockpit.presets) if lots > self._cockpit.lots]
        self.use_size(larger[0] if larger else self._cockpit.lots)

    def size_down(self) -> None:
        """Use the next smaller preset."""
        smaller = [lots for lots in sorted(self._cockpit.presets) if lots < self._cockpit.lots]
        self.use_size(smaller[-1] if smaller else self._cockpit.lots)

    def use_size(self, lots: int) -> None:
        """Use a size in lots for the next orders."""
        instrument = self._cockpit.instrument
        if instrument is None or lots <= 0:
            return
        self._cockpit.sizes[self._cockpit.market] = lots
        self._counter.say(f"order size {scale_of(instrument).quantity(lots)} {instrument.base}")

    def _preset(self, place: int) -> None:
        presets = self._cockpit.presets
        if place < len(presets):
            self.use_size(presets[place])
        else:
            self._counter.say(f"this market has {len(presets)} size presets", good=False)

    # -- strategies --------------------------------------------------------------

    def toggle_strategy(self) -> None:
        """Start or stop the strategy on the card, after one question."""
        card = self._counter.card()
        if card is None:
            self._counter.say(f"no strategy on {self._cockpit.market[1]}", good=False)
            return
        command: AnyCommand
        if card.running:
            text, command = f"stop {card.name}", StopStrategy(card.account, card.name)
        else:
            text, command = f"start {card.name}", StartStrategy(card.account, card.name)
        text += f" of {card.account} on {card.symbol}"
        self._counter.ask(text, lambda: self._send(command, text))

    # -- mouse -------------------------------------------------------------------

    def clicked(self, ticks: int, step: int, side: Side | None, button: int) -> None:
        """Take a click on the ladder.

        Left: the cursor goes there; left again at the same price and half places a
        post-only limit of that half's side. Right: cancel own orders of that row, which is
        ``step`` ticks high.
        """
        self._cursor_set = True
        if button == RIGHT:
            self._clicked = None
            for row in self._cockpit.orders_at(ticks, step):
                self._cancel(row)
            return
        again = side is not None and self._clicked == (ticks, side)
        self._clicked = None if side is None or button != LEFT else (ticks, side)
        if again and side is not None and button == LEFT and self._cockpit.in_step:
            self._clicked = None
            self._place_at(side, ticks)

    # -- shared ------------------------------------------------------------------

    def _join(self, side: Side) -> None:
        best = "bid" if side is Side.BUY else "ask"
        self._order(
            side,
            f"joining the {best}",
            lambda account, symbol, lots: PlaceOrder(account, symbol, side, lots, join=True),
        )

    def _take(self, side: Side) -> None:
        self._order(
            side,
            "at market",
            lambda account, symbol, lots: PlaceOrder(account, symbol, side, lots, post_only=False),
            asks=True,
        )

    def _place_at(self, side: Side, ticks: int) -> None:
        price = scale_of(self._cockpit.instrument).price(ticks)
        self._order(
            side,
            f"@ {price}",
            lambda account, symbol, lots: PlaceOrder(
                account, symbol, side, lots, price_ticks=ticks
            ),
        )

    def _order(
        self,
        side: Side,
        how: str,
        make: Callable[[str, Symbol, int], PlaceOrder],
        *,
        asks: bool = False,
    ) -> None:
        """Send an order of the chosen size to the one account that it can be for.

        Where the operator has chosen none and several trade the market, the screen asks.
        """
        instrument = self._ready()
        if instrument is None:
            return
        lots, size = self._cockpit.lots, self._size(instrument)
        words = f"{side.value} {size} {instrument.symbol} {how}"

        def to(account: str) -> None:
            command = make(account, Symbol(instrument.symbol), lots)
            text = f"{words} on {account}"
            if asks:
                self._counter.ask(text, lambda: self._send(command, text))
            else:
                self._send(command, text)

        self._for_account(words, self._cockpit.traders, to)

    def _for_account(self, words: str, names: list[str], then: Callable[[str], None]) -> None:
        if len(names) == 1:
            then(names[0])
        else:
            self._counter.choose_account(words, names, then)

    def _cancel(self, row: OrderRow) -> None:
        cancel_order(row, self._cockpit.find_instrument(row), self._counter.ask, self._send)

    def _side_at(self, ticks: int) -> Side | None:
        frame = self._cockpit.frame
        if frame is None or not self._cockpit.in_step:
            return None
        doubled_mid = frame.market.bid_ticks + frame.market.ask_ticks
        if doubled_mid == 2 * ticks:
            return None
        return Side.BUY if 2 * ticks < doubled_mid else Side.SELL

    def _chosen_order(self) -> OrderRow | None:
        row = self._counter.selected()
        if isinstance(row, OrderRow):
            return row
        self._counter.say("choose an order first: , and . or a click", good=False)
        return None

    def _size(self, instrument: InstrumentInfo) -> str:
        return scale_of(instrument).quantity(self._cockpit.lots)

    def _traded(self) -> InstrumentInfo | None:
        """Return the shown market if an account in sight trades it; else say what to do."""
        instrument, text = self._cockpit.instrument, ""
        if self._cockpit.watch_only:
            text = how_to_trade(self._cockpit)
        elif instrument is None:
            text = "no market yet"
        elif not self._cockpit.traders:
            text = f"{self._cockpit.account} does not trade {instrument.symbol}: → or s chooses"
        if text:
            self._counter.say(text, good=False)
        return None if text else instrument

    def _ready(self) -> InstrumentInfo | None:
        instrument = self._traded()
        if instrument is not None and self._cockpit.lots <= 0:
            self._counter.say("no order size: press n", good=False)
            return None
        return instrument

    def _may_trade(self) -> bool:
        cockpit = self._cockpit
        return cockpit.connected and cockpit.has_lease and not cockpit.read_only

    def _send(self, command: AnyCommand, text: str) -> None:
        """Send once; the same command again within ``REPEAT_NS`` is a held key."""
        now_ns = self._clock()
        if not self._may_trade():
            self._counter.say("watching: press L to take control", good=False)
            return
        if self._last is not None:
            last, at_ns = self._last
            if last == command and now_ns - at_ns < REPEAT_NS:
                self._last = (command, now_ns)
                return
        self._last = (command, now_ns)
        self._counter.submit(command, text)
