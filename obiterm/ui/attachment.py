"""The worker's side of an attachment: connect, receive, connect again. No widgets here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from obiterm.core.errors import DataError, HostGone, UsageError
from obiterm.link.client import LinkClient
from obiterm.link.messages import Closing, ToHost
from obiterm.ui.mailbox import Mailbox
from obiterm.ui.messages import Arrived, Attached, LinkLost

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
"""Time between two tries to attach; it doubles from the first to the longest."""


class Attachment:
    """Keeps this screen attached to the host at ``path``.

    Everything that comes is left in ``mailbox``; facts are posted with ``post``.
    """

    def __init__(
        self, path: Path, *, role: str, client: str, post: Callable[[Message], object]
    ) -> None:
        self.mailbox = Mailbox()
        self._path = path
        self._role = role
        self._client = client
        self._post = post
        self._link: LinkClient | None = None

    async def run(self) -> None:
        """Attach and stay attached until cancelled."""
        attempt, wait_s, reason = 0, FIRST_WAIT_S, ""
        while True:
            try:
                link = await LinkClient.connect(self._path, role=self._role, client=self._client)
            except (HostGone, UsageError, DataError, OSError) as error:
                reason = str(error)
            else:
                attempt, wait_s = 0, FIRST_WAIT_S
                reason = await self._serve(link)
            attempt += 1
            self._post(LinkLost(reason, attempt))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _serve(self, link: LinkClient) -> str:
        """Receive until the host is gone; return why."""
        self._link = link
        reason = ""
        self._post(Attached(link.welcome))
        try:
            while True:
                message = await link.receive()
                if isinstance(message, Closing):
                    reason = message.reason
                if self.mailbox.put(message):
                    self._post(Arrived())
        except (HostGone, DataError) as error:
            return reason or str(error)
        finally:
            self._link = None
            await link.close()

    def send(self, message: ToHost) -> bool:
        """Send a message; False when there is no host."""
        if self._link is None:
            return False
        self._link.send(message)
        return True

    async def leave(self, message: ToHost) -> None:
        """Send the last message and close."""
        link = self._link
        if link is not None:
            link.send(message)
            await link.close()
