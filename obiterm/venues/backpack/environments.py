"""Where Backpack lives (backpack.md §2).

There is one production host and no test environment (Q25): DEMO and TESTNET do not
exist, PAPER reads the production market data and never trades. The simulated exchange is
reached only by replacing the hosts.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment


class BackpackUrls(msgspec.Struct, frozen=True):
    """Base addresses without a trailing slash."""

    rest: str
    """REST host; ``/api/v1`` and ``/wapi/v1`` hang below it."""
    stream: str
    """WebSocket address; public and private streams live on the same one."""
    can_trade: bool = True
    """False where orders must not be sent."""


_LIVE = BackpackUrls(rest="https://api.backpack.exchange", stream="wss://ws.backpack.exchange")

_URLS = {
    Environment.LIVE: _LIVE,
    Environment.PAPER: msgspec.structs.replace(_LIVE, can_trade=False),
}

_NAMES = ("rest", "stream")
_MISSING = "LIVE, PAPER or SIM: Backpack has no test environment"


def urls(environment: Environment, overrides: Mapping[str, str] | None = None) -> BackpackUrls:
    """Return the hosts of ``environment``, with any of rest and stream replaced.

    SIM has no hosts of its own: both must be given. Raises ``ConfigError`` for DEMO and
    TESTNET, and for a missing or unknown name.
    """
    given = {name: value.rstrip("/") for name, value in (overrides or {}).items() if value}
    for name in given:
        if name not in _NAMES:
            raise ConfigError(name, given[name], f"one of {', '.join(_NAMES)}")
    known = _URLS.get(environment)
    if known is not None:
        return BackpackUrls(
            rest=given.get("rest", known.rest),
            stream=given.get("stream", known.stream),
            can_trade=known.can_trade,
        )
    if environment is not Environment.SIM:
        raise ConfigError("environment", environment.value, _MISSING)
    for name in _NAMES:
        if name not in given:
            raise ConfigError(name, "", "an address, SIM has none of its own")
    return BackpackUrls(rest=given["rest"], stream=given["stream"])
