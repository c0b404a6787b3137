"""A headless run at a finite speed: two processes, real sockets, then a summary."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import httpx
import msgspec

from obiterm.cli.host import run_loop
from obiterm.cli.progress import Progress
from obiterm.cli.summary import (
    Summary,
    digest,
    make_summary,
    market_counts,
    print_summary,
    slowest_us,
    verified,
)
from obiterm.cli.tally import ExchangeLedger, Tally, totals
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit
from obiterm.host.exchanges import HostedExchange
from obiterm.host.run import HostResult, RunningHost, run_host

_SETTLE_LIMIT_S = 15.0
_SETTLE_LOOKS = 50
_POLL_S = 0.1
_ANSWER_LIMIT_S = 5.0


def run_headless(options: argparse.Namespace, profile: Profile, command: str) -> int:
    """Run for ``--seconds`` (or to the capture's end), flatten, stop, summarise.

    Ctrl+C and SIGTERM end the run early in the same way; the exit code is then 1.
    """
    run = _Run(profile, options.seconds, command)
    result = run_loop(run.go())
    summary = run.summary(result)
    print_summary(summary, as_json=options.json)
    if not run.finished:
        print(f"obiterm: ended early: {result.reason}", file=sys.stderr)
    if result.left:
        print(f"obiterm: not confirmed by the venue: {', '.join(result.left)}", file=sys.stderr)
    unconfirmed = [one.name for one in summary.accounts if one.open_orders_at_exchange is None]
    for one in summary.accounts:
        if one.trouble:
            print(f"obiterm: {one.name}: {one.trouble}", file=sys.stderr)
        for words in one.left:
            print(f"obiterm: {one.name}: a position is left: {words}", file=sys.stderr)
    good = summary.journal_verified and not summary.open_orders_at_exchange and not summary.faults
    good = good and not unconfirmed and not any(one.left for one in summary.accounts)
    return 0 if good and run.finished and not result.left else 1


class _Run:
    """One headless run from start to summary."""

    def __init__(self, profile: Profile, seconds: float | None, command: str) -> None:
        self._profile = profile
        self._seconds = seconds
        self._command = command
        self._tallies: list[Tally] = []
        self._exchanges: list[HostedExchange] = []
        self._took_s = 0.0
        self._began = 0.0
        self.finished = False

    async def go(self) -> HostResult:
        """Run the host with a conductor beside it."""
        async with asyncio.TaskGroup() as group:
            conductor: list[asyncio.Task[None]] = []

            def ready(running: RunningHost) -> None:
                conductor.append(group.create_task(self._conduct(running)))

            result = await run_host(
                self._profile, Paths.from_environment(), on_ready=ready, before_end=self._close
            )
            for task in conductor:
                task.cancel()
        return result

    async def _conduct(self, running: RunningHost) -> None:
        """Let the run last as long as it should, then ask the host to end."""
        self._tallies = [Tally(slot) for slot in running.slots]
        self._exchanges = running.exchanges
        self._began = time.monotonic()
        progress = Progress("trading", "s")
        try:
            async with httpx.AsyncClient(timeout=_ANSWER_LIMIT_S) as client:
                while not await self._is_over(client):
                    for tally in self._tallies:
                        tally.look()
                    passed = time.monotonic() - self._began
                    progress.show(int(passed), int(self._seconds or 0))
                    left_s = self._seconds - passed if self._seconds is not None else _POLL_S
                    await asyncio.sleep(max(0.0, min(_POLL_S, left_s)))
        finally:
            progress.end()
        self.finished = True
        running.service.ask_stop("end of run")

    async def _is_over(self, client: httpx.AsyncClient) -> bool:
        if all(tally.slot.is_stopped for tally in self._tallies):
            return True  # nobody will ever trade
        if self._seconds is not None:
            return time.monotonic() - self._began >= self._seconds
        address = self._exchanges[0].address
        try:
            reply = await client.get(f"{address.rest}/_exchange/state") if address else None
        except httpx.HTTPError:
            return False  # the host watches the exchange, and ends the run when it is gone
        return reply is not None and bool(reply.json().get("ended"))

    async def _close(self, running: RunningHost) -> None:
        """Flatten, let the last messages arrive, and take the exchange's word for what is left."""
        self._took_s = time.monotonic() - self._began
        running.service.command_all(EmergencyExit(account=ALL_ACCOUNTS), "end of run")
        await running.service.panic_done(_SETTLE_LIMIT_S)
        await self._settle()
        async with httpx.AsyncClient(timeout=_ANSWER_LIMIT_S) as client:
            for exchange in self._exchanges:
                await self._read_ledger(exchange, client)

    async def _read_ledger(self, exchange: HostedExchange, client: httpx.AsyncClient) -> None:
        """Take an exchange's word; one that is down leaves its accounts unconfirmed."""
        address = exchange.address
        if address is None:
            return
        try:
            reply = await client.get(f"{address.rest}/_exchange/ledger")
        except httpx.HTTPError:
            return
        ledger = msgspec.json.decode(reply.content, type=ExchangeLedger)
        for number, account in enumerate(exchange.accounts):
            tally = next(one for one in self._tallies if one.slot.name == account.name)
            tally.look()
            tally.take(ledger, address.accounts[number].name)

    async def _settle(self) -> None:
        """Wait until no message of a capture that has ended is under way any more."""
        if self._seconds is not None:
            return
        counts: list[dict[str, int]] = [{}]
        for _ in range(_SETTLE_LOOKS):
            counts.append(self._counts())
            if counts[-1] == counts[-2]:
                return
            await asyncio.sleep(_POLL_S)

    def _counts(self) -> dict[str, int]:
        return market_counts(kernel for tally in self._tallies for kernel in tally.kernels)

    def summary(self, result: HostResult) -> Summary:
        """Return what happened."""
        ok, rows = verified(result.journal)
        tallies = self._tallies
        engines = [engine for tally in tallies for engine in tally.engines]
        exchange = self._profile.exchanges[0]
        return make_summary(
            {
                "command": self._command,
                "symbol": ", ".join(symbol for tally in tallies for symbol in tally.slot.symbols),
                "speed": f"{exchange.speed:g}" if exchange.capture else "1",
                "seconds": round(self._took_s, 3),
                **self._counts(),
                **totals(tallies),
                "tick_to_order_us": slowest_us(engine.decisions for engine in engines),
                "open_orders_at_exchange": sum(tally.open_orders or 0 for tally in tallies),
                "journal": str(result.journal),
                "journal_rows": rows,
                "journal_verified": ok,
                "orders_digest": digest(engine.orders_sent for engine in engines),
                "fills_digest": digest(fill for tally in tallies for fill in tally.fills),
                "state": tallies[0].slot.state.value,
                "accounts": [tally.summary() for tally in tallies],
            }
        )
