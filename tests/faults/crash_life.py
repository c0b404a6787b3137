"""One life of a host that will be killed: it trades, and tells when its books are right.

``python -m tests.faults.crash_life STAGE.json`` prints one JSON line when every account sees
its markets, one when all books are equal to the exchanges', and then trades until the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from obiterm.cli.audit import compare_all
from obiterm.cli.stage import Books, Place
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.host.run import RunningHost, run_host

EQUAL_WITHIN_S = 20.0


class StageFile(msgspec.Struct, frozen=True):
    """What a life is started with."""

    name: str
    profile: str
    """The profile as JSON."""
    places: list[Place]


class Told(msgspec.Struct, frozen=True):
    """One line of a life."""

    what: str
    """``sight`` or ``books``."""
    at_ns: int
    findings: list[str] = []


def tell(what: str, findings: list[str] | None = None) -> None:
    """Print one line."""
    line = Told(what, time.time_ns(), findings or [])
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


async def look(running: RunningHost, places: list[Place]) -> None:
    """Wait for sight, then compare books until they are equal."""
    slots = running.slots
    while not all(slot.engine is not None and slot.engine.kernel.in_sight for slot in slots):  # noqa: ASYNC110 - any state of the program may be waited for
        await asyncio.sleep(0.01)
    tell("sight")
    books = Books()
    tell("books", await compare_all(running, places, books, EQUAL_WITHIN_S))
    await books.close()


async def live(stage: StageFile) -> None:
    """Run the host until it is killed or asked to stop."""
    profile = Profile.model_validate(json.loads(stage.profile))
    profile = profile.model_copy(update={"name": stage.name})
    looking: list[asyncio.Task[None]] = []

    def ready(running: RunningHost) -> None:
        looking.append(asyncio.create_task(look(running, stage.places)))

    await run_host(profile, Paths.from_environment(), on_ready=ready)


if __name__ == "__main__":
    uvloop.run(live(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=StageFile)))
