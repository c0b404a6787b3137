"""Every account in full: state, limits, clock, what is wrong and what to do about it."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from obiterm.link.messages import AccountPane, Frame
from obiterm.ui.paint.chips import link_sign, state_word, world_word
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.numbers import clean, milliseconds, money, offset, result, share
from obiterm.ui.paint.palette import Palette
from obiterm.ui.screens.base import Box, Modal

Verb = Literal["show", "kill", "flatten", "arm"]
Answer = tuple[Verb, str]


class AccountsScreen(Modal[Answer]):
    """Lists accounts; Enter shows one alone, other keys act on the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("K", "answer('kill')", "Kill it alone"),
        Binding("X", "answer('flatten')", "Flatten it alone"),
        Binding("a", "answer('arm')", "Arm it"),
        Binding("asterisk", "all_together", "All together"),
    ]

    def __init__(self, chosen: str) -> None:
        super().__init__()
        self._chosen = chosen
        self._names: list[str] = []
        self._prompts: list[Content] = []
        self._first: tuple[Frame, PaintContext] | None = None

    def compose_box(self) -> ComposeResult:
        """Put the list and its keys."""
        yield OptionList(id="accounts")
        yield Static(
            "Enter show alone · * all together · K kill alone · X flatten alone · a arm · Esc",
            markup=False,
            classes="dim",
        )

    def on_mount(self) -> None:
        """Fill from the frame that opened it."""
        self.query_one(Box).border_title = " ACCOUNTS "
        if self._first is not None:
            self.show(*self._first)
        self.query_one(OptionList).focus()

    def on_resize(self, event: Resize) -> None:
        """Leave the list the room that is there."""
        super().on_resize(event)
        self.query_one(OptionList).styles.max_height = max(4, event.size.height - 6)

    def show(self, frame: Frame, context: PaintContext) -> None:
        """Show the accounts of a frame; the cursor stays on its account."""
        self._first = (frame, context)
        if not self.query(OptionList):  # not there yet, or being removed
            return
        late = context.is_late(frame)
        prompts = [account_text(one, context, late=late) for one in frame.accounts]
        names = [one.name for one in frame.accounts]
        options = self.query_one(OptionList)
        if names != self._names:
            self._names = names
            options.clear_options()
            options.add_options([Option(prompt) for prompt in prompts])
            options.highlighted = names.index(self._chosen) if self._chosen in names else 0
        else:
            for place, prompt in enumerate(prompts):
                if prompt != self._prompts[place]:
                    options.replace_option_prompt_at_index(place, prompt)
        self._prompts = prompts

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(("show", self._names[event.option_index]))

    def action_answer(self, verb: Verb) -> None:
        """Answer with the account under the cursor."""
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.dismiss((verb, self._names[place]))

    def action_all_together(self) -> None:
        """Show all accounts together."""
        self.dismiss(("show", ""))


def account_text(account: AccountPane, context: PaintContext, *, late: bool) -> Content:
    """Return everything about an account, on as many lines as it needs."""
    palette = context.palette
    sign, colour = link_sign(account.link, palette, late=late)
    parts: list[Content | str | tuple[str, str]] = [
        (f"{sign} ", colour),
        (f"{clean(account.name)}  ", f"bold {palette.text}"),
        (f"{account.venue} · {world_word(account)} · ", palette.dim),
        (state_word(account), palette.text if account.armed else palette.warn),
        (" · no word from the host" if late else "", palette.warn),
    ]
    if account.prepared:
        masked = context.masked
        figures = (
            f"\n  rtt {milliseconds(account.round_trip_ms)} · budget used "
            f"{share(account.weight_share).strip()} · clock {offset(account.clock_offset_ms)} · "
            f"equity {money(account.equity_quote, 12, masked=masked).strip()} · "
            f"day {result(account.day_pnl_quote, 10, masked=masked).strip()}"
        )
        parts.append((figures, palette.dim))
    if account.self_trades_prevented:
        words = f"\n  {account.self_trades_prevented} own orders kept from meeting each other"
        parts.append((words, palette.violet))
    parts += [(f"\n  {clean(text)}", palette.warn) for text in account.differences]
    if account.note:
        parts.append((f"\n  {clean(account.note)}", palette.hot))
    return Content.assemble(*parts)


def account_line(account: AccountPane, palette: Palette) -> str:
    """Return an account in one line, for lists to choose from."""
    sign, _ = link_sign(account.link, palette)
    trip = milliseconds(account.round_trip_ms) if math.isfinite(account.round_trip_ms) else ""
    state = f"{world_word(account)} {state_word(account)}"
    return f"{sign} {account.name:<20} {account.venue:<16} {state:<16} {trip}"
