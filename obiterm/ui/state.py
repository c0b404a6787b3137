"""What the screen knows and has chosen; widgets are painted from it, never read for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec

from obiterm.core.values import Side
from obiterm.link.messages import (
    AccountPane,
    Frame,
    InstrumentInfo,
    Listings,
    OrderRow,
    PositionRow,
    Welcome,
)
from obiterm.ui.ending import EndReason
from obiterm.ui.paint.context import MarketKey, OfMarket, market_of
from obiterm.ui.paint.heat import NO_MARKET


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
    instruments: dict[MarketKey, InstrumentInfo] = field(default_factory=dict)
    listings: Listings | None = None
    """Every market of the venues, once a picker has asked."""
    frame: Frame | None = None
    connected: bool = False
    has_lease: bool = False
    holder: str = ""
    read_only: bool = False
    market: MarketKey = NO_MARKET
    account: str = ""
    """Chosen account; empty = all together."""
    masked: bool = False
    sizes: dict[MarketKey, int] = field(default_factory=dict)
    """Order sizes that were chosen, in lots, by market."""
    log_filter: str = ""

    # -- accounts ----------------------------------------------------------------

    @property
    def accounts(self) -> list[str]:
        """Names of the host's accounts, in the order of the profile."""
        return self.welcome.accounts if self.welcome else []

    def pane(self, account: str) -> AccountPane | None:
        """Return the chip of an account, as of the last frame."""
        panes = self.frame.accounts if self.frame else []
        return next((one for one in panes if one.name == account), None)

    @property
    def traders(self) -> list[str]:
        """Accounts that may take an order by hand now: of the shown market, and chosen."""
        names = self.instrument.accounts if self.instrument else []
        return [name for name in names if self.account in ("", name)]

    # -- markets -----------------------------------------------------------------

    @property
    def instrument(self) -> InstrumentInfo | None:
        """The market that is shown."""
        return self.instruments.get(self.market)

    def take_instruments(self, infos: Iterable[InstrumentInfo]) -> None:
        """Take what the host says of its markets."""
        self.instruments = {market_of(one): one for one in infos}

    def find_instrument(self, thing: OfMarket) -> InstrumentInfo | None:
        """Return how to print and bound the market of a row."""
        return self.instruments.get(market_of(thing))

    def markets_of(self, account: str) -> list[MarketKey]:
        """Return the markets that an account trades; that any does for an empty name."""
        return [
            market
            for market, info in self.instruments.items()
            if (account in info.accounts if account else info.accounts)
        ]

    @property
    def watch_only(self) -> bool:
        """True when no account trades the market that is shown."""
        if self.instrument is not None:
            return not self.instrument.accounts
        return self.frame is not None and self.in_step and self.frame.market.watch_only

    @property
    def in_step(self) -> bool:
        """True when the frame on the screen is of the chosen market."""
        return self.frame is not None and market_of(self.frame.market) == self.market

    # -- sizes -------------------------------------------------------------------

    @property
    def presets(self) -> list[int]:
        """Order sizes of the profile in lots of the shown market."""
        return self.instrument.size_presets if self.instrument else []

    @property
    def lots(self) -> int:
        """Order size in lots of the shown market: the chosen one, else the first preset."""
        return self.sizes.get(self.market) or next(iter(self.presets), 0)

    # -- what is open ------------------------------------------------------------

    def scoped(self, frame: Frame) -> Frame:
        """Return a frame with the rows of the chosen account only."""
        if not self.account:
            return frame
        return msgspec.structs.replace(
            frame,
            positions=[row for row in frame.positions if row.account == self.account],
            orders=[row for row in frame.orders if row.account == self.account],
            strategies=[row for row in frame.strategies if row.account == self.account],
        )

    def orders_at(self, ticks: int, step: int) -> list[OrderRow]:
        """Own working orders of the shown market in a row of the ladder, ``step`` ticks high.

        As on the ladder, the prices of sells round up to a row and all others down.
        """
        if self.frame is None or not self.in_step:
            return []
        height = max(1, step)
        below, above = range(ticks, ticks + height), range(ticks - height + 1, ticks + 1)
        found = []
        for order in self.scoped(self.frame).orders:
            rounds_up = order.side is Side.SELL and order.price_ticks > 0
            price = order.price_ticks or order.trigger_ticks
            if market_of(order) == self.market and price in (above if rounds_up else below):
                found.append(order)
        return found

    def positions_here(self) -> list[PositionRow]:
        """Own positions in the shown market, of the chosen account or of all, one an account."""
        if self.frame is None:
            return []
        rows = [
            row
            for row in self.scoped(self.frame).positions
            if row.lots and market_of(row) == self.market
        ]
        return list({row.account: row for row in reversed(rows)}.values())[::-1]


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
