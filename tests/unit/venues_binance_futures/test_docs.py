"""The page about Binance futures names the hosts and times of the code."""

from __future__ import annotations

from pathlib import Path

from obiterm.core.values import Environment
from obiterm.venues.binance.futures import symbol_of, urls
from obiterm.venues.binance.futures.conditional import READS_LAG_NS
from obiterm.venues.binance.futures.market_session import FIRST_FRAME_NS
from obiterm.venues.binance.futures.user_session import HOLD_NS

PAGE = (Path(__file__).parents[3] / "docs" / "venues-binance-futures.md").read_text()


def test_hosts_names_and_times() -> None:
    for environment in (Environment.LIVE, Environment.DEMO):
        told = urls(environment)
        assert f"`{told.rest.removeprefix('https://')}`" in PAGE
        assert f"`{told.ws_api.removeprefix('wss://')}`" in PAGE
        assert f"`{told.public.removeprefix('wss://').removesuffix('/public')}`" in PAGE
    assert f"`{symbol_of('BTCUSDT')}`" in PAGE
    assert (FIRST_FRAME_NS, READS_LAG_NS, HOLD_NS) == (10 * 10**9, 10 * 10**9, 5 * 10**8)
    for words in ("within 10 s", "only ten seconds after", "half a\n  second"):
        assert words in PAGE
