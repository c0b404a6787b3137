"""Recorded payloads as a later version of a venue may send them (SPEC §3, R13).

A venue adds fields and values of enumerations without notice. ``grown`` joins new fields to a
payload, ``renamed`` gives enumerations values that nobody has heard of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol

AT = 1_790_000_000 * 10**9


@dataclass(frozen=True)
class Case:
    """One recorded payload and the way it is read.

    Attributes:
        name: where it comes from.
        payload: the message as recorded.
        read: decodes it as the product does; what it returns is compared.
        enums: names of the fields that hold a value of an enumeration.
        maps: paths of objects whose keys are data (assets), where a new key is no new field.
    """

    name: str
    payload: Any
    read: Callable[[bytes], object]
    enums: frozenset[str] = frozenset()
    maps: frozenset[tuple[Any, ...]] = field(default_factory=frozenset)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
names = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0_", min_size=1, max_size=8).map("new".__add__)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every value of a payload with its path."""
    yield path, value
    parts = value.items() if isinstance(value, dict) else ()
    for key, part in parts or (enumerate(value) if isinstance(value, list) else ()):
        yield from places(part, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path."""
    for step in path:
        value = value[step]
    return value


@st.composite
def grown(draw: st.DrawFn, case: Case) -> bytes:
    """Return the payload with new fields in some of its objects, at any place among the others."""
    told = json.loads(json.dumps(case.payload))
    objects = [
        path for path, value in places(told) if isinstance(value, dict) and path not in case.maps
    ]
    for path in draw(st.lists(st.sampled_from(objects), max_size=4)) if objects else ():
        target = at(told, path)
        added = draw(st.dictionaries(names, values, min_size=1, max_size=3))
        if draw(st.booleans()):
            before = dict(target)
            target.clear()
            target.update({**added, **before})
        else:
            target.update({name: value for name, value in added.items() if name not in target})
    return written(told)


@st.composite
def renamed(draw: st.DrawFn, case: Case) -> bytes:
    """Return the payload with unheard-of values in some of its enumerations."""
    told = json.loads(json.dumps(case.payload))
    enums = [
        path for path, value in places(told) if path and path[-1] in case.enums and is_word(value)
    ]
    for path in draw(st.sets(st.sampled_from(enums), min_size=1, max_size=4)) if enums else ():
        at(told, path[:-1])[path[-1]] = draw(words)
    return written(told)


def is_word(value: object) -> bool:
    """Tell a word from a number in text: one letter may name either, by the message."""
    return isinstance(value, str) and not value.replace(".", "").replace("-", "").isdigit()


def written(value: object) -> bytes:
    """Write JSON the short way, as the venues do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def instruments_of(
    venue: str,
    payloads: list[Any],
    fields: tuple[str, ...],
    symbol_of: Callable[[str], tuple[Symbol, MarketKind]],
) -> Mapping[Symbol, Instrument]:
    """Return a market with a fine grid for every name in ``fields`` of the payloads.

    The examples of documents have invented prices that no grid of a real market holds.
    """
    found: dict[Symbol, Instrument] = {}
    for payload in payloads:
        for path, value in places(payload):
            if path and path[-1] in fields and isinstance(value, str) and value:
                symbol, kind = symbol_of(value)
                found[symbol] = Instrument(
                    venue=venue,
                    symbol=symbol,
                    kind=kind,
                    base=value[:3],
                    quote="USDT",
                    tick_size=Decimal("1E-8"),
                    lot_size=Decimal("1E-8"),
                    settle="USDT" if kind is MarketKind.PERP else "",
                )
    return found
