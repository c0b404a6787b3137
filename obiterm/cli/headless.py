"""A headless run at a finite speed: two processes, real sockets, then a summary."""

from __future__ import annotations

import argparse
import asyncio
import time

import httpx
import msgspec

from obiterm.cli.host import run_loop
from obiterm.cli.progress import Progress
from obiterm.cli.summary import (
    Summary,
    digest,
    latency_us,
    make_summary,
    market_counts,
    money,
    print_summary,
    trips,
    verified,
)
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit
from obiterm.core.errors import DataError
from obiterm.engine.account import AccountEngine
from obiterm.host.run import HostResult, RunningHost, run_host

_SETTLE_LIMIT_S = 15.0
_POLL_S = 0.05


class _Ledger(msgspec.Struct):
    """What the exchange itself says, by account."""

    accounts: dict[str, dict[str, object]]
    self_trades: list[object]


def run_headless(options: argparse.Namespace, profile: Profile, command: str) -> int:
    """Run for ``--seconds`` (or to the capture's end), flatten, stop, summarise."""
    seconds = options.seconds
    run = _Run(profile, seconds, command)
    result = run_loop(run.go())
    summary = run.summary(result)
    print_summary(summary, as_json=options.json)
    return 0 if summary.journal_verified and not summary.open_orders_at_exchange else 1


class _Run:
    """One headless run from start to summary."""

    def __init__(self, profile: Profile, seconds: float | None, command: str) -> None:
        self._profile = profile
        self._seconds = seconds
        self._command = command
        self._ledger = _Ledger({}, [])
        self._engines: list[AccountEngine] = []
        self._took_s = 0.0

    async def go(self) -> HostResult:
        """Run the host with a conductor beside it."""
        ready: asyncio.Future[RunningHost] = asyncio.get_running_loop().create_future()
        host = asyncio.create_task(
            run_host(self._profile, Paths.from_environment(), on_ready=ready.set_result)
        )
        host.add_done_callback(lambda _: ready.done() or ready.cancel())
        try:
            running = await ready
        except asyncio.CancelledError:
            return await host
        await self._conduct(running)
        return await host

    async def _conduct(self, running: RunningHost) -> None:
        self._engines = running.engines
        began = time.monotonic()
        progress = Progress("trading", "s")
        async with httpx.AsyncClient(timeout=5.0) as client:
            rest = running.engines[0].gateway.rest_url
            while self._seconds is None or time.monotonic() - began < self._seconds:
                await asyncio.sleep(_POLL_S)
                progress.show(int(time.monotonic() - began), int(self._seconds or 0))
                if self._seconds is None and await self._ended(client, rest):
                    break
                if running.child is not None and running.child.ended:
                    running.service.ask_stop("the simulated exchange ended")
                    raise DataError("the simulated exchange ended during the run")
            self._took_s = time.monotonic() - began
            progress.end()
            running.service.command_all(EmergencyExit(account=ALL_ACCOUNTS), "end of run")
            await running.service.panic_done(_SETTLE_LIMIT_S)
            reply = await client.get(f"{rest}/_exchange/ledger")
            self._ledger = msgspec.json.decode(reply.content, type=_Ledger)
        running.service.ask_stop("end of run")

    @staticmethod
    async def _ended(client: httpx.AsyncClient, rest: str) -> bool:
        """Return whether a capture has been played to its end."""
        reply = await client.get(f"{rest}/_exchange/state")
        return bool(reply.json().get("ended"))

    def summary(self, result: HostResult) -> Summary:
        """Return what happened."""
        kernels = [engine.kernel for engine in self._engines]
        counts: dict[str, int] = {}
        for kernel in kernels:
            for name, value in market_counts(kernel).items():
                counts[name] = counts.get(name, 0) + value
        round_trips, wins = trips(kernels)
        ok, rows = verified(result.journal)
        accounts = self._ledger.accounts.values()
        fills = [fill for account in accounts for fill in _list(account, "fills")]
        left = sum(len(_list(account, "open_orders")) for account in accounts)
        exchange = self._profile.exchange
        first = self._engines[0]
        return make_summary(
            {
                "command": self._command,
                "symbol": next(iter(first.kernel.markets)),
                "speed": f"{exchange.speed:g}" if exchange and exchange.capture else "1",
                "seconds": round(self._took_s, 3),
                **counts,
                "orders_sent": sum(engine.orders_sent for engine in self._engines),
                "fills": len(fills),
                "round_trips": round_trips,
                "wins": wins,
                **money(kernels),
                "tick_to_order_us": latency_us(first.decisions),
                "risk_refusals": sum(kernel.gate.refusals for kernel in kernels),
                "faults": sum(engine.faults for engine in self._engines),
                "open_orders_at_exchange": left,
                "journal": str(result.journal),
                "journal_rows": rows,
                "journal_verified": ok,
                "orders_digest": digest(engine.orders_sent for engine in self._engines),
                "fills_digest": digest(fills),
                "state": first.kernel.state.value,
            }
        )


def _list(account: dict[str, object], name: str) -> list[object]:
    value = account.get(name)
    return value if isinstance(value, list) else []
