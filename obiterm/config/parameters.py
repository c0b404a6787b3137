"""Checks a strategy's parameters against the strategy's own model."""

from __future__ import annotations

from collections.abc import Mapping

from obiterm.config.explain import Loc, nearest, place, spell, validate
from obiterm.config.markets import market_kind
from obiterm.config.models import Profile, StrategyProfile
from obiterm.core.errors import ConfigError
from obiterm.core.instruments import Instrument
from obiterm.core.values import Symbol
from obiterm.strategies.registry import build_strategy, find_strategy, strategy_kinds


def check_parameters(
    strategy: StrategyProfile, *, venue: str = "", where: str, text: str, at: Loc
) -> None:
    """Check kind and parameters of an instance that stands at ``at`` in a profile's text.

    ``venue`` is where it trades, if that is known: with the symbol it says spot or perpetual.

    Raises:
        ConfigError: names the line, the field, the value and its bounds.
    """
    try:
        model = find_strategy(strategy.kind).parameters
    except ConfigError as error:
        loc = (*at, "kind")
        hint = nearest(strategy.kind, strategy_kinds())
        raise ConfigError(
            spell(loc), strategy.kind, error.expected, where=place(where, text, loc), hint=hint
        ) from error
    checked = validate(model, strategy.parameters, where=where, text=text, at=(*at, "parameters"))
    if venue:
        try:
            checked.check_kind(market_kind(venue, strategy.symbol))
        except ConfigError as error:
            raise _named(error, where, text, at) from error


def check_on_instruments(
    profile: Profile, account: str, instruments: Mapping[Symbol, Instrument]
) -> None:
    """Check what only the venue's listing tells, e.g. that a size is large enough.

    Raises:
        ConfigError: names the profile, the line and the field.
    """
    for index, strategy in enumerate(profile.strategies):
        instrument = instruments.get(Symbol(strategy.symbol))
        if strategy.account != account or instrument is None:
            continue
        try:
            build_strategy(strategy.kind, strategy.parameters, instrument)
        except ConfigError as error:
            try:
                text = profile.source.read_text(encoding="utf-8")
            except OSError:  # it was removed meanwhile: the field is told without its line
                text = ""
            raise _named(error, str(profile.source), text, ("strategies", index)) from error


def _named(error: ConfigError, where: str, text: str, at: Loc) -> ConfigError:
    """Return a strategy's complaint about a parameter as one about the profile."""
    loc = (*at, "parameters", error.field)
    return ConfigError(
        spell(loc), error.value, error.expected, where=place(where, text, loc), hint=error.hint
    )
