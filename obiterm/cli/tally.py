"""What the accounts of a headless run did, over all engines that each of them had."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from obiterm.cli.summary import (
    AccountSummary,
    books_in_sync,
    left_positions,
    make_account,
    market_counts,
    money,
    slowest_us,
    trips,
)
from obiterm.engine.account import AccountEngine
from obiterm.host.slots import AccountSlot
from obiterm.trading.kernel import Kernel


class ExchangeLedger(msgspec.Struct):
    """What an exchange itself says, by account."""

    accounts: dict[str, dict[str, object]]
    self_trades: list[object]

    def rows(self, account: str, name: str) -> list[object]:
        """Return one list of an account."""
        value = self.accounts.get(account, {}).get(name)
        return value if isinstance(value, list) else []


class Tally:
    """One account of a run.

    An account has a second engine when its exchange ended and came back: what the first one
    did counts as well.
    """

    def __init__(self, slot: AccountSlot) -> None:
        self.slot = slot
        self.engines: list[AccountEngine] = []
        self.fills: list[object] = []
        self.open_orders: int | None = None
        self._held_there: list[str] = []

    def look(self) -> None:
        """Notice a new engine."""
        engine = self.slot.engine
        if engine is not None and engine not in self.engines:
            self.engines.append(engine)

    def take(self, ledger: ExchangeLedger, account: str) -> None:
        """Take the exchange's word for fills and open orders."""
        self.fills = ledger.rows(account, "fills")
        self.open_orders = len(ledger.rows(account, "open_orders"))
        self._held_there = [
            f"{row['side']} {row['quantity']} on {row['symbol']} at the exchange"
            for row in ledger.rows(account, "positions")
            if isinstance(row, dict)
        ]

    @property
    def kernels(self) -> list[Kernel]:
        """The kernels of its engines."""
        return [engine.kernel for engine in self.engines]

    @property
    def gone(self) -> list[Kernel]:
        """The kernels whose exchange ended: what they held ended with it."""
        return [engine.kernel for engine in self.engines if engine is not self.slot.engine]

    @property
    def left(self) -> list[str]:
        """Positions that are left, by our fills and by the exchange's word."""
        engine = self.slot.engine
        if engine is None:
            return []
        return [*self._held_there, *left_positions(engine.kernel)]

    def summary(self) -> AccountSummary:
        """Return the account's part of the summary."""
        slot, kernels = self.slot, self.kernels
        windows = [engine.decisions for engine in self.engines]
        return make_account(
            {
                "name": slot.name,
                "venue": slot.venue,
                "environment": slot.environment.value,
                "symbols": list(slot.symbols),
                "state": slot.state.value,
                "connected": slot.engine is not None,
                "trouble": slot.trouble,
                "books_in_sync": 0 if slot.engine is None else books_in_sync(slot.engine.kernel),
                **market_counts(kernels),
                **totals([self]),
                "tick_to_order_us": slowest_us(windows),
                "open_orders_at_exchange": self.open_orders,
                "left": self.left,
            }
        )


def totals(tallies: Sequence[Tally]) -> dict[str, object]:
    """Return what accounts did together."""
    engines = [engine for tally in tallies for engine in tally.engines]
    kernels = [engine.kernel for engine in engines]
    gone = [kernel for tally in tallies for kernel in tally.gone]
    round_trips, wins = trips(kernels)
    return {
        "orders_sent": sum(engine.orders_sent for engine in engines),
        "fills": sum(len(tally.fills) for tally in tallies),
        "round_trips": round_trips,
        "wins": wins,
        **money([kernel for kernel in kernels if kernel not in gone], gone),
        "risk_refusals": sum(kernel.gate.refusals for kernel in kernels),
        "faults": sum(engine.faults for engine in engines),
    }
