"""API keys that a profile refers to. A profile never holds one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from obiterm.config.models import SIM_KEYS, AccountProfile
from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment


class ApiKeys:
    """A key and its secret; the secret does not show in reprs, errors or logs."""

    __slots__ = ("api_key", "api_secret")

    def __init__(self, api_key: str, api_secret: str) -> None:
        self.api_key = api_key
        self.api_secret = api_secret

    def __repr__(self) -> str:
        return f"ApiKeys({self.api_key[:4]}…, secret hidden)"


def find_keys(account: AccountProfile, environ: Mapping[str, str] | None = None) -> ApiKeys | None:
    """Return the account's keys; ``None`` for ``sim`` and for an account that only watches.

    Raises:
        ConfigError: a variable that the profile names is not set.
    """
    if account.keys in ("", SIM_KEYS):
        return None
    env = os.environ if environ is None else environ
    prefix = account.keys.removeprefix("env:")
    found = []
    for name in (f"{prefix}_KEY", f"{prefix}_SECRET"):
        value = env.get(name, "").strip()
        if not value:
            raise ConfigError(
                f"keys of account {account.name}",
                account.keys,
                f"the environment variable {name} to be set",
            )
        found.append(value)
    return ApiKeys(found[0], found[1])


def require_own_keys(
    accounts: Iterable[AccountProfile], environ: Mapping[str, str] | None = None
) -> None:
    """Refuse two accounts that are one at the venue: each would book the other's fills.

    Keys are compared by value, since two variables may hold the same one. Keys that are not
    set yet are somebody else's matter. Simulated exchanges at other addresses are other venues.

    Raises:
        ConfigError: two accounts use one key in one environment of a venue.
    """
    owners: dict[tuple[object, ...], str] = {}
    for account in accounts:
        try:
            keys = find_keys(account, environ)
        except ConfigError:
            continue
        if keys is None:
            continue
        urls = tuple(sorted(account.urls.items())) if account.environment is Environment.SIM else ()
        place = (account.venue, account.environment, urls, keys.api_key)
        owner = owners.setdefault(place, account.name)
        if owner != account.name:
            raise ConfigError(
                f"keys of account {account.name}",
                account.keys,
                f"a key of its own: account {owner} has the same one, so both are one account "
                "of the venue; make one account of them or give one another key",
            )
