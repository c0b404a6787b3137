"""Actions on the screen itself, and the panic keys."""

from __future__ import annotations

from obiterm.ui.action import FLATTEN, KILL, Action


def panic_actions() -> tuple[Action, ...]:
    """Return the panic actions; the latch does them, no binding."""
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


def view_actions() -> tuple[Action, ...]:
    """Return what changes the view."""
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


def market_actions() -> tuple[Action, ...]:
    """Return what chooses market and price."""
    return (
        Action(
            "market.symbol",
            ("s",),
            "app",
            "pick_market",
            "Choose a market of any venue; type to narrow the list",
            "market: Choose the market",
            "Those that an account trades come first; ◆ marks orders, ▲ ▼ a position. Others are "
            "shown watch only.",
            label="symbol",
        ),
        Action(
            "market.next",
            ("right_curly_bracket",),
            "switch",
            "next_market",
            "Show the next market of the accounts in sight",
            "market: Show the next one",
        ),
        Action(
            "market.previous",
            ("left_curly_bracket",),
            "switch",
            "previous_market",
            "Show the market before",
            "market: Show the one before",
        ),
        Action(
            "cursor.up",
            ("up",),
            "view",
            "up",
            "Move the price cursor a row up",
            tooltip="In positions, log and strategy the arrows move the choice or scroll.",
        ),
        Action("cursor.down", ("down",), "view", "down", "Move the price cursor a row down"),
        Action(
            "cursor.page-up", ("pageup",), "view", "page_up", "Move the price cursor ten rows up"
        ),
        Action(
            "cursor.page-down",
            ("pagedown",),
            "view",
            "page_down",
            "Move the price cursor ten rows down",
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


def pane_actions() -> tuple[Action, ...]:
    """Return what changes single panes."""
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
