"""What a position has cost since it was opened, told fill by fill (backpack.md §11)."""

from __future__ import annotations

from decimal import Decimal

from obiterm.core.values import Side
from obiterm.exchange.backpack.costs import Cost
from obiterm.exchange.words import Fill


def fill(side: Side, lots: int, fee: str) -> Fill:
    return Fill(
        trade_id=1,
        order_id=1,
        account="main",
        symbol="SOL_USDC_PERP",
        side=side,
        client_id="1",
        price_ticks=15_000,
        lots=lots,
        quote=Decimal(0),
        fee=Decimal(fee),
        fee_asset="USDC",
        is_maker=False,
        time_ns=1,
    )


def test_every_fill_of_the_order_that_opened_counts() -> None:
    cost = Cost()
    cost.add(fill(Side.BUY, 5, "0.5"))
    cost.add(fill(Side.SELL, 5, "0.4"))
    cost.add(fill(Side.BUY, 1, "0.3"))
    cost.add(fill(Side.BUY, 2, "0.2"))
    assert (cost.lots, cost.fees) == (3, Decimal("0.5"))


def test_a_turn_through_zero_begins_anew_and_a_part_closed_does_not() -> None:
    cost = Cost()
    cost.add(fill(Side.BUY, 5, "0.5"))
    cost.funding = Decimal(1)
    cost.add(fill(Side.SELL, 2, "0.1"))
    assert (cost.fees, cost.funding) == (Decimal("0.6"), Decimal(1))
    cost.add(fill(Side.SELL, 7, "0.2"))
    cost.add(fill(Side.SELL, 1, "0.1"))
    assert (cost.lots, cost.fees, cost.funding) == (-5, Decimal("0.3"), Decimal(0))
