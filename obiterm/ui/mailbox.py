"""What the link worker leaves for the screen: newest frame wins, log lines never drop.

One wake-up message is under way at most, so a slow screen finds one frame, not a
hundred. Prints of skipped frames are carried into the newer one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from obiterm.link.messages import (
    Frame,
    History,
    LogLine,
    LogLines,
    ToScreen,
    TradeDot,
)

MAX_CARRIED_TRADES = 500
"""Prints kept from skipped frames; older ones are let go."""


@dataclass(slots=True)
class Delivery:
    """Everything that came since the last look."""

    frame: Frame | None = None
    lines: list[LogLine] = field(default_factory=list)
    history: list[History] = field(default_factory=list)
    others: list[ToScreen] = field(default_factory=list)


class Mailbox:
    """Collects messages between two looks of the screen. Used on one event loop."""

    def __init__(self) -> None:
        self._now = Delivery()
        self._carried: deque[TradeDot] = deque(maxlen=MAX_CARRIED_TRADES)
        self._woken = False

    def put(self, message: ToScreen) -> bool:
        """Keep a message; return True when the screen must be woken."""
        now = self._now
        if isinstance(message, Frame):
            if now.frame is not None:
                self._carried.extend(now.frame.trades)
            now.frame = message
        elif isinstance(message, LogLines):
            now.lines.extend(message.lines)
        elif isinstance(message, History):
            now.history.append(message)
        else:
            now.others.append(message)
        first, self._woken = not self._woken, True
        return first

    def take(self) -> Delivery:
        """Hand over what came and start anew."""
        delivery, self._now = self._now, Delivery()
        self._woken = False
        if delivery.frame is not None and self._carried:
            trades = [*self._carried, *delivery.frame.trades]
            delivery.frame = msgspec.structs.replace(delivery.frame, trades=trades)
            self._carried.clear()
        return delivery
