"""Simulated exchanges that outlive any host, and a profile that trades on them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import msgspec

from obiterm.config.markets import exchange_symbol
from obiterm.config.models import AccountProfile, Profile
from obiterm.core.errors import ConfigError
from obiterm.host.exchange_child import ExchangeAddress, ExchangeChild

_ANSWER_LIMIT_S = 10.0
_HASTY = {"max_hold_s": 2, "cooldown_ms": 100, "enter_obi": 0.1, "hold_obi": 0.0}
_WIDE = {"max_daily_loss": Decimal(50_000)}


class LedgerFill(msgspec.Struct, frozen=True):
    """One execution, as the exchange booked it."""

    symbol: str
    client_id: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    time_ns: int


class LedgerOrder(msgspec.Struct, frozen=True):
    """One order at the exchange, open or ended."""

    symbol: str
    client_id: str
    side: str
    kind: str
    status: str
    quantity: Decimal
    filled: Decimal
    created_ns: int
    updated_ns: int


class LedgerPosition(msgspec.Struct, frozen=True):
    """One perpetual position; its quantity is signed."""

    symbol: str
    quantity: Decimal


class Amount(msgspec.Struct, frozen=True):
    """A balance."""

    free: Decimal
    locked: Decimal


class LedgerAccount(msgspec.Struct, frozen=True):
    """An account by the exchange's own books."""

    open_orders: list[LedgerOrder]
    positions: list[LedgerPosition]
    balances: dict[str, Amount]
    fills: list[LedgerFill]

    def total(self, asset: str) -> Decimal:
        """Return all of an asset, locked or free."""
        found = self.balances.get(asset)
        return found.free + found.locked if found is not None else Decimal(0)


class BareSpan(msgspec.Struct, frozen=True):
    """A time during which a position was larger than its stops; ``to_ns`` 0 = it lasts."""

    account: str
    symbol: str
    from_ns: int
    to_ns: int
    lots: int


class PlayedFault(msgspec.Struct, frozen=True):
    """A fault of a script, and when it began."""

    kind: str
    match: str
    ms: int
    for_ms: int
    at_ns: int


class _Played(msgspec.Struct, frozen=True):
    played: list[PlayedFault]


class _Ledger(msgspec.Struct, frozen=True):
    accounts: dict[str, LedgerAccount]


class _Orders(msgspec.Struct, frozen=True):
    accounts: dict[str, list[LedgerOrder]]


class _Protection(msgspec.Struct, frozen=True):
    bare: list[BareSpan]


class Place(msgspec.Struct, frozen=True):
    """Where one account trades, and what the exchange calls it."""

    account: str
    venue: str
    rest: str
    name: str
    """The account's name at the exchange."""
    symbols: dict[str, str]
    """Our symbol -> the exchange's."""
    began: dict[str, Decimal]
    """What the account had at the beginning."""


class Books:
    """Reads what exchanges know."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=_ANSWER_LIMIT_S)

    async def ledger(self, place: Place) -> LedgerAccount:
        """Return the account's books."""
        data = await self._get(place, "ledger")
        return msgspec.json.decode(data, type=_Ledger).accounts[place.name]

    async def orders(self, place: Place) -> list[LedgerOrder]:
        """Return every order the account ever had."""
        data = await self._get(place, "orders")
        return msgspec.json.decode(data, type=_Orders).accounts[place.name]

    async def bare(self, place: Place) -> list[BareSpan]:
        """Return when the account's positions had no whole stop."""
        data = await self._get(place, "protection")
        spans = msgspec.json.decode(data, type=_Protection).bare
        return [span for span in spans if span.account == place.name]

    async def play(self, place: Place, seed: int, seconds: float) -> None:
        """Let the exchange play a script of faults that is drawn from a seed."""
        body = {"seed": seed, "seconds": seconds, "venue": place.venue}
        reply = await self._http.post(f"{place.rest}/_exchange/script", json=body)
        reply.raise_for_status()

    async def calm(self, place: Place) -> list[PlayedFault]:
        """End the script and every fault; return those that were."""
        reply = await self._http.delete(f"{place.rest}/_exchange/script")
        return msgspec.json.decode(reply.raise_for_status().content, type=_Played).played

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(self, place: Place, what: str) -> bytes:
        reply = await self._http.get(f"{place.rest}/_exchange/{what}")
        return reply.raise_for_status().content


class Stage(msgspec.Struct, frozen=True):
    """Exchanges that run, and what a host needs to trade on them."""

    profile: Profile
    places: list[Place]
    environment: dict[str, str]
    """The keys, by the names that the profile's accounts refer to."""


@asynccontextmanager
async def set_stage(profile: Profile, seed: int) -> AsyncIterator[Stage]:
    """Run the exchanges of a profile beside this process until the end of the block.

    Raises:
        ConfigError: the profile has accounts that trade elsewhere.
        ObitermError: an exchange did not start.
    """
    children: list[ExchangeChild] = []
    accounts: dict[str, AccountProfile] = {}
    places: list[Place] = []
    environment: dict[str, str] = {}
    if not profile.exchanges or not all(one.is_hosted for one in profile.accounts):
        expected = "a profile of sim accounts, with an [[exchanges]] section for them"
        raise ConfigError("profile", profile.name, expected)
    try:
        for number, exchange in enumerate(profile.exchanges):
            here = [one for one in profile.accounts if profile.exchange_of(one) == number]
            chosen = exchange.model_copy(update={"seed": seed})
            child = await ExchangeChild.start(chosen, len(here), 0)
            children.append(child)
            for index, account in enumerate(here):
                moved, keys = _move(account, child.address, index)
                accounts[account.name] = moved
                environment |= keys
                places.append(await _place(account, child.address, index))
        moved_accounts = tuple(accounts[one.name] for one in profile.accounts)
        changes = {"accounts": moved_accounts, "exchanges": (), "name": f"{profile.name}-stage"}
        yield Stage(profile.model_copy(update=changes), places, environment)
    finally:
        for child in children:
            await child.stop()


def _move(
    account: AccountProfile, address: ExchangeAddress, index: int
) -> tuple[AccountProfile, Mapping[str, str]]:
    """Return the account with addresses and keys of an exchange that the host does not start."""
    prefix = "STAGE_" + account.name.upper().replace("-", "_")
    keys = address.keys(index)
    moved = account.model_copy(update={"keys": f"env:{prefix}", "urls": address.urls()})
    return moved, {f"{prefix}_KEY": keys.api_key, f"{prefix}_SECRET": keys.api_secret}


async def _place(account: AccountProfile, address: ExchangeAddress, index: int) -> Place:
    symbols = {name: exchange_symbol(account.venue, name) for name in account.symbols}
    venue = str(account.venue)
    name = address.accounts[index].name
    place = Place(account.name, venue, address.rest, name, symbols, {})
    books = Books()
    try:
        ledger = await books.ledger(place)
    finally:
        await books.close()
    began = {asset: ledger.total(asset) for asset in ledger.balances}
    return msgspec.structs.replace(place, began=began)


def hasten(profile: Profile) -> Profile:
    """Return a profile whose strategies come and go quickly, so that much is under way."""
    strategies = tuple(
        one.model_copy(update={"parameters": {**one.parameters, **_HASTY}})
        for one in profile.strategies
    )
    accounts = tuple(
        one.model_copy(update={"limits": one.limits.model_copy(update=_WIDE)})
        for one in profile.accounts
    )
    return profile.model_copy(update={"strategies": strategies, "accounts": accounts})


def lend_keys(stage: Stage) -> None:
    """Put the stage's keys where a host of this process finds them."""
    os.environ.update(stage.environment)
