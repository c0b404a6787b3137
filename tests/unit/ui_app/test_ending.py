"""The process ends in bounded time, once, and the composition root is told first."""

from __future__ import annotations

import threading
import time

from obiterm.ui.ending import Ending, EndReason


class Exits:
    """Records exits in place of the operating system."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.reasons: list[EndReason] = []
        self.happened = threading.Event()

    def now(self, code: int) -> None:
        self.codes.append(code)
        self.happened.set()

    def last_act(self, reason: EndReason) -> None:
        self.reasons.append(reason)


def test_a_polite_end_calls_the_last_act_once_and_needs_no_force() -> None:
    exits = Exits()
    ending = Ending(exits.last_act, exits.now)
    ending.polite_way(lambda: None)
    ending.begin(EndReason.TERMINATED, limit_s=5.0)
    assert ending.settle(EndReason.DETACHED) is EndReason.TERMINATED
    assert ending.settle(EndReason.DETACHED) is EndReason.TERMINATED
    assert exits.reasons == [EndReason.TERMINATED]
    assert not exits.happened.wait(0.05)


def test_a_hanging_app_is_ended_after_mending_the_terminal() -> None:
    exits, mended = Exits(), []
    ending = Ending(exits.last_act, exits.now)
    ending.polite_way(lambda: None)
    ending.restore_with(lambda: mended.append("terminal"))
    ending.begin(EndReason.HANGUP, limit_s=0.05)
    ending.begin(EndReason.TERMINATED, limit_s=0.05)
    assert exits.happened.wait(5.0)
    assert exits.codes == [129]
    assert mended == ["terminal"]
    assert exits.reasons == [EndReason.HANGUP]


def test_a_last_act_that_fails_does_not_keep_the_process_alive() -> None:
    exits = Exits()

    def fails(reason: EndReason) -> None:
        raise OSError(reason.value)

    ending = Ending(fails, exits.now)
    seen: list[BaseException | None] = []
    hook, threading.excepthook = threading.excepthook, lambda args: seen.append(args.exc_value)
    try:
        ending.begin(EndReason.HANGUP, limit_s=0.01)
        assert exits.happened.wait(5.0)
        deadline = time.monotonic() + 5
        while not seen and time.monotonic() < deadline:
            threading.Event().wait(0.01)
    finally:
        threading.excepthook = hook
    assert exits.codes == [129]
    assert isinstance(seen[0], OSError)


def test_force_waits_for_a_last_act_that_is_under_way() -> None:
    exits, may_end = Exits(), threading.Event()

    def slow(reason: EndReason) -> None:
        may_end.wait(5.0)
        exits.last_act(reason)

    ending = Ending(slow, exits.now)
    ending.begin(EndReason.TERMINATED, limit_s=0.01)
    leaver = threading.Thread(target=ending.settle, args=(EndReason.DETACHED,))
    leaver.start()
    assert not exits.happened.wait(0.1)
    may_end.set()
    leaver.join(5.0)
    assert exits.happened.wait(5.0)
    assert exits.reasons == [EndReason.TERMINATED]


def test_exit_codes() -> None:
    codes = {reason: reason.exit_code for reason in EndReason}
    assert codes == {
        EndReason.DETACHED: 0,
        EndReason.STOPPED: 0,
        EndReason.HANGUP: 129,
        EndReason.TERMINATED: 143,
        EndReason.CRASHED: 1,
    }
