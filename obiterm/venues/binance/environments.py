"""Where Binance spot lives: hosts of each environment (binance.md §2.1).

All hosts of an account come from one value, so that a demo key never meets a live
host (binance.md §15). Any of them may be replaced by configuration; the simulated
exchange is reached only that way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment


class BinanceUrls(msgspec.Struct, frozen=True):
    """Base addresses without a trailing slash."""

    rest: str
    """REST host, e.g. ``https://api.binance.com``."""
    stream: str
    """Market stream host; ``/ws`` and ``/stream`` hang below it."""
    ws_api: str
    """Whole address of the WebSocket API; empty where an environment must not trade."""


_URLS = {
    Environment.LIVE: BinanceUrls(
        rest="https://api.binance.com",
        stream="wss://stream.binance.com:9443",
        ws_api="wss://ws-api.binance.com:443/ws-api/v3",
    ),
    Environment.DEMO: BinanceUrls(
        rest="https://demo-api.binance.com",
        stream="wss://demo-stream.binance.com",
        ws_api="wss://demo-ws-api.binance.com/ws-api/v3",
    ),
    Environment.TESTNET: BinanceUrls(
        rest="https://testnet.binance.vision",
        stream="wss://stream.testnet.binance.vision",
        ws_api="wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
    Environment.PAPER: BinanceUrls(
        rest="https://data-api.binance.vision",
        stream="wss://data-stream.binance.vision",
        ws_api="",
    ),
}

_NAMES = ("rest", "stream", "ws_api")


def urls(environment: Environment, overrides: Mapping[str, str] | None = None) -> BinanceUrls:
    """Return the hosts of ``environment``, with any of rest, stream, ws_api replaced.

    PAPER reads the market-data-only hosts and has no order entry. SIM has no hosts
    of its own: rest, stream and ws_api must all be given. Raises ``ConfigError``
    for a missing or unknown name.
    """
    given = {name: value.rstrip("/") for name, value in (overrides or {}).items() if value}
    for name in given:
        if name not in _NAMES:
            raise ConfigError(name, given[name], f"one of {', '.join(_NAMES)}")
    known = _URLS.get(environment)
    if known is not None:
        return msgspec.structs.replace(known, **given)
    for name in _NAMES:
        if name not in given:
            raise ConfigError(name, "", f"an address, {environment.value} has none of its own")
    return BinanceUrls(**given)
