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

from obiterm.cli.audit import Journaled, audit_beliefs, audit_journal
from obiterm.cli.stage import Books, Place
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.host.run import RunningHost, run_host

EQUAL_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.05


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
    journaled = {place.account: Journaled(running.journal.path, place.account) for place in places}
    open_places, findings = list(places), ["not compared yet"]
    deadline = time.monotonic() + EQUAL_WITHIN_S
    while open_places and time.monotonic() < deadline:
        findings = []
        for place in list(open_places):
            found = await compare(running, place, books, journaled[place.account])
            if found:
                findings += [f"{place.account}: {one}" for one in found]
            else:
                open_places.remove(place)
        await asyncio.sleep(_LOOK_EVERY_S)
    tell("books", findings)


async def compare(
    running: RunningHost, place: Place, books: Books, journaled: Journaled
) -> list[str]:
    """Return what one account and its exchange disagree about now."""
    engine = next(slot.engine for slot in running.slots if slot.name == place.account)
    if engine is None:
        return ["the engine is gone"]
    ledger = await books.ledger(place)
    orders = await books.orders(place)
    running.journal.commit()
    kernel = engine.kernel
    found = journaled.read()
    return [
        *audit_journal(place, kernel.setup.instruments.values(), found, ledger, orders),
        *audit_beliefs(place, kernel, found, ledger),
    ]


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
