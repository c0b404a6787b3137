"""The watchdog: a small process that acts at the venues when its host no longer can.

The host writes a byte to its standard input every 250 ms, from the loop of the engines, and a
last word at a clean end. When the bytes stop for ``limit_s``, or the pipe ends without the
word, the profile's rule is applied once by ``host/direct.py``. Until then only the standard
library is loaded, so that it starts at once and hardly anything can break it. It inherits the
environment with its secrets; nothing of them is in its arguments or in what it writes.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from obiterm.host.losses import write_loss

if TYPE_CHECKING:
    from obiterm.config.models import Profile
    from obiterm.host.direct import DirectAction
    from obiterm.link.panes import PanicAccount

BEAT = b"b"
END = b"q"
_STEP_S = 0.25
_OVERSLEPT_S = 1.0
"""A wait that took so much longer means that we were stopped too: the host gets its time anew."""
_RESTART_GRACE_S = 5.0
"""A host that is started again at once (systemd) takes over; nothing is done then."""
_ACT_LIMIT_S = 900.0
"""How long venues that do not answer are tried."""
_PLAY_LIMIT_S = 30.0
"""The same where all are simulated: one that does not answer has ended with its ledger."""
_WHO = "the watchdog"

Fate = Literal["ended", "hangs", "died"]


class Charge:
    """What a watchdog is told at its start, on the first line of its input."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.pid: int = fields["pid"]
        self.rule: str = fields["rule"]
        self.limit_s: float = fields["limit_s"]
        self.log = Path(fields["log"])
        self.lock = Path(fields["lock"])
        self._profile: str = fields["profile"]

    def profile(self) -> Profile:
        """Return the profile as the host has it, whatever has become of the file."""
        # our own parent wrote it to a pipe that nobody else has
        profile: Profile = pickle.loads(base64.b64decode(self._profile))  # noqa: S301
        return profile


def main() -> None:
    """Watch until the host ends; act if it did not end in order."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # it ends with the host, not with a terminal
    with open(0, "rb", buffering=0, closefd=False) as unbuffered:  # no beats go lost in a buffer
        line = unbuffered.readline()
    if not line.endswith(b"\n"):
        return
    charge = Charge(json.loads(line))
    os.set_blocking(sys.stdout.fileno(), False)
    fate = watch(charge.limit_s)
    if fate == "ended" or (fate == "died" and _is_replaced(charge)):
        return
    try:
        _apply(charge, fate)
    except Exception as error:  # task boundary: its last word, told by the next status
        write_loss(charge.log, "failed", f"the watchdog failed: {type(error).__name__}: {error}")
        raise


def watch(limit_s: float) -> Fate:
    """Return what becomes of the host, when it does."""
    heard = time.monotonic()
    while True:
        asked = time.monotonic()
        ready, _, _ = select.select([0], [], [], _STEP_S)
        now = time.monotonic()
        if now - asked > _STEP_S + _OVERSLEPT_S:
            heard = now
        if ready:
            data = os.read(0, 4096)
            if not data:
                return "died"
            if END in data:
                return "ended"
            heard = now
            with suppress(OSError):
                os.write(1, BEAT)
        elif now - heard > limit_s:
            return "hangs"


def _is_replaced(charge: Charge) -> bool:
    """Wait a moment; return whether a new host has taken the profile."""
    deadline = time.monotonic() + min(_RESTART_GRACE_S, charge.limit_s)
    while time.monotonic() < deadline:
        if has_new_host(charge):
            return True
        time.sleep(0.05)
    return False


def has_new_host(charge: Charge) -> bool:
    """Return whether another host holds the profile's lock.

    The pid that stands in it counts too: the system may let go of the lock of a dead host a
    moment after its pipe.
    """
    try:
        with charge.lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return bool(json.loads(file.read())["pid"] != charge.pid)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return False


def _apply(charge: Charge, fate: Fate) -> None:
    """Apply the rule, and write what was done."""
    what = {"hangs": f"gave no sign for {charge.limit_s:g} s", "died": "died"}[fate]
    story = f"the host (pid {charge.pid}) {what}"
    if charge.rule == "hold":
        write_loss(charge.log, "told", f"{story}; on_host_loss = hold: nothing was done")
        return
    write_loss(charge.log, "acting", f"{story}; acting at the venues")
    rows = _act(charge, fate)
    done = ", ".join(_words(row) for row in rows)
    write_loss(charge.log, "acted", f"{story}; on_host_loss = {charge.rule}: {done}")


def _words(row: PanicAccount) -> str:
    left = "not confirmed" if row.left_orders < 0 else f"{row.left_orders} orders left"
    mark = "done" if row.done else "NOT done"
    return f"{row.account} {mark} ({left}{f'; {row.text}' if row.text else ''})"


def _act(charge: Charge, fate: Fate) -> list[PanicAccount]:
    import asyncio

    from obiterm.config.paths import Paths
    from obiterm.core.values import Environment, TradingState
    from obiterm.host.direct import DirectAction

    profile = charge.profile()
    names = [account.name for account in profile.accounts if account.keys]
    flatten = charge.rule == "flatten"
    action = DirectAction(
        profile, Paths.from_environment(), names, "exit" if flatten else "cancel", _WHO
    )
    # a host that wakes up must not enter again; one that is started anew may
    held = TradingState.REDUCING if fate == "hangs" else None
    latched = TradingState.HALTED if flatten else held
    gives_way = fate == "died" and not flatten
    is_play = all(account.environment is Environment.SIM for account in profile.accounts)
    acting = action.run(_PLAY_LIMIT_S if is_play else _ACT_LIMIT_S, latched=latched)
    return asyncio.run(_until_replaced(action, acting, charge if gives_way else None))


async def _until_replaced(
    action: DirectAction,
    work: Coroutine[Any, Any, list[PanicAccount]],
    charge: Charge | None,
) -> list[PanicAccount]:
    """Act; leave entries to a new host as soon as there is one."""
    import asyncio

    acting = asyncio.create_task(work)
    while not acting.done():
        await asyncio.wait({acting}, timeout=_STEP_S)
        if charge is not None and not acting.done() and has_new_host(charge):
            acting.cancel()
            await asyncio.wait({acting})
            return action.rows
    return acting.result()


if __name__ == "__main__":
    main()
