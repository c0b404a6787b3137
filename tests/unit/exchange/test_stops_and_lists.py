"""Orders that wait: stops, take profits, and lists of which one leg cancels the other."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from obiterm.core.values import Side
from obiterm.exchange.api import (
    Kind,
    ListUpdate,
    Order,
    OrderUpdate,
    Refusal,
    Status,
    Why,
)

from .conftest import SPEC, SYMBOL, Floor

# -- stops ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "print_at"),
    [
        (Side.SELL, Kind.STOP_MARKET, 5_999_000, 5_998_990),
        (Side.BUY, Kind.STOP_MARKET, 6_000_050, 6_000_050),
        (Side.SELL, Kind.TAKE_PROFIT_MARKET, 6_000_050, 6_000_060),
        (Side.BUY, Kind.TAKE_PROFIT_MARKET, 5_999_000, 5_999_000),
    ],
)
def test_conditional_market_orders_wait_for_the_last_price(
    market_floor: Floor, side: Side, kind: Kind, trigger: int, print_at: int
) -> None:
    order = market_floor.place(side, kind, lots=500, trigger_ticks=trigger)
    assert (order.status, order.working_ns) == (Status.NEW, -1)
    assert market_floor.balance("BTC" if side is Side.SELL else "USDT")[1] > 0
    if print_at < 6_000_000:
        market_floor.quote(Side.BUY, print_at, 1)
        market_floor.hit(Side.SELL, print_at, 10_000_000)
        market_floor.quote(Side.BUY, print_at, 700)
    else:
        market_floor.hit(Side.BUY, print_at, 4_900)
        market_floor.hit(Side.BUY, print_at, 10_000)
    assert order.triggered
    assert order.working_ns == market_floor.now_ns
    assert order.status in (Status.FILLED, Status.EXPIRED)
    assert (order.status is Status.FILLED) == (order.filled_lots == 500)
    assert market_floor.balance("BTC")[1] == market_floor.balance("USDT")[1] == 0


@pytest.mark.parametrize(
    ("side", "kind", "trigger"),
    [
        (Side.SELL, Kind.STOP_MARKET, 6_000_000),
        (Side.BUY, Kind.STOP_LIMIT, 6_000_000),
        (Side.SELL, Kind.TAKE_PROFIT_LIMIT, 5_999_999),
        (Side.BUY, Kind.TAKE_PROFIT_MARKET, 6_000_001),
    ],
)
def test_a_trigger_already_past_is_refused(
    market_floor: Floor, side: Side, kind: Kind, trigger: int
) -> None:
    price = 0 if kind in (Kind.STOP_MARKET, Kind.TAKE_PROFIT_MARKET) else 6_000_000
    refusal = market_floor.refused(side, kind, lots=500, trigger_ticks=trigger, price_ticks=price)
    assert refusal.why is Why.WOULD_TRIGGER


def test_a_triggered_stop_limit_rests_at_its_limit(market_floor: Floor) -> None:
    order = market_floor.place(
        Side.SELL, Kind.STOP_LIMIT, lots=500, trigger_ticks=5_999_990, price_ticks=6_000_005
    )
    assert market_floor.venue.depth(SYMBOL, 1)[2][0][0] == 6_000_010
    market_floor.hit(Side.SELL, 5_999_990, 1)
    assert (order.status, order.triggered) == (Status.NEW, True)
    assert market_floor.venue.depth(SYMBOL, 1)[2][0] == (6_000_005, 500)


def test_a_stop_buy_takes_what_the_book_asks_above_its_trigger_from_free_funds(
    floor: Floor,
) -> None:
    floor.venue.add_account("poor", {"USDT": Decimal("600.1")})
    floor.around(lots=100)
    order = floor.place(
        Side.BUY, Kind.STOP_MARKET, account="poor", lots=1_000, trigger_ticks=6_000_010
    )
    assert floor.balance("USDT", "poor") == (Decimal("0.099"), Decimal("600.001"))
    floor.hit(Side.BUY, 6_000_010, 100)
    # Nine levels are left above the trigger: 900 lots, the money would do for them.
    assert (order.status, order.filled_lots) == (Status.EXPIRED, 900)
    free, locked = floor.balance("USDT", "poor")
    assert locked == 0
    assert free >= 0


def test_one_stop_may_set_off_the_next(market_floor: Floor) -> None:
    first = market_floor.place(Side.SELL, Kind.STOP_MARKET, lots=1_500, trigger_ticks=5_999_990)
    second = market_floor.place(Side.SELL, Kind.STOP_MARKET, lots=100, trigger_ticks=5_999_980)
    market_floor.hit(Side.SELL, 5_999_990, 1)
    assert first.status is Status.FILLED
    assert second.status is Status.FILLED
    assert second.filled_quote < Decimal(100) * Decimal("0.00001") * Decimal("59999.9")


@pytest.mark.parametrize("kind", [Kind.STOP_MARKET, Kind.STOP_LIMIT])
@pytest.mark.parametrize("side", list(Side))
def test_where_stops_lock_on_trigger_funds_are_looked_at_only_then(side: Side, kind: Kind) -> None:
    floor = Floor(msgspec.structs.replace(SPEC, locks_on_trigger=True))
    floor.around()
    ticks = 6_000_000 + 50 * side.sign
    price = ticks + 200 * side.sign if kind is Kind.STOP_LIMIT else 0
    # Ten coins, or a million in quote: one of these asks for more than that.
    small = floor.place(side, kind, lots=500, trigger_ticks=ticks, price_ticks=price)
    large = floor.place(side, kind, lots=1_700_000, trigger_ticks=ticks, price_ticks=price)
    assert floor.balance("BTC")[1] == floor.balance("USDT")[1] == 0
    floor.quote(side, ticks + 100 * side.sign, 1)
    floor.hit(side, ticks, 10_000)
    assert small.triggered
    assert small.filled_lots == 500
    if side is Side.SELL or kind is Kind.STOP_LIMIT:
        assert (large.status, large.expiry_reason) == (Status.REJECTED, "INSUFFICIENT_MARGIN")
    assert floor.balance("BTC")[1] == floor.balance("USDT")[1] == 0


# -- order lists ----------------------------------------------------------------


def bracket(floor: Floor, *, lots: int = 1_000) -> tuple[Order, Order]:
    """Place a sell bracket around 60,000 and return its legs."""
    order_list = floor.venue.place_oco(
        "a",
        floor.request(Side.SELL, Kind.LIMIT_MAKER, lots=lots, price_ticks=6_000_060),
        floor.request(Side.SELL, Kind.STOP_MARKET, lots=lots, trigger_ticks=5_999_960),
        "bracket",
        floor.now_ns,
    )
    above, below = (floor.venue.find_order("a", SYMBOL, order_id=i) for i in order_list.order_ids)
    return above, below


def test_a_list_locks_once(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal("0.01"))
    assert above.list_id == below.list_id > 0
    lists = [o for o in market_floor.venue.drain() if isinstance(o, ListUpdate)]
    assert [one.order_list.done for one in lists] == [False]


def test_a_buy_list_locks_the_larger_leg(market_floor: Floor) -> None:
    market_floor.venue.place_oco(
        "a",
        market_floor.request(
            Side.BUY, Kind.STOP_LIMIT, lots=1_000, trigger_ticks=6_000_050, price_ticks=6_000_070
        ),
        market_floor.request(Side.BUY, Kind.LIMIT_MAKER, lots=1_000, price_ticks=5_999_000),
        "buy",
        market_floor.now_ns,
    )
    assert market_floor.balance("USDT")[1] == Decimal("600.007")


def test_a_fill_of_the_profit_leg_expires_the_stop(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    market_floor.venue.drain()
    market_floor.hit(Side.BUY, 6_000_060, 6_000)
    market_floor.hit(Side.BUY, 6_000_060, 400)
    assert (above.status, above.filled_lots) == (Status.PARTIALLY_FILLED, 400)
    assert (below.status, below.expiry_reason) == (Status.EXPIRED, "OCO_TRIGGER")
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal("0.006"))
    market_floor.hit(Side.BUY, 6_000_060, 600)
    assert above.status is Status.FILLED
    assert market_floor.venue.order_list("a", above.list_id).done


def test_the_stop_expires_the_profit_leg(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    market_floor.venue.drain()
    market_floor.hit(Side.SELL, 5_999_960, 3_001)
    assert (below.status, above.status) == (Status.FILLED, Status.EXPIRED)
    assert market_floor.balance("BTC") == (Decimal("9.99"), Decimal(0))
    outputs = market_floor.venue.drain()
    done = [o.order_list.done for o in outputs if isinstance(o, ListUpdate)]
    assert done == [True]


def test_cancelling_one_leg_cancels_the_list(market_floor: Floor) -> None:
    above, below = bracket(market_floor)
    market_floor.venue.drain()
    market_floor.venue.cancel(
        "a", SYMBOL, market_floor.now_ns, order_id=below.order_id, cancel_client_id="bye"
    )
    assert (above.status, below.status) == (Status.CANCELED, Status.CANCELED)
    assert market_floor.balance("BTC") == (Decimal(10), Decimal(0))
    reports = [o for o in market_floor.venue.drain() if isinstance(o, OrderUpdate)]
    assert [(r.order.order_id, r.cancel_client_id) for r in reports] == [
        (below.order_id, "bye"),
        (above.order_id, ""),
    ]


@pytest.mark.parametrize(("profit", "stop"), [(5_999_999, 5_999_000), (6_000_100, 6_000_000)])
def test_a_list_on_the_wrong_side_of_the_price_is_refused(
    market_floor: Floor, profit: int, stop: int
) -> None:
    with pytest.raises(Refusal) as caught:
        market_floor.venue.place_oco(
            "a",
            market_floor.request(Side.SELL, Kind.LIMIT_MAKER, lots=1_000, price_ticks=profit),
            market_floor.request(Side.SELL, Kind.STOP_MARKET, lots=1_000, trigger_ticks=stop),
            "",
            market_floor.now_ns,
        )
    assert caught.value.why is Why.LIST_PRICES
    assert market_floor.balance("BTC") == (Decimal(10), Decimal(0))


def test_a_list_counts_both_legs_against_the_filters(floor: Floor) -> None:
    floor.around()
    for step in range(4):
        floor.place(Side.SELL, Kind.STOP_MARKET, lots=100, trigger_ticks=5_990_000 - step)
    with pytest.raises(Refusal) as caught:
        floor.venue.place_oco(
            "a",
            floor.request(
                Side.SELL,
                Kind.TAKE_PROFIT_LIMIT,
                lots=100,
                trigger_ticks=6_000_060,
                price_ticks=6_000_060,
            ),
            floor.request(Side.SELL, Kind.STOP_MARKET, lots=100, trigger_ticks=5_999_960),
            "",
            floor.now_ns,
        )
    assert (caught.value.why, caught.value.detail) == (Why.FILTER, "MAX_NUM_ALGO_ORDERS")
    assert len(floor.venue.open_orders("a")) == 4
