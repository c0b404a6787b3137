"""Where Binance USD-M futures live: hosts of each environment (binance.md §2.2, §11.1).

All hosts of an account come from one value, so that a demo key never meets a live host
(binance.md §15). Any of them may be replaced by configuration: the venue moved its demo
hosts twice since 2025, and the simulated exchange is reached only that way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment

PUBLIC = "/public"
"""Path of book streams."""
MARKET = "/market"
"""Path of trade, mark price and candle streams."""
PRIVATE = "/private"
"""Path of user data."""


class FuturesUrls(msgspec.Struct, frozen=True):
    """Base addresses without a trailing slash."""

    rest: str
    """REST host, e.g. ``https://fapi.binance.com``."""
    public: str
    """Book streams; ``/ws`` and ``/stream`` hang below it."""
    market: str
    """Trade, mark price and candle streams."""
    private: str
    """User data; empty where an environment has no account."""
    ws_api: str
    """Whole address of the WebSocket API; empty where an environment must not trade."""


def _urls(rest: str, stream: str, ws_api: str, *, has_account: bool = True) -> FuturesUrls:
    private = stream + PRIVATE if has_account else ""
    return FuturesUrls(rest, stream + PUBLIC, stream + MARKET, private, ws_api)


_DEMO = _urls(
    "https://demo-fapi.binance.com",
    "wss://fstream.binancefuture.com",
    "wss://testnet.binancefuture.com/ws-fapi/v1",
)
"""The venue calls this one environment both demo and testnet. Spot's testnet keys do not
work here."""

_URLS = {
    Environment.LIVE: _urls(
        "https://fapi.binance.com",
        "wss://fstream.binance.com",
        "wss://ws-fapi.binance.com/ws-fapi/v1",
    ),
    Environment.DEMO: _DEMO,
    Environment.TESTNET: _DEMO,
    Environment.PAPER: _urls(
        "https://fapi.binance.com", "wss://fstream.binance.com", "", has_account=False
    ),
}

_STREAM = "stream"
_NAMES = ("rest", "public", "market", "private", "ws_api")
_ROUTES = {"public": PUBLIC, "market": MARKET, "private": PRIVATE}


def urls(environment: Environment, overrides: Mapping[str, str] | None = None) -> FuturesUrls:
    """Return the hosts of ``environment``, with any of them replaced.

    Names are rest, public, market, private, ws_api, and ``stream`` for a host that carries
    the three stream paths. PAPER reads the real market and has no account. SIM has no hosts
    of its own: rest, ws_api and the streams must be given. Raises ``ConfigError`` for a
    missing or unknown name.
    """
    given = {name: value.rstrip("/") for name, value in (overrides or {}).items() if value}
    for name in given:
        if name not in _NAMES and name != _STREAM:
            raise ConfigError(name, given[name], f"one of {', '.join([*_NAMES, _STREAM])}")
    host = given.pop(_STREAM, "")
    if host:
        given = {**{name: host + path for name, path in _ROUTES.items()}, **given}
    known = _URLS.get(environment)
    if known is not None:
        return msgspec.structs.replace(known, **given)
    for name in _NAMES:
        if name not in given:
            raise ConfigError(name, "", f"an address, {environment.value} has none of its own")
    return FuturesUrls(**given)
