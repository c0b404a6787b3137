"""What a moving screen costs on the wire: measured through a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
SECONDS = 5.0
WARM_S = 2.0
LIMITS = {(160, 48): 170_000, (120, 36): 90_000, (80, 24): 50_000}
"""Bytes a second on the noisy made-up market; measured 141, 43 and 17 KB/s (real book: 100)."""


def _bytes_a_second(width: int, height: int) -> float:
    """Run the panes in a pseudo-terminal; return its bytes a second after the start."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    env = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "OBITERM_HARNESS_SECONDS": str(SECONDS),
    }
    command = [sys.executable, "-m", "tests.ui_support.harness"]
    screen = subprocess.Popen(
        command, cwd=CHECKOUT, env=env, stdin=inner, stdout=inner, stderr=inner,
        start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    began, first, last, count = time.monotonic(), 0.0, 0.0, 0
    try:
        while time.monotonic() - began < 60:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(terminal, 65_536)
            except OSError:
                break
            if not data:
                break
            now = time.monotonic()
            first = first or now
            if now - first >= WARM_S and now - first < SECONDS:
                count += len(data)
                last = now
    finally:
        os.close(terminal)
        screen.kill()
        screen.wait()
    assert last > first + WARM_S + 1, "the screen painted for less than a second"
    return count / (last - first - WARM_S)


@pytest.mark.parametrize("size", list(LIMITS))
def test_bytes_a_second(size: tuple[int, int]) -> None:
    measured = _bytes_a_second(*size)
    assert 1_000 < measured < LIMITS[size]
