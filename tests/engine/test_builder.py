"""Accounts are built beside accounts that trade: nothing of one holds up the others."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from obiterm.config.keys import ApiKeys
from obiterm.config.profiles import load_profile
from obiterm.core.errors import RetryLater
from obiterm.core.values import Symbol
from obiterm.engine.latches import LatchStore
from obiterm.engine.venues import open_hub
from obiterm.exchange.serve import ExchangeServer, ServeOptions
from obiterm.host import build
from obiterm.host.build import EngineBuilder
from obiterm.host.inheritance import EarlierRuns, read_earlier
from obiterm.host.journal_books import JournalFile
from obiterm.host.slots import AccountSlot
from obiterm.journal.log import Journal
from obiterm.net.clock import SteadyClock
from tests.trading_support.crowd import addresses

PROFILE = """
schema = 1
title = "For a test"

[[accounts]]
name = "main"
venue = "backpack"
environment = "sim"
symbols = ["SOL_USDC_PERP"]
keys = "env:MAIN"

[accounts.urls]
rest = "http://127.0.0.1:9"
stream = "ws://127.0.0.1:9"
"""


async def test_the_journal_is_read_once_and_never_in_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long journal takes a second to read; accounts of the same loop trade meanwhile."""
    threads: list[int] = []

    def read(journal: JournalFile, account: str) -> EarlierRuns:
        threads.append(threading.get_ident())
        return read_earlier(journal, account)

    monkeypatch.setattr(build, "read_earlier", read)
    path = tmp_path / "for-a-test.toml"
    path.write_text(PROFILE)
    profile = load_profile("for-a-test", user_dir=tmp_path)
    [account] = profile.accounts
    clock = SteadyClock()
    latches = LatchStore(tmp_path / "latches")
    async with ExchangeServer(ServeOptions(venue="backpack", symbol="SOL_USDC_PERP")) as server:
        hub = open_hub("backpack", account.environment, addresses(server), clock)
        journal = Journal.open(tmp_path / "a.journal")
        try:
            keys = server.accounts[0]
            gateway = hub.gateway(ApiKeys(keys.api_key, keys.api_secret))
            builder = EngineBuilder(profile, journal, latches, clock, _unheard, _unheard)
            slot = AccountSlot(account, latches, clock)
            with monkeypatch.context() as down:
                down.setattr(gateway, "prepare", _not_yet)
                for _ in range(2):
                    with pytest.raises(RetryLater):
                        await builder.build(account, slot, hub, gateway)
            engines = [await builder.build(account, slot, hub, gateway) for _ in range(2)]
            await slot.close()
        finally:
            await hub.close()
            journal.close()
    assert len(threads) == 2  # once for the tries of each engine
    assert threading.get_ident() not in threads
    assert len({engine.record.run for engine in engines} | {builder.run}) == 3


async def _not_yet(symbols: Iterable[Symbol]) -> None:
    raise RetryLater("busy", "not yet")


def _unheard(account: str, told: object) -> None:
    """Take what nobody listens to here."""
