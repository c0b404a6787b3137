"""STRATEGY: what the strategies think and have done."""

from __future__ import annotations

from obiterm.ui.panes.base import FramedPane


class StrategyPane(FramedPane):
    """One card per strategy instance of the chosen account; the first one large."""

    def next_card(self) -> None:
        """Show the next strategy instance."""
