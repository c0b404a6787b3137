"""The one list of everything a key can do.

Key bindings, the key bar, the help screen, the command palette and the reference
in the docs are all made from ``ACTIONS``; a user's keymap names ``Action.name``.
"""

from __future__ import annotations

from dataclasses import dataclass

from obiterm.ui.keys import display_keys


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key, the palette or a click can do.

    Attributes:
        name: stable id ``area.verb``; user keymaps and bindings use it.
        keys: default keys in Textual's names.
        target: who does it: ``app``, ``view`` or ``desk`` (``panic`` = the latch).
        method: method of the target, without arguments.
        description: verb and object, a sentence for help and docs.
        palette: entry of the command palette, ``area: Verb object``; empty = none.
        tooltip: more about when and how.
        label: short word for the key bar; empty = not in the bar.
        panic: works everywhere, handled in the input thread.
        priority: works in text fields and modals too.
        dangerous: asks once before it acts.
        lease: needs control of the host.
    """

    name: str
    keys: tuple[str, ...]
    target: str
    method: str
    description: str
    palette: str = ""
    tooltip: str = ""
    label: str = ""
    panic: bool = False
    priority: bool = False
    dangerous: bool = False
    lease: bool = False

    @property
    def area(self) -> str:
        """First part of the name."""
        return self.name.partition(".")[0]


KILL = "panic.kill"
FLATTEN = "panic.flatten"


def _panic() -> tuple[Action, ...]:
    return (
        Action(
            KILL,
            ("f9", "ctrl+backslash"),
            "panic",
            "kill",
            "Hold fire; twice within 1.5 s: kill (disarm, cancel every order, latch)",
            "panic: Kill (cancel every order, disarm every account)",
            "First tap: no new entries, nothing is cancelled. Works in every field and modal, "
            "and while the screen hangs.",
            "KILL",
            panic=True,
        ),
        Action(
            FLATTEN,
            ("f12", "ctrl+backslash"),
            "panic",
            "flatten",
            "Then x within 3 s: flatten (kill, then close every position reduce-only)",
            "panic: Flatten (kill, then close every position)",
            "Any other key in between closes the window.",
            "FLATTEN",
            panic=True,
        ),
    )


def _view() -> tuple[Action, ...]:
    return (
        Action(
            "view.trade",
            ("1",),
            "view",
            "trade",
            "Show the trading screen",
            "view: Show the trading screen",
            label="trade",
        ),
        Action(
            "view.orders",
            ("2",),
            "view",
            "orders",
            "Show positions, orders and the log on the full screen",
            "view: Show orders and log",
            label="orders",
        ),
        Action(
            "view.strategy",
            ("3",),
            "view",
            "strategy",
            "Show the strategy card on the full screen",
            "view: Show the strategy",
            label="strategy",
        ),
        Action(
            "view.next-pane",
            ("tab",),
            "view",
            "next_pane",
            "Focus the next pane",
            label="pane",
        ),
        Action(
            "view.previous-pane",
            ("shift+tab",),
            "view",
            "previous_pane",
            "Focus the previous pane",
        ),
        Action(
            "view.zoom",
            ("z",),
            "view",
            "zoom",
            "Zoom the focused pane, or leave the zoom",
            "view: Zoom the focused pane",
            label="zoom",
        ),
        Action(
            "view.mask",
            ("m",),
            "view",
            "mask",
            "Hide or show balances and results",
            "view: Hide or show balances",
        ),
        Action(
            "view.screenshot",
            ("P",),
            "view",
            "screenshot",
            "Save a picture (SVG) with balances hidden",
            "view: Save a picture",
            "Balances and results are hidden in it, whatever the screen shows.",
        ),
        Action(
            "view.repaint",
            ("ctrl+l",),
            "view",
            "repaint",
            "Paint the whole screen again",
            "view: Repaint everything",
            priority=True,
        ),
    )


def _market() -> tuple[Action, ...]:
    return (
        Action(
            "market.symbol",
            ("s",),
            "app",
            "pick_symbol",
            "Choose the symbol and account to show",
            "market: Choose the symbol",
            label="symbol",
        ),
        Action(
            "cursor.up",
            ("up",),
            "view",
            "up",
            "Move the price cursor a tick up",
            tooltip="In positions, log and strategy the arrows move the choice or scroll.",
        ),
        Action("cursor.down", ("down",), "view", "down", "Move the price cursor a tick down"),
        Action(
            "cursor.page-up", ("pageup",), "view", "page_up", "Move the price cursor ten ticks up"
        ),
        Action(
            "cursor.page-down",
            ("pagedown",),
            "view",
            "page_down",
            "Move the price cursor ten ticks down",
        ),
        Action("cursor.mid", ("home",), "view", "home", "Put the price cursor on the best bid"),
        Action(
            "cursor.off",
            ("escape",),
            "view",
            "off",
            "Let go of the price cursor and leave the zoom",
            tooltip="Enter then places nothing until the cursor is moved again.",
        ),
        Action(
            "ladder.finer",
            ("less_than_sign",),
            "view",
            "ladder_finer",
            "Group fewer ticks in a row of the ladder",
        ),
        Action(
            "ladder.coarser",
            ("greater_than_sign",),
            "view",
            "ladder_coarser",
            "Group more ticks in a row of the ladder",
        ),
    )


def _panes() -> tuple[Action, ...]:
    return (
        Action(
            "heat.walls",
            ("w",),
            "view",
            "heat_walls",
            "Show walls only, or everything, in the heat map",
            "heat: Show walls only",
        ),
        Action(
            "heat.trades",
            ("t",),
            "view",
            "heat_trades",
            "Show or hide trades in the heat map",
            "heat: Show or hide trades",
        ),
        Action("heat.zoom-in", ("plus",), "view", "heat_in", "Show fewer prices in the heat map"),
        Action("heat.zoom-out", ("minus",), "view", "heat_out", "Show more prices in the heat map"),
        Action(
            "log.filter",
            ("slash",),
            "app",
            "filter_log",
            "Show only log lines with certain words",
            "log: Filter lines",
        ),
        Action(
            "strategy.next",
            ("j",),
            "view",
            "next_card",
            "Show the next strategy instance",
            "strategy: Show the next one",
        ),
    )


def _order() -> tuple[Action, ...]:
    return (
        Action(
            "order.join-bid",
            ("b",),
            "desk",
            "join_bid",
            "Buy: join the best bid, post-only",
            "order: Join the bid",
            lease=True,
        ),
        Action(
            "order.join-ask",
            ("o",),
            "desk",
            "join_ask",
            "Sell: join the best ask (offer), post-only",
            "order: Join the ask",
            lease=True,
        ),
        Action(
            "order.take-buy",
            ("B",),
            "desk",
            "take_buy",
            "Buy at market; asks once",
            "order: Buy at market",
            dangerous=True,
            lease=True,
        ),
        Action(
            "order.take-sell",
            ("S",),
            "desk",
            "take_sell",
            "Sell at market; asks once",
            "order: Sell at market",
            dangerous=True,
            lease=True,
        ),
        Action(
            "order.place",
            ("enter",),
            "desk",
            "place",
            "Place a post-only limit at the price cursor",
            "order: Place a limit at the cursor",
            "With the focus on ladder or heat map, after the cursor was moved. Below the mid price "
            "it buys, above it sells. Mouse: click a price, click it again.",
            lease=True,
        ),
        Action(
            "order.next",
            ("full_stop",),
            "desk",
            "next_order",
            "Choose the next working order",
        ),
        Action(
            "order.previous",
            ("comma",),
            "desk",
            "previous_order",
            "Choose the previous working order",
        ),
        Action(
            "order.cancel",
            ("c",),
            "desk",
            "cancel",
            "Cancel the chosen order",
            "order: Cancel the chosen order",
            "Mouse: a right click on the ladder cancels own orders at that price.",
            lease=True,
        ),
        Action(
            "order.cancel-symbol",
            ("C",),
            "desk",
            "cancel_symbol",
            "Cancel every order of the symbol; strategies there hold fire",
            "order: Cancel every order of the symbol",
            lease=True,
        ),
        Action(
            "order.reprice",
            ("r",),
            "desk",
            "reprice",
            "Move the chosen order to the price cursor",
            "order: Move the chosen order to the cursor",
            lease=True,
        ),
        *_sizes(),
        Action(
            "position.close",
            ("f",),
            "desk",
            "close_position",
            "Go flat: close the position of the symbol at market; asks once",
            "position: Close at market",
            dangerous=True,
            lease=True,
        ),
    )


def _sizes() -> tuple[Action, ...]:
    presets = tuple(
        Action(
            f"size.preset-{number}",
            (key,),
            "desk",
            f"size_{number}",
            f"Use size preset {number}",
        )
        for number, key in enumerate(("6", "7", "8", "9", "0"), start=1)
    )
    return (
        *presets,
        Action(
            "size.down",
            ("left_square_bracket",),
            "desk",
            "size_down",
            "Use the next smaller size preset",
        ),
        Action(
            "size.up",
            ("right_square_bracket",),
            "desk",
            "size_up",
            "Use the next larger size preset",
        ),
        Action(
            "size.type",
            ("n",),
            "app",
            "type_size",
            "Type an order size",
            "size: Type an order size",
        ),
    )


def _control() -> tuple[Action, ...]:
    return (
        Action(
            "account.arm",
            ("a",),
            "app",
            "arm",
            "Arm an account again, by a typed word",
            "account: Arm again",
            "Needed after hold fire, kill and flatten; never one key.",
            label="arm",
            lease=True,
        ),
        Action(
            "account.control",
            ("L",),
            "app",
            "take_control",
            "Take control; the screen that had it goes on watching",
            "account: Take control",
        ),
        Action(
            "strategy.toggle",
            ("g",),
            "desk",
            "toggle_strategy",
            "Start or stop the strategy of the symbol; asks once",
            "strategy: Start or stop",
            dangerous=True,
            lease=True,
        ),
        Action(
            "app.palette",
            ("ctrl+p",),
            "app",
            "palette",
            "Open the command palette",
            label="cmd",
            priority=True,
        ),
        Action(
            "app.help",
            ("question_mark",),
            "app",
            "help",
            "Show every key",
            "app: Show every key",
            label="help",
        ),
        Action(
            "app.detach",
            ("ctrl+q",),
            "app",
            "detach",
            "Leave: detach, or stop trading (asks which)",
            "app: Leave (detach or stop trading)",
            label="detach",
            priority=True,
        ),
    )


ACTIONS: tuple[Action, ...] = (
    *_panic(),
    *_view(),
    *_market(),
    *_panes(),
    *_order(),
    *_control(),
)
BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}

BAR = (
    "view.trade",
    "view.orders",
    "view.strategy",
    "view.next-pane",
    "view.zoom",
    "market.symbol",
    "account.arm",
    "app.palette",
    "app.help",
    "app.detach",
)
"""Key bar, left to right, behind the two panic chips."""

BAR_SMALL = ("app.help", "view.orders", "app.detach")
"""The three keys that stay at 80 columns (design/TUI.md §4)."""

AREAS: dict[str, str] = {
    "panic": "Panic",
    "view": "View",
    "market": "Market",
    "cursor": "Price cursor",
    "ladder": "Ladder",
    "heat": "Heat map",
    "log": "Order log",
    "order": "Orders",
    "size": "Order size",
    "position": "Positions",
    "account": "Accounts",
    "strategy": "Strategies",
    "app": "Program",
}
"""Headings of help and docs, in order."""


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One line of the key reference."""

    area: str
    keys: str
    name: str
    description: str
    notes: str


def reference_rows(keys: dict[str, tuple[str, ...]] | None = None) -> list[ReferenceRow]:
    """Return the key reference, by area, for the help screen and the docs.

    ``keys`` are the keys in force by action name (``keymap.resolve``); the default
    keys when left out.
    """
    rows = []
    for area, heading in AREAS.items():
        for action in ACTIONS:
            if action.area != area:
                continue
            used = (keys or {}).get(action.name, action.keys)
            shown = display_keys(
                used, twice=action.name == KILL, then="x" * (action.name == FLATTEN)
            )
            rows.append(
                ReferenceRow(heading, shown, action.name, action.description, action.tooltip)
            )
    return rows
