"""Ten accounts on three markets each: what a host costs, and whether it grows.

Run as a script with the seconds to run: starts a host on three simulated exchanges in a home
of its own, samples its processor time and memory, and prints one JSON object at the end.
Not a test: half an hour is needed to tell a leak from a cache that fills.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MARKETS = {
    "binance": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
    "bybit": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
    "backpack": ["BTC_USDC_PERP", "SOL_USDC_PERP", "ETH_USDC_PERP"],
}
ACCOUNTS = {"binance": 4, "bybit": 3, "backpack": 3}
QUANTITY = {"BTC": "0.01", "ETH": "0.2", "SOL": "3"}
SAMPLE_S = 10.0
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


def profile() -> str:
    """Return a profile: every account trades surf on each of its markets."""
    parts = ['schema = 1\ntitle = "ten accounts"\nsizes = ["0.01"]\n']
    for venue, symbols in MARKETS.items():
        parts.append(
            f'[[exchanges]]\nvenue = "{venue}"\nsymbols = {json.dumps(symbols)}\nseed = 7\n'
        )
    for venue, count in ACCOUNTS.items():
        for number in range(count):
            name = f"{venue}-{number}"
            parts.append(
                f'[[accounts]]\nname = "{name}"\nvenue = "{venue}"\nenvironment = "sim"\n'
                f'symbols = {json.dumps(MARKETS[venue])}\nkeys = "sim"\n'
                "[accounts.limits]\nmax_daily_loss = 50000\nmax_orders_per_10s = 40\n"
            )
            parts += [
                f'[[strategies]]\nname = "surf-{symbol[:3].lower()}"\nkind = "surf"\n'
                f'account = "{name}"\nsymbol = "{symbol}"\n[strategies.parameters]\n'
                f"quantity = {QUANTITY[symbol[:3]]}\nenter_obi = 0.3\nhold_obi = 0.1\n"
                "max_hold_s = 20\n"
                for symbol in MARKETS[venue]
            ]
    return "\n".join(parts)


def used(pid: int) -> tuple[float, float]:
    """Return processor seconds and resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    return seconds, int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB


def measure(seconds: float, home: Path) -> dict[str, Any]:
    """Run a host for ``seconds``; the first minute counts for nothing."""
    path = home / "ten.toml"
    path.write_text(profile())
    result = home / "summary.json"
    command = [sys.executable, "-m", "obiterm", "demo", "--headless", "--json"]
    with result.open("w") as out:
        host = subprocess.Popen(
            [*command, "--profile", str(path), "--seconds", str(seconds)],
            env={**os.environ, "OBITERM_HOME": str(home)},
            stdout=out,
        )
        samples: list[tuple[float, float, float]] = []
        while host.poll() is None:
            time.sleep(SAMPLE_S)
            seconds_used, mib = used(host.pid)
            if mib:
                samples.append((time.monotonic(), seconds_used, mib))
        status = host.wait()
    told = json.loads(result.read_text() or "{}")
    steady = samples[int(60 / SAMPLE_S) :] or samples
    quarter = max(1, len(steady) // 4)
    first, last = steady[:quarter], steady[-quarter:]
    return {
        "status": status,
        "seconds": seconds,
        "cpu_percent": round(
            100 * (steady[-1][1] - steady[0][1]) / max(1e-9, steady[-1][0] - steady[0][0]), 1
        ),
        "mib_first_quarter": round(sum(s[2] for s in first) / len(first), 1),
        "mib_last_quarter": round(sum(s[2] for s in last) / len(last), 1),
        "mib_each_minute": [round(s[2], 1) for s in samples[:: int(60 / SAMPLE_S)]],
        "tick_to_order_us": {
            one["name"]: one["tick_to_order_us"] for one in told.get("accounts", [])
        },
        **{
            name: told.get(name)
            for name in (
                *("orders_sent", "fills", "diffs_applied", "gaps", "crossed", "faults"),
                *("open_orders_at_exchange", "journal_verified"),
            )
        },
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(measure(float(sys.argv[1]), Path(folder)), indent=1) + "\n")
