"""The simulated exchanges of a profile: each is started, watched and started again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from obiterm.config.models import AccountProfile, ExchangeProfile, Profile
from obiterm.core.errors import ObitermError
from obiterm.host.exchange_child import ExchangeAddress, ExchangeChild, ExchangeGone
from obiterm.net.backoff import Backoff

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 10.0
_STEADY_AFTER_S = 60.0
"""An exchange that ran this long before it ended starts again with the first wait."""

_LOG = logging.getLogger("obiterm.host")


class HostedExchange:
    """One simulated exchange. Its ledger ends with its process, its port does not.

    A process that ends by itself is started again on the same port. The new one knows no
    order, position or fill of the old one: for its accounts the venue's truth is that nothing
    is there, so they begin anew (their trading state and the day's result stay).

    Attributes:
        profile: what it plays.
        accounts: the accounts that trade here, in the order of its keys.
        life: how many processes there have been.
        trouble: why it does not answer; empty while it does.
    """

    def __init__(self, profile: ExchangeProfile, accounts: Sequence[AccountProfile]) -> None:
        self.profile = profile
        self.accounts = list(accounts)
        self.life = 0
        self.trouble = "the simulated exchange does not run yet"
        self._child: ExchangeChild | None = None
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._port = profile.port

    @property
    def address(self) -> ExchangeAddress | None:
        """Where it answers; ``None`` while no process does."""
        return self._child.address if self._child is not None else None

    @property
    def pid(self) -> int:
        """The process that answers; 0 while none does."""
        return self._child.pid if self._child is not None else 0

    async def start(self) -> None:
        """Start it for the first time.

        Raises:
            UsageError: it refuses what the profile asks for, in its own words.
            ExchangeGone: it failed to start, or did not in time.
        """
        self._child = await ExchangeChild.start(self.profile, len(self.accounts), self._port)
        self._port = self._child.address.port
        self.life += 1
        self.trouble = ""
        self._down = asyncio.Event()
        self._up.set()

    async def keep(self, tell: Callable[[str], None]) -> None:
        """Start it again whenever it ends, until cancelled; ``tell`` hears of it.

        Raises:
            ExchangeGone: a replay ended by itself; it cannot go on from where it broke.
        """
        backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
        loop = asyncio.get_running_loop()
        while True:
            if self._child is None:
                await self._start_again(backoff, tell)
                tell(f"the simulated exchange of {self.profile.venue} is back")
            began = loop.time()
            try:
                await self._until_gone()
                return
            except ExchangeGone as error:
                self._lost(error)
                if self.profile.capture is not None:
                    raise
                self._suffer(error, tell)
            if loop.time() - began > _STEADY_AFTER_S:
                backoff.reset()

    async def _until_gone(self) -> None:
        if self._child is not None:
            await self._child.until_gone()

    async def _start_again(self, backoff: Backoff, tell: Callable[[str], None]) -> None:
        while self._child is None:
            await asyncio.sleep(backoff.next_s())
            try:
                await self.start()
            except (ObitermError, OSError) as error:  # e.g. somebody has taken its port
                self._suffer(error, tell)

    async def until_up(self) -> ExchangeAddress:
        """Wait until it answers; return where."""
        while (address := self.address) is None:
            await self._up.wait()
        return address

    async def until_down(self) -> None:
        """Wait until the process that answers now is gone."""
        await self._down.wait()

    async def stop(self) -> None:
        """End it."""
        if self._child is not None:
            await self._child.stop()

    def _lost(self, error: ExchangeGone) -> None:
        self._child = None
        self.trouble = error.message
        self._up.clear()
        self._down.set()

    def _suffer(self, error: Exception, tell: Callable[[str], None]) -> None:
        self.trouble = f"{error}; it is being started again"
        _LOG.error("%s: %s", self.profile.venue, self.trouble)
        tell(self.trouble)


def hosted_exchanges(profile: Profile) -> list[HostedExchange]:
    """Return the exchanges of a profile with the accounts that trade on each; none is started."""
    return [
        HostedExchange(
            exchange, [one for one in profile.accounts if profile.exchange_of(one) == number]
        )
        for number, exchange in enumerate(profile.exchanges)
    ]
