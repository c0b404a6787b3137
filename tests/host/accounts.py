"""Profiles of several accounts, and a look at each of them from outside."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from obiterm.config.paths import Paths
from obiterm.link.messages import AccountStatus
from tests.host.support import HostProcess, children, wait_for

MARKETS = {
    "backpack": "BTC_USDC_PERP",
    "bybit": "BTCUSDT",
    "binance": "BTCUSDT",
    "binance-futures": "BTCUSDT-PERP",
}
_LIMITS = """
[accounts.limits]
max_open_orders = 60
max_orders_per_10s = 300
max_order_notional = 20000
max_position_notional = 60000
max_exposure_notional = 90000
max_daily_loss = 5000
"""
_SURF = """
[[strategies]]
name = "surf"
kind = "surf"
account = "{name}"
symbol = "{symbol}"

[strategies.parameters]
quantity = 0.02
enter_obi = 0.05
hold_obi = 0.0
exit_obi = 1.0
confirm_updates = 10000
stop_bps = 200
trail_start_bps = 500
cooldown_ms = 0
max_hold_s = 1
"""
"""Enters as soon as it may and leaves a second later: an account that trades is seen at once."""


class Account:
    """One account of a profile for a test."""

    def __init__(self, name: str, venue: str = "binance", *, surf: bool = False) -> None:
        self.name = name
        self.venue = venue
        self.symbol = MARKETS[venue]
        self.surf = surf
        self.keys = "sim"
        self.urls: dict[str, str] = {}

    def outside(self, keys: str, urls: dict[str, str]) -> Account:
        """Let it trade on an exchange that runs elsewhere."""
        self.keys, self.urls = f"env:{keys}", urls
        return self

    def text(self) -> str:
        """Return its part of a profile."""
        urls = "".join(f'{name} = "{url}"\n' for name, url in self.urls.items())
        return (
            f'\n[[accounts]]\nname = "{self.name}"\nvenue = "{self.venue}"\nenvironment = "sim"\n'
            f'symbols = ["{self.symbol}"]\nkeys = "{self.keys}"\n{_LIMITS}'
            + (f"[accounts.urls]\n{urls}" if urls else "")
            + (_SURF.format(name=self.name, symbol=self.symbol) if self.surf else "")
        )


def write_accounts(name: str, accounts: Iterable[Account]) -> str:
    """Write a profile of accounts, with an exchange for each venue that one needs."""
    accounts = list(accounts)
    text = 'schema = 1\ntitle = "For a test"\nsizes = ["0.001"]\n'
    for venue in dict.fromkeys(one.venue for one in accounts if one.keys == "sim"):
        text += f'\n[[exchanges]]\nvenue = "{venue}"\nsymbols = ["{MARKETS[venue]}"]\n'
    folder = Paths.from_environment().profiles
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text + "".join(one.text() for one in accounts))
    return name


def account(host: HostProcess, name: str) -> AccountStatus:
    """Return what a host says about an account."""
    status = host.status()
    assert status is not None
    return next(one for one in status.accounts if one.name == name)


def wait_account(
    host: HostProcess, name: str, accept: Callable[[AccountStatus], bool], limit_s: float = 10.0
) -> AccountStatus:
    """Return what a host says about an account once it is accepted."""

    def look() -> AccountStatus | None:
        found = account(host, name)
        return found if accept(found) else None

    return wait_for(look, limit_s, f"{name} did not become so: {account(host, name)}")


def child_of(host: HostProcess, venue: str) -> int:
    """Return the process of a host's exchange."""
    for pid in children(host.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if "exchange" in words and words[words.index("--venue") + 1] == venue:
            return pid
    raise AssertionError(f"no exchange of {venue} among {children(os.getpid())}")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
