"""The risk gate: the only place where an intent becomes an ``ApprovedOrder`` (R15 R28 R47).

Two kinds of orders are told apart by what they would do, not by what they say:

- a *close* shrinks what is held, and its role says so (exit, stop, take profit, panic, or
  reduce-only). It passes every limit but the instrument's own filters and the trading
  state, and never sells more than there is. Where it could meet another order of ours the
  venue's self-trade flag decides (it expires the resting one): a way out must not wait.
- everything else passes every rule of ``risk_rules``; the first refusal is told.
"""

from __future__ import annotations

from collections import deque

from obiterm.core.limits import RiskLimits
from obiterm.core.orders import ApprovedOrder, OrderIntent, RefusedOrder
from obiterm.core.values import NS_PER_S, OrderRole, Symbol
from obiterm.trading.bounds import Bounds
from obiterm.trading.risk_case import Case
from obiterm.trading.risk_context import OpenOrder, RiskContext
from obiterm.trading.risk_rules import refusal

__all__ = ["OpenOrder", "RiskContext", "RiskGate", "RiskLimits"]

_RATE_WINDOW_NS = 10 * NS_PER_S


class RiskGate:
    """Judges intents of one account. Its only memory is when orders were approved."""

    def __init__(self, limits: RiskLimits) -> None:
        self.limits = limits
        self._approved_ns: deque[int] = deque()
        self._bounds: dict[Symbol, Bounds] = {}

    def check(
        self, intent: OrderIntent, context: RiskContext, now_ns: int
    ) -> ApprovedOrder | RefusedOrder:
        """Return the approved order, or the refusal with the limit's name, value and attempt.

        Closes count towards the order rate but are never refused for it.
        """
        refused = self.judge(intent, context, now_ns)
        if refused is not None:
            return refused
        approved = self._approved_ns
        while approved and approved[0] <= now_ns - _RATE_WINDOW_NS:
            approved.popleft()
        approved.append(now_ns)
        return ApprovedOrder(intent=intent, approved_ns=now_ns)

    def judge(self, intent: OrderIntent, context: RiskContext, now_ns: int) -> RefusedOrder | None:
        """Return the refusal that ``check`` would return; nothing is approved or counted."""
        bounds = self._bounds.get(intent.symbol)
        if bounds is None or bounds.instrument is not context.instrument:
            bounds = self._bounds[intent.symbol] = Bounds(context.instrument, self.limits)
        in_window = self._approved_in_window(now_ns)
        found = refusal(Case(intent, context, self.limits, bounds, in_window))
        if found is None:
            return None
        limit, reason = found
        return RefusedOrder(intent=intent, limit=limit, reason=reason)

    def _approved_in_window(self, now_ns: int) -> int:
        """Return how many orders were approved in the last ten seconds."""
        count = len(self._approved_ns)
        for at_ns in self._approved_ns:
            if at_ns > now_ns - _RATE_WINDOW_NS:
                break
            count -= 1
        return count


def approve_panic_close(intent: OrderIntent, now_ns: int) -> ApprovedOrder:
    """Approve a reducing close of the panic path, which no limit may hold up (SPEC §6).

    Raises ``ValueError`` for anything that is not reduce-only with the role PANIC.
    """
    if intent.role is not OrderRole.PANIC or not intent.reduce_only:
        raise ValueError("only a reduce-only order of the panic path passes here")
    return ApprovedOrder(intent=intent, approved_ns=now_ns)
