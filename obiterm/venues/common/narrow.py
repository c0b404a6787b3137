"""Decoders that know one instrument: decimals become floats, what is not exact is refused.

A venue room describes a message once with plain ``float`` fields; ``narrowed`` makes the
decoder of one instrument from it, whose fields admit only non-negative numbers that the
float way of ``Scale`` turns into exact ticks and lots.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from obiterm.venues.common.scale import Scale


def exact_floats(scale: Scale) -> tuple[Any, Any]:
    """Return the types of a price and of a quantity."""
    return (
        Annotated[float, msgspec.Meta(ge=0, lt=scale.price_limit)],
        Annotated[float, msgspec.Meta(ge=0, lt=scale.quantity_limit)],
    )


def exact_levels(scale: Scale) -> Any:
    """Return the type of one side of a book."""
    price, quantity = exact_floats(scale)
    return list[tuple[price, quantity]]  # type: ignore[valid-type]


def narrowed(message: type[msgspec.Struct], types: dict[str, Any]) -> type[msgspec.Struct]:
    """Return ``message`` with the types of some fields replaced."""
    fields: list[tuple[str, Any, Any]] = [
        (field.name, types.get(field.name, field.type), _same(field))
        for field in msgspec.structs.fields(message)
    ]
    return msgspec.defstruct(message.__name__, fields, frozen=True, gc=False)


def _same(field: msgspec.structs.FieldInfo) -> Any:
    """Return the wire name and default of a field."""
    if field.default is not msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name, default=field.default)
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name, default_factory=field.default_factory)
    return msgspec.field(name=field.encode_name)
