"""The kill switch is latched: how far each account is, and what next."""

from __future__ import annotations

import time
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from obiterm.core.commands import ALL_ACCOUNTS
from obiterm.core.values import NS_PER_MS
from obiterm.link.messages import Frame, PanicAccount
from obiterm.ui.paint.context import PaintContext
from obiterm.ui.paint.numbers import clean, milliseconds, result
from obiterm.ui.screens.base import Box, Modal

GUARD_NS = 600 * NS_PER_MS
"""A box that opens while someone types takes no key for this long."""

KillAnswer = Literal["keep", "arm"]


class KillModal(Modal[KillAnswer]):
    """Shows the panic path at work. ``x`` flattens, Enter keeps the positions, ``a`` arms."""

    class FlattenAsked(Message):
        """``x`` was pressed.

        Attributes:
            accounts: whom to flatten; ``ALL_ACCOUNTS`` alone for every one.
        """

        def __init__(self, accounts: tuple[str, ...]) -> None:
            super().__init__()
            self.accounts = accounts

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x,X", "flatten", "Flatten all"),
        Binding("enter", "keep", "Keep positions"),
        Binding("escape", "keep", "Keep positions", show=False),
        Binding("a", "arm", "Arm again"),
    ]

    def __init__(self, *, guarded: bool, may_act: bool) -> None:
        """Args say what its keys do.

        Args:
            guarded: the user was typing when it opened, so keys count only after a moment.
            may_act: False on a screen that only watches: the box can be closed, no more.
        """
        super().__init__()
        self._ready_ns = time.monotonic_ns() + (GUARD_NS if guarded else 0)
        self._may_act = may_act
        self._parts: dict[str, Content] = {}
        self._last_frame: Frame | None = None
        self._paint_context: PaintContext | None = None

    def compose_box(self) -> ComposeResult:
        """Put the parts that ``show`` fills."""
        yield Static(id="head", markup=False)
        yield Static(id="rows", markup=False)
        yield Static(id="left", markup=False)
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Fill from the frame that opened it."""
        if self._last_frame is not None and self._paint_context is not None:
            self.show(self._last_frame, self._paint_context)

    def show(self, frame: Frame, context: PaintContext) -> None:
        """Show the panic part of a frame."""
        self._last_frame, self._paint_context = frame, context
        panic = frame.panic
        if panic is None or not self.query(Box):  # not there yet, or being removed
            return
        palette = context.palette
        title = " ▲ EMERGENCY EXIT " if panic.flatten else " ▲ KILL SWITCH LATCHED "
        self.query_one(Box).border_title = title
        head = Content.styled(_head(frame), f"bold {palette.hot}")
        self._put("head", Content.assemble(head, (f"  by {clean(panic.who)}", palette.dim)))
        rows = [_account_line(row, context, panic.flatten) for row in panic.accounts]
        self._put("rows", Content("\n").join(rows))
        self._put("left", _left(frame, context))
        scope = "all" if _is_whole(frame) else ", ".join(_names(frame))
        self._put("keys", _keys(context, scope, flatten=panic.flatten, may_act=self._may_act))

    def _put(self, part: str, content: Content) -> None:
        """Change a part only when it reads differently: each change is painted."""
        if self._parts.get(part) != content:
            self._parts[part] = content
            self.query_one(f"#{part}", Static).update(content)

    def action_flatten(self) -> None:
        """Close every position."""
        frame = self._last_frame
        if self._may_act and self._may_press() and frame is not None:
            accounts = (ALL_ACCOUNTS,) if _is_whole(frame) else tuple(_names(frame))
            self.post_message(self.FlattenAsked(accounts))

    def action_keep(self) -> None:
        """Leave the positions as they are; the latch stays."""
        if self._may_press():
            self.dismiss("keep")

    def action_arm(self) -> None:
        """Go on to the typed word."""
        if self._may_act and self._may_press():
            self.dismiss("arm")

    def _may_press(self) -> bool:
        return time.monotonic_ns() >= self._ready_ns


def _names(frame: Frame) -> list[str]:
    return [one.account for one in frame.panic.accounts] if frame.panic else []


def _is_whole(frame: Frame) -> bool:
    """Tell whether every account of the host is in the panic."""
    return set(_names(frame)) >= {one.name for one in frame.accounts}


def _head(frame: Frame) -> str:
    if _is_whole(frame):
        return "ALL ENGINES DISARMED · NEW ORDERS REFUSED"
    named = ", ".join(clean(name) for name in _names(frame))
    return f"{named} DISARMED · {len(frame.accounts) - len(_names(frame))} OTHERS TRADE ON"


def _account_line(row: PanicAccount, context: PaintContext, flatten: bool) -> Content:
    palette = context.palette
    sign, colour = ("●", palette.ok) if row.done else ("◐", palette.warn)
    orders = "?" if row.left_orders < 0 else str(row.left_orders)
    left = f"{orders} orders left"
    certain = row.left_orders == 0
    if flatten:
        positions = "?" if row.left_positions < 0 else str(row.left_positions)
        left = f"{orders} orders · {positions} positions left"
        certain = certain and row.left_positions == 0
    parts: list[Content | str | tuple[str, str]] = [
        (f"{sign} ", colour),
        (f"{clean(row.account):<14} ", palette.text),
        (f"{row.cancelled} cancelled · ", palette.text),
        (left, palette.text if certain else palette.warn),
    ]
    if row.attempt > 1 and not row.done:
        parts.append((f" · try {row.attempt}", palette.warn))
    parts.append((f"  {milliseconds(row.elapsed_ms)}", f"bold {palette.text}"))
    if row.text:
        parts.append((f"\n  {clean(row.text)}", palette.dim))
    return Content.assemble(*parts)


def _left(frame: Frame, context: PaintContext) -> Content:
    palette = context.palette
    rows = [row for row in frame.positions if row.account in _names(frame)]
    total = sum(row.unrealised_quote for row in rows)
    resting = sum(1 for row in rows if row.stop_ticks)
    safe = resting >= len(rows)
    return Content.assemble(
        ("still open ", palette.dim),
        (f"{len(rows)} positions", f"bold {palette.text}"),
        (" · uPnL ", palette.dim),
        (result(total, 12, masked=context.masked), palette.ok if total >= 0 else palette.hot),
        (" · stops on exchange ", palette.dim),
        (f"{resting}/{len(rows)}", palette.ok if safe else palette.hot),
    )


def _keys(context: PaintContext, scope: str, *, flatten: bool, may_act: bool) -> Content:
    palette = context.palette
    chip = f"bold {palette.bg} on "
    parts: list[Content | str | tuple[str, str]] = []
    if may_act:
        label = f"flatten {clean(scope)}{' again' if flatten else ''}"
        parts += [(" X ", chip + palette.warn), (f" {label}  ", palette.text)]
    keep = "close this box" if flatten or not may_act else "keep positions"
    parts += [(" Enter ", chip + palette.accent), (f" {keep}  ", palette.text)]
    if may_act:
        parts.append(("re-arm: a", palette.dim))
    return Content.assemble(*parts)
