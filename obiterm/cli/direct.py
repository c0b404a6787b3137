"""``obiterm kill`` and ``exit`` when the host does not answer: at the venues themselves."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from obiterm.cli.found import Found
from obiterm.cli.who import client_name
from obiterm.config.models import Profile
from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.commands import ALL_ACCOUNTS
from obiterm.core.errors import UsageError
from obiterm.link.messages import PanicAccount


def act_directly(
    found: Found, options: argparse.Namespace, on_done: Callable[[PanicAccount], None]
) -> list[PanicAccount]:
    """Kill or exit without the host; return how far each account has come.

    Args:
        found: whose host does not answer.
        options: the command line: which command, account, how long venues are tried.
        on_done: hears of each account as soon as it is done.

    Raises:
        UsageError: no such account or profile.
        HostGone: nothing can be left: every account is on a simulated exchange of a host
            that is gone.
    """
    paths = Paths.from_environment()
    source = options.profile or found.source or found.profile
    profile = load_profile(source, user_dir=paths.profiles)
    names = _names(profile, options.account)
    if not found.runs and not found.died:
        _require_something_left(found, profile, names)

    from obiterm.cli.host import run_loop
    from obiterm.host.direct import Deed, DirectAction

    deed: Deed = "exit" if options.shell_command == "exit" else "kill"
    action = DirectAction(profile, paths, names, deed, client_name("shell"))
    return run_loop(action.run(options.wait, on_done=on_done))


def _names(profile: Profile, wanted: str) -> list[str]:
    """Return the accounts that are meant; those that only watch have nothing to cancel."""
    known = [account.name for account in profile.accounts]
    if wanted == ALL_ACCOUNTS:
        return [account.name for account in profile.accounts if account.keys]
    if wanted not in known:
        raise UsageError(f"no account {wanted!r}: there are {', '.join(known)}")
    return [wanted]


def _require_something_left(found: Found, profile: Profile, names: list[str]) -> None:
    if all(profile.account(name).is_hosted for name in names):
        raise found.gone()
