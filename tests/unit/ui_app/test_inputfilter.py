"""Only what was typed may become a key."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser

from obiterm.core.values import NS_PER_S
from obiterm.ui.inputfilter import (
    ESC_WAIT_NS,
    ESCAPE,
    PASTE_END,
    PASTE_START,
    PASTE_WAIT_NS,
    SEQUENCE_WAIT_NS,
    InputFilter,
)

F9, F12 = "\x1b[20~", "\x1b[24~"
REPORTS = [
    "\x1b]11;rgb:1e1e/1b1b/2020\x07",
    "\x1b]11;rgb:1e1e/1b1b/2020\x1b\\",
    "\x1b]52;c;Ym9vYm9v\x07",
    "\x1b[?62;22;52c",
    "\x1b[>41;320;0c",
    "\x1bP>|XTerm(370)\x1b\\",
    "\x1bP1+r524742=38\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b[48;24;80;480;1200t",
    "\x1b[98~",
    "\x1b[98S",
    "\x1bOz",
]


def keys(text: str) -> list[str]:
    """Keys that Textual's parser makes of a text."""
    parser = XTermParser()
    found = [event.key for event in parser.feed(text) if isinstance(event, events.Key)]
    return found + [event.key for event in parser.tick() if isinstance(event, events.Key)]


@pytest.mark.parametrize("report", REPORTS)
def test_reports_of_the_terminal_are_no_keys(report: str) -> None:
    assert InputFilter().feed(report + "c" + report, 0) == "c"


@given(st.sampled_from(REPORTS), st.sampled_from([F9, F12, "\x1c", "c"]), st.data())
def test_cut_anywhere_the_same_comes_out(report: str, key: str, data: st.DataObject) -> None:
    text = key + report + key
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    edges = [0, *cuts, len(text)]
    box = InputFilter()
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert "".join(box.feed(piece, 0) for piece in pieces if piece) == key + key


KNOWN = [
    one
    for one in ANSI_SEQUENCES_KEYS
    if one.startswith(("\x1b[", "\x1bO")) and not one.endswith("$")  # shift keys of rxvt only
]


@pytest.mark.parametrize("sequence", KNOWN)
def test_every_key_that_the_parser_knows_passes(sequence: str) -> None:
    assert InputFilter().feed(sequence, 0) == sequence


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[120;;120u",
        "\x1b[57376u",
        "\x1b[20;129~",
        "\x1b[1;5A",
        "\x1b[<0;10;5M",
        "\x1b[I",
        "\x1b[?2026;2$y",
    ],
)
def test_extended_keys_mouse_and_answers_to_our_questions_pass(sequence: str) -> None:
    assert InputFilter().feed(sequence, 0) == sequence


@pytest.mark.parametrize(
    ("sequence", "key"),
    [
        ("\x1b[20~", "f9"),
        ("\x1b[20;129~", "f9"),  # with num lock, kitty protocol
        ("\x1b[24;65~", "f12"),  # with caps lock
        ("\x1b[92;5u", "ctrl+backslash"),
        ("\x1c", "ctrl+backslash"),
        ("\x1b[120;;120u", "x"),
        ("\x1b[120;65;88u", "X"),
    ],
)
def test_panic_keys_in_the_dialects_of_terminals(sequence: str, key: str) -> None:
    assert keys(InputFilter().feed(sequence, 0)) == [key]


@given(st.text(st.sampled_from("\x1b[]O?;:~<0129MPRuc\x07\\xb\x1c\x9d"), max_size=40))
def test_a_panic_key_gets_through_after_anything(noise: str) -> None:
    box = InputFilter()
    box.feed(noise.replace(PASTE_START, ""), 0)
    if box._in_paste:
        return
    out = box.feed("\x1b" + F9 + F9, 1)
    assert keys(out)[-2:] == ["f9", "f9"]


@given(st.text(max_size=60), st.integers(1, 5))
def test_nothing_is_held_for_ever(text: str, size: int) -> None:
    box = InputFilter()
    for start in range(0, len(text), size):
        box.feed(text[start : start + size], 0)
    box.tick(10 * NS_PER_S)
    box.tick(20 * NS_PER_S)
    assert not box.waiting


def test_escape_is_a_key_after_a_moment() -> None:
    box = InputFilter()
    assert box.feed("\x1b", 0) == ""
    assert box.tick(ESC_WAIT_NS - 1) == ""
    assert box.tick(ESC_WAIT_NS) == ESCAPE


def test_a_key_soon_after_escape_is_a_key_of_its_own() -> None:
    box = InputFilter()
    passed = box.feed("\x1b", 0) + box.tick(ESC_WAIT_NS) + box.feed("b", ESC_WAIT_NS + 1)
    assert keys(passed) == ["escape", "b"]


def test_a_panic_key_cut_by_a_slow_link_is_whole_again() -> None:
    box = InputFilter()
    assert box.feed("\x1b[2", 0) == ""
    assert box.feed("0~", SEQUENCE_WAIT_NS - 1) == F9


def test_an_unfinished_sequence_is_dropped_not_typed() -> None:
    box = InputFilter()
    box.feed("\x1b[9", 0)
    assert box.tick(SEQUENCE_WAIT_NS) == ""
    assert box.feed("c", SEQUENCE_WAIT_NS + 1) == "c"


def test_a_paste_passes_whole_and_one_without_an_end_is_ended() -> None:
    box = InputFilter()
    whole = PASTE_START + "bBcC\x1b[20~" + PASTE_END
    assert box.feed(whole, 0) == whole
    assert box.feed(PASTE_START + "bB", 0) == PASTE_START + "bB"
    assert box.feed("cC", 1) == "cC"
    assert box.feed(F9, 1 + PASTE_WAIT_NS) == PASTE_END + F9


@given(st.text(st.sampled_from("ab\x1b[201~"), max_size=30), st.integers(1, 4))
def test_a_paste_in_pieces_is_the_same_paste(text: str, size: int) -> None:
    whole = PASTE_START + text.replace(PASTE_END, "") + PASTE_END
    box = InputFilter()
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert "".join(box.feed(piece, 0) for piece in pieces) == whole


def test_a_burst_of_text_is_a_paste_but_a_held_key_is_not() -> None:
    assert InputFilter().feed("obiterm kill", 0) == f"{PASTE_START}obiterm kill{PASTE_END}"
    assert InputFilter().feed("]" * 30, 0) == "]" * 30
    assert InputFilter().feed("Bybn", 0) == "Bybn"
