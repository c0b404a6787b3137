"""Finding the line of a key in TOML text, as people write it."""

from __future__ import annotations

import pytest

from obiterm.config.explain import Loc, nearest, spell, toml_line

TEXT = """\
top = 1            # 1
[exchange]         # 2
seed = 7           # 3

[[accounts]]       # 5
name = "a"         # 6
limits.max = 1     # 7
[[accounts]]       # 8
"name" = "b"       # 9
[accounts.limits]  # 10
min = 2            # 11
[accounts.urls]    # 12
  rest = "x"       # 13
inline = {a = 1}   # 14
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("top",), 1),
        (("exchange",), 2),
        (("exchange", "seed"), 3),
        (("exchange", "missing"), 2),
        (("accounts", 0, "name"), 6),
        (("accounts", 0, "limits", "max"), 7),
        (("accounts", 1), 8),
        (("accounts", 1, "name"), 9),
        (("accounts", 1, "limits", "min"), 11),
        (("accounts", 1, "urls", "rest"), 13),
        (("accounts", 1, "urls", "inline", "a"), 14),
        (("nothing",), 0),
        ((), 0),
    ],
)
def test_lines(loc: Loc, line: int) -> None:
    assert toml_line(TEXT, loc) == line


def test_spelling() -> None:
    assert spell(("accounts", 1, "limits", "min")) == "accounts[1].limits.min"
    assert nearest("sed", ["seed", "port"]) == "did you mean seed?"
    assert nearest("zzz", ["seed", "port"]) == "known: port, seed"
