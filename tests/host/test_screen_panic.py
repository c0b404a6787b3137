"""Panic keys typed into a real screen on a terminal, measured at the exchange's own ledger."""

from __future__ import annotations

import time

import pytest

from tests.host.conftest import Attach, OpenTerminal, StartHost
from tests.host.operators import Operator
from tests.host.support import HostProcess, wait_for
from tests.pty.terminal import Terminal

F9, F12, CTRL_BACKSLASH, CTRL_P, CTRL_Q, ESC, TAB = (
    "\x1b[20~",
    "\x1b[24~",
    "\x1c",
    "\x10",
    "\x11",
    "\x1b",
    "\t",
)
LIMIT_S = 0.5
ESCAPE_S = 0.35
"""An Escape is told from the beginning of a longer key by the time after it."""
HELD_KEY_S = 0.3
DUST = 0.0001
ORDERS = 5

KILLS = {
    "no focus": ("", "LADDER", F9 * 2),
    "first pane": (TAB, "LADDER", F9 * 2),
    "second pane": (TAB * 2, "LADDER", F9 * 2),
    "third pane": (TAB * 3, "LADDER", F9 * 2),
    "fourth pane": (TAB * 4, "LADDER", F9 * 2),
    "fifth pane": (TAB * 5, "LADDER", CTRL_BACKSLASH * 2),
    "orders page": ("2", "POSITIONS", F9 * 2),
    "strategy page": ("3", "STRATEGY", F9 * 2),
    "help": ("?", "KEYS", F9 * 2),
    "palette with a word": (CTRL_P + "zq", "zq", F9 * 2),
    "size box with digits": ("n12", "12", CTRL_BACKSLASH * 2),
    "symbol box": ("s", "BTCUSDT", F9 * 2),
    "log filter": ("/abc", "abc", F9 * 2),
    "leave question": (CTRL_Q, "detach:", F9 * 2),
    "price cursor": (TAB + "\x1b[H\x1b[A", "LADDER", F9 * 2),
}


def emptied_within(host: HostProcess, terminal: Terminal, keys: str) -> float:
    """Return the seconds from typing until the exchange has no order of ours."""
    began = time.monotonic()
    terminal.type(keys)
    wait_for(lambda: not host.ledger.open_orders(), 5.0, "orders are left")
    return time.monotonic() - began


def rest(host: HostProcess, operator: Operator, count: int = ORDERS) -> None:
    """Rest orders; later than the time in which a held key counts as one press (0.25 s)."""
    time.sleep(HELD_KEY_S)
    operator.place(count)
    wait_for(lambda: len(host.ledger.open_orders()) == count)


def start_over(terminal: Terminal, operator: Operator) -> None:
    """Arm again and leave every box and page."""
    operator.rearm()
    operator.frame(lambda frame: frame.panic is None)
    terminal.wait(lambda: "LATCHED" not in terminal.text() and "EMERGENCY" not in terminal.text())
    terminal.wait(lambda: _home(terminal))


def _home(terminal: Terminal) -> bool:
    """Press 1 or Escape until the trading screen is there alone."""
    for key in ("1", ESC):
        if _is_home(terminal):
            return True
        terminal.type(key)
        until = time.monotonic() + ESCAPE_S
        while time.monotonic() < until and not _is_home(terminal):
            time.sleep(0.005)
    return _is_home(terminal)


def _is_home(terminal: Terminal) -> bool:
    text = terminal.text()
    return all(word in text for word in ("LADDER", "DEPTH", "ORDER LOG")) and not any(
        word in text for word in ("Esc ", "Search", "LATCHED", "KEYS ")
    )


@pytest.mark.slow
def test_kill_keys_work_wherever_the_focus_is(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    operator = attach(host)
    terminal = open_terminal("obiterm", "--profile", "quiet", size=(160, 48))
    terminal.wait_text("BTCUSDT", "LADDER", "F9 F9 KILL")
    took: dict[str, float] = {}
    for place, (keys, text, panic) in KILLS.items():
        rest(host, operator)
        terminal.type(keys)
        terminal.wait_text(text)
        took[place] = emptied_within(host, terminal, panic)
        terminal.wait_text("KILL SWITCH LATCHED")
        start_over(terminal, operator)
    assert max(took.values()) < LIMIT_S, took
    assert host.process.poll() is None


@pytest.mark.parametrize("keys", [F12 + "x", CTRL_BACKSLASH + "x", F9 * 2 + F12 + "x"])
def test_exit_keys_also_leave_no_position(
    keys: str, start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    operator = attach(host)
    before = host.ledger.base()
    terminal = open_terminal("obiterm", "--profile", "quiet")
    terminal.wait_text("LADDER", "F12 X FLATTEN")
    operator.take(3_000)
    wait_for(lambda: host.ledger.base() > before + 0.02)
    rest(host, operator)
    assert emptied_within(host, terminal, keys) < LIMIT_S
    wait_for(lambda: abs(host.ledger.base() - before) < DUST, 1.0, "not flat")
    terminal.wait_text("EMERGENCY EXIT")
    status = host.status()
    assert status is not None
    assert status.accounts[0].positions == []


def test_kill_keys_work_while_the_screen_hangs(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    """A handler blocks the screen's event loop for two seconds; the key still leaves at once."""
    host = start_host()
    operator = attach(host)
    terminal = open_terminal("tests.ui_support.play", str(host.socket), "--block")
    terminal.wait_text("LADDER", "F9 F9 KILL")
    for keys in (CTRL_BACKSLASH * 2, F12 + "x"):
        rest(host, operator)
        terminal.type("m")
        seen = terminal.bytes_read
        wait_for(lambda: _still(terminal), 3.0, "the screen does not hang")
        assert emptied_within(host, terminal, keys) < LIMIT_S
        assert terminal.bytes_read >= seen
        terminal.wait(lambda: "LATCHED" in terminal.text() or "EMERGENCY" in terminal.text())
        start_over(terminal, operator)


def _still(terminal: Terminal) -> bool:
    """Return whether nothing was painted for a quarter of a second."""
    seen, until = terminal.bytes_read, time.monotonic() + 0.25
    while time.monotonic() < until:
        if terminal.bytes_read != seen:
            return False
        time.sleep(0.005)
    return True


def test_pressing_twice_is_one_kill(
    start_host: StartHost, attach: Attach, open_terminal: OpenTerminal
) -> None:
    host = start_host()
    operator = attach(host)
    terminal = open_terminal("obiterm", "--profile", "quiet")
    terminal.wait_text("LADDER", "F9 F9 KILL")
    before = host.ledger.base()
    operator.take(2_000)
    rest(host, operator)
    terminal.type(F9 * 6 + F12 + "x" + F12 + "x" + F9 * 4)
    wait_for(lambda: not host.ledger.open_orders())
    wait_for(lambda: abs(host.ledger.base() - before) < DUST, 2.0, "not flat")
    terminal.wait_text("EMERGENCY EXIT")
    assert abs(host.ledger.base() - before) < DUST
