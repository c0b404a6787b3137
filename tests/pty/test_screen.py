"""The screen in a real terminal: sizes, hang-up, stalls, signals, panic keys."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from obiterm.core.commands import EmergencyExit, HoldFire, Kill, PlaceOrder
from obiterm.core.values import Side
from obiterm.link.messages import Leave
from tests.pty.conftest import Open
from tests.pty.terminal import Terminal
from tests.ui_support.fake_host import FakeHost
from tests.ui_support.play import BLOCK_S

F9, F12, CTRL_BACKSLASH, CTRL_Q, CTRL_P, CTRL_Z = (
    "\x1b[20~",
    "\x1b[24~",
    "\x1c",
    "\x11",
    "\x10",
    "\x1a",
)
PANIC_LIMIT_NS = 100_000_000


def ready(terminal: Terminal, host: FakeHost) -> None:
    host.wait_for_screen()
    terminal.wait_text("BTCUSDT", "F9 F9 KILL")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((160, 48), ["LADDER", "DEPTH", "F12 X FLATTEN", "detach"]),
        ((120, 36), ["LADDER", "DEPTH", "F12 X FLATTEN"]),
        ((80, 24), ["LADDER", "DEPTH", "F12 X FLATTEN"]),
        ((60, 15), ["BTCUSDT", "ARMED", "uPnL", "LONG", "F9 F9 KILL"]),
    ],
)
def test_every_size_starts_and_leaves(
    host: FakeHost, open_screen: Open, size: tuple[int, int], words: list[str]
) -> None:
    terminal = open_screen(size=size)
    host.wait_for_screen()
    terminal.wait_text(*words)
    terminal.type(CTRL_Q)
    terminal.wait_text("detach:")
    terminal.type("d")
    assert terminal.ended_within(3.0) < 3.0
    assert terminal.process.returncode == 0
    host.wait(lambda: host.messages(Leave))
    assert host.messages(Leave) == [Leave(stop=False)]


def test_too_small_is_told_and_panic_keys_work_there(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen(size=(30, 8))
    host.wait_for_screen()
    terminal.wait_text("too small")
    terminal.type(F9 + F9)
    host.wait_for(Kill)


def test_a_change_of_size_changes_the_layout(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen(size=(160, 48))
    ready(terminal, host)
    with terminal._lock:
        terminal.screen.resize(15, 60)
    terminal.resize(60, 15)
    terminal.wait_text("uPnL", "positions")


def test_a_dropped_session_ends_the_process_within_a_second(
    host: FakeHost, open_screen: Open
) -> None:
    terminal = open_screen()
    ready(terminal, host)
    terminal.hang_up()
    assert terminal.ended_within(5.0) < 1.0
    assert terminal.process.returncode == 129
    assert host.messages(Leave) == []


def test_a_dropped_session_with_the_signal_ignored_does_not_spin(
    host: FakeHost, open_screen: Open
) -> None:
    """Nobody sends SIGHUP (nohup, another session leader): end of file alone must do."""
    terminal = open_screen("--ignore-hup")
    ready(terminal, host)
    terminal.hang_up()
    assert terminal.ended_within(5.0) < 1.0


def test_a_dropped_session_while_the_loop_is_blocked(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen("--block")
    ready(terminal, host)
    terminal.type("m")
    terminal.hang_up()
    assert terminal.ended_within(5.0) < 1.0


def test_a_dropped_session_after_a_stall(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    stall(terminal, host, 3.0)
    terminal.hang_up()
    assert terminal.ended_within(5.0) < 1.0


def test_sigterm_ends_cleanly_and_mends_the_terminal(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended_within(5.0) < 1.0
    assert terminal.process.returncode == 143
    terminal.wait(lambda: b"\x1b[?1049l" in terminal.raw)
    assert b"\x1b[?25h" in terminal.raw
    assert b"Traceback" not in terminal.raw


def test_sigterm_ends_a_stalled_screen_too(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen(size=(160, 48))
    ready(terminal, host)
    stall(terminal, host, 3.0)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended_within(5.0) < 1.5
    assert terminal.process.returncode == 143


def test_a_fault_of_the_screen_ends_it_with_a_mended_terminal(
    host: FakeHost, open_screen: Open
) -> None:
    terminal = open_screen("--crash")
    ready(terminal, host)
    terminal.type("m")
    assert terminal.ended_within(5.0) < 3.0
    assert terminal.process.returncode == 1
    terminal.wait(lambda: b"ZeroDivisionError" in terminal.raw)
    assert terminal.raw.index(b"\x1b[?1049l") < terminal.raw.index(b"ZeroDivisionError")
    assert host.messages(Leave) == []


def blank(terminal: Terminal) -> None:
    """Let something else clear the screen behind the program's back."""
    with terminal._lock:
        terminal.screen.reset()


def test_control_l_paints_everything_again(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    blank(terminal)
    terminal.type("\x0c")
    terminal.wait_text("LADDER", "POSITIONS", "ORDER LOG", "F9 F9 KILL")


def test_after_stop_and_continue_the_screen_is_whole(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    terminal.process.send_signal(signal.SIGSTOP)
    pass_time(host, 0.3)
    blank(terminal)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.wait_text("LADDER", "POSITIONS", "ORDER LOG", "F9 F9 KILL")
    terminal.type("b")
    host.wait_for(PlaceOrder)


def test_clicks_arrive(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    row = 5
    for _ in range(2):  # far right of the ladder, in the asks
        terminal.type(f"\x1b[<0;116;{row}M\x1b[<0;116;{row}m")
    host.wait_for(PlaceOrder)
    assert host.commands(PlaceOrder)[0].side is Side.SELL


def test_stop_signals_stop_nothing(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    terminal.type(CTRL_Z)
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.type("b")
    host.wait_for(PlaceOrder, 1.0)


def more_orders_than(host: FakeHost, count: int) -> bool:
    return len(host.commands(PlaceOrder)) > count


def pass_time(host: FakeHost, seconds: float) -> None:
    """Let frames come for a while: the stall itself is the subject."""
    until = time.monotonic() + seconds
    host.wait(lambda: time.monotonic() > until, seconds + 5)


def stall(terminal: Terminal, host: FakeHost, seconds: float) -> list[float]:
    """Stop reading; press a key now and then; return how long each took to reach the host."""
    terminal.reading.clear()
    delays, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        count = len(host.commands(PlaceOrder))
        began = time.monotonic()
        terminal.type("b")
        host.wait(partial(more_orders_than, host, count), 3.0)
        delays.append(time.monotonic() - began)
        pass_time(host, 0.5)
    return delays


def test_a_terminal_that_stops_reading_freezes_nothing(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen(size=(160, 48))
    ready(terminal, host)
    delays = stall(terminal, host, 10.0)
    assert len(delays) >= 15
    assert max(delays) < 0.5
    began = time.monotonic_ns()
    terminal.type(F9 + F9)
    host.wait_for(Kill)
    assert host.timed(Kill)[0][1] - began < PANIC_LIMIT_NS
    blank(terminal)
    terminal.reading.set()
    terminal.wait_text("KILL SWITCH LATCHED", "LADDER", "DEPTH", "POSITIONS")


def test_panic_leaves_while_the_loop_is_blocked(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen("--block")
    ready(terminal, host)
    terminal.type("m")
    pass_time(host, 0.3)
    began = time.monotonic_ns()
    terminal.type(F9 + F9)
    host.wait_for(Kill)
    terminal.type(F12 + "x")
    host.wait_for(EmergencyExit)
    assert time.monotonic_ns() - began < BLOCK_S * 1e9 * 0.5
    for kind in (HoldFire, Kill):
        assert host.timed(kind)[0][1] - began < PANIC_LIMIT_NS
    terminal.wait_text("EMERGENCY EXIT")


def test_the_x_of_a_flatten_is_not_typed_into_a_field(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    terminal.type(CTRL_P)
    terminal.wait_text("Search")
    terminal.type("zq")
    terminal.wait_text("zq")
    terminal.type(F12 + "x" + "k")
    host.wait_for(EmergencyExit)
    terminal.wait_text("zqk")


def test_control_backslash_works_as_both_gestures(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    terminal.type(CTRL_BACKSLASH * 2)
    host.wait_for(Kill)
    terminal.type("x")
    host.wait_for(EmergencyExit)


def test_wrong_keys_and_broken_bytes_do_nothing(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen()
    ready(terminal, host)
    reports = b"\x1b]11;rgb:1e1e/bbbb/cccc\x07\x1b[?62;22c\x1bP>|term\x1b\\\x1b[98~\x1bOZ"
    os.write(terminal.master, reports + b"\xff\xfe\xc3(\x1b[<0;0;0M\x1b[?9;9$yyuiq")
    os.write(terminal.master, bytes(range(128, 256)))
    terminal.type("b")
    host.wait_for(PlaceOrder)
    assert len(host.all_commands()) == 1


def test_read_only_screens_have_no_panic_keys(host: FakeHost, open_screen: Open) -> None:
    terminal = open_screen("--read-only")
    terminal.wait_text("BTCUSDT", "READ ONLY")
    terminal.type(F9 + F9 + F12 + "x" + "b" + "?")
    terminal.wait_text("PANIC")
    assert host.all_commands() == []


def test_without_a_host_the_screen_waits_and_attaches_when_it_comes(
    host: FakeHost, open_screen: Open
) -> None:
    terminal = open_screen()
    ready(terminal, host)
    host.stop()
    terminal.wait_text("HOST GONE")
    terminal.type(F9 + F9)
    terminal.wait_text("NOT SENT", "obiterm kill")
    with FakeHost(host.path) as second:
        second.wait_for_screen()
        terminal.type(F9 + F9)
        second.wait_for(Kill)
        terminal.wait_text("KILL SWITCH LATCHED")
