"""Finding, reading and listing profiles.

A profile is a TOML file. The user's own ones (``profiles/`` in the configuration
directory) come before the shipped ones; a path to a file works as well.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from pydantic import ValidationError

from obiterm.config.explain import explain, nearest, place, read_toml, spell
from obiterm.config.markets import made_markets
from obiterm.config.models import (
    AccountProfile,
    ExchangeProfile,
    Misfit,
    OnDetach,
    Profile,
    StrategyProfile,
)
from obiterm.config.parameters import check_parameters
from obiterm.config.shipped import shipped_files
from obiterm.core.errors import ConfigError

__all__ = [
    "AccountProfile",
    "ExchangeProfile",
    "OnDetach",
    "Profile",
    "ProfileEntry",
    "StrategyProfile",
    "list_profiles",
    "load_profile",
]

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class ProfileEntry(msgspec.Struct, frozen=True):
    """One profile that could be started."""

    name: str
    path: Path
    title: str
    """Its own title, or what is wrong with it."""
    shipped: bool
    ok: bool


def load_profile(name_or_path: str | Path, *, user_dir: Path) -> Profile:
    """Read and check a profile.

    Args:
        name_or_path: a name, or a path (anything with ``/`` or ending in ``.toml``).
        user_dir: directory of the user's own profiles; it need not exist.

    Raises:
        ConfigError: names the file, the line, the field, the value and what was expected.
    """
    path = _find(str(name_or_path), user_dir)
    if not _FILE_NAME.fullmatch(path.stem):
        raise ConfigError("profile", path.stem, "a file name of letters, digits, - and _")
    table, text = read_toml(path)
    where = str(path)
    for own in ("name", "source"):
        if own in table:
            raise ConfigError(own, table[own], "no such key", where=place(where, text, (own,)))
    try:
        profile = Profile.model_validate({**table, "name": path.stem, "source": path})
    except ValidationError as error:
        raise _misfit(error, where, text) or explain(
            error, Profile, where=where, text=text
        ) from None
    venues = {account.name: account.venue for account in profile.accounts}
    for index, strategy in enumerate(profile.strategies):
        venue = venues.get(strategy.account, "")
        check_parameters(strategy, venue=venue, where=where, text=text, at=("strategies", index))
    for index, exchange in enumerate(profile.exchanges):
        _check_markets(exchange, index, where, text)
    exchanges = tuple(
        _find_capture(profile, index, where, text) for index in range(len(profile.exchanges))
    )
    return profile.model_copy(update={"exchanges": exchanges})


def list_profiles(user_dir: Path) -> list[ProfileEntry]:
    """Return every profile by name; a broken one says what is wrong in its title."""
    found = {name: (path, True) for name, path in shipped_files("profiles").items()}
    found |= {path.stem: (path, False) for path in sorted(user_dir.glob("*.toml"))}
    return [_entry(name, path, shipped) for name, (path, shipped) in sorted(found.items())]


def _entry(name: str, path: Path, shipped: bool) -> ProfileEntry:
    try:
        title = load_profile(path, user_dir=path.parent).title
    except ConfigError as error:
        return ProfileEntry(name, path, f"broken: {error}", shipped, ok=False)
    return ProfileEntry(name, path, title, shipped, ok=True)


def _find(name: str, user_dir: Path) -> Path:
    if "/" in name or name.endswith(".toml"):
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise ConfigError("profile", name, "an existing file")
        return path
    own = user_dir / f"{name}.toml"
    if own.is_file():
        return own
    shipped = shipped_files("profiles")
    if name in shipped:
        return shipped[name]
    known = {*shipped, *(path.stem for path in user_dir.glob("*.toml"))}
    raise ConfigError("profile", name, "the name of a profile", hint=nearest(name, known))


def _find_capture(profile: Profile, index: int, where: str, text: str) -> ExchangeProfile:
    exchange = profile.exchanges[index]
    if exchange.capture is None:
        return exchange
    capture = profile.source.parent / exchange.capture.expanduser()
    if not capture.is_file():
        loc = ("exchanges", index, "capture")
        value = str(exchange.capture)
        raise ConfigError(spell(loc), value, "an existing file", where=place(where, text, loc))
    return exchange.model_copy(update={"capture": capture})


def _check_markets(exchange: ExchangeProfile, index: int, where: str, text: str) -> None:
    """Raise ``ConfigError`` about a market that the simulated exchange cannot make."""
    if exchange.capture is not None:  # the recording says what it holds
        return
    known = made_markets(exchange.venue)
    for number, symbol in enumerate(exchange.symbols):
        if symbol not in known:
            loc = ("exchanges", index, "symbols", number)
            raise ConfigError(
                spell(loc),
                symbol,
                f"a market that the simulated exchange of {exchange.venue} makes",
                where=place(where, text, loc),
                hint=f"known: {', '.join(known)}",
            )


def _misfit(error: ValidationError, where: str, text: str) -> ConfigError | None:
    """Return the sentence for two parts that contradict each other, if that is the fault."""
    cause = error.errors(include_url=False)[0].get("ctx", {}).get("error")
    if not isinstance(cause, Misfit):
        return None
    return ConfigError(
        spell(cause.loc), cause.value, cause.expected, where=place(where, text, cause.loc)
    )
