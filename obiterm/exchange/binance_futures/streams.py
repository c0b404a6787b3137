"""Routes of the stream connections (binance.md §11.1).

A stream asked for on the wrong path is acknowledged and then silent. The path
without a route carries what ``/public`` does, and listen keys in its address.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from obiterm.exchange.binance.limits import Limits
from obiterm.exchange.binance.streams import StreamSide
from obiterm.exchange.binance_futures.listen_keys import ListenKeys
from obiterm.exchange.wire.hub import Hub

ROUTES = ("public", "market", "private")
_PUBLIC = ("bookTicker", "depth", "rpiDepth", "trade")
_MARKET = (
    "aggTrade",
    "kline_",
    "markPrice",
    "ticker",
    "miniTicker",
    "forceOrder",
    "continuousKline_",
    "compositeIndex",
)


class FuturesStreamSide(StreamSide):
    """Serves ``/public``, ``/market`` and ``/private``, and the path without a route."""

    def __init__(self, hub: Hub, limits: Limits, keys: ListenKeys) -> None:
        super().__init__(hub, limits, self._carries)
        self._keys = keys

    def _carries(self, path: str, name: str) -> bool:
        route = route_of(path)
        key, _, _ = name.partition("@")
        if self._keys.is_live(key):
            return route in ("private", "")
        if route == "market":
            return _is_market(name)
        return route in ("public", "") and _is_public(name)

    def names(self, path: str, query: str, *, combined: bool) -> list[str]:
        """Return the streams in the address; each listen key may name the events it wants."""
        names = super().names(path, query, combined=combined)
        key = ""
        for name, value in parse_qsl(query):
            if name == "listenKey":
                key = value
                names.append(key)
            elif name == "events" and key:
                if key in names:
                    names.remove(key)
                names += [f"{key}@{event}" for event in value.split("/") if event]
        return names


def route_of(path: str) -> str:
    """Return the route of a path, empty when it has none."""
    first = path.split("/")[1] if "/" in path else ""
    return first if first in ROUTES else ""


def _is_public(name: str) -> bool:
    return name == "!bookTicker" or name.partition("@")[2].startswith(_PUBLIC)


def _is_market(name: str) -> bool:
    if name.startswith("!"):
        return name != "!bookTicker"
    return name.partition("@")[2].startswith(_MARKET)
