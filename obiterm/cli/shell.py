"""``obiterm status``, ``kill`` and ``exit``: another shell speaks to the host."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path

import msgspec

from obiterm.cli.who import client_name
from obiterm.config.paths import Paths
from obiterm.core.commands import ALL_ACCOUNTS, EmergencyExit, Kill
from obiterm.core.errors import HostGone, UsageError
from obiterm.link.messages import AccountStatus, AskStatus, Done, PanicAccount, Request, Status
from obiterm.link.panic import PanicLine

_ANSWER_LIMIT_S = 1.0
_REPORT_LIMIT_S = 30.0
_UNREACHED_LIMIT_S = 3.0
"""How long accounts are waited for that are not connected."""
_LOOK_AGAIN_S = 0.01


def shell(options: argparse.Namespace) -> int:
    """Run one of the three commands."""
    socket = _find_socket(options.profile)
    line = PanicLine(socket, client_name("shell"))
    try:
        if not line.connected:
            raise HostGone(f"no host answers at {socket}", hint="start one with `obiterm`")
        if options.shell_command == "status":
            return _show(_ask(line), as_json=options.json)
        return _panic(line, options)
    finally:
        line.close()


def _find_socket(profile: str | None) -> Path:
    paths = Paths.from_environment()
    run = paths.run
    if profile is not None:
        socket = run / f"{Path(profile).stem}.sock"
        if not _alive(socket):
            _require_profile(profile, paths)
        return socket
    if run.parent.exists() and not run.parent.is_dir():
        raise UsageError(f"{run.parent} is not a directory", hint="see OBITERM_HOME")
    found = sorted(run.glob("*.sock")) if run.is_dir() else []
    alive = [path for path in found if _alive(path)]
    if len(alive) == 1:
        return alive[0]
    if not alive:
        raise HostGone("no host is running", hint="start one with `obiterm` or `obiterm host`")
    names = ", ".join(path.stem for path in alive)
    raise UsageError(f"several hosts are running: {names}", hint="choose one with --profile")


def _require_profile(profile: str, paths: Paths) -> None:
    """Tell a name that is no profile's from a profile that is not running."""
    from obiterm.config.profiles import load_profile

    load_profile(profile, user_dir=paths.profiles)


def _alive(path: Path) -> bool:
    line = PanicLine(path, "probe")
    try:
        return line.connected
    finally:
        line.close()


def _ask(line: PanicLine) -> Status:
    answer = line.ask(AskStatus(), _ANSWER_LIMIT_S)
    if not isinstance(answer, Status):
        raise HostGone("the host is there but does not answer", hint="its process may hang")
    return answer


def _panic(line: PanicLine, options: argparse.Namespace) -> int:
    """Give the order, then report until nothing is open."""
    word = options.shell_command
    kind = EmergencyExit if word == "exit" else Kill
    request = Request(request_id=os.getpid(), command=kind(account=options.account))
    began = time.monotonic()
    answer = line.ask(request, _ANSWER_LIMIT_S)
    if not isinstance(answer, Done):
        raise HostGone(
            f"the host did not confirm the {word} within {_ANSWER_LIMIT_S:g} s",
            hint="its process may hang: it will obey when it wakes; look at the venue itself",
        )
    if not answer.ok:
        if answer.text.startswith("no account"):
            raise UsageError(answer.text)
        raise HostGone(f"the {word} met a fault: {answer.text}", hint="look at `obiterm status`")
    found: list[PanicAccount] = []
    scope = _Scope(word, options.account, began)
    while (passed_s := time.monotonic() - began) < _REPORT_LIMIT_S:
        status = _look(line, word)
        found = scope.accounts(status)
        waits_for = {one.account for one in found if not one.done}
        if found and not waits_for:
            break
        if waits_for <= _unreached(status) and passed_s > _UNREACHED_LIMIT_S and found:
            break
        time.sleep(_LOOK_AGAIN_S)
    if not found:
        raise HostGone(f"the host took the {word} but reports nothing about it")
    return scope.report(found, as_json=options.json)


def _look(line: PanicLine, word: str) -> Status:
    try:
        return _ask(line)
    except HostGone:
        raise HostGone(
            f"the host took the {word}, but does not report how far it is",
            hint="its process may hang; look at the venue itself",
        ) from None


def _unreached(status: Status) -> set[str]:
    """Return the accounts whose venue has not answered yet: their kill waits for it."""
    return {one.name for one in status.accounts if not one.rest}


class _Scope:
    """What a kill or exit was asked for, and its report."""

    def __init__(self, word: str, account: str, began: float) -> None:
        self._word = word
        self._account = account
        self._began = began

    def accounts(self, status: Status) -> list[PanicAccount]:
        """Return how far the accounts are that were asked for; others may be halted too."""
        every = status.panic.accounts if status.panic is not None else []
        return [one for one in every if self._account in (ALL_ACCOUNTS, one.account)]

    def report(self, found: list[PanicAccount], *, as_json: bool) -> int:
        """Print what was done; return the exit code."""
        done = all(one.done for one in found)
        if as_json:
            body = {
                "command": self._word,
                "scope": self._account,
                "done": done,
                "elapsed_ms": round((time.monotonic() - self._began) * 1_000, 1),
                "accounts": [msgspec.to_builtins(one) for one in found],
            }
            sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
            return 0 if done else 1
        is_all = self._account == ALL_ACCOUNTS
        print(f"{self._word} of {'all accounts' if is_all else f'account {self._account} alone'}")
        for one in found:
            mark = "✔" if one.done else "✘"
            left = "unconfirmed" if one.left_orders < 0 else f"{one.left_orders} orders left"
            print(
                f"{mark} {one.account}  {one.cancelled} cancelled  {left}  "
                f"{one.elapsed_ms:.0f} ms  {one.text}".rstrip()
            )
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
            "accounts": [msgspec.to_builtins(account) for account in status.accounts],
        }
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        return 0
    print(
        f"host {status.host_pid}  profile {status.profile}  {status.state}  "
        f"up {status.uptime_s:.0f} s"
    )
    for account in status.accounts:
        print(
            f"  {account.name}  {account.venue} {account.environment.value}  "
            f"{account.state.value}  {account.open_orders} open orders  {_feed(account)}"
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
