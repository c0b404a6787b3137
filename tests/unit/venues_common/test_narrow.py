"""Decoders of one instrument: the same message with bounded numbers."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.venues.common import Scale, exact_floats, exact_levels, narrowed


class Message(msgspec.Struct):
    price: float = msgspec.field(name="p")
    side: list[tuple[float, float]] = msgspec.field(name="s", default_factory=list)
    note: str | None = msgspec.field(default=None, name="n")


SCALE = Scale(
    Instrument(
        venue="any",
        symbol=Symbol("A"),
        kind=MarketKind.SPOT,
        base="A",
        quote="B",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.1"),
    )
)
PRICE, _ = exact_floats(SCALE)
DECODER = msgspec.json.Decoder(
    narrowed(Message, {"price": PRICE, "side": exact_levels(SCALE)}), strict=False
)


def test_names_and_defaults_stay() -> None:
    told = DECODER.decode(b'{"p":"1.5","new":[1]}')
    assert msgspec.structs.asdict(told) == {"price": 1.5, "side": [], "note": None}
    full = DECODER.decode(b'{"p":1,"s":[["2","3"]],"n":"x"}')
    assert msgspec.structs.astuple(full) == (1.0, [(2.0, 3.0)], "x")


@pytest.mark.parametrize("number", ['"-1"', '"1e300"', '"x"', '"Infinity"', "null"])
def test_what_is_not_exact_is_refused(number: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(f'{{"p":{number}}}'.encode())
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(f'{{"p":1,"s":[["1",{number}]]}}'.encode())
