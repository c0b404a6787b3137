"""Public REST requests of Binance futures (binance.md §9.1)."""

from __future__ import annotations

from obiterm.core.errors import UsageError
from obiterm.core.values import Symbol
from obiterm.venues.binance.futures.http_request import FuturesRequest, public
from obiterm.venues.binance.futures.symbols import name_of

_DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}


class MarketRequests:
    """Builds the requests that need no key."""

    def ping(self) -> FuturesRequest:
        """Ask for an empty answer."""
        return public("/fapi/v1/ping", [], 1)

    def server_time(self) -> FuturesRequest:
        """Ask for the venue's time."""
        return public("/fapi/v1/time", [], 1)

    def exchange_info(self) -> FuturesRequest:
        """Ask for all markets and limits."""
        return public("/fapi/v1/exchangeInfo", [], 1)

    def depth(self, symbol: Symbol, limit: int = 1000) -> FuturesRequest:
        """Ask for a book; ``limit`` is 5, 10, 20, 50, 100, 500 or 1000 levels a side."""
        weight = _DEPTH_WEIGHTS.get(limit)
        if weight is None:
            raise UsageError(f"limit = {limit}: expected one of {sorted(_DEPTH_WEIGHTS)}")
        fields = [("symbol", name_of(symbol)), ("limit", str(limit))]
        return public("/fapi/v1/depth", fields, weight)

    def premium_index(self, symbol: Symbol | None = None) -> FuturesRequest:
        """Ask for mark price and funding of one market, or of all."""
        path = "/fapi/v1/premiumIndex"
        if symbol is None:
            return public(path, [], 10)
        return public(path, [("symbol", name_of(symbol))], 1)

    def funding_rate(
        self, symbol: Symbol, *, start_ms: int | None = None, limit: int = 100
    ) -> FuturesRequest:
        """List past funding rates, oldest first; ``limit`` at most 1000."""
        fields = [("symbol", name_of(symbol))]
        if start_ms is not None:
            fields.append(("startTime", str(start_ms)))
        fields.append(("limit", str(limit)))
        return public("/fapi/v1/fundingRate", fields, 0, is_funding=True)

    def funding_info(self) -> FuturesRequest:
        """List the markets whose funding interval, cap or floor was adjusted."""
        return public("/fapi/v1/fundingInfo", [], 0, is_funding=True)
