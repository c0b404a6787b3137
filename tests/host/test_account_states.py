"""Accounts that cannot trade, on every venue: each says why and what to do, beside a good one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.exchange.serve import AccountOptions, ExchangeServer, ServeOptions
from obiterm.host.exchange_child import ExchangeAddress
from obiterm.host.run import RunningHost, run_host
from obiterm.host.slots import AccountSlot
from tests.host.accounts import MARKETS, Account, write_accounts

DEADLINE_S = 20.0
HEDGING = ("bybit", "binance-futures")
POOR = AccountOptions(name="poor", balances={"USDT": Decimal(0), "USDC": Decimal(0)})
ACCOUNTS = [
    AccountOptions(name="good"),
    AccountOptions(name="reader", may_trade=False),
    POOR,
]


async def until(condition: Callable[[], bool], limit_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - any state of the program may be waited for
            await asyncio.sleep(0.01)


def told(running: RunningHost, slot: AccountSlot) -> list[str]:
    """Return the log lines of an account that tell of its trouble."""
    lines = running.service._publisher._lines
    return [one.text for one in lines if one.account == slot.name and one.text == slot.trouble]


@pytest.mark.parametrize("venue", list(MARKETS))
async def test_each_says_why_it_does_not_trade(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hedge = [AccountOptions(name="hedge", hedge_mode=True)] if venue in HEDGING else []
    async with ExchangeServer(ServeOptions(venue=venue, accounts=[*ACCOUNTS, *hedge])) as server:
        address = msgspec.convert(msgspec.to_builtins(server.announcement()), ExchangeAddress)
        accounts = []
        for keys in address.accounts:
            prefix = keys.name.upper()
            monkeypatch.setenv(f"{prefix}_KEY", keys.api_key)
            monkeypatch.setenv(f"{prefix}_SECRET", keys.api_secret)
            account = Account(keys.name, venue, surf=True).outside(prefix, address.urls())
            accounts.append(account)
        profile = load_profile(
            write_accounts("states", accounts), user_dir=Paths.from_environment().profiles
        )
        ready: asyncio.Future[RunningHost] = asyncio.get_running_loop().create_future()
        host = asyncio.create_task(
            run_host(
                profile,
                Paths.from_environment(),
                on_ready=ready.set_result,
                handle_signals=False,
            )
        )
        running = await asyncio.wait_for(ready, DEADLINE_S)
        slots = {slot.name: slot for slot in running.slots}
        good = slots["good"]
        await until(lambda: good.engine is not None and good.engine.orders_sent > 0)
        stopped = [slots["reader"], *(slots[one.name] for one in hedge)]
        await until(lambda: all(slot.is_stopped for slot in stopped))
        for slot in stopped:
            assert slot.trouble.startswith("stopped by the venue: ")
            assert slot.trouble.endswith("mend it, then re-arm the account to try again")
            assert "(" in slot.trouble, "it does not say what to do"
            assert len(told(running, slot)) == 1
        standing = {one.name: one.word for one in running.service.status().accounts}
        assert {standing[slot.name] for slot in stopped} == {"STOPPED"}
        assert standing["good"] == running.service.status().state == "ACTIVE"
        assert "trade" in slots["reader"].trouble or "rights" in slots["reader"].trouble
        if hedge:
            assert "hedge mode" in slots["hedge"].trouble
        poor = slots["poor"]
        await until(lambda: "empty" in poor.trouble)
        assert "transfer" in poor.trouble
        assert poor.engine is None or poor.engine.orders_sent == 0
        sent = good.engine.orders_sent if good.engine is not None else 0
        await until(lambda: good.engine is not None and good.engine.orders_sent > sent)
        assert good.trouble == ""
        running.service.ask_stop("test over")
        result = await asyncio.wait_for(host, DEADLINE_S)
        assert result.left == ()
