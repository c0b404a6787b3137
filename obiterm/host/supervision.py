"""Keep each account running, whatever happens to the others (R126)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable

from obiterm.config.models import AccountProfile
from obiterm.core.errors import AccountStopped, ObitermError, Refused, RetryLater, UsageError
from obiterm.core.values import NS_PER_MS, NS_PER_S
from obiterm.engine.account import AccountEngine
from obiterm.engine.gateway import Gateway
from obiterm.engine.hub import Hub
from obiterm.host.build import EngineBuilder, HubRegistry, account_keys
from obiterm.host.exchanges import HostedExchange
from obiterm.host.publisher import Publisher
from obiterm.host.slots import AccountSlot
from obiterm.journal.log import Journal
from obiterm.net.backoff import Backoff

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0
"""A venue that comes back is traded again within ten seconds."""
_STEADY_AFTER_S = 60.0
"""An account that ran this long before it failed starts again with the first wait."""
_CHECKPOINT_S = 5.0

_LOG = logging.getLogger("obiterm.host")


class Supervisor:
    """Prepares one account, runs its engine, and starts it again when it fails.

    Failures that pass (no answer, a limit, a crash) are tried again, later and later. What a
    human has to mend (key, permission, mode, an unknown symbol) is tried once: every further
    try would make it worse. ``Rearm`` of the account tries it again.
    """

    def __init__(
        self,
        account: AccountProfile,
        slot: AccountSlot,
        exchange: HostedExchange | None,
        hubs: HubRegistry,
        builder: EngineBuilder,
        publisher: Publisher,
    ) -> None:
        self._account = account
        self._slot = slot
        self._exchange = exchange
        self._hubs = hubs
        self._builder = builder
        self._publisher = publisher
        self._backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        self._door: tuple[Hub, Gateway] | None = None

    async def run(self) -> None:
        """Keep the account until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._once()
                reason: BaseException = RuntimeError("it ended by itself")
            except ExchangeLost:
                await self._begin_anew()
                continue
            except Exception as error:  # task boundary: this account alone, told on the screen
                reason = innermost(error)
            if is_final(reason):
                await self._stop(reason)
                continue
            if loop.time() - began > _STEADY_AFTER_S:
                self._backoff.reset()
            await self._wait(reason)

    async def _once(self) -> None:
        """Prepare the account if it is not, then run its engine until it fails."""
        exchange = self._exchange
        if exchange is not None:
            if exchange.address is None:
                self._suffer(exchange.trouble)
            await exchange.until_up()
            await _either(self._prepare_and_run(), exchange.until_down())
        else:
            await self._prepare_and_run()

    async def _prepare_and_run(self) -> None:
        engine = self._slot.engine
        if engine is None:
            engine = await self._prepare()
        running = asyncio.create_task(engine.run())
        try:
            await asyncio.sleep(0)  # its first row is in the journal before any command's
            self._slot.take(engine)
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _prepare(self) -> AccountEngine:
        """Ask the venue for everything; the connection is kept between tries."""
        if self._door is None:
            self._door = await self._open()
        hub, gateway = self._door
        return await self._builder.build(self._account, self._slot, hub, gateway)

    async def _open(self) -> tuple[Hub, Gateway]:
        exchange = self._exchange
        if exchange is None:
            keys = account_keys(self._account)
            hub = await self._hubs.hub(self._account)
            return hub, hub.gateway(keys)
        address = await exchange.until_up()
        hub = await self._hubs.hub(self._account, address, exchange.life)
        keys = address.keys(exchange.accounts.index(self._account))
        return hub, hub.gateway(keys, is_fresh=True)

    async def _begin_anew(self) -> None:
        """Forget an engine whose exchange is gone: nothing that it knew is there any more."""
        for held in self._slot.lose():
            self._publisher.tell(
                self._slot.name, f"{held} ended with the exchange: its new process has no position"
            )
        self._door = None
        self._backoff.reset()
        self._suffer(self._exchange.trouble if self._exchange is not None else "")

    async def _stop(self, reason: BaseException) -> None:
        """Tell what a human has to mend, and wait until one says that it is."""
        if isinstance(reason, AccountStopped | Refused):
            hint = "" if reason.hint else " (check its key, the key's rights and environment)"
            words = f"stopped by the venue: {reason}{hint}"
        else:
            words = f"cannot start: {reason}"
        self._builder.give_up(self._account.name)
        self._suffer(f"{words}; mend it, then re-arm the account to try again")
        self._slot.is_stopped = True
        self._slot.retry.clear()
        await self._slot.retry.wait()
        self._slot.is_stopped = False
        self._slot.suffer("connecting")

    async def _wait(self, reason: BaseException) -> None:
        """Tell why it does not trade, and wait before the next try."""
        slot = self._slot
        if isinstance(reason, ObitermError | OSError | TimeoutError):
            text = f"{reason or type(reason).__name__}"
        else:
            text = f"{type(reason).__name__}: {reason}"
            _LOG.error("%s: %s", slot.name, text, exc_info=reason)
        words = "not connected:" if slot.engine is None else "restarting after"
        self._suffer(f"{words} {text}")
        wait_s = self._backoff.next_s()
        if isinstance(reason, RetryLater):
            wait_s = max(wait_s, reason.retry_after_ms * NS_PER_MS / NS_PER_S)
        slot.retry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await slot.retry.wait()

    def _suffer(self, text: str) -> None:
        """Show why the account does not trade; a reason that stays is told once."""
        if text != self._slot.trouble:
            self._publisher.tell(self._slot.name, text)
        self._slot.suffer(text)


class ExchangeLost(ObitermError):
    """The simulated exchange of the account is gone, and its ledger with it."""

    title = "exchange"


async def _either(work: Awaitable[None], gone: Awaitable[None]) -> None:
    """Run ``work`` until it ends or its exchange is gone; raise what it raises, or that."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(gone)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if not isinstance(results[1], BaseException):
        raise ExchangeLost("the simulated exchange ended")
    if isinstance(results[0], BaseException):
        raise results[0]


def is_final(reason: BaseException) -> bool:
    """Return whether trying again would be refused again, or make it worse."""
    return isinstance(reason, AccountStopped | Refused | UsageError)


def innermost(error: BaseException) -> BaseException:
    """Return the real failure inside the groups that tasks wrap around it.

    What a human has to mend comes before what else failed along with it.
    """
    if not isinstance(error, BaseExceptionGroup) or not error.exceptions:
        return error
    found = [innermost(one) for one in error.exceptions]
    return next((one for one in found if is_final(one)), found[0])


async def keep_journal(journal: Journal, publisher: Publisher) -> None:
    """Bring the journal to the medium every few seconds, off the engines' thread."""
    while True:
        await asyncio.sleep(_CHECKPOINT_S)
        publisher.journal_rows = journal.rows_written
        with contextlib.suppress(ObitermError):
            await asyncio.to_thread(journal.checkpoint)
