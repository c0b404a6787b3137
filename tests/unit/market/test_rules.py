"""Which sequence rule the book of a market follows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obiterm.core.instruments import Instrument
from obiterm.core.values import MarketKind, Symbol
from obiterm.market.book import SequenceRule
from obiterm.market.state import MarketState

SPOT, PERP = MarketKind.SPOT, MarketKind.PERP


def market(venue: str, kind: MarketKind) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=Symbol("BTCUSDT"),
        kind=kind,
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
    )


@pytest.mark.parametrize(
    ("venue", "kind", "rule"),
    [
        ("binance", SPOT, SequenceRule.BINANCE_SPOT),
        ("binance", PERP, SequenceRule.BINANCE_FUTURES),
        ("binance-futures", PERP, SequenceRule.BINANCE_FUTURES),
        ("bybit", SPOT, SequenceRule.BYBIT),
        ("bybit", PERP, SequenceRule.BYBIT),
        ("backpack", SPOT, SequenceRule.BINANCE_SPOT),
        ("backpack", PERP, SequenceRule.BINANCE_SPOT),
    ],
)
def test_every_market_follows_its_venues_numbers(
    venue: str, kind: MarketKind, rule: SequenceRule
) -> None:
    instrument = market(venue, kind)
    assert SequenceRule.of(instrument) is rule
    book = MarketState(instrument.symbol, instrument).book
    assert book.snapshots_in_stream is (rule is SequenceRule.BYBIT)


def test_a_market_of_an_unknown_venue_has_no_rule() -> None:
    with pytest.raises(ValueError, match="BTCUSDT: no sequence rule for PERP of venue 'kraken'"):
        SequenceRule.of(market("kraken", PERP))
