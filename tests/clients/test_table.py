"""The table of other people's clients in docs/venues.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "venues.md").read_text(encoding="utf-8")
FILES = {
    "bpx-py": "test_bpx_backpack.py",
    "ccxt, ccxt.pro: Backpack": "test_ccxt_backpack.py",
    "pybit": "test_pybit_on_bybit.py",
    "ccxt, ccxt.pro: Bybit": "test_ccxt_bybit.py",
    "Binance spot connector and SDK": "test_official_connectors.py",
    "ccxt, ccxt.pro: spot": "test_ccxt_binance.py",
    "Binance futures SDK": "test_official_futures_sdk.py",
    "ccxt, ccxt.pro: futures": "test_ccxt_binanceusdm.py",
}
CAPABILITIES = [
    "markets", "book", "balance", "place", "amend", "cancel", "cancel all", "positions", "fills",
    "an order's life by stream",
]  # fmt: skip


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_client_and_capability_is_shown_by_a_test_that_exists() -> None:
    tables = PAGE.partition("## Shown with other people's clients")[2]
    shown: dict[str, list[str]] = {}
    heads: list[str] = []
    for line in tables.splitlines():
        if line.startswith("| | "):
            heads = cells(line)[1:]
        elif line.startswith("| ") and heads:
            capability, *rest = cells(line)
            for client, cell in zip(heads, rest, strict=True):
                shown.setdefault(client, []).append(capability)
                names = re.findall(r"`(test_\w+)`", cell)
                assert names or "has n" in cell, (client, capability)
                text = (HERE / FILES[client]).read_text(encoding="utf-8")
                for name in names:
                    assert f"def {name}(" in text, (client, capability, name)
    assert shown == dict.fromkeys(FILES, CAPABILITIES)
