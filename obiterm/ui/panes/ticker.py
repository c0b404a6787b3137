"""The symbol line: price, OBI, bias and the numbers around them."""

from __future__ import annotations

from obiterm.ui.panes.base import RowPane


class Ticker(RowPane):
    """The chosen market in one line."""

    DEFAULT_CSS = """
    Ticker { height: 1; background: $background; }
    """
