"""ccxt.pro of each venue with its addresses turned to the simulated exchange; nothing else."""

from __future__ import annotations

from typing import Any

import ccxt.pro as ccxtpro

MARKETS = {
    "binance": "BTC/USDT",
    "binance-futures": "BTC/USDT:USDT",
    "bybit": "BTC/USDT:USDT",
    "backpack": "SOL/USDC:USDC",
}


def peer(address: Any, account: int) -> Any:
    """Return a client; ``address`` is the line of ``obiterm exchange --json``, decoded."""
    keys = {
        "apiKey": address["accounts"][account]["api_key"],
        "secret": address["accounts"][account]["api_secret"],
        "enableRateLimit": False,
    }
    return _BUILD[address["venue"]](address, keys)


def _binance(address: Any, keys: dict[str, Any]) -> Any:
    client = ccxtpro.binance(keys | {"options": {"fetchMarkets": {"types": ["spot"]}}})
    client.has["fetchCurrencies"] = False
    api = client.urls["api"]
    api["public"] = api["private"] = f"{address['rest']}/api/v3"
    api["sapi"] = f"{address['rest']}/sapi/v1"
    api["ws"]["spot"] = f"{address['stream']}/ws/stream"
    api["ws"]["ws-api"]["spot"] = address["ws_api"]
    return client


def _futures(address: Any, keys: dict[str, Any]) -> Any:
    options = {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}
    client = ccxtpro.binanceusdm(keys | {"options": options})
    api = client.urls["api"]
    for kind in ("fapiPublic", "fapiPrivate"):
        for suffix, path in (("", "v1"), ("V2", "v2"), ("V3", "v3")):
            api[f"{kind}{suffix}"] = f"{address['rest']}/fapi/{path}"
    api["ws"]["linear"] = f"{address['stream']}/ws"
    api["ws"]["ws-api"]["linear"] = address["ws_api"]
    return client


def _bybit(address: Any, keys: dict[str, Any]) -> Any:
    client = ccxtpro.bybit(keys)
    api = client.urls["api"]
    for name in ("spot", "futures", "v2", "public", "private"):
        api[name] = address["rest"]
    for name in ("spot", "linear"):
        api["ws"]["public"][name] = f"{address['stream']}/{name}"
    private = api["ws"]["private"]
    private["contract"] = private["spot"]["unified"] = address["private_stream"]
    private["trade"] = address["ws_api"]
    return client


def _backpack(address: Any, keys: dict[str, Any]) -> Any:
    client = ccxtpro.backpack(keys)
    api = client.urls["api"]
    api["public"] = api["private"] = address["rest"]
    api["ws"]["public"] = api["ws"]["private"] = address["stream"]
    return client


_BUILD = {
    "binance": _binance,
    "binance-futures": _futures,
    "bybit": _bybit,
    "backpack": _backpack,
}
