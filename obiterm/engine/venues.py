"""Open a venue by its name in profiles."""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.config.venues import VENUES
from obiterm.core.clock import Clock
from obiterm.core.errors import ConfigError
from obiterm.core.values import Environment
from obiterm.engine.hub import Hub


def open_hub(
    venue: str, environment: Environment, overrides: Mapping[str, str], clock: Clock
) -> Hub:
    """Return a venue's hub; nothing is sent yet.

    Args:
        venue: one of ``config.venues.VENUES``.
        environment: which of the venue's environments.
        overrides: other base addresses, by the names in the venue's ``environments.py``.

    Raises:
        ConfigError: no such venue, environment or address name.
    """
    match venue:
        case "binance":
            from obiterm.engine.binance.hub import BinanceHub
            from obiterm.venues.binance.environments import urls

            return BinanceHub(urls(environment, overrides), clock)
        case "binance-futures":
            from obiterm.engine.binance_futures.hub import FuturesHub
            from obiterm.venues.binance.futures.environments import urls as futures_urls

            return FuturesHub(futures_urls(environment, overrides), clock)
        case "bybit":
            from obiterm.engine.bybit.hub import BybitHub
            from obiterm.venues.bybit.environments import urls as bybit_urls

            return BybitHub(bybit_urls(environment, overrides), clock)
        case "backpack":
            from obiterm.engine.backpack.hub import BackpackHub
            from obiterm.venues.backpack.environments import urls as backpack_urls

            return BackpackHub(backpack_urls(environment, overrides), clock)
    raise ConfigError("venue", venue, f"one of {', '.join(VENUES)}")
