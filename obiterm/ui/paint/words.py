"""Text broken into lines."""

from __future__ import annotations

from rich.cells import cell_len

_LEAST = 4


def wrap(text: str, room: int) -> list[str]:
    """Break text at blanks, and inside a word only when it is longer than a line."""
    room = max(_LEAST, room)
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= room:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(word) > room:
            cut = room
            while cell_len(word[:cut]) > room:
                cut -= 1
            lines[-1] = word[:cut]
            word = word[cut:]
            lines.append("")
        lines[-1] = word
    return [line for line in lines if line] or [""]
