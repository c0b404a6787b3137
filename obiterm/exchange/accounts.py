"""Balances, free and locked, and where every coin went.

Whatever leaves an account arrives at another account, at the house (the
counterparty that is not an account) or in the fee pot, so that the sum over
all of them never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from obiterm.exchange.contracts import Cause
from obiterm.exchange.words import Refusal, Why

ZERO = Decimal(0)


class Account:
    """Balances of one account.

    A lock that is not covered is refused, so that spot trading never makes a balance
    negative. Losses of perpetuals can, until the house has closed them.
    """

    def __init__(self, name: str, owner: str, balances: dict[str, Decimal]) -> None:
        self.name = name
        self.owner = owner
        """Who self-trade prevention looks at; several accounts may share one."""
        self.free: dict[str, Decimal] = dict(balances)
        self.locked: dict[str, Decimal] = dict.fromkeys(balances, ZERO)
        self.touched: dict[str, None] = {}
        """Assets that changed since the last balance update, in order."""
        self.cause = Cause.TRADE
        """Why they changed."""
        self.reserved: Callable[[str], Decimal] = lambda _: ZERO
        """What of an asset is margin of positions and their orders."""

    def free_of(self, asset: str) -> Decimal:
        """Return what no open spot order holds."""
        return self.free.get(asset, ZERO)

    def spendable(self, asset: str) -> Decimal:
        """Return what may be locked or spent: free and not margin. Never negative."""
        return max(ZERO, self.free_of(asset) - self.reserved(asset))

    def locked_of(self, asset: str) -> Decimal:
        """Return what open orders hold."""
        return self.locked.get(asset, ZERO)

    def lock(self, asset: str, amount: Decimal) -> None:
        """Move free to locked; raise ``Refusal`` (``INSUFFICIENT_BALANCE``)."""
        if self.spendable(asset) < amount:
            raise Refusal(Why.INSUFFICIENT_BALANCE, asset)
        self.free[asset] = self.free_of(asset) - amount
        self.locked[asset] = self.locked_of(asset) + amount
        self.touched[asset] = None

    def unlock(self, asset: str, amount: Decimal) -> None:
        """Move locked back to free; ``amount`` must be locked."""
        self._take_locked(asset, amount)
        self.credit(asset, amount)

    def pay(self, asset: str, amount: Decimal) -> None:
        """Take ``amount`` out of what is locked."""
        self._take_locked(asset, amount)

    def credit(self, asset: str, amount: Decimal) -> None:
        """Add to free."""
        self.free[asset] = self.free_of(asset) + amount
        self.locked.setdefault(asset, ZERO)
        self.touched[asset] = None

    def _take_locked(self, asset: str, amount: Decimal) -> None:
        left = self.locked_of(asset) - amount
        if left < 0:
            raise ValueError(f"account {self.name}: {asset} locked would become {left}")
        self.locked[asset] = left
        self.touched[asset] = None

    def take_touched(self) -> list[tuple[str, Decimal, Decimal]]:
        """Return ``(asset, free, locked)`` of changed assets and forget them."""
        changed = [(asset, self.free_of(asset), self.locked_of(asset)) for asset in self.touched]
        self.touched = {}
        self.cause = Cause.TRADE
        return changed


class Treasury:
    """All accounts, the fee pot and the house."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.fees: dict[str, Decimal] = {}
        self.house: dict[str, Decimal] = {}
        """Net of the internal counterparty; it is not limited by funds and may be negative."""

    def open(self, name: str, owner: str, balances: dict[str, Decimal]) -> Account:
        """Create an account; raise ``ValueError`` for a taken name or a negative balance."""
        if name in self.accounts:
            raise ValueError(f"account {name!r} exists")
        if any(amount < 0 for amount in balances.values()):
            raise ValueError(f"account {name!r}: balances must not be negative")
        account = self.accounts[name] = Account(name, owner, balances)
        return account

    def account(self, name: str) -> Account:
        """Return an account; raise ``KeyError`` for one that was never opened."""
        return self.accounts[name]

    def exchange(
        self,
        account: Account,
        paid: tuple[str, Decimal],
        received: tuple[str, Decimal],
        fee: Decimal,
    ) -> None:
        """Settle one side of a trade: pay from locked, receive less ``fee`` (received asset)."""
        paid_asset, paid_amount = paid
        received_asset, received_amount = received
        account.pay(paid_asset, paid_amount)
        account.credit(received_asset, received_amount - fee)
        self.fees[received_asset] = self.fees.get(received_asset, ZERO) + fee
        # The other side of the trade settles the same way, so that between two
        # accounts the house nets to nothing.
        self.house[paid_asset] = self.house.get(paid_asset, ZERO) + paid_amount
        self.house[received_asset] = self.house.get(received_asset, ZERO) - received_amount

    def transfer(
        self, account: Account, asset: str, amount: Decimal, cause: Cause = Cause.TRADE
    ) -> None:
        """Move P&L or funding from the house to an account (< 0: the other way)."""
        account.credit(asset, amount)
        account.cause = cause
        self.house[asset] = self.house.get(asset, ZERO) - amount

    def charge(self, account: Account, asset: str, fee: Decimal) -> None:
        """Take a fee out of what is free."""
        account.credit(asset, -fee)
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def total(self, asset: str) -> Decimal:
        """Return the sum over accounts, fees and house; constant between deposits."""
        held = sum((a.free_of(asset) + a.locked_of(asset) for a in self.accounts.values()), ZERO)
        return held + self.fees.get(asset, ZERO) + self.house.get(asset, ZERO)
