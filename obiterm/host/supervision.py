"""Keep each account running, whatever happens to the others (R126)."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from obiterm.core.errors import AccountStopped, ObitermError
from obiterm.engine.account import AccountEngine
from obiterm.host.publisher import Publisher
from obiterm.journal.log import Journal
from obiterm.net.backoff import Backoff

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_STEADY_AFTER_S = 60.0
"""An account that ran this long before it failed starts again with the first wait."""
_CHECKPOINT_S = 5.0

_LOG = logging.getLogger("obiterm.host")


async def supervise(engine: AccountEngine, publisher: Publisher) -> None:
    """Run one account; start it again when it fails, later and later.

    An account that the venue has stopped (key, permission, ban) is not started again: every
    further try would make it worse. A kill that is under way goes on by itself meanwhile.
    """
    backoff = Backoff(first_s=_FIRST_WAIT_S, ceiling_s=_LONGEST_WAIT_S)
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await engine.run()
            reason: BaseException = RuntimeError("it ended by itself")
        except Exception as error:  # task boundary: this account alone, told on the screen
            reason = innermost(error)
        if isinstance(reason, AccountStopped):
            engine.trouble = f"stopped by the venue: {reason}"
            publisher.tell(engine.name, engine.trouble)
            return
        if asyncio.get_running_loop().time() - began > _STEADY_AFTER_S:
            backoff.reset()
        engine.trouble = f"restarting after {type(reason).__name__}: {reason}"
        _LOG.error("%s: %s", engine.name, engine.trouble, exc_info=reason)
        publisher.tell(engine.name, engine.trouble)
        await asyncio.sleep(backoff.next_s())
        engine.trouble = ""


def innermost(error: BaseException) -> BaseException:
    """Return the first real failure inside the groups that tasks wrap around it."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


async def keep_journal(journal: Journal, publisher: Publisher) -> None:
    """Bring the journal to the medium every few seconds, off the engines' thread."""
    while True:
        await asyncio.sleep(_CHECKPOINT_S)
        publisher.journal_rows = journal.rows_written
        with contextlib.suppress(ObitermError):
            await asyncio.to_thread(journal.checkpoint)
