"""The widgets of the trading screen. Each one has ``show(frame, context)``."""

from obiterm.ui.panes.header import Header
from obiterm.ui.panes.heatmap import HeatMap
from obiterm.ui.panes.keybar import KeyBar, KeyHint
from obiterm.ui.panes.ladder import Ladder
from obiterm.ui.panes.log import OrderLog
from obiterm.ui.panes.positions import Positions
from obiterm.ui.panes.riskbar import RiskBar
from obiterm.ui.panes.strategy import StrategyPane
from obiterm.ui.panes.ticker import Ticker
from obiterm.ui.panes.troubles import Troubles

__all__ = [
    "Header",
    "HeatMap",
    "KeyBar",
    "KeyHint",
    "Ladder",
    "OrderLog",
    "Positions",
    "RiskBar",
    "StrategyPane",
    "Ticker",
    "Troubles",
]
