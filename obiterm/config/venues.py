"""What a profile may say about each venue: its environments, its base addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment
from obiterm.venues.backpack import environments as backpack
from obiterm.venues.binance import environments as binance
from obiterm.venues.binance.futures import environments as binance_futures
from obiterm.venues.bybit import environments as bybit

VenueName = Literal["binance", "binance-futures", "bybit", "backpack"]
VENUES: tuple[str, ...] = get_args(VenueName)

_URLS: dict[str, Callable[[Environment, Mapping[str, str]], object]] = {
    "binance": binance.urls,
    "binance-futures": binance_futures.urls,
    "bybit": bybit.urls,
    "backpack": backpack.urls,
}
_NO_TEST_SITE = {"backpack": "live or sim: Backpack has no test environment"}


def check_environment(venue: str, environment: Environment) -> None:
    """Raise ``ConfigError`` for an environment that the venue does not have (Q25)."""
    if venue in _NO_TEST_SITE and environment in (Environment.DEMO, Environment.TESTNET):
        raise ConfigError("environment", environment.value.lower(), _NO_TEST_SITE[venue])


def check_urls(venue: str, environment: Environment, given: Mapping[str, str]) -> None:
    """Check base addresses that replace the venue's own.

    Raises:
        ConfigError: about the name that the venue does not have, or misses.
    """
    _URLS[venue](environment, given)
