"""What a profile says: accounts, strategies, the built-in exchange, the screen.

Every field has a default or is required, bounds, and a help text; the reference
in the documentation is written from here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from obiterm.config.venues import VenueName, check_environment, check_urls
from obiterm.core.errors import ConfigError
from obiterm.core.limits import RiskLimits
from obiterm.core.values import Environment

OnDetach = Literal["keep", "hold", "cancel", "flatten"]
"""What engines do when the last screen leaves, by an SSH drop or on purpose."""
OnHostLoss = Literal["hold", "cancel", "flatten"]
"""What the watchdog does when the host hangs or dies."""
Colour = Literal["auto", "truecolor", "256", "none"]

SIM_KEYS = "sim"
"""Value of ``keys`` that takes them from the simulated exchange of the profile."""

_NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"
Name = Annotated[str, Field(pattern=_NAME)]
SymbolName = Annotated[str, Field(pattern=r"^[A-Z0-9_.-]{2,32}$")]
AssetName = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]
_ENVIRONMENTS = (Environment.SIM, Environment.DEMO, Environment.TESTNET, Environment.LIVE)
_KEYS = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


def _environment(value: object) -> object:
    known = {one.value.lower(): one for one in _ENVIRONMENTS}
    if isinstance(value, Environment):
        return value
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return known[value]


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("each symbol once")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _address(value: str) -> str:
    if not re.match(r"(https?|wss?)://[^/\s]+", value):
        raise ValueError("an address such as http://127.0.0.1:8080 or ws://127.0.0.1:8081")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]


class AccountProfile(_Section):
    """One account at one venue, with its own engine."""

    name: Name = Field(description="Own name of the account: a-z, 0-9, - and _.")
    venue: VenueName = Field(
        description="Where it trades: binance (spot), binance-futures, bybit or backpack."
    )
    environment: Annotated[Environment, BeforeValidator(_environment)] = Field(
        description="sim = simulated exchange; demo, testnet, live = the venue's. "
        "Backpack has live only."
    )
    symbols: Annotated[tuple[SymbolName, ...], Field(min_length=1, max_length=64)] = Field(
        description="Markets that it watches and may trade, in the venue's spelling."
    )
    keys: str = Field(
        "",
        description="env:PREFIX reads PREFIX_KEY and PREFIX_SECRET from the environment; "
        "sim takes those of the simulated exchange in this profile; empty = watch only.",
    )
    urls: dict[str, Address] = Field(
        default_factory=dict,
        description="Base addresses in place of the venue's own. Names: rest, stream, ws_api "
        "(binance); rest, public, market, private, ws_api, or stream for the three stream paths "
        "(binance-futures); rest, public, private, trade (bybit); rest, stream (backpack).",
    )
    limits: RiskLimits = Field(RiskLimits(), description="Hard limits of the risk gate.")

    @field_validator("keys")
    @classmethod
    def _is_a_reference(cls, value: str) -> str:
        if value in ("", SIM_KEYS) or _KEYS.fullmatch(value):
            return value
        raise ValueError("env:PREFIX, sim or nothing; keys themselves never stand in a profile")

    @field_validator("symbols")
    @classmethod
    def _are_different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(value)

    @property
    def is_hosted(self) -> bool:
        """True when it trades on an exchange that the host starts."""
        return self.environment is Environment.SIM and self.keys == SIM_KEYS


class StrategyProfile(_Section):
    """One strategy instance on one market of one account."""

    name: Name = Field(description="Own name of the instance within its account.")
    kind: str = Field(description="Which strategy, e.g. surf.")
    account: Name = Field(description="Account that it trades on.")
    symbol: SymbolName = Field(description="Market that it trades.")
    enabled: bool = Field(default=True, description="Whether it starts with the host.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the strategy; unset ones have defaults."
    )


class ExchangeProfile(_Section):
    """A simulated exchange that the host starts; one process for each."""

    venue: VenueName = Field(description="Whose wire protocol it speaks.")
    symbols: Annotated[tuple[SymbolName, ...], Field(min_length=1, max_length=16)] = Field(
        description="Markets that it makes, spot and perpetual together where the venue does, "
        "spelt as in accounts."
    )
    seed: int = Field(
        7,
        ge=0,
        le=2**32 - 1,
        description="Same seed, same order flow; exchanges of one seed share one price.",
    )
    capture: Path | None = Field(
        None, description="Recorded market to replay in place of the order flow; relative to here."
    )
    speed: float = Field(
        1.0, gt=0, le=1_000, allow_inf_nan=False, description="Market time per real time."
    )
    port: int = Field(0, ge=0, le=65_535, description="Port of all its faces; 0 = any free one.")
    balances: dict[AssetName, Decimal] = Field(
        default_factory=dict,
        description="What each account starts with; empty = enough to trade both ways.",
    )

    @field_validator("symbols")
    @classmethod
    def _are_different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(value)

    @field_validator("balances")
    @classmethod
    def _are_amounts(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        if any(not amount.is_finite() or amount < 0 for amount in value.values()):
            raise ValueError("amounts of 0 or more")
        return value

    def makes(self, account: AccountProfile) -> bool:
        """Return whether an account can trade all its markets here."""
        return account.venue == self.venue and set(account.symbols) <= set(self.symbols)


class Profile(_Section):
    """One way to run: what a host trades and how a screen shows it."""

    name: str = Field("", exclude=True, description="Name of the file without its suffix.")
    source: Path = Field(Path(), exclude=True, description="The file.")

    schema_version: Literal[1] = Field(alias="schema", description="Layout of this file: 1.")
    title: str = Field("", max_length=60, description="One line for lists and the screen.")
    on_detach: OnDetach = Field(
        "keep",
        description="When the last screen leaves: keep trading, hold (no new entries), cancel "
        "entries, or flatten.",
    )
    on_host_loss: OnHostLoss = Field(
        "cancel",
        description="When the host hangs or dies, the watchdog: hold (only tells), cancel entries "
        "and keep protective stops, or flatten.",
    )
    watchdog_s: float = Field(
        10.0,
        ge=0,
        le=3_600,
        allow_inf_nan=False,
        description="Seconds without a sign of life of the host after which the watchdog acts; "
        "0 = no watchdog.",
    )
    sizes: tuple[Decimal, ...] = Field(
        (), max_length=9, description="Order sizes for keys and clicks, in base, smallest first."
    )
    theme: str = Field("night-city", max_length=64, description="Theme of the screen.")
    colour: Colour = Field("auto", description="Colour depth of the terminal.")
    journal_market_events: bool = Field(
        default=False, description="Also journal every market event: large, but replays exactly."
    )
    accounts: Annotated[tuple[AccountProfile, ...], Field(min_length=1, max_length=32)] = Field(
        description="Accounts, each with an engine of its own."
    )
    strategies: tuple[StrategyProfile, ...] = Field((), description="Strategy instances.")
    exchanges: Annotated[tuple[ExchangeProfile, ...], Field(max_length=8)] = Field(
        (), description="Simulated exchanges; accounts with keys = sim need one."
    )

    @field_validator("sizes")
    @classmethod
    def _are_sizes(cls, value: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if any(not size.is_finite() or size <= 0 for size in value) or sorted(set(value)) != list(
            value
        ):
            raise ValueError("positive numbers, smallest first, each once")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Profile:
        for check in _CHECKS:
            check(self)
        return self

    def account(self, name: str) -> AccountProfile:
        """Return an account by name; raise ``KeyError`` when there is none."""
        for account in self.accounts:
            if account.name == name:
                return account
        raise KeyError(name)

    def exchange_of(self, account: AccountProfile) -> int | None:
        """Return the number of the exchange that an account trades on; ``None`` outside."""
        if not account.is_hosted:
            return None
        return next(i for i, one in enumerate(self.exchanges) if one.makes(account))

    def strategies_of(self, account: str) -> list[StrategyProfile]:
        """Return the instances of one account, in order of the file."""
        return [one for one in self.strategies if one.account == account]


class Misfit(ValueError):
    """Two parts of a profile contradict each other.

    Attributes:
        loc: where the one to mend stands.
        value: what stands there.
        expected: what would fit.
    """

    def __init__(self, loc: tuple[int | str, ...], value: object, expected: str) -> None:
        super().__init__(expected)
        self.loc = loc
        self.value = value
        self.expected = expected


def _names_once(profile: Profile) -> None:
    """Account names are unique; those of strategies within their account."""
    accounts: set[str] = set()
    for index, account in enumerate(profile.accounts):
        if account.name in accounts:
            raise Misfit(("accounts", index, "name"), account.name, "a name of its own in accounts")
        accounts.add(account.name)
    strategies: set[tuple[str, str]] = set()
    for index, strategy in enumerate(profile.strategies):
        if (strategy.account, strategy.name) in strategies:
            expected = f"a name of its own in the strategies of {strategy.account}"
            raise Misfit(("strategies", index, "name"), strategy.name, expected)
        strategies.add((strategy.account, strategy.name))


def _no_real_money_beside_play(profile: Profile) -> None:
    real = profile.accounts[0].environment.is_real_money
    for index, account in enumerate(profile.accounts):
        if account.environment.is_real_money is not real:
            loc = ("accounts", index, "environment")
            expected = "live accounts in a profile of their own (real and play money never mix)"
            raise Misfit(loc, account.environment.value.lower(), expected)


def _venues_fit(profile: Profile) -> None:
    """Refuse environments and addresses that a venue does not have."""
    for index, account in enumerate(profile.accounts):
        try:
            check_environment(account.venue, account.environment)
            if not account.is_hosted:
                check_urls(account.venue, account.environment, account.urls)
        except ConfigError as error:
            loc = ("accounts", index, *(() if error.field == "environment" else ("urls",)))
            raise Misfit((*loc, error.field), error.value, error.expected) from None


def _sim_has_exchange(profile: Profile) -> None:
    for index, account in enumerate(profile.accounts):
        is_sim = account.environment is Environment.SIM
        if not is_sim and account.keys == SIM_KEYS:
            expected = "env:PREFIX or nothing outside the simulation"
            raise Misfit(("accounts", index, "keys"), account.keys, expected)
        if is_sim and not account.is_hosted and not (account.keys and account.urls):
            expected = "sim, or env:PREFIX with the urls of an exchange that runs elsewhere"
            raise Misfit(("accounts", index, "keys"), account.keys, expected)
        if not account.is_hosted:
            continue
        if account.urls:
            name, value = next(iter(account.urls.items()))
            expected = "no such key: the profile's own exchange tells its addresses"
            raise Misfit(("accounts", index, "urls", name), value, expected)
        if not any(exchange.makes(account) for exchange in profile.exchanges):
            raise _not_made(profile, account, index)


def _not_made(profile: Profile, account: AccountProfile, index: int) -> Misfit:
    """Return what is wrong with a simulated account that no exchange makes the markets of."""
    of_venue = [one for one in profile.exchanges if one.venue == account.venue]
    if not of_venue:
        expected = f"an [[exchanges]] section with venue = {account.venue!r} in this profile"
        return Misfit(("accounts", index, "environment"), "sim", expected)
    made = {symbol for one in of_venue for symbol in one.symbols}
    missing = [symbol for symbol in account.symbols if symbol not in made] or account.symbols
    place = ("accounts", index, "symbols", account.symbols.index(missing[0]))
    known = " or ".join(", ".join(one.symbols) for one in of_venue)
    return Misfit(place, missing[0], f"{known}: the markets of the {account.venue} exchange")


def _exchanges_fit(profile: Profile) -> None:
    ports: set[int] = set()
    for index, exchange in enumerate(profile.exchanges):
        if exchange.port and exchange.port in ports:
            raise Misfit(("exchanges", index, "port"), exchange.port, "a port of its own")
        ports.add(exchange.port)
        if exchange.capture is not None and (exchange.venue, len(exchange.symbols)) != (
            "binance",
            1,
        ):
            expected = "no capture: only one market of binance can be replayed"
            raise Misfit(("exchanges", index, "capture"), str(exchange.capture), expected)
        if not any(exchange.makes(one) for one in profile.accounts if one.is_hosted):
            expected = "a venue with a sim account on these symbols, or no such section"
            raise Misfit(("exchanges", index, "venue"), exchange.venue, expected)


def _strategies_fit(profile: Profile) -> None:
    accounts = {account.name: account for account in profile.accounts}
    for index, strategy in enumerate(profile.strategies):
        account = accounts.get(strategy.account)
        if account is None:
            expected = f"one of the accounts {', '.join(accounts)}"
            raise Misfit(("strategies", index, "account"), strategy.account, expected)
        if strategy.symbol not in account.symbols:
            expected = f"one of {', '.join(account.symbols)}, the symbols of {account.name}"
            raise Misfit(("strategies", index, "symbol"), strategy.symbol, expected)


_CHECKS = (
    _names_once,
    _no_real_money_beside_play,
    _sim_has_exchange,
    _venues_fit,
    _exchanges_fit,
    _strategies_fit,
)
