"""``obiterm status``, ``kill`` and ``exit``: another shell speaks to the host."""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import threading
import time

import msgspec

from obiterm.cli.found import Found, find_host
from obiterm.cli.who import client_name
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.errors import HostGone, UsageError
from obiterm.link.messages import AccountStatus, AskStatus, Done, PanicAccount, Request, Status
from obiterm.link.panic import PanicLine

_ANSWER_LIMIT_S = 1.0
_LOAD_AFTER_S = 0.15
_NEEDED = (
    "uvloop",
    "obiterm.cli.direct",
    "obiterm.cli.host",
    "obiterm.host.direct",
    *(f"obiterm.engine.{venue}.hub" for venue in ("binance", "binance_futures", "bybit")),
    "obiterm.engine.backpack.hub",
)
_REPORT_LIMIT_S = 30.0
_UNREACHED_LIMIT_S = 3.0
"""How long accounts are waited for that are not connected."""
_LOOK_AGAIN_S = 0.01


def shell(options: argparse.Namespace) -> int:
    """Run one of the three commands."""
    found = find_host(options.profile)
    line = PanicLine(found.socket, client_name("shell"))
    try:
        if options.shell_command != "status":
            return _panic(line, found, options)
        status = _ask(line) if line.connected else None
        if status is None:
            raise found.gone()
        return _show(status, as_json=options.json)
    finally:
        line.close()


def _ask(line: PanicLine) -> Status | None:
    answer = line.ask(AskStatus(), _ANSWER_LIMIT_S)
    return answer if isinstance(answer, Status) else None


def _panic(line: PanicLine, found: Found, options: argparse.Namespace) -> int:
    """Give the order, then report until nothing is open; without an answer do it directly."""
    word = options.shell_command
    kind = EmergencyExit if word == "exit" else Kill
    request = Request(request_id=os.getpid(), command=kind(account=options.account))
    scope = _Scope(word, options.account, time.monotonic(), as_json=options.json)
    ahead = threading.Timer(_LOAD_AFTER_S, _load)
    ahead.daemon = True
    ahead.start()
    answer = line.ask(request, _ANSWER_LIMIT_S) if line.connected else None
    ahead.cancel()
    if not isinstance(answer, Done):
        return _directly(found, scope, options)
    if not answer.ok:
        if answer.text.startswith("no account"):
            raise UsageError(answer.text)
        raise HostGone(f"the {word} met a fault: {answer.text}", hint="look at `obiterm status`")
    done = _follow(line, scope)
    if done is None:
        return _directly(found, scope, options)
    if not done:
        raise HostGone(f"the host took the {word} but reports nothing about it")
    return scope.report(done)


def _follow(line: PanicLine, scope: _Scope) -> list[PanicAccount] | None:
    """Return how far the host has come at the end; ``None`` when it answers no more."""
    found: list[PanicAccount] = []
    while (passed_s := time.monotonic() - scope.began) < _REPORT_LIMIT_S:
        status = _ask(line)
        if status is None:
            return None
        found = scope.accounts(status)
        waits_for = {one.account for one in found if not one.done}
        if found and not waits_for:
            break
        if waits_for <= _unreached(status) and passed_s > _UNREACHED_LIMIT_S and found:
            break
        time.sleep(_LOOK_AGAIN_S)
    return found


def _load() -> None:
    """Load what acting without the host needs while its answer is still waited for."""
    for module in _NEEDED:
        importlib.import_module(module)


def _directly(found: Found, scope: _Scope, options: argparse.Namespace) -> int:
    """Act at the venues; tell of each account when it is done, of the others at the end."""
    from obiterm.cli.direct import act_directly

    scope.why = found.silence()
    return scope.report(act_directly(found, options, scope.tell))


def _unreached(status: Status) -> set[str]:
    """Return the accounts whose venue has not answered yet: their kill waits for it."""
    return {one.name for one in status.accounts if not one.rest}


class _Scope:
    """What a kill or exit was asked for, and its report.

    Attributes:
        began: monotonic seconds.
        why: why the host had no part in it; empty when it had.
    """

    def __init__(self, word: str, account: str, began: float, *, as_json: bool) -> None:
        self._word = word
        self._account = account
        self._as_json = as_json
        self._told: set[str] = set()
        self.began = began
        self.why = ""

    def accounts(self, status: Status) -> list[PanicAccount]:
        """Return how far the accounts are that were asked for; others may be halted too."""
        every = status.panic.accounts if status.panic is not None else []
        return [one for one in every if self._account in (ALL_ACCOUNTS, one.account)]

    def tell(self, one: PanicAccount) -> None:
        """Print what was done on one account, after a line on what is being done."""
        if self._as_json or one.account in self._told:
            return
        if not self._told:
            is_all = self._account == ALL_ACCOUNTS
            whom = "all accounts" if is_all else f"account {self._account} alone"
            way = f", at the venues directly: {self.why}" if self.why else ""
            print(f"{self._word} of {whom}{way}")
        self._told.add(one.account)
        mark = "✔" if one.done else "✘"
        left = "unconfirmed" if one.left_orders < 0 else f"{one.left_orders} orders left"
        print(
            f"{mark} {one.account}  {one.cancelled} cancelled  {left}  "
            f"{one.elapsed_ms:.0f} ms  {one.text}".rstrip(),
            flush=True,
        )

    def report(self, found: list[PanicAccount]) -> int:
        """Print what was done; return the exit code."""
        done = all(one.done for one in found)
        for one in found:
            self.tell(one)
        if self._as_json:
            body = {
                "command": self._word,
                "scope": self._account,
                "done": done,
                "elapsed_ms": round((time.monotonic() - self.began) * 1_000, 1),
                "direct": self.why,
                "accounts": [msgspec.to_builtins(one) for one in found],
            }
            sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        return 0 if done else 1


def _feed(account: AccountStatus) -> str:
    age_ms = account.feed_age_ms
    return "no feed yet" if math.isnan(age_ms) else f"feed {age_ms:.0f} ms"


def _show(status: Status, *, as_json: bool) -> int:
    if as_json:
        body = {
            "host": {
                "pid": status.host_pid,
                "profile": status.profile,
                "uptime_s": round(status.uptime_s, 3),
            },
            "state": status.state,
            "watchdog": {"rule": status.watchdog, "told": status.losses},
            "accounts": [
                {**msgspec.to_builtins(account), "state": account.word}
                for account in status.accounts
            ],
        }
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        return 0
    print(
        f"host {status.host_pid}  profile {status.profile}  {status.state}  "
        f"up {status.uptime_s:.0f} s  watchdog: {status.watchdog}"
    )
    for loss in status.losses:
        print(f"  ! watchdog: {loss}")
    for account in status.accounts:
        print(
            f"  {account.name}  {account.venue} {account.environment.value}  "
            f"{account.word}  {account.open_orders} open orders  {_feed(account)}"
            f"{'' if account.covered else '  no watchdog'}"
        )
        if account.trouble:
            print(f"    ! {account.trouble}")
        for row in account.positions:
            side = "long" if row.side.sign > 0 else "short"
            print(
                f"    {row.symbol} {side} {row.quantity} @ {row.entry_price}  "
                f"{row.unrealised_quote:+.2f}"
            )
    return 0
