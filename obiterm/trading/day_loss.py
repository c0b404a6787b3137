"""The day's loss breaker: own fills only, and no single bad price trips it (T2)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.values import NS_PER_S

_CONFIRM_NS = NS_PER_S
"""A loss that only a price makes must last this long, on books that can be trusted."""


class DayLoss:
    """Watches the result since 00:00 UTC against the account's limit."""

    def __init__(self, limit_quote: Decimal) -> None:
        self._limit = limit_quote
        self._since_ns = 0

    def tripped(self, booked: Decimal, result: Decimal, trusted: bool, now_ns: int) -> str:
        """Return why the account must stop entering, or nothing.

        ``booked`` is realised less fees, ``result`` adds what open positions show;
        ``trusted`` says that their prices come from books in order.
        """
        if booked <= -self._limit:
            return self._reason(booked, "booked")
        if result > -self._limit or not trusted:
            self._since_ns = 0
            return ""
        self._since_ns = self._since_ns or now_ns
        if now_ns - self._since_ns < _CONFIRM_NS:
            return ""
        return self._reason(result, "with open positions")

    def _reason(self, result: Decimal, what: str) -> str:
        return f"max_daily_loss {self._limit:f}: result today {result:.2f} {what}"
