"""Write the reference pages from the code: commands, keys, configuration, refusals, strategies.

``python -m obiterm.cli.reference docs/reference`` writes them; a test fails when the
pages in the documentation differ from what the code says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from obiterm.cli.main import make_parser
from obiterm.config.models import (
    AccountProfile,
    ExchangeProfile,
    Profile,
    StrategyProfile,
)
from obiterm.config.settings import Settings
from obiterm.core.limits import RiskLimits
from obiterm.core.values import RefusalKind
from obiterm.strategies.registry import OWN
from obiterm.venues.backpack.refusals import REFUSALS as BACKPACK
from obiterm.venues.binance.futures.refusals import REFUSALS as BINANCE_FUTURES
from obiterm.venues.binance.refusals import REFUSALS as BINANCE
from obiterm.venues.bybit.refusals import REFUSALS as BYBIT
from obiterm.venues.common.refusals import Refusal

_NOTE = "<!-- Written from the code by `make docs`; edits here are lost. -->\n"
_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Profile", "top of the file", Profile),
    ("Accounts", "`[[accounts]]`", AccountProfile),
    ("Limits of an account", "`[accounts.limits]`", RiskLimits),
    ("Strategies", "`[[strategies]]`", StrategyProfile),
    ("Simulated exchanges", "`[[exchanges]]`", ExchangeProfile),
)


_REFUSALS: tuple[tuple[str, tuple[Refusal, ...]], ...] = (
    ("Backpack", BACKPACK),
    ("Binance spot", BINANCE),
    ("Binance futures", BINANCE_FUTURES),
    ("Bybit", BYBIT),
)
_KINDS = {
    RefusalKind.ORDER: "",
    RefusalKind.WOULD_TAKE: "re-price",
    RefusalKind.TOO_SMALL: "too small",
    RefusalKind.LATER: "later",
    RefusalKind.SELF_TRADE: "self-trade",
}


def pages() -> dict[str, str]:
    """Return every reference page by file name."""
    return {
        "commands.md": _commands(),
        "keys.md": _keys(),
        "configuration.md": _configuration(),
        "refusals.md": _refusals(),
        "strategies.md": _strategies(),
    }


def main(folder: Path) -> None:
    """Write the pages into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def _commands() -> str:
    parts = [_NOTE, "# Commands\n", "Exit codes: 0 done, 1 failed, 2 usage or configuration.\n"]
    for name, parser in _parsers(make_parser(), "obiterm"):
        about = parser.description or parser_help(name) or ""
        parts.append(f"## `{name}`\n\n{about.strip()}\n")
        rows = [
            (_flags(action), (action.help or "").replace("%(default)s", str(action.default)))
            for action in parser._actions
            if action.help != argparse.SUPPRESS
            and not isinstance(action, argparse._SubParsersAction)
            and action.dest != "help"
        ]
        if rows:
            parts.append(_table(("option", "meaning"), rows))
    return "\n".join(parts)


def parser_help(name: str) -> str:
    """Return the one-line help of a command by its full name."""
    return _HELP.get(name, "")


_HELP: dict[str, str] = {}


def _parsers(
    parser: argparse.ArgumentParser, name: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                _HELP[f"{name} {choice.dest}"] = choice.help or ""
            for word, child in action.choices.items():
                yield from _parsers(child, f"{name} {word}")


def _flags(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = ""
    if action.nargs != 0:
        value = " " + (
            str(action.metavar)
            if action.metavar
            else "|".join(map(str, action.choices))
            if action.choices
            else action.dest.upper()
        )
    return "`" + ", ".join(action.option_strings) + value.replace("|", "\\|") + "`"


def _keys() -> str:
    from obiterm.ui.actions import reference_rows  # the only command page that needs the screen

    parts = [
        _NOTE,
        "# Keys\n",
        "The names in the third column are what `keymap` in `settings.toml` maps to other keys; "
        "a keymap that leaves a panic action without a key is refused.\n",
    ]
    heading = ""
    rows: list[tuple[str, ...]] = []
    for row in reference_rows():
        if row.area != heading:
            if rows:
                parts.append(_table(("keys", "does", "name", "notes"), rows))
            rows, heading = [], row.area
            parts.append(f"## {heading}\n")
        rows.append((f"`{row.keys}`", row.description, f"`{row.name}`", row.notes))
    parts.append(_table(("keys", "does", "name", "notes"), rows))
    return "\n".join(parts)


def _configuration() -> str:
    parts = [
        _NOTE,
        "# Configuration\n",
        "## Settings\n\n`settings.toml` in the configuration directory, for every profile.\n",
        _fields(Settings),
        "\n# Profiles\n",
        "A profile is a TOML file in `profiles/` of the configuration directory; the shipped ones "
        "are `demo` and `replay`.\n",
    ]
    for title, where, model in _SECTIONS:
        parts.append(f"## {title}\n\n{where}\n")
        parts.append(_fields(model))
    return "\n".join(parts)


def _strategies() -> str:
    parts = [_NOTE, "# Strategies\n", "Parameters stand in `[strategies.parameters]`.\n"]
    for kind, plugin in OWN.items():
        about = (plugin.strategy.__doc__ or "").strip()
        parts.append(f"## {kind}\n\n{about}\n")
        parts.append(_fields(plugin.parameters))
    return "\n".join(parts)


def _refusals() -> str:
    parts = [
        _NOTE,
        "# Refusals\n",
        "What a venue tells is always shown in its own words with its own code. What follows:\n",
        "- `retry`: nothing happened, the same may be asked later.\n"
        "- `refuse`: the venue said no; not repeated unchanged. A code that is not listed is "
        "`refuse`.\n"
        "- `unknown`: the venue may have acted; it is asked by client id before anything else, and "
        "nothing is sent under a new id.\n"
        "- `stop`: key, permission or address; the account stops and says what to do.\n"
        "- `success`: it is so already.\n",
        "The last column is what a strategy is told about a refused order beyond that.\n",
    ]
    for venue, rows in _REFUSALS:
        parts.append(f"## {venue}\n")
        parts.append(
            _table(
                ("told", "means", "leads to", "order"),
                [
                    (
                        _told(row),
                        row.meaning,
                        row.verdict.value if row.verdict is not None else "success",
                        _KINDS[row.kind],
                    )
                    for row in rows
                ],
            )
        )
    return "\n".join(parts)


def _told(row: Refusal) -> str:
    words = f' "{row.words}"' if row.words else ""
    if row.codes:
        return " ".join(f"`{code}`" for code in row.codes) + words
    statuses = [str(status) for status in row.statuses if status]
    no_answer = ["no answer"] if 0 in row.statuses else []
    http = ["HTTP " + " ".join(statuses)] if statuses else []
    return ", ".join(no_answer + http) + words


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (f"`{field.alias or name}`", _default(field), _bounds(field), field.description or "")
        for name, field in model.model_fields.items()
        if not field.exclude
    ]
    return _table(("key", "default", "bounds", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return ""
    return f"`{value}`" if value not in ("", None) else ""


_SIGNS = (
    (annotated_types.Ge, "≥", "ge"),
    (annotated_types.Gt, ">", "gt"),
    (annotated_types.Le, "≤", "le"),
    (annotated_types.Lt, "<", "lt"),
)


def _bounds(field: FieldInfo) -> str:
    words = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for kind, sign, name in _SIGNS
        if isinstance(rule, kind)
    ]
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        words.append(", ".join(choices))
    return ", ".join(words)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
