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
from obiterm.engine.account import AccountEngine
from obiterm.host.exchange_child import ExchangeChild, ExchangeGone
from obiterm.host.run import HostResult, RunningHost, run_host

_SETTLE_LIMIT_S = 15.0
_SETTLE_LOOKS = 50
_POLL_S = 0.1
_ANSWER_LIMIT_S = 5.0


class _Ledger(msgspec.Struct):
    """What the exchange itself says, by account."""

    accounts: dict[str, dict[str, object]]
    self_trades: list[object]


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
    good = summary.journal_verified and not summary.open_orders_at_exchange and not summary.faults
    return 0 if good and run.finished and not result.left else 1


class _Run:
    """One headless run from start to summary."""

    def __init__(self, profile: Profile, seconds: float | None, command: str) -> None:
        self._profile = profile
        self._seconds = seconds
        self._command = command
        self._ledger = _Ledger({}, [])
        self._engines: list[AccountEngine] = []
        self._child: ExchangeChild | None = None
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
        self._engines = running.engines
        self._child = running.child
        self._began = time.monotonic()
        progress = Progress("trading", "s")
        try:
            async with httpx.AsyncClient(timeout=_ANSWER_LIMIT_S) as client:
                while not await self._is_over(client):
                    passed = time.monotonic() - self._began
                    progress.show(int(passed), int(self._seconds or 0))
                    left_s = self._seconds - passed if self._seconds is not None else _POLL_S
                    await asyncio.sleep(max(0.0, min(_POLL_S, left_s)))
        finally:
            progress.end()
        self.finished = True
        running.service.ask_stop("end of run")

    async def _is_over(self, client: httpx.AsyncClient) -> bool:
        if self._seconds is not None:
            return time.monotonic() - self._began >= self._seconds
        try:
            reply = await client.get(f"{self._rest}/_exchange/state")
        except httpx.HTTPError:
            return False  # the host watches the exchange, and ends the run when it is gone
        return bool(reply.json().get("ended"))

    async def _close(self, running: RunningHost) -> None:
        """Flatten, let the last messages arrive, and take the exchange's word for what is left."""
        self._took_s = time.monotonic() - self._began
        running.service.command_all(EmergencyExit(account=ALL_ACCOUNTS), "end of run")
        await running.service.panic_done(_SETTLE_LIMIT_S)
        await self._settle()
        try:
            async with httpx.AsyncClient(timeout=_ANSWER_LIMIT_S) as client:
                reply = await client.get(f"{self._rest}/_exchange/ledger")
        except httpx.HTTPError as error:
            running.service.ask_stop(f"no ledger: {error}")
            raise ExchangeGone(
                f"the simulated exchange does not tell its ledger: {error}"
            ) from None
        self._ledger = msgspec.json.decode(reply.content, type=_Ledger)

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
        counts: dict[str, int] = {}
        for engine in self._engines:
            for name, value in market_counts(engine.kernel).items():
                counts[name] = counts.get(name, 0) + value
        return counts

    @property
    def _rest(self) -> str:
        """The exchange that tells its ledger: our own, where there is one."""
        return self._child.address.rest if self._child else self._engines[0].gateway.rest_url

    def summary(self, result: HostResult) -> Summary:
        """Return what happened."""
        kernels = [engine.kernel for engine in self._engines]
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
                **self._counts(),
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
