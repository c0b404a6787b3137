"""The host's end of the Unix socket: many viewers, none of which can hold it up.

::

    server = LinkServer(paths.socket("demo"), handler)
    await server.start()      # UsageError when another host serves this path
    ...
    await server.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path

from obiterm.core.errors import UsageError
from obiterm.link.connection import CLOSE_WITHIN_S, Connection, LinkHandler, Viewer
from obiterm.link.sockets import listen, require_private_directory

__all__ = ["LinkHandler", "LinkServer", "Viewer"]

MAX_QUEUE_BYTES = 32 * 1024 * 1024
"""Most bytes of ordered messages that wait for one viewer."""
MAX_SCREENS = 32
"""Most screens and watchers at once. Shells are never refused for room."""


class LinkServer:
    """Listens at a path (0600, in a 0700 directory) and speaks to viewers.

    Attributes:
        own_uid: the only user whose processes may connect.
    """

    def __init__(
        self,
        path: Path,
        handler: LinkHandler,
        *,
        own_uid: int | None = None,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
    ) -> None:
        self.path = path
        self.handler = handler
        self.own_uid = os.getuid() if own_uid is None else own_uid
        self.max_queue_bytes = max_queue_bytes
        self._connections: set[Connection] = set()
        self._all_gone = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._lock_fd = -1

    @property
    def viewers(self) -> list[Viewer]:
        """The viewers that said Hello and have not left."""
        return [one.viewer for one in self._connections if one.viewer is not None]

    async def start(self) -> None:
        """Listen.

        Raises:
            UsageError: another host serves this path, or the directory is not private.
        """
        require_private_directory(self.path.parent)
        self._lock_fd = _lock(self.path)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(
                self._accept, sock=listen(self.path)
            )
        except (OSError, UsageError):
            self._unlock()
            raise

    async def stop(self, reason: str = "the host has ended") -> None:
        """Say goodbye to every viewer, stop listening, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.end(reason)
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * CLOSE_WITHIN_S):
                    await self._all_gone.wait()
        self._server = None
        self.path.unlink(missing_ok=True)
        self._unlock()

    # -- connections call these --------------------------------------------------

    def admit(self, viewer: Viewer) -> str:
        """Take a viewer in; return the reason when there is no room."""
        if viewer.wants_frames and sum(one.wants_frames for one in self.viewers) >= MAX_SCREENS:
            return f"{MAX_SCREENS} screens are attached already"
        return ""

    def forget(self, connection: Connection) -> None:
        """Forget an ended connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()

    def _accept(self) -> Connection:
        connection = Connection(self)
        self._connections.add(connection)
        self._all_gone.clear()
        return connection

    def _unlock(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def _lock(path: Path) -> int:
    """Hold the path for this process; the system lets go of it even after kill -9."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise UsageError(
            f"another host serves {path}" + (f" (pid {holder})" if holder else ""),
            hint="attach to it with `obiterm`, or end it with `obiterm kill` and Ctrl+Q",
        ) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
