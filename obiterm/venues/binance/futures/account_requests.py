"""Signed REST requests about the account itself (binance.md §9.1, §11.3)."""

from __future__ import annotations

from obiterm.core.values import Symbol
from obiterm.venues.binance.futures.http_request import FuturesRequest, Signer
from obiterm.venues.binance.futures.symbols import name_of

CROSSED = "CROSSED"
ISOLATED = "ISOLATED"


class AccountRequests:
    """Builds the requests of one account; ``now_ms`` is the venue's time in Unix ms.

    Leverage, margin type and position mode can be changed while flat only (§16); that a
    market is so already is a success (``errors.ALREADY_SO``).
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    # ── reading ─────────────────────────────────────────────────────────────

    def balance(self, now_ms: int) -> FuturesRequest:
        """Ask for wallet and available balances."""
        return self._get("/fapi/v3/balance", {}, now_ms, 5)

    def account(self, now_ms: int) -> FuturesRequest:
        """Ask for balances and margin totals."""
        return self._get("/fapi/v3/account", {}, now_ms, 5)

    def positions(self, now_ms: int, symbol: Symbol | None = None) -> FuturesRequest:
        """Ask for positions; markets without position and order are not listed."""
        return self._get("/fapi/v3/positionRisk", _maybe(symbol), now_ms, 5)

    def config(self, now_ms: int) -> FuturesRequest:
        """Ask for rights, position mode and asset mode."""
        return self._get("/fapi/v1/accountConfig", {}, now_ms, 5)

    def symbol_config(self, now_ms: int, symbol: Symbol | None = None) -> FuturesRequest:
        """Ask for leverage and margin type."""
        return self._get("/fapi/v1/symbolConfig", _maybe(symbol), now_ms, 5)

    def position_mode(self, now_ms: int) -> FuturesRequest:
        """Ask whether the account is in hedge mode; ``config`` tells it for less weight."""
        return self._get("/fapi/v1/positionSide/dual", {}, now_ms, 30)

    def leverage_brackets(self, now_ms: int, symbol: Symbol | None = None) -> FuturesRequest:
        """Ask for leverage tiers and maintenance ratios."""
        return self._get("/fapi/v1/leverageBracket", _maybe(symbol), now_ms, 1)

    def commission_rate(self, symbol: Symbol, now_ms: int) -> FuturesRequest:
        """Ask for the account's true fees on a market."""
        return self._get("/fapi/v1/commissionRate", {"symbol": name_of(symbol)}, now_ms, 20)

    def income(
        self,
        now_ms: int,
        *,
        symbol: Symbol | None = None,
        income_type: str = "",
        start_ms: int | None = None,
        limit: int = 1000,
    ) -> FuturesRequest:
        """List what was booked on the account, e.g. ``FUNDING_FEE``; three months are kept."""
        fields = _maybe(symbol)
        if income_type:
            fields["incomeType"] = income_type
        if start_ms is not None:
            fields["startTime"] = str(start_ms)
        fields["limit"] = str(limit)
        return self._get("/fapi/v1/income", fields, now_ms, 30)

    def order_counts(self, now_ms: int) -> FuturesRequest:
        """Ask for the order limits and how much of them is used."""
        return self._get("/fapi/v1/rateLimit/order", {}, now_ms, 1)

    # ── settings ────────────────────────────────────────────────────────────

    def set_leverage(self, symbol: Symbol, leverage: int, now_ms: int) -> FuturesRequest:
        """Set the leverage of a market."""
        fields = {"symbol": name_of(symbol), "leverage": str(leverage)}
        return self._signer.signed("POST", "/fapi/v1/leverage", fields, now_ms, 1)

    def set_margin_type(self, symbol: Symbol, margin_type: str, now_ms: int) -> FuturesRequest:
        """Set a market to ``CROSSED`` or ``ISOLATED``."""
        fields = {"symbol": name_of(symbol), "marginType": margin_type}
        return self._signer.signed("POST", "/fapi/v1/marginType", fields, now_ms, 1)

    def set_position_mode(self, hedged: bool, now_ms: int) -> FuturesRequest:
        """Set the whole account, COIN-M too, to hedge or one-way mode."""
        fields = {"dualSidePosition": "true" if hedged else "false"}
        return self._signer.signed("POST", "/fapi/v1/positionSide/dual", fields, now_ms, 1)

    # ── listen key ──────────────────────────────────────────────────────────

    def create_listen_key(self) -> FuturesRequest:
        """Get the key of the user data stream: a new one, or the live one for an hour more."""
        return self._signer.keyed("POST", "/fapi/v1/listenKey", 1)

    def extend_listen_key(self) -> FuturesRequest:
        """Keep the live key for an hour more; ``-1125`` when there is none."""
        return self._signer.keyed("PUT", "/fapi/v1/listenKey", 1)

    def close_listen_key(self) -> FuturesRequest:
        """End the key, for every process of the account: not while one shares it."""
        return self._signer.keyed("DELETE", "/fapi/v1/listenKey", 1)

    def _get(self, path: str, fields: dict[str, str], now_ms: int, weight: int) -> FuturesRequest:
        return self._signer.signed("GET", path, fields, now_ms, weight)


def _maybe(symbol: Symbol | None) -> dict[str, str]:
    return {"symbol": name_of(symbol)} if symbol else {}
