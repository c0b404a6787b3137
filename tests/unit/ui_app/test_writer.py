"""Output to a terminal that stalls or vanishes (design/TUI.md §7, traps 2 and 4)."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from obiterm.ui.writer import MAX_FRAMES, FrameWriter

BIG = "x" * 300_000
"""More than a pipe or a pty takes without a reader."""


@dataclass
class Wire:
    """A pipe whose reading end the test holds, and what the writer told."""

    reader: int
    writer: FrameWriter
    drained: threading.Event
    gone: threading.Event
    reader_open: bool = True

    def read_until(self, marker: bytes) -> bytes:
        data = b""
        while marker not in data:
            data += os.read(self.reader, 65_536)
        return data

    def close_reader(self) -> None:
        self.reader_open = False
        os.close(self.reader)


@pytest.fixture
def wire() -> Iterator[Wire]:
    reader, descriptor = os.pipe()
    drained, gone = threading.Event(), threading.Event()
    writer = FrameWriter(descriptor, drained.set, gone.set)
    writer.start()
    made = Wire(reader, writer, drained, gone)
    yield made
    if made.reader_open:
        os.close(reader)
    writer.stop(2.0)
    os.close(descriptor)


def fill(wire: Wire) -> None:
    """Give frames until the writer is stuck in one and another is dropped."""
    wire.writer.frame(BIG)
    os.read(wire.reader, 1)
    while wire.writer.frame(BIG):
        pass


def test_frames_and_controls_arrive(wire: Wire) -> None:
    wire.writer.control("<on>")
    wire.writer.frame("one")
    assert b"<on>" in wire.read_until(b"one")
    assert wire.writer.backlog == 0
    assert not wire.drained.is_set()


def test_a_stalled_terminal_never_blocks_and_whole_frames_are_dropped(wire: Wire) -> None:
    began = time.monotonic()
    for _ in range(200):
        wire.writer.frame(BIG)
    assert time.monotonic() - began < 1.0
    assert wire.writer.behind
    assert wire.writer.backlog == MAX_FRAMES
    assert wire.writer.dropped > 100


def test_after_a_stall_a_full_repaint_is_asked_for_once_and_frames_go_on(wire: Wire) -> None:
    fill(wire)
    assert not wire.drained.is_set()
    while not wire.drained.wait(0.01):
        if select.select([wire.reader], [], [], 0)[0]:
            os.read(wire.reader, 65_536)
    assert not wire.writer.frame("a difference to a dropped frame")
    wire.writer.catch_up()
    assert wire.writer.frame("FULL")
    data = wire.read_until(b"FULL")
    assert b"difference" not in data
    assert wire.drained.wait(0)


def test_the_frame_under_way_is_finished_so_that_no_sequence_is_cut(wire: Wire) -> None:
    frame = "[" + "y" * 200_000 + "]"
    wire.writer.frame(frame)
    data = os.read(wire.reader, 1)
    while wire.writer.frame(BIG):
        pass
    data += wire.read_until(b"]")
    assert data[: len(frame)].decode() == frame


def test_a_gone_terminal_is_told_once_and_swallowed(wire: Wire) -> None:
    wire.close_reader()
    wire.writer.frame("into the void")
    assert wire.gone.wait(2.0)
    assert not wire.writer.frame("more")
    wire.writer.control("and more")
    assert wire.writer.broken


def test_stopping_a_stalled_writer_takes_bounded_time(wire: Wire) -> None:
    fill(wire)
    began = time.monotonic()
    assert not wire.writer.stop(0.2)
    assert time.monotonic() - began < 1.0


def test_stopping_writes_the_last_controls(wire: Wire) -> None:
    wire.writer.control("<off>")
    assert wire.writer.stop(2.0)
    assert b"<off>" in wire.read_until(b"<off>")
