"""Where Bybit lives: hosts of each environment (bybit.md §1, R55 R91).

All hosts of an account come from one value, so that a key of one environment never meets
another: that is error ``10003``. Any of them may be replaced by configuration; regional
accounts and the simulated exchange are reached that way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment
from obiterm.venues.bybit.symbols import Category


class BybitUrls(msgspec.Struct, frozen=True):
    """Base addresses without a trailing slash."""

    rest: str
    """REST host, e.g. ``https://api.bybit.com``."""
    public: str
    """Market streams; the category hangs below it. Demo has none of its own: mainnet's (R91)."""
    private: str
    """Whole address of the private stream; empty where an environment has no account."""
    trade: str
    """Whole address of order entry by socket; empty where orders go by REST (demo)."""

    def market_stream(self, category: Category) -> str:
        """Return the address of the market stream of a category."""
        return f"{self.public}/{category.value}"


_MAINNET_PUBLIC = "wss://stream.bybit.com/v5/public"

_URLS = {
    Environment.LIVE: BybitUrls(
        rest="https://api.bybit.com",
        public=_MAINNET_PUBLIC,
        private="wss://stream.bybit.com/v5/private",
        trade="wss://stream.bybit.com/v5/trade",
    ),
    Environment.TESTNET: BybitUrls(
        rest="https://api-testnet.bybit.com",
        public="wss://stream-testnet.bybit.com/v5/public",
        private="wss://stream-testnet.bybit.com/v5/private",
        trade="wss://stream-testnet.bybit.com/v5/trade",
    ),
    Environment.DEMO: BybitUrls(
        rest="https://api-demo.bybit.com",
        public=_MAINNET_PUBLIC,
        private="wss://stream-demo.bybit.com/v5/private",
        trade="",
    ),
    Environment.PAPER: BybitUrls(
        rest="https://api.bybit.com", public=_MAINNET_PUBLIC, private="", trade=""
    ),
}

_REGIONAL_REST = {
    "nl": "https://api.bybit.nl",
    "tr": "https://api.bybit.tr",
    "kz": "https://api.bybit.kz",
    "ge": "https://api.bybitgeorgia.ge",
    "ae": "https://api.bybit.ae",
    "eu": "https://api.bybit.eu",
    "id": "https://api.bybit.id",
    "jp": "https://api.manepa.jp",
}
_REGIONAL_STREAMS = {
    "tr": "wss://stream.bybit.tr",
    "kz": "wss://stream.bybit.kz",
    "ge": "wss://stream.bybitgeorgia.ge",
    "id": "wss://stream.bybit.id",
    "jp": "wss://stream.manepa.jp",
}
_NAMES = ("rest", "public", "private", "trade")
_NEEDED = ("rest", "public", "private")


def urls(
    environment: Environment, overrides: Mapping[str, str] | None = None, *, region: str = ""
) -> BybitUrls:
    """Return the hosts of ``environment``, with any of rest, public, private, trade replaced.

    ``region`` picks a regional site of the real venue (``nl``, ``tr``, ``kz``, ``ge``, ``ae``,
    ``eu``, ``id``, ``jp``); an override wins over it. PAPER reads the real market and has no
    account. SIM has no hosts of its own: rest, public and private must be given, and without
    ``trade`` orders go by REST. Raises ``ConfigError`` for a missing or unknown name.
    """
    given = {name: value.rstrip("/") for name, value in (overrides or {}).items() if value}
    for name in given:
        if name not in _NAMES:
            raise ConfigError(name, given[name], f"one of {', '.join(_NAMES)}")
    known = _URLS.get(environment)
    if known is not None:
        return msgspec.structs.replace(_regional(known, environment, region), **given)
    for name in _NEEDED:
        if name not in given:
            raise ConfigError(name, "", f"an address, {environment.value} has none of its own")
    return BybitUrls(**{"trade": "", **given})


def _regional(known: BybitUrls, environment: Environment, region: str) -> BybitUrls:
    """Move the real venue's hosts to a regional site; some share the global streams."""
    if not region:
        return known
    if region not in _REGIONAL_REST or environment is not Environment.LIVE:
        expected = f"one of {', '.join(_REGIONAL_REST)}, on LIVE only"
        raise ConfigError("region", region, expected)
    stream = _REGIONAL_STREAMS.get(region, "wss://stream.bybit.com")
    return BybitUrls(
        rest=_REGIONAL_REST[region],
        public=f"{stream}/v5/public",
        private=f"{stream}/v5/private",
        trade=f"{stream}/v5/trade",
    )
