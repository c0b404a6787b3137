"""Tasks that a gateway starts while it handles an event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class TaskSet:
    """Holds tasks until they end; ``stop`` ends them all.

    Args:
        on_error: hears of a task that failed; without it nobody does.
    """

    def __init__(self, on_error: Callable[[BaseException], None] | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_error = on_error

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start ``work``. It must let no expected error out: nobody waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._on_error is None or task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._on_error(error)

    async def stop(self) -> None:
        """Cancel what still runs and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
