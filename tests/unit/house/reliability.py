"""Write docs/reliability.md from the tests: which failure of others is made to happen where.

``python tests/unit/house/reliability.py docs/reliability.md`` writes the page; a test fails when
it is not current. A test names its case in its name (``test_t6_…``) or docstring (``T6``); a
docstring of a file names what all its tests are about.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
TESTS = ROOT / "tests"
LAST = 54

_NAMED = re.compile(r"_t(\d{1,2})(?=_)")
_WRITTEN = re.compile(r"\bT(\d{1,2})(?:[–-]T?(\d{1,2}))?\b")

CASES: dict[int, str] = {
    1: "The kill fires, and an exception beside it lets orders go on",
    2: "The loss breaker trips on losses of others or on one bad price",
    3: "No pause or resume; only a restart arms again",
    4: "New orders after a stop, during an exit or Ctrl+C",
    5: "A crash between a cancel and its answer: ghosts or re-created orders",
    6: "Orders lost after network errors fill later",
    7: "Duplicates, since a timeout counted as a failure",
    8: "An order that the venue does not have blocks new ones",
    9: "A frozen book is quoted on for 45 minutes",
    10: "The account stream dies or falls silent: no fills",
    11: "A close that filled unnoticed is tried again and again",
    12: "Two closers of one position; hedge and one-way mode mixed up",
    13: "95 % CPU; the screen freezes or looks alive while the engine hangs",
    14: "Memory grows until the process is killed",
    15: "No way to leave the screen without ending the bot",
    16: "Disconnections of minutes to hours; half-open sockets; name lookup fails",
    17: "Paper fills that no market gives",
    18: "Backpack: available balance counted twice",
    19: "A flood of errors kills the instance; an update breaks the configuration",
    20: "The database is locked or full: a fill is lost",
    21: "Dust keeps trades open",
    22: "Orphaned conditional orders at the venue",
    23: "A stop that is refused leads to a blind market exit",
    24: "The stop is missing after a fast entry, or larger than what is held",
    25: "A forced exit does nothing after a sale by hand",
    26: "How to keep it alive after the terminal is closed",
    27: "Dry-run rows used in live mode",
    28: "Dry run wins, live loses, and nobody says why",
    29: "API keys in plain files",
    30: "Averaging down: wrong average, wrong profit, sells the last lot only",
    31: "An account in hedge mode ends in an internal error",
    32: "A warm restart believes that it is flat",
    33: "A position older than the venue's memory of fills refuses the start",
    34: "Fills booked twice after a restart",
    35: "Funding booked as fills",
    36: "A reconciliation that never converges",
    37: "A timeout or 5xx after the order was accepted, and a second order",
    38: "One stream is silent while the others flow",
    39: "Two hedge legs merged into a phantom",
    40: "No stop at the exchange until liquidation",
    41: "A zombie socket: subscribed, connected, without data for hours",
    42: "Requests that reach the venue after their window",
    43: "Stop and target vanish after a restart",
    44: "Bans by default settings; no reserve for cancels",
    45: "The exit is sent before the stop that binds the coins is gone",
    46: "Crashes and loops with positions that were there before the start",
    47: "The clock is off, every night",
    48: "Book changes before the snapshot",
    49: "Bybit spot market orders: unit and normal ends",
    50: "An endless loop of refused orders",
    51: "Several stops after the venue was overloaded",
    52: "Ghosts after power loss; orders of people cancelled by the bot",
    53: "Flicker and colours inside tmux",
    54: "Keys readable on the server",
}
"""The failures, in a few words."""

ALSO: dict[int, tuple[str, ...]] = {
    13: (
        "tests/unit/ui_app/test_writer.py::test_a_stalled_terminal_never_blocks_and_whole_frames_are_dropped",
    ),
    17: (
        "tests/unit/exchange/test_queue_model.py::test_an_order_waits_behind_what_was_shown",
        "tests/unit/exchange/test_queue_model.py::test_a_trade_through_the_price_fills_whole",
    ),
    42: (
        "tests/unit/trading/test_outcomes.py::test_no_such_order_counts_only_after_the_request_window",
        "tests/unit/exchange_binance/test_faults.py::test_a_request_delayed_past_its_window_is_refused",
    ),
    53: ("tests/unit/ui_panes/test_bytes.py::test_bytes_a_second",),
    54: (
        "tests/unit/config/test_profiles.py::test_a_secret_in_a_profile_is_refused_and_not_shown",
        "tests/unit/exchange_binance/test_signatures.py::test_a_key_never_shows_its_secret",
    ),
}
"""Tests that show a case without naming it."""

NOTES: dict[int, str] = {
    13: "CPU and lag with many accounts are measured in `tests/benchmarks/many_accounts.py` "
    "(docs/benchmarks.md), not asserted.",
    14: "Later work: a day of replay with a flat memory curve.",
    17: "Later work: paper accounts. Shown here for the fill model that they will use.",
    19: "Later work: a limit on the rate of log lines, and a test that migrates an old "
    "configuration.",
    27: "Does not apply yet: there are no dry-run accounts. Journals carry the environment in "
    "their name, and a profile that mixes real and play money is refused.",
    28: "Later work: the report that compares paper and live.",
    29: "Later work: the vault. Until then keys come from the environment and never stand in a "
    "profile (T54).",
    30: "Later work: the ladder strategy.",
    53: "The bytes of a frame are bounded; colours inside tmux are not tested.",
}
"""Why a case has no test, or what its tests do not show."""


class Proof(NamedTuple):
    """One test, or a file of tests (``test`` empty), that names a case."""

    path: str
    test: str


def proofs() -> dict[int, list[Proof]]:
    """Return the tests of every case, in order of their files."""
    found: dict[int, list[Proof]] = {number: [] for number in range(1, LAST + 1)}
    for path in sorted(TESTS.rglob("test_*.py")):
        for number, proof in _of_file(path):
            if number in found and proof not in found[number]:
                found[number].append(proof)
    for number, names in ALSO.items():
        for name in names:
            where, _, test = name.partition("::")
            found[number].append(Proof(where, test))
    return found


def _of_file(path: Path) -> Iterator[tuple[int, Proof]]:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    where = path.relative_to(ROOT).as_posix()
    named: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not node.name.startswith("test_"):
            continue
        numbers = {int(digits) for digits in _NAMED.findall(node.name)}
        numbers |= _written(ast.get_docstring(node) or "")
        for number in sorted(numbers):
            named.add(number)
            yield number, Proof(where, node.name)
    for number in sorted(_written(ast.get_docstring(tree) or "") - named):
        yield number, Proof(where, "")


def _written(text: str) -> set[int]:
    numbers: set[int] = set()
    for first, last in _WRITTEN.findall(text):
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def page() -> str:
    """Return the page."""
    every = proofs()
    shown = sum(bool(one) for one in every.values())
    lines = [
        "<!-- Written from the tests by `make docs`; edits here are lost. -->",
        "",
        "# Reliability",
        "",
        "What breaks trading systems of this kind, as users of others reported it, and the tests "
        "that make each failure happen here. Nothing is left out: a case without a test says why.",
        "",
        f"{shown} of {LAST} cases have tests.",
        "",
        "- `obiterm chaos --seed N --minutes M` trades on exchanges that drop replies, lose, "
        "delay and double messages, answer 429 and 5xx, fall silent, hang, vanish and step "
        "their clocks, then checks that nothing was doubled, orphaned, lost or left open.",
        "- `python -m tests.faults.crash_runs --runs N` kills a host on three venues at random "
        "moments and compares the next one's books with the exchanges'.",
        "",
        "| case | what happens to others | shown by |",
        "| --- | --- | --- |",
    ]
    for number, title in CASES.items():
        lines.append(f"| T{number} | {title} | {_cell(number, every[number])} |")
    return "\n".join(lines) + "\n"


def _cell(number: int, of_case: list[Proof]) -> str:
    by_path: dict[str, list[str]] = {}
    for proof in of_case:
        by_path.setdefault(proof.path, []).append(proof.test)
    parts = [
        f"[{path.removeprefix('tests/')}](../{path})"
        + (": " + ", ".join(f"`{test}`" for test in tests if test) if any(tests) else "")
        for path, tests in by_path.items()
    ]
    if number in NOTES:
        parts.append(NOTES[number])
    return "<br>".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
