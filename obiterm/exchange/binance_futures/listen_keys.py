"""Listen keys of the private streams (binance.md §11.3).

A listen key is a stream name. It lives an hour, ``PUT`` or another ``POST`` gives it
an hour more, ``DELETE`` ends it for everybody. When it ends its sockets hear
``listenKeyExpired`` and nothing more; they stay open.
"""

from __future__ import annotations

import secrets
import string

from obiterm.core.values import NS_PER_S
from obiterm.exchange.binance.errors import ApiError

LIFE_NS = 3600 * NS_PER_S
_ALPHABET = string.ascii_letters + string.digits


class ListenKeys:
    """The live listen keys, one per account at most."""

    def __init__(self) -> None:
        self._of_account: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._until_ns: dict[str, int] = {}

    def start(self, account: str, now_ns: int) -> str:
        """Return the account's key: the live one, extended, or a new one."""
        key = self._of_account.get(account)
        if key is None:
            key = "".join(secrets.choice(_ALPHABET) for _ in range(64))
            self._of_account[account] = key
            self._accounts[key] = account
        self._until_ns[key] = now_ns + LIFE_NS
        return key

    def extend(self, account: str, now_ns: int) -> str:
        """Give the account's key another hour; -1125 when there is none."""
        if account not in self._of_account:
            raise ApiError(400, -1125, "This listenKey does not exist.")
        return self.start(account, now_ns)

    def end(self, account: str) -> str | None:
        """Forget an account's key and return it."""
        key = self._of_account.pop(account, None)
        if key is not None:
            del self._accounts[key], self._until_ns[key]
        return key

    def of(self, account: str) -> str | None:
        """Return the live key of an account."""
        return self._of_account.get(account)

    def is_live(self, key: str) -> bool:
        """Tell whether a key carries events."""
        return key in self._accounts

    def accounts(self) -> list[str]:
        """Return the accounts that have one."""
        return list(self._of_account)

    def overdue(self, now_ns: int) -> list[str]:
        """Return the accounts whose key has run out."""
        return [self._accounts[key] for key, until in self._until_ns.items() if now_ns >= until]
