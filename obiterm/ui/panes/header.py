"""The top line: brand, one chip per account, clock."""

from __future__ import annotations

from obiterm.ui.panes.base import RowPane


class Header(RowPane):
    """Brand, account chips and the clock; one line."""

    DEFAULT_CSS = """
    Header { height: 1; background: $panel; }
    """
