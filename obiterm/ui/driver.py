"""Terminal driver for a program that must outlive its terminal (design/TUI.md §7).

Differences from Textual's own: output never blocks (``writer.py``); end of file means
the terminal is gone, not a spinning thread; panic keys are taken in the input thread,
before the event loop; stopping takes bounded time; Ctrl+Z and SIGTSTP stop nothing.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import sys
import termios
import threading
import time
import tty
from codecs import getincrementaldecoder
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from textual import constants, events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from obiterm.ui.ending import EndReason
from obiterm.ui.inputfilter import InputFilter
from obiterm.ui.writer import FrameWriter

if TYPE_CHECKING:
    from textual.app import App

    from obiterm.ui.ending import Ending
    from obiterm.ui.gate import PanicGate

STOP_LIMIT_S = 0.25
"""Longest wait for the input thread, and for the writer, when stopping."""

_POLL_S = 0.1
_SHORT_POLL_S = 0.02
_READ_BYTES = 4096
_ALT_SCREEN, _MAIN_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_FOCUS_ON, _FOCUS_OFF = "\x1b[?1004h", "\x1b[?1004l"
_MOUSE_ON, _MOUSE_OFF = "\x1b[?1000h\x1b[?1002h\x1b[?1006h", "\x1b[?1006l\x1b[?1002l\x1b[?1000l"
"""Clicks, drags and the wheel; not every move, which would flood a slow link."""
_PASTE_ON, _PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
_WRAP_ON, _WRAP_OFF = "\x1b[?7h", "\x1b[?7l"
_SYNC_QUERY = "\x1b[?2026$p"
_KITTY_ON = "\x1b[>{}u".format(
    linux_driver.KITTY_DISAMBIGUATE_ESCAPE_CODES
    | linux_driver.KITTY_REPORT_ALL_KEYS
    | linux_driver.KITTY_REPORT_ASSOCIATED_TEXT
)
_KITTY_OFF = "\x1b[<u"


class Hardened(Protocol):
    """What the driver asks of its app."""

    gate: PanicGate | None
    ending: Ending

    def repaint_all(self) -> None:
        """Send a full frame."""
        ...


class HardenedDriver(LinuxDriver):
    """Drives a terminal that may stall or vanish."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, self._on_continue)
        self._descriptor = _output_descriptor()
        self._loop_thread = threading.get_ident()
        self._frame: list[str] = []
        self._in_control = True
        self._writer: FrameWriter | None = None

    @property
    def hardened_app(self) -> Hardened:
        """The app, as this driver sees it."""
        return self._app  # type: ignore[return-value]

    @property
    def can_suspend(self) -> bool:
        """Never: a suspended screen is a screen without panic keys."""
        return False

    @property
    def backlog(self) -> int:
        """Frames that wait for the terminal."""
        return 0 if self._writer is None else self._writer.backlog

    @property
    def behind(self) -> bool:
        """True while frames are dropped, until the next full one."""
        return self._writer is not None and self._writer.behind

    # -- output ------------------------------------------------------------------

    def write(self, data: str) -> None:
        """Take output: on the event loop it belongs to the frame that ``flush`` ends."""
        if self._in_control or threading.get_ident() != self._loop_thread:
            if self._writer is not None:
                self._writer.control(data)
        else:
            self._frame.append(data)

    def flush(self) -> None:
        """Hand the collected frame to the writer; never blocks."""
        if self._frame and self._writer is not None:
            self._writer.frame("".join(self._frame))
            self._frame.clear()

    def catch_up(self) -> None:
        """Take frames again after a stall; the caller paints a full one."""
        self._frame.clear()
        if self._writer is not None:
            self._writer.catch_up()

    def _on_drained(self) -> None:
        self._on_loop(self.hardened_app.repaint_all)

    def _on_gone(self) -> None:
        self.hardened_app.ending.begin(EndReason.HANGUP)

    def _on_loop(self, callback: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: nothing is left to paint
            return

    # -- start and stop ----------------------------------------------------------

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._writer = FrameWriter(self._descriptor, self._on_drained, self._on_gone)
        self._writer.start()
        self.hardened_app.ending.restore_with(self._restore_terminal)
        signal.signal(signal.SIGWINCH, self._on_window_size)
        self._send_size()
        self._enter_modes()
        self._key_thread = Thread(target=self._run_input_thread, name="obiterm-input", daemon=True)
        self._key_thread.start()
        if self.input_tty and os.environ.get("TERM_PROGRAM", "") != "Apple_Terminal":
            self.write(_SYNC_QUERY)
        self._in_control = False

    def _enter_modes(self) -> None:
        try:
            if self.attrs_before is None:
                self.attrs_before = termios.tcgetattr(self.fileno)
            raw = termios.tcgetattr(self.fileno)
            raw[tty.LFLAG] = self._patch_lflag(raw[tty.LFLAG])
            raw[tty.IFLAG] = self._patch_iflag(raw[tty.IFLAG])
            raw[tty.CC][termios.VMIN] = 1
            termios.tcsetattr(self.fileno, termios.TCSANOW, raw)
        except termios.error:
            self.attrs_before = None
        modes = [_ALT_SCREEN, _HIDE_CURSOR, _FOCUS_ON, _PASTE_ON, _WRAP_OFF]
        if self._mouse:
            modes.append(_MOUSE_ON)
        if not constants.DISABLE_KITTY_KEY:
            modes.append(_KITTY_ON)
        if self._writer is not None:
            self._writer.control("".join(modes))

    def disable_input(self) -> None:
        """Stop reading keys; bounded, and the thread never comes back to life."""
        if not self.exit_event.is_set():
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            self.exit_event.set()
        if self._key_thread is not None and self._key_thread is not threading.current_thread():
            self._key_thread.join(STOP_LIMIT_S)
        try:
            termios.tcflush(self.fileno, termios.TCIFLUSH)
        except (termios.error, OSError):
            return

    def stop_application_mode(self) -> None:
        """Give the terminal back."""
        self._in_control = True
        self.disable_input()
        self._restore_terminal()

    def close(self) -> None:
        """End the writer; waits ``STOP_LIMIT_S`` at most."""
        if self._writer is not None:
            self._writer.stop(STOP_LIMIT_S)

    def _restore_terminal(self) -> None:
        """Mend the terminal from any thread; does not block."""
        if self._writer is not None:
            leave = [_KITTY_OFF] * (not constants.DISABLE_KITTY_KEY)
            leave += [_MOUSE_OFF, _PASTE_OFF, _FOCUS_OFF, _WRAP_ON, _MAIN_SCREEN, _SHOW_CURSOR]
            self._writer.control("".join(leave))
            if threading.get_ident() != self._loop_thread:
                self._writer.stop(STOP_LIMIT_S)
        if self.attrs_before is not None:
            try:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            except (termios.error, OSError):
                return

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        """After SIGSTOP and SIGCONT the shell may have changed every mode."""
        if self._writer is not None and not self.exit_event.is_set():
            self._enter_modes()
            self._on_loop(self.hardened_app.repaint_all)

    # -- size --------------------------------------------------------------------

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24

    def _on_window_size(self, _number: int, _frame: FrameType | None) -> None:
        self._send_size()

    def _send_size(self) -> None:
        size = Size(*self._get_terminal_size())
        asyncio.run_coroutine_threadsafe(
            self._app._post_message(events.Resize(size, size)), loop=self._loop
        )

    # -- input -------------------------------------------------------------------

    def _run_input_thread(self) -> None:
        self.run_input_thread()

    def run_input_thread(self) -> None:
        """Read keys until told to stop or the terminal is gone."""
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        parser, sieve = XTermParser(self._debug), InputFilter()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                data: bytes | None = None
                try:
                    if selector.select(_SHORT_POLL_S if sieve.waiting else _POLL_S):
                        data = os.read(self.fileno, _READ_BYTES)
                except BlockingIOError:
                    continue
                except (OSError, ValueError):
                    data = b""
                if data == b"":
                    self._end_of_input()
                    return
                text = sieve.feed(decode(data) if data else "", time.monotonic_ns())
                parser = self._parse(parser, text)

    def _parse(self, parser: XTermParser, text: str) -> XTermParser:
        """Dispatch the events in ``text``; a sequence that breaks the parser is skipped."""
        try:
            for event in parser.feed(text) if text else ():
                self.process_message(event)
            for event in parser.tick():
                self.process_message(event)
        except (ParseError, EOFError, ValueError, IndexError, OverflowError):
            return XTermParser(self._debug)
        return parser

    def _end_of_input(self) -> None:
        """Nothing will ever be typed again: leave, without spinning."""
        if not self.exit_event.is_set():
            self.hardened_app.ending.begin(EndReason.HANGUP)

    def process_message(self, message: Message) -> None:
        """Take panic keys here, in the input thread; pass the rest to the app."""
        gate = self.hardened_app.gate
        if isinstance(message, events.Key) and gate is not None and gate.key(message.key):
            return
        super().process_message(message)


def _output_descriptor() -> int:
    """Return the terminal to paint on: stderr, else stdout, else stdin."""
    for stream in (sys.__stderr__, sys.__stdout__, sys.__stdin__):
        if stream is not None and stream.isatty():
            return stream.fileno()
    return 2
