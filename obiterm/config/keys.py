"""API keys that a profile refers to. A profile never holds one."""

from __future__ import annotations

import os
from collections.abc import Mapping

from obiterm.config.models import SIM_KEYS, AccountProfile
from obiterm.core.errors import ConfigError


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
