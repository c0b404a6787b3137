"""The risk bar: arm state, limits used, health of links and loop."""

from __future__ import annotations

from obiterm.ui.panes.base import RowPane


class RiskBar(RowPane):
    """One line that says how safe it is."""

    DEFAULT_CSS = """
    RiskBar { height: 1; background: $panel; }
    """
