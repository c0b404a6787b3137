"""From a validation failure to one sentence: file, line, field, value, what was expected."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from obiterm.core.errors import ConfigError

Loc = tuple[int | str, ...]
_SECRET = re.compile(r"key(?!map)|secret|token|pass", re.IGNORECASE)
Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Return a TOML file as a table and as text; raise ``ConfigError`` if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError("file", str(path), f"a readable TOML file: {reason}") from error
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("syntax", str(error), "valid TOML", where=str(path)) from error


def validate(
    model: type[Model], table: object, *, where: str, text: str = "", at: Loc = ()
) -> Model:
    """Return ``model`` made from a table; raise ``ConfigError`` about its first fault.

    ``at`` is where the table stands in the file's text.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise explain(error, model, where=where, text=text, at=at) from None


def explain(
    error: ValidationError, model: type[BaseModel], *, where: str, text: str = "", at: Loc = ()
) -> ConfigError:
    """Turn a validation failure into the sentence that a user needs."""
    faults = _own_faults(error)
    fault = faults[0]
    loc = fault["loc"]
    owner, field = _locate(model, loc)
    hint = ""
    value = fault["input"]
    match fault["type"]:
        case "extra_forbidden":
            known = _keys(owner)
            expected = "no such key"
            hint = nearest(str(loc[-1]), known)
        case "missing":
            value, expected = None, "a value"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            expected = bounds(field) or _plain(fault["msg"])
        case "value_error" if isinstance(value, dict):
            # a rule between fields: its sentence starts with the field to mend
            expected = f"values that fit together: {_plain(fault['msg'])}"
            named = _plain(fault["msg"]).split(maxsplit=1)[0]
            if named in value:
                loc, value = (*loc, named), value[named]
        case _:
            expected = _plain(fault["msg"])
    if not hint and field is not None and field.description:
        hint = field.description.removesuffix(".")
    if len(faults) > 1:
        hint = f"{hint}; {len(faults) - 1} more to mend".removeprefix("; ")
    full = (*at, *loc)
    return ConfigError(
        spell(full), _shown(loc, value), expected, where=place(where, text, full), hint=hint
    )


def _own_faults(error: ValidationError) -> list[ErrorDetails]:
    """Return the faults without those that only follow from a fault deeper inside."""
    faults = error.errors(include_url=False)
    return [
        fault
        for fault in faults
        if not any(
            len(other["loc"]) > len(fault["loc"])
            and other["loc"][: len(fault["loc"])] == fault["loc"]
            for other in faults
        )
    ]


def _shown(loc: Loc, value: object) -> object:
    """Return the value, or a mask where somebody may have written a key or a secret."""
    is_secret = any(_SECRET.search(part) for part in loc if isinstance(part, str))
    return "(not shown)" if is_secret and value is not None else value


def place(where: str, text: str, loc: Loc) -> str:
    """Return the file with the line where ``loc`` stands, if it is found."""
    line = toml_line(text, loc)
    return f"{where}, line {line}" if line else where


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word most like ``word``, or all of them."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(words))}"


def bounds(field: FieldInfo | None) -> str:
    """Return the bounds of a number field in words; empty when it has none."""
    low = high = ""
    for rule in field.metadata if field is not None else ():
        match rule:
            case annotated_types.Ge(ge):
                low = f"at least {ge}"
            case annotated_types.Gt(gt):
                low = f"more than {gt}"
            case annotated_types.Le(le):
                high = f"at most {le}"
            case annotated_types.Lt(lt):
                high = f"less than {lt}"
            case _:
                pass
    return " and ".join(part for part in (low, high) if part)


def spell(loc: Loc) -> str:
    """Write a place in a file as ``accounts[0].limits.max_open_orders``."""
    spelled = ""
    for part in loc:
        if isinstance(part, int):
            spelled += f"[{part}]"
        else:
            spelled += f".{part}" if spelled else part
    return spelled


def toml_line(text: str, loc: Loc) -> int:
    """Return the line of the last part of ``loc`` that the text has; 0 when none is found.

    It reads headers and ``key =`` lines, which is how profiles are written; for values in
    inline tables it gives the line of the table.
    """
    here: Loc = ()
    counts: dict[Loc, int] = {}
    best, best_length = 0, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            here = _resolve(header[2].split("."), counts, array=header[1] == "[[")
            found = here
        elif key := re.match(r"\s*([A-Za-z0-9_.\-]+|\"[^\"]*\"|'[^']*')\s*=", line):
            found = (*here, *(part.strip("\"'") for part in key[1].split(".")))
        else:
            continue
        if len(found) > best_length and loc[: len(found)] == found:
            best, best_length = number, len(found)
    return best


def _resolve(parts: Sequence[str], counts: dict[Loc, int], *, array: bool) -> Loc:
    loc: Loc = ()
    for index, part in enumerate(parts):
        loc = (*loc, part.strip().strip("\"'"))
        if array and index == len(parts) - 1:
            counts[loc] = counts.get(loc, -1) + 1
        if loc in counts:
            loc = (*loc, counts[loc])
    return loc


def _locate(model: type[BaseModel], loc: Loc) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in loc:
        if isinstance(part, int):
            continue
        if field is not None:
            owner = _model_in(field.annotation)
        field = _field(owner, part)
    return owner, field


def _field(owner: type[BaseModel] | None, name: str) -> FieldInfo | None:
    if owner is None:
        return None
    for key, field in owner.model_fields.items():
        if name in (key, field.alias):
            return field
    return None


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, list, tuple, dict):
        for argument in get_args(annotation):
            if (found := _model_in(argument)) is not None:
                return found
    return None


def _keys(owner: type[BaseModel] | None) -> list[str]:
    if owner is None:
        return []
    return [field.alias or name for name, field in owner.model_fields.items() if not field.exclude]


def _plain(message: str) -> str:
    return message.removeprefix("Input should be ").removeprefix("Value error, ")
