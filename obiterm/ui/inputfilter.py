"""What a terminal sends, without what nobody typed.

Terminals answer questions that earlier programs asked (colours, device attributes), and
slow links cut sequences in two. Textual's parser turns every sequence that it does not
know into single keys, and here single keys are orders: the colour report
``ESC ]11;rgb:…`` contains ``r``, ``g`` and ``b``. So: unknown and unfinished sequences
are dropped whole, and a burst of printable text is a paste, not a series of keys.

Pure: the caller gives the time. A panic key is never held back: an ESC ends any
sequence that is under way, and so does a control character.
"""

from __future__ import annotations

import re

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._keyboard_protocol import FUNCTIONAL_KEYS

from obiterm.core.values import NS_PER_MS

ESC_WAIT_NS = 50 * NS_PER_MS
"""A lone ESC is the Escape key after this long."""
SEQUENCE_WAIT_NS = 300 * NS_PER_MS
"""A sequence that is not whole after this long is dropped; ``ESC`` may be cut off by a link."""
PASTE_WAIT_NS = 1_000 * NS_PER_MS
"""A paste without an end ends after this long without text."""
BURST_LENGTH, BURST_KINDS = 8, 4
"""Printable characters in one read, and different ones among them, that make a paste."""
MAX_SEQUENCE = 64

ESCAPE = "\x1b[27u"
"""The Escape key as a whole sequence: a bare ESC would make the parser wait for more, and take
a key that comes meanwhile for Alt and that key."""
PASTE_START, PASTE_END = "\x1b[200~", "\x1b[201~"
_ESC, _BEL = "\x1b", "\x07"
_STRINGS = frozenset("]P_^X")
"""Second characters of OSC, DCS, APC, PM and SOS."""
_CSI = re.compile(r"\x1b\[\[?[\x20-\x3f]*")
_EXTENDED = re.compile(r"\x1b\[(\d*)[\d:;]*([u~ABCDEFHPQRS])")
_OTHERS = re.compile(r"\x1b\[(?:I|O|200~|201~|\d+;\d+R|<[-\d;]+[mM]|\?\d+;\d\$y)")
_MOUSE_X10 = "\x1b[M"
_NEEDS = {_MOUSE_X10: 3}


class InputFilter:
    """Give it what was read, pass on what it returns."""

    def __init__(self) -> None:
        self._held = ""
        self._since_ns = 0
        self._in_paste = False
        self._in_string = False

    @property
    def waiting(self) -> bool:
        """True while something is held: call ``tick`` soon."""
        return bool(self._held) or self._in_paste or self._in_string

    def feed(self, text: str, now_ns: int) -> str:
        """Take what was read; return what may be parsed."""
        if not text:
            return self.tick(now_ns)
        if not self.waiting and _is_burst(text):
            return PASTE_START + text + PASTE_END
        before = self.tick(now_ns)
        data, self._held = self._held + text, ""
        self._since_ns = now_ns
        parts, place = [before], 0
        while place < len(data):
            passed, place = self._step(data, place)
            parts.append(passed)
        return "".join(parts)

    def tick(self, now_ns: int) -> str:
        """Give up waiting for what does not come."""
        waited_ns = now_ns - self._since_ns
        alone = self._held == _ESC and not self._in_paste and not self._in_string
        if alone and waited_ns >= ESC_WAIT_NS:
            self._held = ""
            return ESCAPE
        if self._in_paste:
            if waited_ns < PASTE_WAIT_NS:
                return ""
            self._in_paste, self._held = False, ""
            return PASTE_END
        if waited_ns >= SEQUENCE_WAIT_NS:
            self._held, self._in_string = "", False
        return ""

    def _step(self, data: str, place: int) -> tuple[str, int]:
        """Take the next piece at ``place``; return what passes and where to go on."""
        if self._in_paste:
            return self._paste(data, place)
        if self._in_string:
            return "", self._skip_string(data, place)
        character = data[place]
        if character != _ESC:
            return ("" if "\x80" <= character <= "\x9f" else character), place + 1
        if place + 1 == len(data):
            return self._hold(data, place)
        second = data[place + 1]
        if second in _STRINGS:
            self._in_string = True
            return "", place + 2
        if second == "[":
            return self._sequence(data, place)
        if second == "O":
            return self._single_shift(data, place)
        return (ESCAPE, place + 1) if second == _ESC else (data[place : place + 2], place + 2)

    def _hold(self, data: str, place: int) -> tuple[str, int]:
        """Keep the rest for later, unless it is too long to become anything."""
        if len(data) - place <= MAX_SEQUENCE:
            self._held = data[place:]
        return "", len(data)

    def _sequence(self, data: str, place: int) -> tuple[str, int]:
        match = _CSI.match(data, place)
        end = match.end() if match else place + 2
        if end == len(data):
            return self._hold(data, place)
        if not "\x40" <= data[end] <= "\x7e":  # cut off by a key or a control character
            return "", end
        sequence = data[place : end + 1]
        stop = end + 1 + _NEEDS.get(sequence, 0)
        if stop > len(data):
            return self._hold(data, place)
        if sequence == PASTE_START:
            self._in_paste = True
        known = sequence == _MOUSE_X10 or _is_known(sequence)
        return (data[place:stop] if known else ""), stop

    def _single_shift(self, data: str, place: int) -> tuple[str, int]:
        end = place + 2
        while end < len(data) and data[end].isdecimal():
            end += 1
        if end == len(data):
            return self._hold(data, place)
        if data[end] < " ":
            return "", end
        sequence = data[place : end + 1]
        return (sequence if sequence in ANSI_SEQUENCES_KEYS else ""), end + 1

    def _skip_string(self, data: str, place: int) -> int:
        """Return where an operating-system string ends: BEL, ESC backslash, or any control."""
        for at in range(place, len(data)):
            if data[at] == _BEL:
                self._in_string = False
                return at + 1
            if data[at] == _ESC:
                if at + 1 == len(data):
                    self._held = _ESC
                    return len(data)
                self._in_string = False
                return at + 2 if data[at + 1] == "\\" else at
            if data[at] < " ":
                self._in_string = False
                return at
        return len(data)

    def _paste(self, data: str, place: int) -> tuple[str, int]:
        end = data.find(PASTE_END, place)
        if end >= 0:
            self._in_paste = False
            stop = end + len(PASTE_END)
            return data[place:stop], stop
        for length in range(len(PASTE_END) - 1, 0, -1):
            if data.endswith(PASTE_END[:length]) and len(data) - length >= place:
                self._held = PASTE_END[:length]
                return data[place : len(data) - length], len(data)
        return data[place:], len(data)


def _is_burst(text: str) -> bool:
    return len(text) >= BURST_LENGTH and text.isprintable() and len(set(text)) >= BURST_KINDS


def _is_known(sequence: str) -> bool:
    """True when Textual's parser makes something of it, other than single keys."""
    if sequence in ANSI_SEQUENCES_KEYS or _OTHERS.fullmatch(sequence):
        return True
    match = _EXTENDED.fullmatch(sequence)
    if match is None:
        return False
    code, final = match.groups()
    return final == "u" or f"{code or 1}{final}" in FUNCTIONAL_KEYS
