"""What a profile says: accounts, strategies, the built-in exchange, the screen.

Every field has a default or is required, bounds, and a help text; the reference
in the documentation is written from here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from obiterm.core.limits import RiskLimits
from obiterm.core.values import Environment

OnDetach = Literal["keep", "hold", "cancel", "flatten"]
"""What engines do when the last screen leaves, by an SSH drop or on purpose."""
Colour = Literal["auto", "truecolor", "256", "none"]

SIM_KEYS = "sim"
"""Value of ``keys`` that takes them from the built-in exchange."""

_NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"
Name = Annotated[str, Field(pattern=_NAME)]
SymbolName = Annotated[str, Field(pattern=r"^[A-Z0-9_.-]{2,32}$")]
_ENVIRONMENTS = (Environment.SIM, Environment.DEMO, Environment.TESTNET, Environment.LIVE)
_KEYS = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


def _environment(value: object) -> object:
    known = {one.value.lower(): one for one in _ENVIRONMENTS}
    if isinstance(value, Environment):
        return value
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return known[value]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Urls(_Section):
    """Base addresses in place of the venue's own; an empty one keeps the venue's."""

    rest: str = Field("", description="e.g. http://127.0.0.1:8080")
    stream: str = Field("", description="e.g. ws://127.0.0.1:8081")
    ws_api: str = Field("", description="e.g. ws://127.0.0.1:8082/ws-api/v3")

    @field_validator("*")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not re.match(r"(https?|wss?)://[^/\s]+", value):
            raise ValueError("an address such as http://127.0.0.1:8080 or ws://127.0.0.1:8081")
        return value.rstrip("/")


class AccountProfile(_Section):
    """One account at one venue, with its own engine."""

    name: Name = Field(description="Own name of the account: a-z, 0-9, - and _.")
    venue: Literal["binance"] = Field(description="Where it trades.")
    environment: Annotated[Environment, BeforeValidator(_environment)] = Field(
        description="sim = built-in exchange; demo, testnet, live = the venue's."
    )
    symbols: Annotated[list[SymbolName], Field(min_length=1, max_length=64)] = Field(
        description="Markets that it watches and may trade, in the venue's spelling."
    )
    keys: str = Field(
        "",
        description="env:PREFIX reads PREFIX_KEY and PREFIX_SECRET from the environment; "
        "sim takes those of the built-in exchange; empty = watch only.",
    )
    urls: Urls = Field(Urls(), description="Other base addresses.")
    limits: RiskLimits = Field(RiskLimits(), description="Hard limits of the risk gate.")

    @field_validator("keys")
    @classmethod
    def _is_a_reference(cls, value: str) -> str:
        if value in ("", SIM_KEYS) or _KEYS.fullmatch(value):
            return value
        raise ValueError("env:PREFIX, sim or nothing; keys themselves never stand in a profile")

    @field_validator("symbols")
    @classmethod
    def _are_different(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each symbol once")
        return value


class StrategyProfile(_Section):
    """One strategy instance on one market of one account."""

    name: Name = Field(description="Own name of the instance.")
    kind: str = Field(description="Which strategy, e.g. surf.")
    account: Name = Field(description="Account that it trades on.")
    symbol: SymbolName = Field(description="Market that it trades.")
    enabled: bool = Field(default=True, description="Whether it starts with the host.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the strategy; unset ones have defaults."
    )


class ExchangeProfile(_Section):
    """The built-in exchange of simulated accounts."""

    symbol: SymbolName = Field("BTCUSDT", description="Market that it makes.")
    seed: int = Field(7, ge=0, le=2**32 - 1, description="Same seed, same order flow.")
    capture: Path | None = Field(
        None, description="Recorded market to replay in place of the order flow; relative to here."
    )
    speed: float = Field(
        1.0, gt=0, le=1_000, allow_inf_nan=False, description="Market time per real time."
    )
    port: int = Field(0, ge=0, le=65_535, description="Port of its REST face; 0 = any free one.")


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
    exchange: ExchangeProfile | None = Field(None, description="Needed by sim accounts.")

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
        for check in (_names_once, _no_real_money_beside_play, _sim_has_exchange, _strategies_fit):
            check(self)
        return self

    def account(self, name: str) -> AccountProfile:
        """Return an account by name; raise ``KeyError`` when there is none."""
        for account in self.accounts:
            if account.name == name:
                return account
        raise KeyError(name)

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
    for section in ("accounts", "strategies"):
        seen: set[str] = set()
        for index, one in enumerate(getattr(profile, section)):
            if one.name in seen:
                raise Misfit((section, index, "name"), one.name, f"a name of its own in {section}")
            seen.add(one.name)


def _no_real_money_beside_play(profile: Profile) -> None:
    real = profile.accounts[0].environment.is_real_money
    for index, account in enumerate(profile.accounts):
        if account.environment.is_real_money is not real:
            loc = ("accounts", index, "environment")
            expected = "live accounts in a profile of their own (real and play money never mix)"
            raise Misfit(loc, account.environment.value.lower(), expected)


def _sim_has_exchange(profile: Profile) -> None:
    for index, account in enumerate(profile.accounts):
        is_sim = account.environment is Environment.SIM
        if is_sim and profile.exchange is None:
            loc = ("accounts", index, "environment")
            raise Misfit(loc, "sim", "an [exchange] section in this profile")
        if is_sim != (account.keys == SIM_KEYS):
            expected = SIM_KEYS if is_sim else "env:PREFIX or nothing outside the simulation"
            raise Misfit(("accounts", index, "keys"), account.keys, expected)
        if is_sim and profile.exchange is not None:
            for place, symbol in enumerate(account.symbols):
                if symbol != profile.exchange.symbol:
                    raise Misfit(
                        ("accounts", index, "symbols", place),
                        symbol,
                        f"{profile.exchange.symbol}, the exchange's market",
                    )


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
