"""Accounts to open and addresses to tell, whatever the dialect."""

from __future__ import annotations

import secrets
import string
from decimal import Decimal

import msgspec

MAIN_ACCOUNT = "main"
_ALPHABET = string.ascii_letters + string.digits
_BALANCES: dict[str, dict[str, str]] = {
    "binance": {"BTC": "1", "USDT": "100000"},
    "binance-futures": {"USDT": "100000"},
    "bybit": {"BTC": "1", "USDT": "100000"},
    "backpack": {"SOL": "200", "BTC": "1", "USDC": "100000"},
}


def default_balances(venue: str = "binance") -> dict[str, Decimal]:
    """Return what an account starts with: able to trade both ways on every market."""
    return {asset: Decimal(amount) for asset, amount in _BALANCES[venue].items()}


def account_names(count: int) -> list[str]:
    """Return the names of ``count`` accounts: main, account-2, account-3 …"""
    return [MAIN_ACCOUNT, *(f"account-{number}" for number in range(2, count + 1))]


def new_key() -> str:
    """Return a random text that may serve as a key or a secret."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(64))


class AccountOptions(msgspec.Struct, frozen=True):
    """An account to open. Keys that are left empty are made at random."""

    name: str = MAIN_ACCOUNT
    balances: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """What it starts with; empty: the venue's own default."""
    api_key: str = msgspec.field(default_factory=new_key)
    api_secret: str = msgspec.field(default_factory=new_key)
    ed25519_keys: dict[str, bytes] = msgspec.field(default_factory=dict)
    """API key -> raw public key (32 bytes)."""
    may_trade: bool = True
    may_withdraw: bool = False
    """What the venue tells about the account's keys."""
    hedge_mode: bool = False
    """Perpetuals: a long and a short leg beside each other."""

    def __repr__(self) -> str:
        return f"AccountOptions(name={self.name!r})"


class AccountKeys(msgspec.Struct, frozen=True):
    """How a client signs for one account."""

    name: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"AccountKeys(name={self.name!r})"


class Addresses(msgspec.Struct, frozen=True):
    """Where a dialect listens, beside REST."""

    stream: str
    """Base of the market streams."""
    private_stream: str | None = None
    """Base of the private stream where it stands apart."""
    ws_api: str | None = None
    """Order entry by WebSocket, where the venue has it."""


class Announcement(msgspec.Struct, frozen=True):
    """The one line that tells a caller how to reach the exchange."""

    venue: str
    rest: str
    stream: str
    private_stream: str | None
    ws_api: str | None
    api_key: str
    api_secret: str
    symbols: list[str]
    accounts: list[AccountKeys] = msgspec.field(default_factory=list)
    """Every account; ``api_key`` and ``api_secret`` are those of the first."""

    def __repr__(self) -> str:
        return f"Announcement({self.rest!r})"
