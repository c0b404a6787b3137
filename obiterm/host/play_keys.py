"""Where the simulated exchanges of a host answer, for who must reach them without the host.

The file holds addresses and the keys that the simulated exchanges made up for this run: play
keys. Keys of a real venue are never written anywhere; who acts directly reads them from
where the profile says.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from obiterm.config.keys import ApiKeys
from obiterm.config.paths import Paths
from obiterm.core.errors import RetryLater
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.host.exchanges import HostedExchange


class Hosted(msgspec.Struct, frozen=True):
    """One simulated exchange that runs."""

    address: ExchangeAddress
    accounts: list[str]
    """Names of the profile's accounts that trade there, in the order of its keys."""
    pid: int
    life: int

    @property
    def is_alive(self) -> bool:
        """Return whether its process is there; its ledger ends with it."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        with contextlib.suppress(OSError, IndexError):  # Linux tells one that is only not reaped
            stat = Path(f"/proc/{self.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] not in "ZX"
        return True

    def keys(self, account: str) -> ApiKeys:
        """Return the keys of one of its accounts."""
        return self.address.keys(self.accounts.index(account))


def play_keys_path(paths: Paths, profile: str) -> Path:
    """Return the file of a profile's host."""
    return paths.run / f"{profile}.exchanges"


def write_play_keys(path: Path, exchanges: Iterable[HostedExchange]) -> None:
    """Note the exchanges that answer now, for this user alone (0600); best effort."""
    found = [
        Hosted(one.address, [account.name for account in one.accounts], one.pid, one.life)
        for one in exchanges
        if one.address is not None
    ]
    part = path.with_suffix(".part")
    with contextlib.suppress(OSError):
        if not found:
            path.unlink(missing_ok=True)
            return
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with contextlib.closing(os.fdopen(descriptor, "wb")) as file:
            file.write(msgspec.json.encode(found))
        part.replace(path)


def read_play_keys(path: Path, account: str) -> Hosted:
    """Return the exchange of an account.

    Raises:
        RetryLater: none is noted for it: it does not run, or is being started again.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Hosted])
    except (OSError, msgspec.DecodeError):
        found = []
    for one in found:
        if account in one.accounts:
            return one
    raise RetryLater("", f"nothing tells where the simulated exchange of {account} answers")
