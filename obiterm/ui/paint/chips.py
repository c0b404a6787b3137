"""Inverse chips and state marks; every chip is a word, so it holds without colour."""

from __future__ import annotations

from obiterm.core.effects import Verb
from obiterm.core.values import Environment, TradingState
from obiterm.link.messages import AccountPane
from obiterm.ui.paint.line import Span
from obiterm.ui.paint.palette import Palette, blend, style

_ENVIRONMENT_WORDS = {
    Environment.SIM: "SIM",
    Environment.PAPER: "PAPER",
    Environment.DEMO: "DEMO",
    Environment.TESTNET: "TEST",
    Environment.LIVE: "LIVE",
}
_DOTS = {"up": "●", "partial": "◐", "down": "○"}


def chip(text: str, ground: str, palette: Palette) -> Span:
    """Return a chip with one blank on each side."""
    return f" {text} ", style(palette.panel, ground, bold=True)


def quiet_chip(text: str, palette: Palette) -> Span:
    """Return a chip for a state in which nothing happens."""
    return f" {text} ", style(palette.dim, blend(palette.raised, palette.line, 0.8), bold=True)


def state_word(account: AccountPane) -> str:
    """Return what an account may do now, in one word."""
    if account.state is TradingState.HALTED:
        return "KILL"
    if not account.prepared:
        return "OFF"
    if account.holding:
        return "HOLD"
    if account.state is TradingState.REDUCING:
        return "REDUCE"
    return "ARMED" if account.armed else "SAFE"


def account_chip(account: AccountPane, palette: Palette, *, late: bool = False) -> Span:
    """Return what an account may do now: KILL, OFF, HOLD, SAFE …, or the world it trades in.

    ``late``: nobody knows whether it is still so, and the chip does not shine.
    """
    word = state_word(account)
    shown = world_word(account) if word == "ARMED" else word
    if late or word == "SAFE":
        return quiet_chip(shown, palette)
    if word != "ARMED":
        return chip(shown, palette.warn, palette)
    ground = palette.hot if account.environment is Environment.LIVE else palette.accent
    return chip(shown, ground, palette)


def world_word(account: AccountPane) -> str:
    """Return the world that an account trades in."""
    return _ENVIRONMENT_WORDS[account.environment]


def link_sign(link: str, palette: Palette, *, late: bool = False) -> tuple[str, str]:
    """Return sign and colour of a link: up, partly up, down, or not known (``late``)."""
    if late:
        return "?", palette.warn
    colours = {"up": palette.ok, "partial": palette.warn}
    return _DOTS.get(link, "○"), colours.get(link, palette.hot)


def link_dot(link: str, palette: Palette, ground: str, *, late: bool = False) -> Span:
    """Return ● ◐ ○ for a link that is up, partly up or down; ? when nobody knows."""
    sign, colour = link_sign(link, palette, late=late)
    return sign, style(colour, ground, bold=late)


def socket_dot(state: str, palette: Palette, ground: str) -> Span:
    """Return ● ◐ ○ for a socket that is up, silent or down."""
    return link_dot("partial" if state == "stale" else state, palette, ground)


def verb_chip(verb: Verb, palette: Palette) -> Span:
    """Return the chip of a log line, always four cells."""
    grounds = {
        Verb.SEND: palette.accent,
        Verb.ACK: palette.dim,
        Verb.FILL: palette.ok,
        Verb.CANCEL: palette.warn,
        Verb.REJECT: palette.hot,
        Verb.SIGNAL: palette.violet,
        Verb.RISK: palette.warn,
        Verb.GAP: palette.warn,
        Verb.KILL: palette.hot,
        Verb.UNKNOWN: palette.warn,
        Verb.INFO: blend(palette.dim, palette.panel, 0.25),
    }
    return f"{verb.value:<4}", style(palette.panel, grounds[verb], bold=True)


def result_colour(value: float, palette: Palette, masked: bool = False) -> str:
    """Return the colour of a profit or loss; its sign is written as well. A mask hides both."""
    if masked:
        return palette.text
    if value > 0:
        return palette.ok
    return palette.hot if value < 0 else palette.text
