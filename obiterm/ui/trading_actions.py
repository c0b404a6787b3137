"""Actions that ask the host for something, and those of the program."""

from __future__ import annotations

from obiterm.ui.action import Action


def order_actions() -> tuple[Action, ...]:
    """Return orders by hand."""
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
            "Mouse: a right click on the ladder cancels own orders at that price. "
            "One that protects a position is cancelled after a question that names it.",
            lease=True,
        ),
        Action(
            "order.cancel-symbol",
            ("C",),
            "desk",
            "cancel_symbol",
            "Cancel every order on the market; strategies there hold fire",
            "order: Cancel every order on the market",
            "Of the chosen account; with all together of each that trades it, after a question. "
            "The stop and the target of an open position are kept, and the answer says so.",
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
            "Go flat: close the position in the market, at market; asks once",
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


def control_actions() -> tuple[Action, ...]:
    """Return arming, control, strategies and the program itself."""
    return (
        Action(
            "account.next",
            ("right",),
            "switch",
            "next_account",
            "Choose the next account; behind the last one come all together",
            "account: Choose the next one",
            "Orders by hand go to the chosen account; with all together the screen asks where "
            "several trade the market.",
            label="account",
        ),
        Action(
            "account.previous",
            ("left",),
            "switch",
            "previous_account",
            "Choose the account before",
            "account: Choose the one before",
        ),
        Action(
            "account.all",
            ("asterisk",),
            "switch",
            "all_accounts",
            "Show all accounts together",
            "account: Show all together",
        ),
        Action(
            "account.list",
            ("A",),
            "app",
            "list_accounts",
            "List every account: state, limits, clock, why it does not trade and what to do",
            "account: List all, with what is wrong",
        ),
        Action(
            "account.kill",
            ("K",),
            "switch",
            "kill_one",
            "Kill the chosen account alone; asks once",
            "account: Kill one alone",
            "F9 F9 kills every account.",
            dangerous=True,
        ),
        Action(
            "account.flatten",
            ("X",),
            "switch",
            "exit_one",
            "Flatten the chosen account alone; asks once",
            "account: Flatten one alone",
            "F12 x flattens every account.",
            dangerous=True,
        ),
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
            "Start or stop the strategy on the card; asks once",
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
