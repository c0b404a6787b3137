"""What the screen knows and has chosen; widgets are painted from it, never read for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from obiterm.core.values import Side
from obiterm.link.messages import Frame, InstrumentInfo, OrderRow, PositionRow, Welcome
from obiterm.ui.ending import EndReason


@dataclass(frozen=True, slots=True)
class UiSettings:
    """What the composition root tells the screen.

    Attributes:
        theme: name of a theme.
        color: ``truecolor``, ``256``, ``none`` or ``auto`` (ask the terminal).
        keymap: keys by action name, comma-separated; checked by ``keymap.resolve``.
        masked: start with balances and results hidden.
        read_only: watch only: no commands, no panic keys (R99).
        client: who attaches, for the host's log.
        themes_dir: the user's own themes; None = none.
        pictures_dir: where pictures of the screen are saved.
        on_exit: last act of the composition root; called once, maybe from another
            thread, before the process ends. An embedded host must end its engines here.
    """

    theme: str = "night-city"
    color: str = "auto"
    keymap: dict[str, str] = field(default_factory=dict)
    masked: bool = False
    read_only: bool = False
    client: str = "screen"
    themes_dir: Path | None = None
    pictures_dir: Path = Path()
    on_exit: Callable[[EndReason], None] | None = None


@dataclass(slots=True)
class Cockpit:
    """State of one attachment and the operator's choices."""

    welcome: Welcome | None = None
    frame: Frame | None = None
    connected: bool = False
    has_lease: bool = False
    holder: str = ""
    read_only: bool = False
    symbol: str = ""
    account: str = ""
    """Chosen account; empty = all together."""
    masked: bool = False
    lots: int = 0
    """Order size in lots; 0 before the host has told its presets."""
    log_filter: str = ""

    @property
    def presets(self) -> list[int]:
        """Order sizes of the profile, in lots."""
        return self.welcome.size_presets if self.welcome else []

    @property
    def instrument(self) -> InstrumentInfo | None:
        """The market that is shown."""
        return self.find_instrument(self.symbol)

    def find_instrument(self, symbol: str) -> InstrumentInfo | None:
        """Return how to print and bound a market."""
        if self.welcome is None:
            return None
        return next((one for one in self.welcome.instruments if one.symbol == symbol), None)

    @property
    def trading_account(self) -> str:
        """Account of orders by hand: the chosen one, else the market's own."""
        instrument = self.instrument
        return self.account or (instrument.account if instrument else "")

    @property
    def in_step(self) -> bool:
        """True when the frame on the screen is of the chosen market."""
        return self.frame is not None and self.frame.market.symbol == self.symbol

    def orders_at(self, ticks: int, step: int) -> list[OrderRow]:
        """Own working orders of the shown market in a row of the ladder, ``step`` ticks high.

        As on the ladder, the prices of sells round up to a row and all others down.
        """
        if self.frame is None or not self.in_step:
            return []
        height = max(1, step)
        below, above = range(ticks, ticks + height), range(ticks - height + 1, ticks + 1)
        found = []
        for order in self.frame.orders:
            rounds_up = order.side is Side.SELL and order.price_ticks > 0
            price = order.price_ticks or order.trigger_ticks
            if order.symbol == self.symbol and price in (above if rounds_up else below):
                found.append(order)
        return found

    def position(self) -> PositionRow | None:
        """Own position in the shown market, of the trading account if there are several."""
        frame = self.frame
        rows = [row for row in frame.positions if row.lots] if frame else []
        here = [row for row in rows if row.symbol == self.symbol]
        own = [row for row in here if row.account == self.trading_account]
        return next(iter(own or here), None)


def lots_of(instrument: InstrumentInfo, text: str) -> int | None:
    """Read a size in base units; None when it is no positive multiple of the lot."""
    try:
        size = Decimal(text.strip())
    except ArithmeticError:
        return None
    if not size.is_finite() or size <= 0:
        return None
    lots = size / Decimal(instrument.lot_size)
    whole = lots.to_integral_value()
    return int(whole) if whole == lots else None
